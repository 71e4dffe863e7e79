"""The check of a file: static lint for each delegate, and on request the real delegate and
the half-precision audit.

`check` takes a path, the bytes of a `.tflite`, or a Keras model, and returns a `Report`;
`check_paths` goes through files and folders, where one bad file is a report with an `error` and
never stops the rest. What counts as a failure is not decided here but in
`bokeh_tf.delegate.judging.policy`. The lint alone imports neither the runtime nor image libraries.
"""

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bokeh_tf.delegate.answer import Answer
from bokeh_tf.delegate.findings import ML_DRIFT, TARGETS, V2, TargetReport
from bokeh_tf.delegate.linting.memory import MemoryEstimate, estimate_memory, warning
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.reconciliation import Disagreement, reconcile
from bokeh_tf.delegate.rules import load_rules
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.errors import CheckError, ModelFileError, of_missing_module
from bokeh_tf.paths import exists, files_below, is_dir, is_file
from bokeh_tf.stages import stage
from bokeh_tf.tflite.running import RUNTIME
from bokeh_tf.tflite.subject import Model, Subject, printable_path, subject_of

if TYPE_CHECKING:
    from bokeh_tf.delegate.audit.audit import AuditReport
    from bokeh_tf.delegate.bisecting.search import Bisection
    from bokeh_tf.delegate.classic_gl.engine import ClassicReport
    from bokeh_tf.delegate.npu_compiler.engine import NpuCompilerReport
    from bokeh_tf.delegate.npu_compiler.vendors import NpuCompiler
    from bokeh_tf.delegate.openvino.engine import OpenVinoReport
    from bokeh_tf.delegate.probing.probe import ProbeReport

PASSED, NOT_CHECKED, FAILED = 0, 1, 3
SUFFIX = ".tflite"
_PATTERN_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True)
class Steps:
    """What a check does with each file.

    `targets` are the delegates to lint for. The probe is ML Drift's, so it runs only where
    "mldrift" is a target. A bisection follows a probe that failed. `photo` is what all run,
    `inputs` what the audit runs instead. `timeout_s` limits each of probe, bisection and audit;
    None leaves them their own limits. `classic_gl_python` is an interpreter that has the classic
    engine, which answers for "v2"; None asks nobody. `openvino` asks LiteRT's NPU path, whatever
    the targets are, and `npu_compiler` a vendor's compiler. `runtime` is the release by whose rules
    to judge for "mldrift"; None is the newest that the rules know.
    """

    targets: tuple[str, ...] = TARGETS
    probe: bool = False
    audit: bool = False
    bisect: bool = False
    photo: Path | None = None
    inputs: tuple[Path, ...] = ()
    timeout_s: float | None = None
    classic_gl_python: Path | None = None
    openvino: bool = False
    npu_compiler: "NpuCompiler | None" = None
    runtime: str | None = None

    def __post_init__(self):
        unknown = set(self.targets) - set(TARGETS)
        if unknown or not self.targets:
            raise ValueError(
                f"targets of the check. Received: {list(self.targets)}. Known:"
                f" {', '.join(TARGETS)}."
            )
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise ValueError(f"timeout_s must be positive. Received: {self.timeout_s}.")
        require_release(self.runtime, self.targets)


def require_release(runtime: str | None, targets: tuple[str, ...]) -> None:
    """Refuses a release by whose rules no target can be judged, with a `ValueError`; None is that
    of the newest rules.
    """
    if runtime is None:
        return
    # The rules say themselves which releases they know.
    load_rules(ML_DRIFT, runtime=runtime)
    if ML_DRIFT not in targets:
        raise ValueError(
            f"a release is that of {ML_DRIFT}. Received: {runtime!r} for {', '.join(targets)}."
        )


