"""The jobs of one conversion in child processes: one folder, one deadline, no
framework in this process.
"""

import time
from pathlib import Path

from bokeh_tf.converting.exchange import (
    CONVERTED_NAME,
    FLOAT32_NAME,
    MEASURED_NAME,
    PLAIN_NAME,
    QUANTISED_NAME,
)
from bokeh_tf.converting.parity import LayerCost, OutputParity
from bokeh_tf.errors import CheckError, ConversionError, DependencyError, ModelFileError, PhotoError
from bokeh_tf.paths import printable
from bokeh_tf.processes import DONE, ask_module
from bokeh_tf.tflite.running.runtime import UNNAMED

BUILD, LAYERS = "build", "layers"
MEASURE, REFERENCE = "measure", "reference"
QUANTISE = "quantise"
_BUILDER, _MEASURER = "bokeh_tf.converting.builder", "bokeh_tf.converting.measurer"
_QUANTISER = "bokeh_tf.converting.quantiser"
# The errors that a child foresees, as it names them.
KINDS = {
    DependencyError: "dependency",
    ModelFileError: "file",
    ConversionError: "conversion",
    PhotoError: "photo",
    CheckError: "inputs",
}
_ERRORS = {kind: error for error, kind in KINDS.items()}
# The device stays with others, and Keras is TensorFlow's here whatever the user's own choice is.
_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
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
        return (
            (self._folder / CONVERTED_NAME).read_bytes(),
            (self._folder / FLOAT32_NAME).read_bytes(),
            answer,
        )

    def measure(self, content: bytes, built: dict) -> tuple[OutputParity, ...]:
        """How far a file is from the model that was built."""
        (self._folder / MEASURED_NAME).write_bytes(content)
        request = {name: built[name] for name in ("samples", "outputs", "computes_in_half")}
        answer = self._run(_MEASURER, MEASURE, request)
        return tuple(OutputParity(**entry) for entry in answer["outputs"])

    def refer_to(self, content: bytes, request: dict) -> dict:
        """Makes a file what `measure` compares with; returns what the child says of it."""
        (self._folder / MEASURED_NAME).write_bytes(content)
        return self._run(_MEASURER, REFERENCE, request)

    def find_layer(self, request: dict, tolerance: float) -> dict:
        """`first`, the first layer beyond the tolerance or None, and then a
        `note` on why there is none.
        """
        return self._run(_BUILDER, LAYERS, {**request, "tolerance": tolerance})

    def quantise(self, content: bytes, request: dict) -> tuple[bytes, tuple[LayerCost, ...]]:
        """(a float32 file with weights of eight bits, what each layer alone costs
        where that was asked for).
        """
        (self._folder / PLAIN_NAME).write_bytes(content)
        answer = self._run(_QUANTISER, QUANTISE, request)
        return (self._folder / QUANTISED_NAME).read_bytes(), tuple(
            LayerCost(**entry) for entry in answer["costs"]
        )

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
            message = answer.message.removeprefix(f"{UNNAMED}: ")
            raise _ERRORS[answer.error_kind](
                message if self._label in message else f"{self._label}: {message}"
            )
        if answer.stage != DONE:
            ending = "out of memory" if answer.is_out_of_memory else answer.child.ending
            reason = printable(ending, most_characters=_LONGEST_REASON)
            raise ConversionError(f"{self._label}: failed while {answer.stage} ({reason}).")
        return answer.content
