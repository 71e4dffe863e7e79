"""The two programs called benchmark_model: telling them apart by their help, and the
flags that each understands.

The classic TFLite program and LiteRT's have a name and most of their output in common, not
their flags, and both run on after a flag that they do not know. So `fingerprint` reads
which flags a binary has from what `--help` prints (it exits with a failure, which is no
reason to worry), `arguments` uses those alone, and `check_flags` refuses a run whose log
names a flag that was not understood.

Backends: "cpu" (with XNNPACK), "gpu" (the OpenCL kernels, which are what a phone should
    use), "opengl", "webgpu",
"nnapi". Precisions: "fp16" and "fp32", of the arithmetic; "cpu" has "fp32" alone, except
where XNNPACK can be forced.
"""

import enum
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bokeh_tf.bench.benchmark_model.log import BenchmarkLog
from bokeh_tf.errors import CheckError

BACKENDS = ("cpu", "gpu", "opengl", "webgpu", "nnapi")
PRECISIONS = ("fp16", "fp32")

# "<tab>--num_runs=50   <tab>int32<tab>optional<tab>expected number of runs", default
# and padding as they come.
_FLAG = re.compile(
    r"^[\sA-Z:]*--(?P<name>[A-Za-z][\w\-]*)=(?P<default>[^\t\n]*)\t\s*(?P<type>\w+)\s*\t",
    re.MULTILINE,
)
_ONLY_LITERT = ("use_cpu", "use_npu", "use_profiler")
_WEIGHT_CACHE = "xnnpack_weight_cache_file_path"
_DELEGATE_CACHE = ("delegate_serialize_dir", "gpu_serialization_dir")
_ONLY_CLASSIC = ("use_xnnpack", "enable_op_profiling", "use_nnapi", "use_hexagon")


class ProgramKind(enum.StrEnum):
    """Which of the two programs."""

    CLASSIC = "classic"
    LITERT = "litert"


@dataclass(frozen=True)
class Program:
    """One build of a program: `flags` maps each flag to its default, as text.

    `flags_sha256` is a digest of the flags' names and types, equal for two builds
    that take the same flags.
    """

    kind: ProgramKind
    flags: Mapping[str, str]
    flags_sha256: str

    def find(self, *names) -> str | None:
        """The first of `names` that this build has as a flag."""
        return next((name for name in names if name in self.flags), None)

    def can_cache(self, backend: str) -> bool:
        """Whether it can keep on disk what a start of this backend computes."""
        return self.find(*((_WEIGHT_CACHE,) if backend == "cpu" else _DELEGATE_CACHE)) is not None

    @property
    def can_save_outputs(self) -> bool:
        """Whether it can write what the model computed to a file."""
        return self.find("output_filepath") is not None


@dataclass(frozen=True)
class InputFile:
    """Values for one input: raw bytes of its type, in a file where the program runs."""

    name: str
    shape: tuple[int, ...]
    path: str


@dataclass(frozen=True)
class RunFiles:
    """Files of a run, as paths where the program runs; "" and () for none.

    `cache_folder` keeps compiled GPU kernels or XNNPACK's packed weights: the second run with one
    and the same starts warm. `cache_token` tells models apart in it.
    """

    inputs: tuple[InputFile, ...] = ()
    output: str = ""
    cache_folder: str = ""
    cache_token: str = field(default="")


NO_FILES = RunFiles()


def fingerprint(help_text: str) -> Program:
    """Which program printed this help, and its flags.

    Raises:
        CheckError: it is neither's help.
    """
    found = {}
    for match in _FLAG.finditer(help_text):
        found[match["name"]] = (match["default"].strip(), match["type"])
    names_and_types = "\n".join(
        sorted(f"{name} {type_name}" for name, (_, type_name) in found.items())
    )
    digest = hashlib.sha256(names_and_types.encode()).hexdigest()
    flags = {name: default for name, (default, _) in found.items()}
    is_litert, is_classic = ({*names} & {*flags} for names in (_ONLY_LITERT, _ONLY_CLASSIC))
    if "graph" in flags and (is_litert or is_classic):
        return Program(ProgramKind.LITERT if is_litert else ProgramKind.CLASSIC, flags, digest)
    printed = next((line.strip() for line in help_text.splitlines() if line.strip()), "nothing")
    raise CheckError(
        f"benchmark_model: --help is not that of a benchmark_model. It printed: {printed[:120]}"
    )


def arguments(
    program: Program,
    *,
    model: str,
    backend: str,
    precision: str,
    threads: int,
    runs: int,
    warmup_runs: int = 1,
    max_seconds: float = 150.0,
    require_full: bool = False,
    profile: bool = False,
    watch_memory: bool = False,
    accelerator: str = "",
    files: RunFiles = NO_FILES,
) -> list[str]:
    """The arguments, without the program itself, each understood by this build.

    Args:
        model: path of the `.tflite` where the program runs.
        runs: exactly so many measured runs, fewer only where they take longer than `max_seconds`.
        require_full: fail where any operator would run on the CPU. Not for "cpu".
        profile: per-operator tables, which disturb the times.
        watch_memory: report the peak of memory; a thread of the program looks every 50 ms,
            which disturbs short times.
        accelerator: NNAPI's name of the device to use; its CPU reference is never wanted.

    Raises:
        CheckError: this build cannot do what is asked.
    """
    _check(backend, precision, accelerator)
    _check_counts(threads, runs, warmup_runs)
    flags = _Flags(program)
    flags.put(model, "graph")
    counts = {
        "num_runs": runs,
        "warmup_runs": warmup_runs,
        "num_threads": threads,
        "max_secs": max_seconds,
    }
    # Without these it goes on after the runs asked for until a second has passed.
    for name, value in (counts | {"min_secs": 0, "warmup_min_secs": 0}).items():
        flags.put(value, name)
    _put_backend(flags, backend, precision, accelerator)
    flags.put_if(require_full and backend != "cpu", "require_full_delegation")
    flags.put_if(profile, "enable_op_profiling", "use_profiler")
    flags.put_if(watch_memory, "report_peak_memory_footprint")
    _put_files(flags, files)
    _put_cache(flags, files, backend)
    return flags.arguments


