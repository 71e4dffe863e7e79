"""The jobs of one conversion in child processes: one folder, one deadline, no framework in this process."""

import time
from pathlib import Path

from bokeh_tf.converting.exchange import CONVERTED_NAME, FLOAT32_NAME, MEASURED_NAME
from bokeh_tf.converting.parity import OutputParity
from bokeh_tf.errors import CheckError, ConversionError, DependencyError, ModelFileError, PhotoError
from bokeh_tf.paths import printable
from bokeh_tf.processes import DONE, ask_module

BUILD, LAYERS, MEASURE = "build", "layers", "measure"
_BUILDER, _MEASURER = "bokeh_tf.converting.builder", "bokeh_tf.converting.measurer"
_ERRORS = {
    "dependency": DependencyError,
    "file": ModelFileError,
    "conversion": ConversionError,
    "photo": PhotoError,
    "inputs": CheckError,
}
# The device stays with others, and Keras is TensorFlow's here whatever the user's own choice is.
_ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
_LONGEST_REASON = 300


class Children:
    """One model's jobs. `label` is what messages call it."""

    def __init__(self, label: str, folder: Path, deadline_s: float):
        self._label = label
        self._folder = folder
        self._deadline_s = deadline_s

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._deadline_s - time.monotonic()

    def build(self, request: dict) -> tuple[bytes, bytes, dict]:
        """(the file, its float32 twin, what the child says of the model)."""
        answer = self._run(_BUILDER, BUILD, request)
        return (self._folder / CONVERTED_NAME).read_bytes(), (self._folder / FLOAT32_NAME).read_bytes(), answer

    def measure(self, content: bytes, built: dict) -> tuple[OutputParity, ...]:
        """How far a file is from the model that was built."""
        (self._folder / MEASURED_NAME).write_bytes(content)
        request = {name: built[name] for name in ("samples", "outputs", "computes_in_half")}
        answer = self._run(_MEASURER, MEASURE, request)
        return tuple(OutputParity(**entry) for entry in answer["outputs"])

    def find_layer(self, request: dict, tolerance: float) -> dict:
        """`first`, the first layer beyond the tolerance or None, and then a `note` on why there is none."""
        return self._run(_BUILDER, LAYERS, {**request, "tolerance": tolerance})

    def _run(self, module, job, request):
        answer = ask_module(
            module,
            self._folder,
            job=job,
            request=request,
            timeout_s=self.remaining_s,
            environment=_ENVIRONMENT,
        )
        if answer.error_kind is not None:
            raise _ERRORS[answer.error_kind](answer.message)
        if answer.stage != DONE:
            reason = printable(answer.child.ending, most_characters=_LONGEST_REASON)
            raise ConversionError(f"{self._label}: failed while {answer.stage} ({reason}).")
        return answer.content
