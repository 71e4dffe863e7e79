"""The check on the real GPU delegate: does it take the whole file, and does it
compute what the CPU computes?

`probe` compiles a `.tflite` for the GPU alone (ai-edge-litert's accelerator: ML Drift on WebGPU
over Vulkan) and compares every output of every signature with the CPU interpreter, on a photograph
and on signed random input, in float32 and in the default precision (half). The runtime's own "fully
accelerated" is no evidence of that: it also says so of wrong kernels. A refused file is compiled
once more with the CPU allowed, for the split between the two. All native code runs in child
processes, one per job, so that a file can kill only its own check.
"""

import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.delegate.findings import ML_DRIFT
from bokeh_tf.delegate.probing.jobs import Jobs
from bokeh_tf.delegate.probing.verdicts import PRECISIONS, Verdict, worst
from bokeh_tf.delegate.probing.worker import SPLIT_JOB
from bokeh_tf.delegate.rules import known_releases
from bokeh_tf.errors import CheckError, ModelFileError
from bokeh_tf.paths import resolved
from bokeh_tf.tflite.model_file import ModelFile
from bokeh_tf.tflite.rewriting import SIGNATURE_KEY
from bokeh_tf.tflite.running import gpu_adapter as adapters
from bokeh_tf.tflite.running import release
from bokeh_tf.tflite.running.agreement import (
    Difference,
    OutputCheck,
    OutputKind,
    failure_reason,
    failures,
)
from bokeh_tf.tflite.subject import Model, Subject, subject_of
from bokeh_tf.tflite.value_ranges import stated_ranges

DEFAULT_TIMEOUT_S = 600.0
PASSED_THROUGH = (
    "an output is an input itself: the runtime, not the delegate, then computes from zeros, on its"
    " CPU as well; "
    "put an operation between them"
)


@dataclass(frozen=True)
class PrecisionReport:
    """The check in one precision. `reasons` is empty for FULL; `outputs`
    for a file that did not run.
    """

    precision: str
    verdict: Verdict
    reasons: tuple[str, ...]
    outputs: tuple[OutputCheck, ...]
    adapter: str | None
    compile_s: float | None
    run_s: tuple[float, ...]


@dataclass(frozen=True)
class Split:
    """A file that the delegate does not take whole, compiled for GPU and CPU together, in float32.

    `on_gpu` and `on_cpu` count operations as the delegate counts them (constant DEQUANTIZE folded
    away), None where it does not say. `outputs` are empty where the split did not run, and
    `failure` says why; else None.
    """

    on_gpu: int | None
    on_cpu: int | None
    reasons: tuple[str, ...]
    outputs: tuple[OutputCheck, ...]
    failure: str | None


@dataclass(frozen=True)
class ProbeReport:
    """The check of one file. `verdict` is the worst of its precisions.

    `picture` says what the photo trial used: a path, "packaged" or "synthetic".
    `adapter_has_float16` is None where the driver was not found by name. `doubts` weaken a good
    verdict without changing it. `signatures` are the keys of those checked, none for a file
    without. `split` is None unless the delegate refuses the file.
    """

    path: str
    sha256: str
    size_bytes: int
    verdict: Verdict
    precisions: tuple[PrecisionReport, ...]
    picture: str
    adapter: str | None
    adapter_has_float16: bool | None
    runtime_version: str
    timeout_s: float
    wall_s: float
    doubts: tuple[str, ...]
    signatures: tuple[str, ...] = ()
    split: Split | None = None

    @property
    def reason(self) -> str:
        """Why the verdict is what it is, in the first precision that has it; empty for FULL."""
        deciding = next(part for part in self.precisions if part.verdict is self.verdict)
        return next(iter(deciding.reasons), "")

    @property
    def unanswered(self) -> tuple[PrecisionReport, ...]:
        """The precisions in which the real delegate gave no answer, good or bad."""
        return tuple(part for part in self.precisions if part.verdict.exit_code == 1)