def check_flags(log: BenchmarkLog) -> None:
    """Raises `CheckError` where the program did not understand a flag, and
    so measured something else.
    """
    if log.unconsumed_flags:
        names = ", ".join(log.unconsumed_flags)
        raise CheckError(
            f"benchmark_model: does not know {names}, and measured without. "
            "The binary is another than the one whose --help was read; read it again."
        )


def _check(backend, precision, accelerator):
    if backend not in BACKENDS:
        raise ValueError(
            f"a backend of benchmark_model. Received: {backend!r}. Known: {', '.join(BACKENDS)}."
        )
    if precision not in PRECISIONS:
        raise ValueError(f"a precision. Received: {precision!r}. Known: {', '.join(PRECISIONS)}.")
    if accelerator and backend != "nnapi":
        raise ValueError(
            f"accelerator is NNAPI's. Received: {accelerator!r} with backend {backend!r}."
        )


def _check_counts(threads, runs, warmup_runs):
    if threads < 1 or runs < 1 or warmup_runs < 0:
        received = f"threads={threads}, runs={runs}, warmup_runs={warmup_runs}"
        raise ValueError(
            f"threads and runs must be positive, warm-up runs not negative. Received: {received}."
        )


class _Flags:
    """Arguments in the making; refuses flags that the program does not have."""

    def __init__(self, program):
        self.program = program
        self.arguments: list[str] = []

    def put(self, value, *names):
        """Sets the first flag of `names` that the program has."""
        name = self.program.find(*names)
        if name is None:
            raise CheckError(
                f"benchmark_model: this build ({self.program.kind}) has no --{names[0]}, which is"
                " needed here. "
                "Use another build, or ask for something else."
            )
        self.arguments.append(f"--{name}={_text(value)}")

    def put_if(self, is_wanted, *names):
        """Switches the first flag of `names` on, where it is wanted."""
        if is_wanted:
            self.put(True, *names)

    def put_if_known(self, value, *names):
        """The same where the program has one of them."""
        if self.program.find(*names):
            self.put(value, *names)


def _text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _put_backend(flags, backend, precision, accelerator):
    if flags.program.kind is ProgramKind.LITERT:
        _put_litert_backend(flags, backend, precision)
    elif backend == "cpu":
        # Said outright, so that the log says what came of it.
        flags.put(True, "use_xnnpack")
        flags.put_if(precision == "fp16", "xnnpack_force_fp16")
    elif backend == "nnapi":
        flags.put(True, "use_nnapi")
        flags.put_if_known(True, "disable_nnapi_cpu")
        flags.put(precision == "fp16", "nnapi_allow_fp16")
        if accelerator:
            flags.put(accelerator, "nnapi_accelerator_name")
    else:
        flags.put(True, "use_gpu")
        flags.put(precision == "fp16", "gpu_precision_loss_allowed")
        # Without it the delegate turns to OpenGL where OpenCL fails.
        flags.put(
            {"gpu": "cl", "opengl": "gl", "webgpu": "webgpu"}[backend],
            _classic_gpu_backend(backend),
        )


def _classic_gpu_backend(backend):
    if backend == "webgpu":
        raise CheckError("benchmark_model: the classic program has no WebGPU. Use LiteRT's.")
    return "gpu_backend"


def _put_litert_backend(flags, backend, precision):
    if backend == "nnapi":
        raise CheckError(
            "benchmark_model: LiteRT's program has no NNAPI. Use the classic TFLite program."
        )
    flags.put(backend == "cpu", "use_cpu")
    if backend == "cpu":
        if precision == "fp16":
            raise CheckError("benchmark_model: LiteRT's program has no half precision on the CPU.")
        return
    flags.put(True, "use_gpu")
    if flags.program.find("gpu-precision", "gpu_precision"):
        flags.put(precision, "gpu-precision", "gpu_precision")
    else:
        flags.put(precision == "fp16", "allow_fp16")
    if backend != "gpu":
        flags.put(backend, "gpu_backend")


def _put_files(flags, files):
    if files.output:
        flags.put(files.output, "output_filepath")
    if files.inputs:
        names = [entry.name for entry in files.inputs]
        if any("," in part for entry in files.inputs for part in (entry.name, entry.path)):
            raise CheckError(
                f"benchmark_model: cannot take inputs whose names or paths hold a comma: {names}."
            )
        shapes = (",".join(map(str, entry.shape)) for entry in files.inputs)
        flags.put(",".join(names), "input_layer")
        flags.put(":".join(shapes), "input_layer_shape")
        # A colon inside a name is written twice.
        pairs = (
            f"{entry.name.replace(':', '::')}:{entry.path.replace(':', '::')}"
            for entry in files.inputs
        )
        flags.put(",".join(pairs), "input_layer_value_files")


def _put_cache(flags, files, backend):
    token = files.cache_token or "model"
    if not files.cache_folder:
        return
    if backend == "cpu":
        flags.put(f"{files.cache_folder}/{token}", _WEIGHT_CACHE)
    else:
        flags.put(files.cache_folder, *_DELEGATE_CACHE)
        flags.put(token, "delegate_serialize_token", "gpu_model_cache_key")
