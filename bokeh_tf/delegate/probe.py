"""The check on the real GPU delegate: does it take the whole file, and does it compute what the CPU computes?

`probe` compiles a `.tflite` for the GPU alone (ai-edge-litert's accelerator: ML Drift on WebGPU over Vulkan) and
compares every output with the CPU interpreter, on a photograph and on signed random input, in float32 and in the
default precision (half). The runtime's own "fully accelerated" is no evidence of that: it also says so of wrong
kernels. All native code runs in child processes, one per job, so that a file can kill only its own check.
"""

import hashlib
import json
import math
import os
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bokeh_tf.delegate import adapter as adapters
from bokeh_tf.delegate import delegate_log
from bokeh_tf.delegate.probe_worker import MODEL_NAME, REQUEST_NAME
from bokeh_tf.delegate.verdicts import PRECISIONS, OutputCheck, Verdict, failure_reason, worst
from bokeh_tf.errors import CheckError, ModelFileError, PhotoError
from bokeh_tf.processes import run_module
from bokeh_tf.tflite import runtime
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.parity import Difference
from bokeh_tf.tflite.reading import read_file

DEFAULT_TIMEOUT_S = 600.0
_WORKER = "bokeh_tf.delegate.probe_worker"
_NO_ADAPTER = (
    "no Vulkan adapter that the runtime accepts: install a GPU driver, or a software one with `make software-gpu`"
)
_TRACEBACK = "Traceback (most recent call last)"
_FIRST_STAGE = "starting"
_QUANTISED_TYPES = frozenset({"int4", "int8", "uint8", "int16"})


@dataclass(frozen=True)
class PrecisionReport:
    """The check in one precision. `reasons` is empty for FULL; `outputs` for a file that did not run."""

    precision: str
    verdict: Verdict
    reasons: tuple[str, ...]
    outputs: tuple[OutputCheck, ...]
    adapter: str | None
    compile_s: float | None
    run_s: tuple[float, ...]


