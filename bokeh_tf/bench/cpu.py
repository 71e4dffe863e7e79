"""CPU time of `.tflite` files with the LiteRT interpreter and its XNNPACK kernels.

Timed is one `invoke`, as the runtime's own benchmark tool does: the inputs are already in the
model's memory and the outputs stay there. Inputs are random in [0, 1) where they are float, else zeros.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bokeh_tf.bench.environment import find_environment_doubts, read_environment
from bokeh_tf.bench.result import Result, make_measurement, utc_now
from bokeh_tf.bench.sampling import Contender, ignore, sample_interleaved
from bokeh_tf.tflite.reading import read_file
from bokeh_tf.tflite.runtime import load, verify_loads

BACKEND = "litert-xnnpack"


def bench_cpu(*paths, threads=(1, 2), rounds=10, on_round=ignore, seed=0):
    """Times every file at every thread count in one interleaved run and returns the `Result`.

    Args:
        paths: `.tflite` files; each is first run once in a child process, so a damaged one cannot take this one down.
        threads: thread counts.
        rounds: how often each file at each thread count has its turn; below 5 the result is stamped unstable.
        on_round: called after each round, to show progress.

    Raises:
        ModelFileError: a file is missing, damaged, or cannot run on the CPU.
    """
    if not paths or not threads or min(threads) < 1:
        raise ValueError(f"Needs a file and positive thread counts. Received: {len(paths)} files, threads={threads}")
    contents = [_read_verified(path) for path in paths]
    environment, created_utc = read_environment(), utc_now()
    models = [
        _Model(name, Path(path).name, content, count, *open_model(content, threads=count, seed=seed))
        for name, path, content in zip(_names(paths), paths, contents, strict=True)
        for count in dict.fromkeys(threads)
    ]
    contenders = [Contender(model.label, model.invoke) for model in models]
    samples = sample_interleaved(contenders, rounds=rounds, on_round=on_round)
    measurements = tuple(_measurement(model, times) for model, times in zip(models, samples, strict=True))
    doubts = find_environment_doubts(environment, threads=max(threads))
    return Result(created_utc, environment, doubts, measurements)


@dataclass(frozen=True)
class _Model:
    """A file loaded for one thread count."""

    name: str
    file_name: str
    content: bytes
    threads: int
    invoke: Callable[[], None]
    load_ns: int

    @property
    def label(self):
        return f"{self.name}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def _measurement(model, samples):
    return make_measurement(
        model.label,
        samples,
        backend=BACKEND,
        threads=model.threads,
        model=model.file_name,
        model_sha256=hashlib.sha256(model.content).hexdigest(),
        load_ns=model.load_ns,
    )


def open_model(content, *, threads, inputs=None, seed=0):
    """Loads a trusted model and gives it its inputs, ready to be timed.

    Args:
        content: bytes of the `.tflite`.
        inputs: arrays in the file's order, default random ones from `seed`.

    Returns:
        A function that runs the model once, and how long loading took in nanoseconds.
    """
    start_ns = time.perf_counter_ns()
    runner = load(content, threads=threads)
    load_ns = time.perf_counter_ns() - start_ns
    random = np.random.default_rng(seed)
    runner.set_inputs(*([_random_input(spec, random) for spec in runner.inputs] if inputs is None else inputs))
    return runner.invoke, load_ns


def _random_input(spec, random):
    if np.issubdtype(spec.dtype, np.floating):
        return random.random(spec.shape).astype(spec.dtype)
    return np.zeros(spec.shape, spec.dtype)


def _read_verified(path):
    verify_loads(path)
    return read_file(path)


def _names(paths):
    """A distinct name per path: its stem, numbered where another file has the same."""
    stems = [Path(path).stem for path in paths]
    seen, total = Counter(), Counter(stems)
    names = []
    for stem in stems:
        seen[stem] += 1
        names.append(stem if total[stem] == 1 else f"{stem} #{seen[stem]}")
    return names
