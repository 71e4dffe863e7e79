"""Starting a model from a cache on disk: one process finds an empty folder and fills it, a
new process finds it full.

The CPU's cache (XNNPACK's) holds the packed weights, the GPU's (ML Drift's) the compiled kernels.
The interpreter and the Python interface that the timed runs use can name neither, so both starts
here go through LiteRT's C interface, and the first one, which also writes, is kept beside the
second: only these two may be compared, for a compiled model is not as ready as the one that is
timed. It counts as serialised where the cache was written and the second process is known to have
read it; otherwise what is known of the same process stays, with the reason.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.bench.contestant import WarmStart
from bokeh_tf.bench.host.timing_worker import SECOND_LOAD
from bokeh_tf.bench.results.measurement import SERIALISED, StartCache
from bokeh_tf.errors import BokehError
from bokeh_tf.paths import is_file
from bokeh_tf.processes import DONE, ask_module

_WORKER = "bokeh_tf.bench.host.start_worker"
_PRECISIONS = {"default": 0, "float32": 2}
_MODEL_KEY = "model"
# Only this line is a hit: "Initializing … from serialized data" also stands in the log of a
# start that finds nothing.
_GPU_HIT = "Initialized InferenceContext from serialized data"
_HOW = "a new process, from {what} on disk; LiteRT's compiled model, which {lacks}"


@dataclass(frozen=True)
class Start:
    """What the child process is told: `options` makes the runtime's options
    (TOML) for a cache folder.

    `what` is in the cache, and `lacks` says what the compiled model has not done yet that the timed
    one has. The runtime takes a text between quotes as it stands, without escapes. `hit` is in the
    log where the cache was read; "" where the log does not tell, and the runtime instead writes
    anew whatever it cannot use.
    """

    accelerator: str
    identifier: str
    options: Callable[[Path], str]
    what: str
    lacks: str
    hit: str = ""


class NoCacheError(BokehError):
    """Why a start was not from a cache."""


def cpu_start(*, threads: int) -> Start:
    """XNNPACK's start, from its packed weights."""

    def options(folder):
        return f'num_threads = {threads}\nweight_cache_file_path = "{folder / "weights.xnnpack"}"\n'

    return Start(
        "cpu", "xnnpack", options, "XNNPACK's packed weights", "takes its memory in the first run"
    )


def gpu_start(*, precision: str) -> Start:
    """ML Drift's start, from its compiled kernels; `precision` as in `GpuSetting`."""

    def options(folder):
        return (
            f'precision = {_PRECISIONS[precision]}\nserialization_dir = "{folder}"\n'
            f'model_cache_key = "{_MODEL_KEY}"\nserialize_program_cache = true\n'
        )

    return Start(
        "gpu",
        "gpu_options",
        options,
        "the delegate's compiled kernels",
        "has no buffers yet",
        _GPU_HIT,
    )


def measure_start(model: Path, start: Start, *, timeout_s: float) -> WarmStart:
    """The start from a cache on disk.

    Args:
        timeout_s: for each of the two processes.

    Raises:
        NoCacheError: nothing is known of one.
    """
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_start_") as folder:
        try:
            return _measure(model, start, Path(folder), timeout_s)
        except OSError as error:
            raise NoCacheError(f"{error.strerror}") from error


def not_serialised(reason: str) -> str:
    """What `warm_init_how` says of a second load in the same process, where no
    cache on disk could be had.
    """
    return f"{SECOND_LOAD}; from no cache on disk: {reason}"


def _measure(model, start, folder, timeout_s):
    cache = folder / "cache"
    cache.mkdir()
    cold_ns, _ = _load(model, start, cache, timeout_s)
    written = _files(cache)
    if not any(size_bytes for _, size_bytes, _ in written):
        raise NoCacheError("the runtime wrote none for this model")
    warm_ns, log = _load(model, start, cache, timeout_s)
    if (start.hit not in log) if start.hit else (_files(cache) != written):
        raise NoCacheError("the runtime did not use the one that it had written")
    size_bytes = sum(size_bytes for _, size_bytes, _ in written)
    return WarmStart(
        warm_init_ns=warm_ns,
        warm_init_kind=SERIALISED,
        warm_init_how=_HOW.format(what=start.what, lacks=start.lacks),
        cache=StartCache(size_bytes=size_bytes, cold_init_ns=cold_ns, was_read=True),
    )


def _load(model, start, cache, timeout_s):
    """(nanoseconds, log) of a start in a process of its own."""
    request = {
        "model": str(model),
        "accelerator": start.accelerator,
        "identifier": start.identifier,
        "options": start.options(cache),
    }
    answer = ask_module(_WORKER, cache.parent, request=request, timeout_s=timeout_s)
    if answer.child.timed_out:
        raise NoCacheError(f"its process did not end within {timeout_s:g} s")
    if answer.child.signal_name:
        raise NoCacheError(f"its process was ended by {answer.child.signal_name}")
    if answer.error_kind:
        raise NoCacheError(answer.message)
    if answer.stage != DONE:
        raise NoCacheError("its process gave no answer")
    return answer.content["init_ns"], answer.child.stderr


def _files(folder):
    """(name, bytes, time of the last change in nanoseconds) of every file."""
    found = ((path, path.stat()) for path in sorted(folder.rglob("*")) if is_file(path))
    return [(path.name, status.st_size, status.st_mtime_ns) for path, status in found]