@dataclass(frozen=True)
class ProbeReport:
    """The check of one file. `verdict` is the worst of its precisions.

    `picture` says what the photo trial used: a path, "packaged" or "synthetic". `adapter_has_float16` is None where
    the driver was not found by name. `doubts` weaken a good verdict without changing it.
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


def probe(path, *, photo=None, timeout_s=DEFAULT_TIMEOUT_S, precisions=PRECISIONS) -> ProbeReport:
    """Checks one file on the real delegate.

    Args:
        photo: a photograph for the photo trial; the packaged one if None.
        timeout_s: limit for the whole check of this file, all child processes together.
        precisions: "float32", "default" (half) or both.

    Raises:
        ModelFileError: the file cannot be read, or the CPU interpreter cannot run it either.
        PhotoError: the photo cannot be read.
        CheckError: the check broke down for a reason that says nothing about the file, such as too little memory.
    """
    unknown = set(precisions) - set(PRECISIONS)
    if unknown or not precisions:
        raise ValueError(f"precisions of the check. Received: {sorted(precisions)}. Known: {', '.join(PRECISIONS)}.")
    if not timeout_s > 0:
        raise ValueError(f"timeout_s must be positive. Received: {timeout_s}.")
    content = read_file(path)
    model_file = inspect(path)
    start_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="bokeh_tf_check_") as folder:
            check = _Check(str(path), Path(folder), start_s + timeout_s, _is_quantised(model_file))
            picture, parts = check.run(content, _request(photo, model_file), precisions)
    except OSError as error:
        raise CheckError(
            f"{path}: cannot be checked ({error.strerror or error} in {tempfile.gettempdir()})."
        ) from error
    return _report(str(path), content, picture, parts, timeout_s=timeout_s, wall_s=time.monotonic() - start_s)


def _report(path, content, picture, parts, *, timeout_s, wall_s) -> ProbeReport:
    name = next((part.adapter for part in parts if part.adapter), None)
    has_float16 = _has_float16(name)
    return ProbeReport(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        verdict=worst(part.verdict for part in parts),
        precisions=parts,
        picture=picture,
        adapter=name,
        adapter_has_float16=has_float16,
        runtime_version=version("ai-edge-litert"),
        timeout_s=timeout_s,
        wall_s=wall_s,
        doubts=_doubts(parts, picture, name, has_float16),
    )


class _Check:
    """One file's child processes in one temporary folder, under one deadline."""

    def __init__(self, label, folder, deadline_s, is_quantised):
        self._label = label
        self._folder = folder
        self._deadline_s = deadline_s
        self._is_quantised = is_quantised

    def run(self, content, request, precisions):
        """Returns what the photo trial used and one report per precision."""
        (self._folder / MODEL_NAME).write_bytes(content)
        (self._folder / REQUEST_NAME).write_text(json.dumps(request), encoding="utf-8")
        child, reference = self._job("reference")
        if child.timed_out:
            reasons = (f"the CPU interpreter alone took longer than the limit ({reference['stage']})",)
            return "none", tuple(_without_outputs(precision, Verdict.TIMED_OUT, reasons) for precision in precisions)
        self._raise_if_not_done(child, reference)
        return reference["picture"], tuple(self._precision(precision) for precision in precisions)

    def _precision(self, precision) -> PrecisionReport:
        child, result = self._job(precision)
        log = delegate_log.parse(child.stderr)
        verdict, reasons = self._failure_to_run(child, result, log)
        if verdict is not None:
            return _without_outputs(precision, verdict, reasons, adapter=log.adapter)
        is_coarse = precision == "default" or self._is_quantised
        outputs = tuple(
            _judge(trial, output, is_coarse) for trial, run in result["trials"].items() for output in run["outputs"]
        )
        wrong = tuple(f"{check.trial}, {check.name}: {check.reason}" for check in outputs if not check.passed)
        reasons = wrong + tuple(f"the delegate logs an error: {error}" for error in log.errors)
        return PrecisionReport(
            precision=precision,
            verdict=Verdict.WRONG if reasons else Verdict.FULL,
            reasons=reasons,
            outputs=outputs,
            adapter=log.adapter,
            compile_s=result["compile_s"],
            run_s=tuple(run["run_s"] for run in result["trials"].values()),
        )

    def _failure_to_run(self, child, result, log):
        """The verdict and reasons of a job that brought no numbers, or (None, ())."""
        stage = result["stage"]
        if child.timed_out:
            return Verdict.TIMED_OUT, (f"time was up while {stage}",)
        if log.has_no_adapter:
            return Verdict.UNAVAILABLE, (_NO_ADAPTER,)
        if child.return_code:
            self._raise_if_out_of_memory(log)
            how = child.signal_name or f"exit status {child.return_code}: {_last_line(child.stderr)}"
            return Verdict.CRASHED, (f"the process dies ({how}) while {stage}", *log.errors)
        if stage == "error" and result["kind"] in ("compile", "run"):
            self._raise_if_out_of_memory(log)
            verdict = Verdict.REFUSED if result["kind"] == "compile" else Verdict.CRASHED
            return verdict, log.reasons or log.errors or (result["message"],)
        self._raise_if_not_done(child, result)
        if log.reasons or not result["is_accelerated"]:
            return Verdict.REFUSED, log.reasons or ("the runtime says that not every operation is on the GPU",)
        return None, ()

    def _job(self, job):
        """Runs one worker; returns how it ended and what it last wrote."""
        environment = {} if os.environ.get("XDG_RUNTIME_DIR") else {"XDG_RUNTIME_DIR": str(self._folder)}
        remaining_s = self._deadline_s - time.monotonic()
        child = run_module(_WORKER, [self._folder, job], timeout_s=remaining_s, environment=environment)
        if (
            child.return_code > 0
            and _TRACEBACK in child.stderr
            and not delegate_log.parse(child.stderr).is_out_of_memory
        ):
            # Python code of ours failed: a bug, not a finding about the file.
            raise RuntimeError(f"the check's own worker failed:\n{child.stderr[child.stderr.rindex(_TRACEBACK) :]}")
        written = self._folder / f"{job}.json"
        result = json.loads(written.read_text(encoding="utf-8")) if written.is_file() else {"stage": _FIRST_STAGE}
        return child, result

    def _raise_if_not_done(self, child, result):
        """Turns a failure that is not the delegate's into the exception that names it."""
        if result["stage"] == "error":
            if result["kind"] == "photo":
                raise PhotoError(result["message"])
            if result["kind"] == "model":
                raise ModelFileError(result["message"].replace(runtime.UNNAMED, self._label, 1))
            raise CheckError(f"{self._label}: cannot be checked ({result['message']}).")
        self._raise_if_out_of_memory(delegate_log.parse(child.stderr))
        if child.return_code:
            how = child.signal_name or _last_line(child.stderr)
            raise ModelFileError(f"{self._label}: the CPU interpreter dies on it ({how}). The file is damaged.")

    def _raise_if_out_of_memory(self, log):
        if log.is_out_of_memory:
            raise CheckError(
                f"{self._label}: too little memory for this check. Use a machine with more, or a smaller size."
            )


