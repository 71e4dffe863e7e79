"""LiteRT's NPU path asked about one file, without an NPU: Intel's compiler plugin parts the graph,
and OpenVINO computes it on this machine's processor.

What the plugin takes, it takes for Intel's NPUs; whether an NPU's own compiler takes that too, and
what it computes in half precision, is not known from here. All native code runs in a child process.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.delegate import plugin_log
from bokeh_tf.delegate.answer import Answer
from bokeh_tf.delegate.openvino import libraries
from bokeh_tf.delegate.probing.jobs import Jobs
from bokeh_tf.delegate.probing.probe import PASSED_THROUGH, judge, probe_request
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.errors import CheckError, ModelFileError
from bokeh_tf.processes import ask_module
from bokeh_tf.stages import stage
from bokeh_tf.tflite.running import gpu_log
from bokeh_tf.tflite.running.agreement import (
    OutputCheck,
    failed_outputs,
    failures,
    outputs_not_finite,
)
from bokeh_tf.tflite.subject import Subject, printable_path

DEFAULT_TIMEOUT_S = 300.0
_WORKER, _JOB = "bokeh_tf.delegate.openvino.worker", "openvino"
_ONE_PART = (
    "all of it is taken, in {}; the runtime compiles only the first part for this machine, so"
    " there are no numbers"
)
# Where a processor has instructions for bfloat16, OpenVINO's kernels use them although the worker
# asks for float32: a convolution is then off by 0.003 of its range.
_FLOAT32_ALONE = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}


@dataclass(frozen=True)
class OpenVinoReport(Answer):
    """What the engine made of a file.

    Attributes:
        operators: how many the plugin counts, composites taken apart; None, as the next two,
            where it did not come so far.
        taken: how many of them it takes.
        partitions: the parts that they form.
        outputs: each one against the CPU's; none where it did not run.
        compile_s, run_s: seconds to compile the file, and of each run.
    """

    operators: int | None = None
    taken: int | None = None
    partitions: int | None = None
    outputs: tuple[OutputCheck, ...] = ()
    compile_s: float | None = None
    run_s: tuple[float, ...] = ()

    @property
    def figure(self) -> str:
        """How the graph was parted, and how near the numbers come to the CPU's."""
        if self.operators is None:
            return ""
        parting = plugin_log.Parting(self.operators, self.taken or 0, self.partitions or 0)
        shares = [
            check.difference.max_abs / check.scale for check in self.outputs if check.difference
        ]
        return (
            f"{parting}, largest error {max(shares):.2g} of the range" if shares else str(parting)
        )


def run(
    subject: Subject,
    *,
    photo: Path | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> OpenVinoReport | Unchecked:
    """Runs `subject` on the inputs of a probe, and compares with the CPU by the same limits,
    where `libraries.missing` names nothing.

    `Unchecked` is a file of which nothing can be said: the CPU cannot run it, memory is too
    small, or it has several parts, of which only one can be computed here.
    """
    deadline_s = time.monotonic() + timeout_s
    try:
        with tempfile.TemporaryDirectory(prefix="bokeh-openvino-") as folder:
            jobs = Jobs(subject.label, Path(folder), deadline_s)
            jobs.write(subject.content, probe_request(photo, subject.model_file))
            return _Run(subject, jobs).report()
    except (ModelFileError, CheckError) as error:
        return Unchecked(subject.label, printable_path(str(error)))


class _Run:
    """The jobs of one file, judged."""

    def __init__(self, subject, jobs):
        self._subject = subject
        self._jobs = jobs

    def report(self) -> OpenVinoReport | Unchecked:
        """The CPU's numbers first, then the engine against them."""
        reference, failure = self._jobs.run_reference()
        if failure is not None:
            raise failure
        if reference["stage"] != "done":
            words = f"the CPU interpreter alone took longer than the limit ({reference['stage']})"
            return OpenVinoReport(Verdict.TIMED_OUT, (words,))
        with stage("on OpenVINO"):
            answer = ask_module(
                _WORKER,
                self._jobs.folder,
                job=_JOB,
                timeout_s=self._jobs.remaining_s,
                environment={"LD_LIBRARY_PATH": _search_path(), **_FLOAT32_ALONE},
            )
        if answer.traceback:
            raise RuntimeError(f"the check's own worker failed:\n{answer.traceback}")
        is_passed = any(signature["passed_through"] for signature in reference["signatures"])
        return self._judged(answer, plugin_log.parse(answer.child.stderr), is_passed)

    def _judged(self, answer, said, is_passed):
        if answer.error_kind == "libraries":
            return OpenVinoReport(Verdict.UNAVAILABLE, (libraries.misfit(answer.message),))
        if answer.is_out_of_memory and (answer.error_kind or answer.child.return_code):
            return self._unchecked("too little memory for this check")
        if answer.child.timed_out:
            return _reported(Verdict.TIMED_OUT, (f"time was up while {answer.stage}",), said)
        if answer.child.return_code:
            how = answer.child.signal_name or gpu_log.without_stamp(answer.child.last_line)
            words = f"the process dies ({how}) while {answer.stage}"
            return _reported(Verdict.CRASHED, (words, *said.errors), said)
        if said.parting is None:
            words = answer.message if answer.error_kind else "no word of it"
            return self._unchecked(f"the plugin parted nothing ({words})")
        if not said.is_whole:
            return _reported(Verdict.REFUSED, (said.left,), said, operators_left=said.refused)
        if answer.error_kind == "compile":
            if said.asks_for_npu:
                return self._unchecked(_ONE_PART.format(said.parting))
            return _reported(Verdict.REFUSED, said.errors or (answer.message,), said)
        if answer.error_kind == "run":
            return _reported(Verdict.CRASHED, said.errors or (answer.message,), said)
        if answer.error_kind:
            return self._unchecked(answer.message)
        return self._compared(answer.content, said, is_passed)

    def _compared(self, content, said, is_passed):
        is_coarse = self._subject.model_file.is_quantised
        outputs = judge(content["runs"], is_coarse=is_coarse)
        wrong = failures(outputs)
        # What it complains of and computes right all the same is no finding.
        reasons = (*wrong, *said.errors) if wrong else ()
        if wrong and is_passed:
            reasons = (PASSED_THROUGH, *reasons)
        return _reported(
            Verdict.WRONG if wrong else Verdict.FULL,
            reasons,
            said,
            outputs=outputs,
            wrong_outputs=failed_outputs(outputs),
            not_finite=outputs_not_finite(outputs),
            compile_s=content["compile_s"],
            run_s=tuple(run["run_s"] for run in content["runs"]),
        )

    def _unchecked(self, reason):
        return Unchecked(self._subject.label, printable_path(reason))


def _reported(verdict, reasons, said, **more):
    return OpenVinoReport(verdict, tuple(reasons), **said.counts, **more)


def _search_path():
    """Where the child finds OpenVINO: the plugin itself looks for it beside the runtime, and the
    two may be installed in different folders.
    """
    return os.pathsep.join(
        filter(None, [str(libraries.folder()), os.environ.get("LD_LIBRARY_PATH")])
    )
