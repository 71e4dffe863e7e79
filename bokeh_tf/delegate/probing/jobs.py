"""The child processes of one file's check: one folder, one deadline, one process per job.

A `Jobs` object runs the jobs of `worker` and sorts out how they ended; what the numbers mean is the
caller's business. A failure that says nothing about the delegate is raised as the exception that
names it. One way of ending is no finding until it came twice, a GPU that stalls: such a job is run
once more, and `Jobs.notes` says so.
"""

import json
import os
import time
from dataclasses import dataclass

from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.probing.worker import MODEL_NAME, REFERENCE_JOB, SPLIT_JOB, STALLED
from bokeh_tf.errors import CheckError, ModelFileError, PhotoError
from bokeh_tf.processes import DONE, REQUEST_NAME, Answer, ask_module
from bokeh_tf.stages import stage
from bokeh_tf.tflite.running import gpu_log, runtime

_WORKER = "bokeh_tf.delegate.probing.worker"
_NO_ADAPTER = (
    "no Vulkan adapter that the runtime accepts: install a GPU driver, or a software one"
    " with `make software-gpu`"
)
_STALL = "the GPU was not done after two minutes, and nothing was at work any more"

# What is said while a job runs.
_STAGES = {
    REFERENCE_JOB: "on the CPU",
    "float32": "on the GPU, full precision",
    "default": "on the GPU, half precision",
    SPLIT_JOB: "on the GPU and the CPU",
    "rewrite": "a part of it cut out",
}


@dataclass(frozen=True)
class Outcome:
    """How a job on the delegate ended: numbers in `result`, or a `verdict` with its
    `reasons` and no numbers.
    """

    result: dict
    log: gpu_log.DelegateLog
    verdict: Verdict | None
    reasons: tuple[str, ...]


class Jobs:
    """One file's jobs. `label` is what messages call the file, `notes` are sentences about
    jobs that were run twice.
    """

    def __init__(self, label, folder, deadline_s):
        self.label = label
        self.folder = folder
        self.notes: list[str] = []
        self._deadline_s = deadline_s

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._deadline_s - time.monotonic()

    def write(self, content, request):
        """Lays down what the jobs work on."""
        (self.folder / MODEL_NAME).write_bytes(content)
        (self.folder / REQUEST_NAME).write_text(json.dumps(request), encoding="utf-8")

    def run_reference(self):
        """Runs the CPU interpreter; returns (result, None), or (None, the exception
        that says why it cannot).

        A run out of time is a result with a stage other than "done".
        """
        answer = self.run(_WORKER, REFERENCE_JOB)
        child = answer.child
        if child.timed_out or answer.stage == DONE:
            return answer.content, None
        if answer.error_kind == "photo":
            raise PhotoError(answer.message)
        if answer.error_kind == "model":
            return None, ModelFileError(answer.message.replace(runtime.UNNAMED, self.label, 1))
        if answer.error_kind:
            return None, CheckError(f"{self.label}: cannot be checked ({answer.message}).")
        self._raise_if_out_of_memory(answer)
        how = child.signal_name or child.last_line
        raise ModelFileError(
            f"{self.label}: the CPU interpreter dies on it ({how}). The file is damaged."
        )

    def run_on_delegate(self, job) -> Outcome:
        """Runs a precision or the split."""
        answer = self.run(_WORKER, job)
        if answer.error_kind == STALLED and self.remaining_s > 0:
            self.notes.append(f"{job}: in a first try {_STALL}; the second try is the one reported")
            answer = self.run(_WORKER, job)
        result, log = answer.content, gpu_log.parse(answer.child.stderr)
        verdict, reasons = self._failure(answer, log)
        if verdict is None and job != SPLIT_JOB and (log.reasons or not result["is_accelerated"]):
            verdict = Verdict.REFUSED
            reasons = log.reasons or ("the runtime says that not every operation is on the GPU",)
        return Outcome(result, log, verdict, tuple(reasons))

    def run(self, module, job, *, request=None) -> Answer:
        """Runs one worker; `request` replaces the one that lies in the folder."""
        environment = (
            {} if os.environ.get("XDG_RUNTIME_DIR") else {"XDG_RUNTIME_DIR": str(self.folder)}
        )
        with stage(_STAGES[job]):
            answer = ask_module(
                module,
                self.folder,
                job=job,
                request=request,
                timeout_s=self.remaining_s,
                environment=environment,
            )
        if answer.traceback:
            raise RuntimeError(f"the check's own worker failed:\n{answer.traceback}")
        return answer

    def _raise_if_out_of_memory(self, answer: Answer):
        """Too little memory says nothing about a file."""
        if answer.is_out_of_memory:
            raise CheckError(
                f"{self.label}: too little memory for this check. Use a machine with more, or a"
                " smaller size."
            )

    def _failure(self, answer: Answer, log):
        """The verdict and reasons of a job that brought no numbers, or (None, ())."""
        child = answer.child
        if child.timed_out:
            return Verdict.TIMED_OUT, (f"time was up while {answer.stage}",)
        if log.has_no_adapter:
            return Verdict.UNAVAILABLE, (_NO_ADAPTER,)
        if child.return_code:
            self._raise_if_out_of_memory(answer)
            last_line = gpu_log.without_stamp(child.last_line)
            how = child.signal_name or f"exit status {child.return_code}: {last_line}"
            return Verdict.CRASHED, (f"the process dies ({how}) while {answer.stage}", *log.errors)
        if answer.error_kind in ("compile", "run"):
            self._raise_if_out_of_memory(answer)
            verdict = Verdict.REFUSED if answer.error_kind == "compile" else Verdict.CRASHED
            return verdict, log.reasons or log.errors or log.runtime_errors or (answer.message,)
        if answer.error_kind == STALLED:
            return Verdict.TIMED_OUT, (_STALL,)
        if answer.error_kind:
            raise CheckError(f"{self.label}: cannot be checked ({answer.message}).")
        return None, ()