def probe(
    model: Model,
    *,
    photo: str | os.PathLike | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    precisions: Sequence[str] = PRECISIONS,
) -> ProbeReport:
    """Checks one file on the real delegate.

    Args:
        model: a path, the bytes of a `.tflite`, or a `Subject`.
        photo: a photograph for the photo trial; the packaged one if None.
        timeout_s: limit for the whole check of this file, all child processes together.
        precisions: "float32", "default" (half) or both.

    Raises:
        ModelFileError: the file cannot be read, or the CPU interpreter cannot run it and the
            delegate gives no reason of its own against it.
        PhotoError: the photo cannot be read.
        CheckError: the check broke down for a reason that says nothing about the file,
            such as too little memory.
    """
    unknown = set(precisions) - set(PRECISIONS)
    if unknown or not precisions:
        raise ValueError(
            f"precisions of the check. Received: {sorted(precisions)}. Known:"
            f" {', '.join(PRECISIONS)}."
        )
    if not timeout_s > 0:
        raise ValueError(f"timeout_s must be positive. Received: {timeout_s}.")
    subject = subject_of(model)
    # Before anything runs: a runtime that is at fault must not make the file look so.
    unusable = release.refusal(release.installed())
    if unusable:
        raise CheckError(f"{subject.label}: cannot be checked on the real delegate: {unusable}")
    is_quantised = subject.model_file.is_quantised
    start_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="bokeh_tf_check_") as folder:
            jobs = Jobs(subject.label, Path(folder), start_s + timeout_s)
            jobs.write(subject.content, probe_request(photo, subject.model_file))
            found = _Check(jobs, is_quantised).run(precisions)
    except OSError as error:
        reason = error.strerror or error
        raise CheckError(
            f"{subject.label}: cannot be checked ({reason} in {tempfile.gettempdir()})."
        ) from error
    return _report(subject, found, timeout_s=timeout_s, wall_s=time.monotonic() - start_s)


@dataclass(frozen=True)
class _Found:
    """What the jobs brought; `reference` is {} where the CPU interpreter brought
    nothing, `notes` are doubts.
    """

    reference: dict
    parts: tuple[PrecisionReport, ...]
    split: Split | None
    notes: tuple[str, ...]


def _report(subject: Subject, found: _Found, *, timeout_s, wall_s) -> ProbeReport:
    name = next((part.adapter for part in found.parts if part.adapter), None)
    has_float16 = _has_float16(name)
    picture = found.reference.get("picture", "none")
    keys = [signature["key"] for signature in found.reference.get("signatures", ())]
    return ProbeReport(
        path=subject.label,
        sha256=subject.sha256,
        size_bytes=len(subject.content),
        verdict=worst(part.verdict for part in found.parts),
        precisions=found.parts,
        picture=picture,
        adapter=name,
        adapter_has_float16=has_float16,
        runtime_version=release.installed(),
        timeout_s=timeout_s,
        wall_s=wall_s,
        doubts=(*_doubts(found, name, has_float16), *found.notes),
        signatures=tuple(key for key in keys if key not in (None, SIGNATURE_KEY)),
        split=found.split,
    )


class _Check:
    """The jobs of one file, judged."""

    def __init__(self, jobs, is_quantised):
        self._jobs = jobs
        self._is_quantised = is_quantised

    def run(self, precisions) -> _Found:
        """The CPU's numbers first, then the delegate in each precision against them."""
        reference, failure = self._jobs.run_reference()
        if failure is not None:
            return self._without_reference(failure, precisions)
        if reference["stage"] != "done":
            reasons = (
                f"the CPU interpreter alone took longer than the limit ({reference['stage']})",
            )
            timed_out = tuple(
                _without_outputs(precision, Verdict.TIMED_OUT, reasons) for precision in precisions
            )
            return _Found({}, timed_out, None, ())
        parts = tuple(self._precision(precision, reference) for precision in precisions)
        is_refused = any(part.verdict is Verdict.REFUSED for part in parts)
        split = self._split() if is_refused else None
        return _Found(reference, parts, split, (*_reference_notes(reference), *self._jobs.notes))

    def _without_reference(self, failure, precisions) -> _Found:
        """A file that the CPU cannot run has no right numbers; the delegate may have
        reasons of its own against it.
        """
        outcomes = {precision: self._jobs.run_on_delegate(precision) for precision in precisions}
        if any(
            outcome.verdict is not Verdict.REFUSED or not outcome.log.reasons
            for outcome in outcomes.values()
        ):
            if all(outcome.verdict is None for outcome in outcomes.values()):
                raise ModelFileError(
                    f"{failure} The delegate takes all of it, but nothing says what is right."
                )
            raise failure
        parts = tuple(
            _without_outputs(
                precision, outcome.verdict, outcome.reasons, adapter=outcome.log.adapter
            )
            for precision, outcome in outcomes.items()
        )
        split = self._split()
        return _Found(
            {}, parts, split, (f"no numbers to compare with: {failure}", *self._jobs.notes)
        )

    def _precision(self, precision, reference) -> PrecisionReport:
        outcome = self._jobs.run_on_delegate(precision)
        log = outcome.log
        if outcome.verdict is not None:
            return _without_outputs(
                precision, outcome.verdict, outcome.reasons, adapter=log.adapter
            )
        runs = outcome.result["runs"]
        outputs = judge(runs, is_coarse=precision == "default" or self._is_quantised)
        reasons = failures(outputs) + tuple(
            f"the delegate logs an error: {error}" for error in log.errors
        )
        if reasons and any(signature["passed_through"] for signature in reference["signatures"]):
            reasons = (PASSED_THROUGH, *reasons)
        return PrecisionReport(
            precision=precision,
            verdict=Verdict.WRONG if reasons else Verdict.FULL,
            reasons=reasons,
            outputs=outputs,
            adapter=log.adapter,
            compile_s=outcome.result["compile_s"],
            run_s=tuple(run["run_s"] for run in runs if run["run_s"] is not None),
        )

    def _split(self) -> Split:
        outcome = self._jobs.run_on_delegate(SPLIT_JOB)
        log = outcome.log
        failure = None if outcome.verdict is None else f"{outcome.verdict}: {outcome.reasons[0]}"
        outputs = judge(outcome.result.get("runs", ()), is_coarse=self._is_quantised)
        return Split(log.on_gpu, log.on_cpu, log.reasons, outputs, failure)


