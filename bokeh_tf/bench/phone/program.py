"""A `benchmark_model` in a run folder on a phone: what it is, and single runs of it
that are read and judged.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bokeh_tf.bench.benchmark_model import flags as benchmark_model
from bokeh_tf.bench.benchmark_model.flags import NO_FILES, Program, ProgramKind, RunFiles
from bokeh_tf.bench.benchmark_model.log import BenchmarkLog, parse_log
from bokeh_tf.bench.phone.device_facts import core_masks
from bokeh_tf.bench.phone.run_folder import RunFolder
from bokeh_tf.bench.results.measurement import RunVerdict
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.errors import BokehError, CheckError, DeviceError
from bokeh_tf.paths import open_file

_HELP_TIMEOUT_S = 60.0
_NAMES = {"cpu": "CPU", "gpu": "GPU", "nnapi": "NNAPI", "opengl": "OpenGL", "webgpu": "WebGPU"}


class ProgramError(BokehError):
    """The program did not do what was asked, while the phone is well."""

    def __init__(self, message, *, verdict: RunVerdict | None = None):
        super().__init__(message)
        self.verdict = verdict or RunVerdict(DelegateOutcome.FAILED_INIT, message)


@dataclass(frozen=True)
class PhoneSetting:
    """How a model runs on a phone. `cores` is one of `vocabulary.CORES`, None
    leaves the choice to Android.
    """

    backend: str
    precision: str = "fp32"
    threads: int = 1
    cores: str | None = None

    @property
    def label(self) -> str:
        """What is added to a model's name to tell contestants apart."""
        parts = [f"{_NAMES[self.backend]} {self.precision}"]
        parts += (
            [f"{self.threads} thread{'s' if self.threads > 1 else ''}"]
            if self.backend == "cpu"
            else []
        )
        parts += [f"{self.cores} cores"] if self.cores else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Amount:
    """How much one call of the program measures: `runs` after `warmup_runs`, but for
    `max_seconds` at the longest.
    """

    runs: int
    warmup_runs: int
    max_seconds: float


@dataclass(frozen=True)
class ProgramRun:
    """One call that came to its end: its flags, exit code and output, as text and as read."""

    arguments: tuple[str, ...]
    exit_code: int
    text: str
    log: BenchmarkLog


class PhoneProgram:
    """The program in `folder`, with the libraries it needs beside it.

    Args:
        timeout_s: for one call, a run at the longest.

    Raises:
        CheckError: it is no benchmark_model.
        DeviceError: it cannot be copied or started, or the phone is gone.
    """

    def __init__(
        self, folder: RunFolder, path: Path, *, libraries: Sequence[Path] = (), timeout_s: float
    ):
        self._folder, self._timeout_s = folder, timeout_s
        self.sha256 = _sha256_of(path)
        self._remote = folder.push(path, executable=True)
        for library in libraries:
            folder.push(library)
        told = folder.run(self._remote, "--help", timeout_s=min(_HELP_TIMEOUT_S, timeout_s))
        self.program: Program = benchmark_model.fingerprint(told.stdout + told.stderr)

    @property
    def backend_prefix(self) -> str:
        """The library behind the program, as results name it."""
        return "litert" if self.program.kind is ProgramKind.LITERT else "tflite"

    def run(
        self,
        model,
        setting: PhoneSetting,
        amount: Amount,
        *,
        watch_memory=False,
        files: RunFiles = NO_FILES,
    ) -> ProgramRun:
        """Runs a model to the program's end, whatever its exit code.

        Args:
            model: its path on the phone.
            watch_memory: report the peak of memory, where this build can.

        Raises:
            ProgramError: this build cannot do it, did not understand a
                flag, crashed or did not end.
            DeviceError: the phone is gone.
        """
        try:
            flags = benchmark_model.arguments(
                self.program,
                model=model,
                backend=setting.backend,
                precision=setting.precision,
                threads=setting.threads,
                runs=amount.runs,
                warmup_runs=amount.warmup_runs,
                max_seconds=amount.max_seconds,
                watch_memory=watch_memory
                and self.program.find("report_peak_memory_footprint") is not None,
                files=files,
            )
            told = self._call(flags, self._core_mask(setting))
            # Which stream the log is on differs from build to build.
            text = told.stdout + told.stderr
            ran = ProgramRun(tuple(flags), told.return_code, text, parse_log(text))
        except CheckError as error:
            raise ProgramError(str(error)) from error
        try:
            benchmark_model.check_flags(ran.log)
        except CheckError as error:
            unproven = RunVerdict(DelegateOutcome.UNPROVEN, str(error))
            raise ProgramError(str(error), verdict=unproven) from error
        return ran

    def _call(self, flags, core_mask):
        name = PurePosixPath(self._remote).name
        try:
            return self._folder.run(
                self._remote, *flags, timeout_s=self._timeout_s, core_mask=core_mask
            )
        except DeviceError as error:
            # Its own faults carry its name; others are the connection's, and then
            # nothing more can be measured.
            subject = f"{self._folder.device.serial}: "
            if str(error).startswith(f"{subject}{name} "):
                raise ProgramError(str(error).removeprefix(subject)) from error
            raise

    def _core_mask(self, setting):
        if setting.cores is None:
            return None
        masks = core_masks(self._folder.device.clocks())
        if setting.cores not in masks:
            raise ProgramError(
                "the phone does not show its cores, so none can be chosen. Leave the choice to it."
            )
        return masks[setting.cores]


def _sha256_of(path):
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckError(
            f"{path}: cannot be read ({error.strerror}). Name the benchmark_model for Android."
        ) from error
