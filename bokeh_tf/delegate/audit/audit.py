"""The half-precision audit: where a `.tflite` will go wrong on a GPU that computes in
half, found without a GPU.

`audit` runs the file on the CPU in float32 with the values of every tensor kept, on photographs or
the user's own inputs, and holds each node against what half precision can represent and what the
delegate's kernels do in it. The run is in a child process with a memory and a time limit, because
the interpreter trusts the file.
"""

import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bokeh_tf.delegate.audit.findings import (
    AuditFinding,
    AuditReport,
    OutputPrediction,
    Peak,
    Severity,
)
from bokeh_tf.delegate.audit.worker import MODEL_NAME
from bokeh_tf.errors import CheckError, ModelFileError, PhotoError
from bokeh_tf.paths import resolved
from bokeh_tf.processes import DONE, ask_module
from bokeh_tf.tflite.running.runtime import UNNAMED
from bokeh_tf.tflite.subject import Model, subject_of
from bokeh_tf.tflite.value_ranges import stated_ranges

DEFAULT_TIMEOUT_S = 120.0
_WORKER = "bokeh_tf.delegate.audit.worker"


def audit(
    model: Model,
    *,
    photo: str | os.PathLike | None = None,
    inputs: Iterable[str | os.PathLike] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> AuditReport:
    """Audits one file.

    Args:
        model: a path, the bytes of a `.tflite`, or a `Subject`.
        photo: a photograph to run on; the packaged one if None. Not used where `inputs` are given.
        inputs: paths of samples to run on instead, each a photograph or an array
            file (see `audit.inputs`).
        timeout_s: limit for all samples together.

    Raises:
        ModelFileError: the file cannot be read, or the CPU interpreter cannot run it.
        PhotoError: a photograph cannot be read.
        CheckError: the audit broke down otherwise: arrays that do not fit, too
            little memory, no time left.
    """
    if not timeout_s > 0:
        raise ValueError(f"timeout_s must be positive. Received: {timeout_s}.")
    subject = subject_of(model)
    request = _request(subject.model_file, photo, inputs)
    start_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="bokeh_tf_audit_") as folder:
            result = _run(subject.label, Path(folder), subject.content, request, timeout_s)
    except OSError as error:
        reason = error.strerror or error
        raise CheckError(
            f"{subject.label}: cannot be audited ({reason} in {tempfile.gettempdir()})."
        ) from error
    return _report(subject.label, result, wall_s=time.monotonic() - start_s)


def _report(label: str, result: dict, *, wall_s: float) -> AuditReport:
    """The worker's answer as a report."""
    findings = [
        AuditFinding(**{**entry, "severity": Severity(entry["severity"])})
        for entry in result["findings"]
    ]
    predicted = [
        OutputPrediction(
            entry["name"], entry["error"], tuple(entry["rules"]), tuple(entry["nodes"])
        )
        for entry in result["predicted"]
    ]
    return AuditReport(
        path=label,
        findings=tuple(findings),
        predicted=tuple(predicted),
        peak=None if result["peak"] is None else Peak(**result["peak"]),
        samples=tuple(result["samples"]),
        nodes=result["nodes"],
        nodes_unseen=result["nodes_unseen"],
        wall_s=wall_s,
        doubts=tuple(result["doubts"]),
    )


def _request(model_file, photo, inputs):
    """What the worker needs besides the file; paths are absolute because messages
    and the child share them.
    """
    return {
        "photo": None if photo is None else str(resolved(photo)),
        "inputs": [str(resolved(path)) for path in inputs or ()],
        "input_ranges": stated_ranges(model_file.metadata, "inputs", len(model_file.inputs)),
    }


def _run(label, folder, content, request, timeout_s):
    (folder / MODEL_NAME).write_bytes(content)
    answer = ask_module(_WORKER, folder, request=request, timeout_s=timeout_s)
    child = answer.child
    if answer.stage == DONE:
        return answer.content
    if child.timed_out:
        raise CheckError(
            f"{label}: the audit took longer than {timeout_s:g} s ({answer.stage}). Raise the"
            " limit."
        )
    # Where memory is limited from outside, whoever takes more is killed.
    is_killed = child.signal_name == "SIGKILL"
    if is_killed or answer.is_out_of_memory or answer.error_kind == "memory":
        raise CheckError(
            f"{label}: too little memory to keep every tensor. Use a larger machine or a smaller"
            " size."
        )
    if answer.error_kind is None and child.signal_name:
        raise ModelFileError(
            f"{label}: the CPU interpreter dies on it ({child.signal_name}) while {answer.stage}. "
            "It is damaged, or made for another runtime."
        )
    if answer.error_kind is None:
        # Python code of ours failed: a bug, not a finding about the file.
        raise RuntimeError(f"the audit's own worker failed:\n{child.stderr}")
    raise _ERRORS.get(answer.error_kind, CheckError)(answer.message.replace(UNNAMED, label, 1))


_ERRORS = {"photo": PhotoError, "model": ModelFileError}