def _request(photo, model_file):
    """What the worker needs besides the file; ranges only where the file's metadata is of the form we write."""
    metadata = model_file.metadata if isinstance(model_file.metadata, dict) else {}
    return {
        "photo": None if photo is None else str(Path(photo).resolve()),
        "input_ranges": _declared_ranges(metadata.get("inputs"), len(model_file.inputs)),
        "output_ranges": _declared_ranges(metadata.get("outputs"), len(model_file.outputs)),
    }


def _is_quantised(model_file):
    return any(tensor.dtype in _QUANTISED_TYPES for tensor in model_file.tensors)


def _declared_ranges(entries, count):
    """The (low, high) of each tensor, or None: metadata is untrusted, so anything odd counts as absent."""
    if not isinstance(entries, list) or len(entries) != count:
        return [None] * count
    return [_bounds(entry.get("range")) if isinstance(entry, dict) else None for entry in entries]


def _bounds(declared):
    if not isinstance(declared, list) or len(declared) != 2:
        return None
    if not all(isinstance(bound, (int, float)) and math.isfinite(bound) for bound in declared):
        return None
    return declared if declared[0] < declared[1] else None


def _judge(trial, output, is_coarse) -> OutputCheck:
    difference = Difference(**output["difference"])
    name, scale = output["name"], output["scale"]
    if not output["is_expected_finite"]:
        # Random numbers outside a model's contract may be outside its domain too; a photograph is not.
        reason = "the CPU's own values are not finite" if trial == "photo" else None
        return OutputCheck(trial, name, scale, None, reason)
    reason = failure_reason(difference, is_coarse=is_coarse, scale=scale, is_integer=output["is_integer"])
    return OutputCheck(trial, name, scale, difference, reason)


def _without_outputs(precision, verdict, reasons, *, adapter=None) -> PrecisionReport:
    return PrecisionReport(precision, verdict, tuple(reasons), (), adapter, None, ())


def _has_float16(name) -> bool | None:
    if name is None:
        return None
    return next((adapter.has_float16 for adapter in adapters.find_adapters() if adapter.name == name), None)


def _doubts(parts, picture, name, has_float16):
    doubts = []
    checked_half = any(part.precision == "default" and part.outputs for part in parts)
    if checked_half and has_float16 is False:
        doubts.append(f"{name} has no half precision: the default precision was computed in float32")
    if any(check.difference is None and check.passed for part in parts for check in part.outputs):
        doubts.append("signed random input gives values on the CPU that are not finite: judged on the photo alone")
    if picture == "synthetic":
        doubts.append("no photo given: a synthetic picture was used")
    return tuple(doubts)


def _last_line(text):
    return (text.strip().splitlines() or ["no message"])[-1]
