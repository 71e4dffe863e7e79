"""The classic engine asked about one file: a child per file, in another Python, without network.

What it answers is about OpenGL, which the delegate turns to where a phone or an app has no OpenCL;
only what its own checker refuses holds for both.
"""

import json
import math
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.delegate.answer import Answer
from bokeh_tf.delegate.classic_gl import child
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.errors import of_missing_module
from bokeh_tf.processes import ChildResult, run_command
from bokeh_tf.tflite.running import gpu_log
from bokeh_tf.tflite.running.agreement import (
    Difference,
    OutputCheck,
    OutputKind,
    failed_outputs,
    failure_reason,
    failures,
    outputs_not_finite,
    psnr_db,
    scale_between,
)
from bokeh_tf.tflite.subject import Subject

VARIABLE = "BOKEH_CLASSIC_GL_PYTHON"
DEFAULT_TIMEOUT_S = 120.0
_CHECKER = re.compile(
    r"Following operations are not supported by GPU delegate:\n((?:[A-Z][^\n]*\n)+)"
)
_DELEGATE_FAILED = re.compile(r".*\bfailed: ")
_, _GL_STAGE = child.STAGES
# Some kernels store numbers beyond their memory. As the heap is, that ends the process in some runs
# and is not seen in others; glibc's checked heap ends it in all. Where that library is not there,
# it is passed over. Now and then glibc's own word of what it found waits for the heap's lock, which
# it holds itself.
_CHECKED_HEAP = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}
_STANDSTILL_S = 10.0
_TRIAL = "positive_random"
_OTHER_SHAPE = "not the CPU's shape"
_OTHER_NUMBERS = "not infinite, or not a number, where the CPU's values are"
_FED_TYPES = frozenset({"float32", "int8", "uint8"})


@dataclass(frozen=True)
class ClassicReport(Answer):
    """What the engine made of a file.

    Attributes:
        is_common: whether the refusal is the checker's, which phones with OpenCL ask too.
        psnr_db: of the worst output, in the engine's half precision, against the CPU; None
            where nothing was compared.
    """

    is_common: bool = False
    psnr_db: float | None = None

    @property
    def figure(self) -> str:
        """How near the numbers come to the CPU's."""
        return "" if self.psnr_db is None else f"{self.psnr_db:.1f} dB"

    @property
    def counts_for_target(self) -> bool:
        """Its checker is asked on phones with OpenCL too; the rest is about OpenGL alone."""
        return self.is_common


def run(subject: Subject, *, python: Path, timeout_s: float = DEFAULT_TIMEOUT_S) -> ClassicReport:
    """Runs `subject` on the engine that the interpreter `python` has."""
    if not _can_be_fed(subject.model_file.inputs):
        return ClassicReport(
            Verdict.UNAVAILABLE,
            (
                "it can be fed with numbers of a batch of one alone: float32, int8 or uint8 of"
                " [1, ...] with at most four dimensions",
            ),
        )
    outputs = [tensor.index for tensor in subject.model_file.outputs]
    if len(set(outputs)) < len(outputs):
        return ClassicReport(
            Verdict.UNAVAILABLE,
            ("two outputs are one tensor, which what hands it the picture does not take",),
        )
    with tempfile.TemporaryDirectory(prefix="bokeh-classic-gl-") as folder:
        model = Path(folder) / "model.tflite"
        model.write_bytes(subject.content)
        return _ask(subject, python, model, timeout_s)


def _can_be_fed(inputs):
    """Whether all inputs can be made of the one picture that the engine is handed."""
    return bool(inputs) and all(
        tensor.dtype in _FED_TYPES and 1 <= len(tensor.shape) <= 4 and _is_one(tensor.shape)
        for tensor in inputs
    )


def _is_one(shape):
    return shape[0] == 1 and all(size is not None and size > 0 for size in shape)