@dataclass(frozen=True)
class Report:
    """All that was found out about one file.

    `error` is why it could not be read, in one line; there is nothing else then. `probe`, `audit`
    and `bisection` are None where they were not asked for or had nothing to do, `Unchecked` where
    they broke down. `memory` is what the graph takes on a GPU. `runtime` is the release that was
    asked for, None where the newest that the rules know is meant.
    """

    path: str
    targets: tuple[TargetReport, ...] = ()
    probe: "ProbeReport | Unchecked | None" = None
    audit: "AuditReport | Unchecked | None" = None
    bisection: "Bisection | Unchecked | None" = None
    reconciliation: tuple[Disagreement, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
    memory: MemoryEstimate | None = None
    classic_gl: "ClassicReport | None" = None
    openvino: "OpenVinoReport | Answer | Unchecked | None" = None
    npu_compiler: "NpuCompilerReport | Unchecked | None" = None
    runtime: str | None = None

    def target(self, name: str) -> TargetReport | None:
        """The lint for one delegate, None where it was not asked for."""
        return next((target for target in self.targets if target.target == name), None)

    @property
    def is_probed_by_another_release(self) -> bool:
        """Whether the real delegate that ran is not of the release that was asked for, so that its
        verdict is none on that release.
        """
        return is_other_release(self.probe, self.runtime)


def check(
    model,
    *,
    targets: Iterable[str] = TARGETS,
    probe: bool = False,
    audit: bool = False,
    bisect: bool = False,
    photo: str | os.PathLike | None = None,
    inputs: Iterable[str | os.PathLike] = (),
    timeout_s: float | None = None,
    openvino: bool = False,
    runtime: str | None = None,
) -> Report:
    """Checks one model; see `Steps` for the arguments.

    Args:
        model: a path, the bytes of a `.tflite`, a `Subject`, or a Keras model, which is
            converted to float16 first.

    Raises:
        ModelFileError: the file or the bytes cannot be read as a model.
        ConversionError: the Keras model has no form in builtin operators, or no fixed
            size; `offenders` says why.
        PhotoError: the photo cannot be read.
    """
    steps = Steps(
        targets=tuple(targets),
        probe=probe,
        audit=audit,
        bisect=bisect,
        photo=Path(photo) if photo else None,
        inputs=tuple(map(Path, inputs or ())),
        timeout_s=timeout_s,
        openvino=openvino,
        runtime=runtime,
    )
    return _examine(_subject(model), steps)


def check_paths(paths: Iterable[Path | str], steps: Steps) -> Iterator[Report]:
    """Yields one report per file, as it comes."""
    for path in paths:
        with stage(Path(path).name):
            report = _report(path, steps)
        yield report


def _report(path, steps):
    try:
        return _examine(_subject(path), steps)
    except ModelFileError as error:
        label, words = printable_path(str(path)), printable_path(str(error))
        return Report(label, error=words, runtime=steps.runtime)


def find_models(paths: Iterable[Path | str]) -> tuple[Path, ...]:
    """Files as given, folders as the `.tflite` files in them, patterns as what they
    match; each once, in order.

    Folders are searched to any depth. A pattern is a path that does not exist and has `*`, `?` or
    `[`; `**` is any number of folders. A folder or a pattern without any file stays in the list, so
    that it is reported and not passed over.
    """
    found: dict[Path, None] = {}
    for path in itertools.chain.from_iterable(map(_matches, paths)):
        inside = sorted(filter(_is_reported, files_below(path))) if is_dir(path) else ()
        found.update(dict.fromkeys(inside or (path,)))
    return tuple(found)


def _matches(path):
    """The paths that a pattern stands for; the path itself where it is none, or matches nothing."""
    path = Path(path)
    if exists(path) or not _PATTERN_CHARACTERS & set(str(path)):
        return (path,)
    try:
        found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except (OSError, ValueError, RecursionError):
        found = []
    return tuple(filter(_is_reported, found)) or (path,)


def _subject(model) -> Subject:
    """Whatever `check` takes, read and inspected."""
    if isinstance(model, str | os.PathLike) and is_dir(model):
        raise _nothing_in(model)
    if isinstance(model, Model):
        return subject_of(model)
    if not (hasattr(model, "layers") and hasattr(model, "count_params")):
        kinds = "a path, the bytes of a .tflite file or a Keras model"
        raise TypeError(f"model must be {kinds}. Received: {type(model).__name__}.")
    from bokeh_tf.tflite.conversion import convert

    return subject_of(convert(model, precision="float16", strict=False), label=str(model.name))


def _examine(subject: Subject, steps: Steps) -> Report:
    from bokeh_tf.delegate.linting.lint import lint

    model_file = subject.model_file
    with stage("by the rules"):
        targets = tuple(lint(model_file, target, runtime=steps.runtime) for target in steps.targets)
    probed, notes = _probe(subject, steps)
    is_other = is_other_release(probed, steps.runtime)
    if is_other:
        notes = (*notes, other_release_note(probed, steps.runtime))
    memory = estimate_memory(model_file)
    notes = (*_float16_notes(model_file, targets), *filter(None, (warning(memory),)), *notes)
    return Report(
        path=subject.label,
        targets=targets,
        probe=probed,
        audit=_audit(subject, steps) if steps.audit else None,
        bisection=_bisect(subject, probed, steps),
        # One release does not overrule what another one was measured to do.
        reconciliation=() if is_other else reconcile(targets, probed),
        notes=notes,
        memory=memory,
        classic_gl=_classic_gl(subject, steps),
        openvino=_openvino(subject, steps),
        npu_compiler=_npu_compiler(subject, steps),
        runtime=steps.runtime,
    )


def is_other_release(probed: "ProbeReport | Unchecked | None", runtime: str | None) -> bool:
    """Whether what ran is another release than that by whose rules the file is judged."""
    if runtime is None or probed is None or isinstance(probed, Unchecked):
        return False
    return probed.verdict is not Verdict.UNAVAILABLE and probed.runtime_version != runtime


def other_release_note(probed: "ProbeReport", runtime: str | None) -> str:
    """What to know of a file that another release ran than that by whose rules it is judged."""
    return (
        f"judged by the rules of {RUNTIME} {runtime}; the real delegate that ran is that of"
        f" {probed.runtime_version}, the one installed: it overrules none of them, and what it has"
        " against the file does not count"
    )


def _float16_notes(model_file, targets):
    """Where one refused node costs more than itself: the unpacking of
    float16 weights, on every run.
    """
    count = len(model_file.set_aside_weights.nodes)
    if not count:
        return ()
    unfolded = ", ".join(target.target for target in targets if not target.coverage.folds_float16)
    text = (
        f"as not every node is taken, the CPU unpacks the float16 weights ({count} DEQUANTIZE"
        " nodes)"
    )
    return (f"{unfolded}: {text}",) if unfolded else ()


def _probe(subject: Subject, steps: Steps):
    """(what the real delegate says, notes on it)."""
    if not steps.probe:
        return None, ()
    if ML_DRIFT not in steps.targets:
        return None, ("not probed: the real delegate here is ML Drift, and only v2 was asked for",)
    try:
        from bokeh_tf.delegate.probing.probe import DEFAULT_TIMEOUT_S, probe
    except ModuleNotFoundError as error:
        missing = of_missing_module(error)
        if missing is None:
            raise
        return None, (f"not probed: {missing}",)
    try:
        probed = probe(subject, photo=steps.photo, timeout_s=steps.timeout_s or DEFAULT_TIMEOUT_S)
    except (ModelFileError, CheckError) as error:
        return Unchecked(subject.label, printable_path(str(error))), ()
    if probed.verdict is Verdict.UNAVAILABLE:
        return probed, (f"not probed: {probed.reason}",)
    return probed, probed.doubts


def _classic_gl(subject: Subject, steps: Steps):
    if steps.classic_gl_python is None or V2 not in steps.targets:
        return None
    from bokeh_tf.delegate.classic_gl.engine import DEFAULT_TIMEOUT_S, run

    return run(
        subject, python=steps.classic_gl_python, timeout_s=steps.timeout_s or DEFAULT_TIMEOUT_S
    )


def _openvino(subject: Subject, steps: Steps):
    if not steps.openvino:
        return None
    from bokeh_tf.delegate.openvino import libraries

    missing = libraries.missing()
    if missing:
        return Answer(Verdict.UNAVAILABLE, (missing,))
    from bokeh_tf.delegate.openvino.engine import DEFAULT_TIMEOUT_S, run

    return run(subject, photo=steps.photo, timeout_s=steps.timeout_s or DEFAULT_TIMEOUT_S)


def _npu_compiler(subject: Subject, steps: Steps):
    if steps.npu_compiler is None:
        return None
    from bokeh_tf.delegate.npu_compiler.engine import DEFAULT_TIMEOUT_S, run

    limit_s = steps.timeout_s or DEFAULT_TIMEOUT_S
    return run(subject, steps.npu_compiler, timeout_s=limit_s)


def _audit(subject: Subject, steps: Steps):
    from bokeh_tf.delegate.audit.audit import DEFAULT_TIMEOUT_S, audit

    limit_s = steps.timeout_s or DEFAULT_TIMEOUT_S
    try:
        with stage("looking for what half precision cannot hold"):
            return audit(subject, photo=steps.photo, inputs=steps.inputs or None, timeout_s=limit_s)
    except (ModelFileError, CheckError) as error:
        return Unchecked(subject.label, printable_path(str(error)))


def _bisect(subject: Subject, probed, steps: Steps):
    """The search for the node that makes the probe fail, in the first
    precision in which it does.
    """
    if (
        not steps.bisect
        or probed is None
        or isinstance(probed, Unchecked)
        or probed.verdict.exit_code != FAILED
    ):
        return None
    from bokeh_tf.delegate.bisecting.search import DEFAULT_TIMEOUT_S, bisect

    precision = next(
        part.precision for part in probed.precisions if part.verdict.exit_code == FAILED
    )
    limit_s = steps.timeout_s or DEFAULT_TIMEOUT_S
    try:
        with stage("looking for the first node to blame"):
            return bisect(subject, precision=precision, photo=steps.photo, timeout_s=limit_s)
    except (ModelFileError, CheckError) as error:
        return Unchecked(subject.label, printable_path(str(error)))


def _is_reported(path):
    """A model, or a folder that could not be listed."""
    return is_dir(path) or (path.suffix.lower() == SUFFIX and is_file(path))


def _nothing_in(folder):
    try:
        os.scandir(folder).close()
    except OSError as error:
        return ModelFileError(
            f"{folder}: cannot list this folder ({error.strerror}). Check its rights."
        )
    return ModelFileError(
        f"{folder}: a folder without {SUFFIX} files. Give a file, or another folder."
    )
