"""The jobs of one repair in child processes: one folder, one deadline, nothing native in this
process.
"""

import time

from bokeh_tf.errors import CheckError, ModelFileError
from bokeh_tf.processes import DONE, ask_module
from bokeh_tf.repairing.proof import Proof

ORIGINAL_NAME, REPAIRED_NAME = "original.tflite", "repaired.tflite"
REWRITE, PROVE, INTERFACE = "rewrite", "prove", "interface"
_DOING = {REWRITE: "rewrite", PROVE: "prove", INTERFACE: "change the inputs and outputs of"}
_WORKER = "bokeh_tf.repairing.worker"


class Children:
    """One file's jobs. `label` is what messages call the file."""

    def __init__(self, label, folder, content, deadline_s):
        self._label = label
        self._folder = folder
        self._deadline_s = deadline_s
        (folder / ORIGINAL_NAME).write_bytes(content)

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._deadline_s - time.monotonic()

    def rewrite(self, request) -> tuple[bytes, dict]:
        """(the rewritten file, the journal)."""
        journal = self._run(REWRITE, request)
        return (self._folder / REPAIRED_NAME).read_bytes(), journal

    def change_interface(self, request) -> tuple[bytes, dict]:
        """(the file with other ports, what was changed and whether that was proved); further jobs
        start from it.
        """
        answer = self._run(INTERFACE, request)
        return (self._folder / ORIGINAL_NAME).read_bytes(), answer

    def prove(self, repaired, request) -> Proof:
        """Whether the CPU computes the same numbers; a child that dies or hangs on them is no
        proof.
        """
        (self._folder / REPAIRED_NAME).write_bytes(repaired)
        try:
            answer = self._run(PROVE, request)
        except CheckError as error:
            return Proof(str(error).removeprefix(f"{self._label}: "))
        return Proof(
            answer["failure"], tuple(answer["modes"]), answer["largest"], answer["tensors"]
        )

    def _run(self, job, request):
        answer = ask_module(
            _WORKER, self._folder, job=job, request=request, timeout_s=self.remaining_s
        )
        if answer.traceback:
            raise RuntimeError(f"the repair's own worker failed:\n{answer.traceback}")
        if answer.error_kind is not None:
            raise ModelFileError(answer.message.replace("the model", self._label, 1))
        if answer.stage != DONE:
            what = f"the child process ended: {answer.child.ending}"
            raise CheckError(f"{self._label}: cannot {_DOING[job]} it ({what}).")
        return answer.content