def probe_request(
    photo: str | os.PathLike | None, model_file: ModelFile, *, trials: list[str] | None = None
) -> dict:
    """What the worker needs besides the file; ranges only where the file's
    metadata is of the form we write.

    Args:
        trials: their names; None for the usual two.
    """
    return {
        "photo": None if photo is None else str(resolved(photo)),
        "trials": trials,
        "input_ranges": stated_ranges(model_file.metadata, "inputs", len(model_file.inputs)),
        "output_ranges": stated_ranges(model_file.metadata, "outputs", len(model_file.outputs)),
        "is_quantised": model_file.is_quantised,
    }


def judge(runs: Iterable[dict], *, is_coarse: bool) -> tuple[OutputCheck, ...]:
    """Judges every output of a job's runs."""
    return tuple(_judge(run, output, is_coarse) for run in runs for output in run["outputs"])


def _judge(run, output, is_coarse) -> OutputCheck:
    trial, name = run["trial"], output["name"]
    signature = None if run["signature"] == SIGNATURE_KEY else run["signature"]
    if not output["is_judged"]:
        return OutputCheck(trial, name, 1.0, None, None, signature)
    kind = OutputKind(**output["kind"])
    if not output["is_expected_finite"]:
        # Random numbers outside a model's contract may be outside its domain
        # too; a photograph is not.
        reason = "the CPU's own values are not finite" if trial == "photo" else None
        return OutputCheck(trial, name, kind.scale, None, reason, signature)
    difference = Difference(**output["difference"])
    reason = failure_reason(difference, kind, is_coarse=is_coarse)
    return OutputCheck(trial, name, kind.scale, difference, reason, signature)


def _without_outputs(precision, verdict, reasons, *, adapter=None) -> PrecisionReport:
    return PrecisionReport(precision, verdict, tuple(reasons), (), adapter, None, ())


def _has_float16(name) -> bool | None:
    if name is None:
        return None
    return next(
        (adapter.has_float16 for adapter in adapters.find_adapters() if adapter.name == name), None
    )


def _reference_notes(reference):
    """Doubts that the CPU's run raises."""
    notes = []
    if not reference["has_usual_kernels"]:
        notes.append("XNNPACK refuses this file on the CPU: compared with the plain CPU kernels")
    if not reference["has_unique_names"]:
        notes.append(
            "tensor names are not unique, which the runtime cannot feed: checked with other names"
        )
    for signature in reference["signatures"]:
        for name in signature["dynamic_inputs"]:
            notes.append(f"input {name} has no fixed size: checked at the size stored in the file")
    return tuple(notes)


def _doubts(found, name, has_float16):
    measured = known_releases(ML_DRIFT)[-1]
    doubts = [text for text in [release.doubt(release.installed(), measured)] if text]
    checked_half = any(part.precision == "default" and part.outputs for part in found.parts)
    if checked_half and has_float16 is False:
        doubts.append(
            f"{name} has no half precision: the default precision was computed in float32"
        )
    if any(
        check.difference is None and check.passed for part in found.parts for check in part.outputs
    ):
        doubts.append(
            "signed random input gives values on the CPU that are not finite: judged on the photo"
            " alone"
        )
    if found.reference.get("picture") == "synthetic":
        doubts.append("no photo given: a synthetic picture was used")
    return tuple(doubts)
