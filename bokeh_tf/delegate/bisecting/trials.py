"""Running rewritten versions of one file on the delegate, and what each tensor's error is there.

A trial is the file with more outputs ("exposed") or the file's beginning ("cut"), run on the CPU
and on the delegate with the same input as the whole file. Tensors keep their indices throughout.
"""

from dataclasses import dataclass, replace

from bokeh_tf.delegate.bisecting.worker import ORIGINAL_NAME
from bokeh_tf.delegate.probing.probe import judge
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.probing.worker import MODEL_NAME
from bokeh_tf.processes import DONE
from bokeh_tf.tflite.rewriting import tensor_of
from bokeh_tf.tflite.running.agreement import OutputCheck

_WORKER = "bokeh_tf.delegate.bisecting.worker"
_JOB = "rewrite"


@dataclass(frozen=True)
class TrialResult:
    """`verdict` is FULL or WRONG by the checks and the delegate's log, or why there are no checks.

    `checks` go by tensor index. With `logged_errors` no value of the run means
    anything, right layers' neither.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    checks: dict[int, OutputCheck]
    logged_errors: tuple[str, ...] = ()


class Trials:
    """The trials of one file in one precision.

    Args:
        jobs: a `Jobs` with the folder and the deadline.
        request: as `probe_request` makes it.
        is_coarse: how outputs are judged.
    """

    def __init__(self, jobs, content, *, request, precision, is_coarse):
        self._jobs = jobs
        self._content = content
        self._request = request
        self._precision = precision
        self._is_coarse = is_coarse
        self.adapter = None
        (jobs.folder / ORIGINAL_NAME).write_bytes(content)

    def use_trial(self, trial):
        """Restricts all further trials to one input ("photo", "signed_random", …)."""
        # A rewritten file's outputs are others than the description in the file speaks of.
        self._request = {**self._request, "trials": [trial], "output_ranges": []}

    def whole(self):
        """Runs the file itself; returns (`TrialResult` without checks by tensor, its checks)."""
        self._jobs.write(self._content, self._request)
        return self._run()

    def exposed(self, tensors) -> TrialResult:
        """Runs the file with these tensors as outputs besides its own."""
        return self._rewritten({"expose": list(tensors)})

    def cut(self, node) -> TrialResult:
        """Runs the file's beginning up to and including a node."""
        return self._rewritten({"cut": node})

    def _rewritten(self, order):
        (self._jobs.folder / MODEL_NAME).unlink(missing_ok=True)
        answer = self._jobs.run(_WORKER, _JOB, request=order)
        if answer.child.timed_out:
            return TrialResult(Verdict.TIMED_OUT, ("time was up while rewriting the file",), {})
        if answer.stage != DONE:
            return TrialResult(Verdict.UNAVAILABLE, ("there is nothing to cut",), {})
        self._jobs.write((self._jobs.folder / MODEL_NAME).read_bytes(), self._request)
        result, checks = self._run()
        return replace(result, checks={tensor_of(check.name): check for check in checks})

    def _run(self):
        reference, failure = self._jobs.run_reference()
        if failure is not None:
            raise failure
        if reference["stage"] != DONE:
            return TrialResult(
                Verdict.TIMED_OUT, (f"time was up while {reference['stage']}",), {}
            ), ()
        outcome = self._jobs.run_on_delegate(self._precision)
        self.adapter = self.adapter or outcome.log.adapter
        if outcome.verdict is not None:
            return TrialResult(outcome.verdict, outcome.reasons, {}), ()
        checks = judge(outcome.result["runs"], is_coarse=self._is_coarse)
        errors = outcome.log.errors
        reasons = (*(check.reason for check in checks if not check.passed), *errors)
        return TrialResult(Verdict.WRONG if reasons else Verdict.FULL, reasons, {}, errors), checks