def _ask(subject, python, model, timeout_s):
    answer_path = model.with_name("answer.json")
    answer_path.unlink(missing_ok=True)
    # Isolated: that Python must find its own packages, and none of ours.
    command = [str(python), "-I", child.__file__, str(model), str(answer_path)]
    try:
        done = run_command(
            command,
            timeout_s=timeout_s,
            environment=_CHECKED_HEAP,
            standstill_s=_STANDSTILL_S,
        )
    except OSError as error:
        return ClassicReport(
            Verdict.UNAVAILABLE, (f"{python}: cannot be started ({error.strerror})",)
        )
    try:
        answer = json.loads(answer_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ClassicReport(Verdict.UNAVAILABLE, (f"{python}: {done.ending}",))
    if "outputs" in answer and done.return_code == 0:
        return _compared(answer["outputs"], subject, timeout_s)
    return _without_outputs(answer, done)


def _without_outputs(answer: dict, done: ChildResult) -> ClassicReport:
    if "error" in answer:
        return ClassicReport(Verdict.UNAVAILABLE, (answer["error"],))
    stage = answer.get("stage")
    if done.timed_out:
        return ClassicReport(Verdict.TIMED_OUT, (f"{stage}: {done.ending}",))
    if stage not in (_GL_STAGE, child.ENDING):
        # Whatever fails before the engine is asked says nothing of it.
        own = _DELEGATE_FAILED.sub("", answer.get("refusal", ""))
        return ClassicReport(Verdict.UNAVAILABLE, (own or f"{stage}: {done.ending}",))
    if done.stood_still:
        return ClassicReport(Verdict.CRASHED, (done.ending,))
    if "refusal" not in answer:
        last_line = gpu_log.without_stamp(done.last_line)
        return ClassicReport(Verdict.CRASHED, (done.signal_name or last_line,))
    checker = _CHECKER.search(done.stderr)
    listed = tuple(dict.fromkeys(checker[1].splitlines())) if checker else ()
    own = _DELEGATE_FAILED.sub("", answer["refusal"])
    # Each line is an operator, a colon and why.
    operators = tuple(dict.fromkeys(line.partition(":")[0] for line in listed))
    return ClassicReport(
        Verdict.REFUSED, listed or (own,), operators_left=operators, is_common=bool(listed)
    )


def _compared(outputs, subject, timeout_s) -> ClassicReport:
    checks = _checks(outputs, [0.0] * len(outputs))
    if failed_outputs(checks) and subject.model_file.is_quantised:
        checks = _checks(outputs, _spreads(subject, timeout_s))
    return ClassicReport(
        Verdict.WRONG if failed_outputs(checks) else Verdict.FULL,
        failures(checks),
        wrong_outputs=failed_outputs(checks),
        not_finite=outputs_not_finite(checks),
        psnr_db=min((_psnr_db(check) for check in checks), default=math.inf),
    )


def _checks(outputs, spreads) -> tuple[OutputCheck, ...]:
    numbered = enumerate(zip(outputs, spreads, strict=True))
    return tuple(_check(f"output {number}", *output) for number, output in numbered)


def _check(name, output, spread) -> OutputCheck:
    """One output as what every engine's are; `spread` is a share of its scale."""
    scale = scale_between(output["smallest"], output["largest"], None)
    difference = _difference(output, scale)
    if difference is None:
        what = _OTHER_SHAPE if output["max_error"] is None else _OTHER_NUMBERS
        return OutputCheck(_TRIAL, name, scale, None, what)
    kind = OutputKind(scale, spread=spread * scale)
    reason = failure_reason(difference, kind, is_coarse=True)
    return OutputCheck(_TRIAL, name, scale, difference, reason)


def _difference(output, scale) -> Difference | None:
    """How far apart the numbers are; None where no number says it."""
    if output["non_finite"]:
        return Difference(math.nan, math.nan, math.nan, output["non_finite"])
    if output["max_error"] in (None, math.inf):
        return None
    found_db = psnr_db(math.sqrt(output["mean_squared_error"]), scale)
    return Difference(output["max_error"], output["mean_error"], found_db, 0)


def _psnr_db(check):
    is_number = check.difference is not None and not check.difference.non_finite_count
    return check.difference.psnr_db if is_number else -math.inf


def _spreads(subject, timeout_s):
    """The spreads of the outputs of a quantised file, as shares of their scales: none where the
    runtime that says them is not there.
    """
    try:
        from bokeh_tf.delegate.probing.spread import spread_shares
    except ModuleNotFoundError as error:
        if of_missing_module(error) is None:
            raise
        return [0.0] * len(subject.model_file.outputs)
    shares = spread_shares(subject, timeout_s=timeout_s)
    return [shares.get(tensor.index, 0.0) for tensor in subject.model_file.outputs]


def default_python() -> Path | None:
    """The interpreter that the environment names, None where it names none."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None
