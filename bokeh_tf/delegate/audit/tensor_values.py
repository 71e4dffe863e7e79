"""The values of every tensor of a `.tflite` after one run on the CPU, as the
audit's rules ask for them.

`open_interpreter` loads a file so that no tensor is overwritten or hidden; `Run` is one run's
values. Both belong into the child process: they trust the file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from bokeh_tf.delegate.audit import samples
from bokeh_tf.delegate.audit.findings import AuditFinding, Severity, explanations
from bokeh_tf.delegate.audit.samples import Accumulation
from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite.model_file import ModelFile
from bokeh_tf.tflite.nodes import OperatorInfo
from bokeh_tf.tflite.rewriting import port_name, with_outputs
from bokeh_tf.tflite.running.runtime import UNNAMED
from bokeh_tf.tflite.running.signatures import DAMAGE

# Operators that change where values lie, not the values.
MOVING = frozenset(
    {"RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "DEQUANTIZE", "QUANTIZE", "SPACE_TO_DEPTH"}
)


@dataclass(frozen=True)
class Spread:
    """The finite values of a tensor: their range, and how many others there are."""

    low: float
    high: float
    non_finite_count: int

    @property
    def peak(self) -> float:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high))

    @property
    def scale(self) -> float:
        """What errors are relative to: the width of the range or the largest
        magnitude, whichever is larger.
        """
        return max(self.high - self.low, self.peak)


_EMPTY = Spread(0.0, 0.0, 0)


class Run:
    """One run: `model_file` with the values that its tensors had.

    Args:
        values: tensor index -> its real values (quantised ones scaled), or None
            where they cannot be seen.
    """

    def __init__(self, model_file: ModelFile, values: Callable[[int], np.ndarray | None]):
        self.model_file = model_file
        self._values = values
        self._spreads: dict[int, Spread] = {}
        self._sums: dict[int, Accumulation | None] = {}

    def values(self, tensor) -> np.ndarray | None:
        """A tensor's values as floats; None for absent, unseen and whole-number ones."""
        if tensor < 0:
            return None
        array = self._unpacked(tensor)
        array = self._values(tensor) if array is None else array
        return array if array is not None and array.dtype.kind == "f" and array.size else None

    def _unpacked(self, tensor):
        """A stored float16 constant behind its DEQUANTIZE, which XNNPACK takes for
        itself without running it.
        """
        producer = self.model_file.producer(tensor)
        if producer not in self.model_file.set_aside_weights.nodes:
            return None
        stored = self.model_file.values(self.model_file.operators[producer].inputs[0])
        return None if stored is None else stored.astype(np.float32)

    def spread(self, tensor) -> Spread:
        """The range of a tensor's finite values; zeros where there are none."""
        if tensor not in self._spreads:
            array = self.values(tensor)
            self._spreads[tensor] = _EMPTY if array is None else _spread(array)
        return self._spreads[tensor]

    def sums(self, node) -> Accumulation | None:
        """What a convolution or matrix product does in half precision at some
        outputs; None for other nodes.
        """
        if node.index not in self._sums:
            self._sums[node.index] = self._sampled(node)
        return self._sums[node.index]

    def _sampled(self, node):
        sample = samples.SAMPLERS.get(node.name)
        output = self.values(node.outputs[0]) if sample is not None and node.outputs else None
        if sample is None or output is None:
            return None
        arrays = [self.values(tensor) for tensor in node.inputs]
        is_quantised = self.model_file.tensors[node.outputs[0]].is_quantised
        return sample(
            node, arrays, output, scale=self.spread(node.outputs[0]).scale, saturates=is_quantised
        )

    def is_constant(self, tensor) -> bool:
        """Whether a tensor is stored in the file, if need be in a form that nodes unpack."""
        if tensor < 0:
            return False
        is_stored = self.model_file.tensors[tensor].is_constant
        return is_stored or tensor in self.model_file.unpacked_weights.tensors

    def runtime_inputs(self, node) -> list[int]:
        """The inputs of a node that depend on the file's inputs."""
        return [tensor for tensor in node.inputs if tensor >= 0 and not self.is_constant(tensor)]

    def consumers(self, tensor) -> list[tuple[OperatorInfo, int]]:
        """The nodes that read a tensor, with what they read, looking
        through those that only move it.
        """
        found, pending, seen = [], [tensor], {tensor}
        while pending:
            read = pending.pop()
            for index in self.model_file.consumers(read):
                node = self.model_file.operators[index]
                if node.name in MOVING:
                    pending += [output for output in node.outputs if output not in seen]
                    seen.update(node.outputs)
                else:
                    found.append((node, read))
        return found

    def finding(
        self, rule, node, *, severity, value, limit, reason, predicted_error=None
    ) -> AuditFinding:
        """A finding about a node, with what the rule says to write instead."""
        return AuditFinding(
            rule=rule,
            severity=Severity(severity),
            node=node.index,
            op=node.name,
            layer=self.model_file.layer(node.index),
            value=float(value),
            limit=float(limit),
            reason=reason,
            instead=explanations()[rule].instead,
            predicted_error=None if predicted_error is None else float(predicted_error),
        )


def _spread(array):
    low, high = float(array.min()), float(array.max())
    if np.isfinite(low) and np.isfinite(high):
        return Spread(low, high, 0)
    finite = array[np.isfinite(array)]
    if not finite.size:
        return Spread(0.0, 0.0, array.size)
    return Spread(float(finite.min()), float(finite.max()), array.size - finite.size)


def open_interpreter(content, model_file, *, threads):
    """An interpreter with its tensors allocated, that keeps the values of all tensors.

    XNNPACK hides what lies inside its part of the graph, so it is used only where a custom operator
    is known to nobody else; every tensor is then made an output.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        interpreter = Interpreter(
            model_content=content,
            num_threads=threads,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        return interpreter
    except RuntimeError as error:
        if "custom op" not in str(error):
            raise
    constant = {t.index for t in model_file.tensors if t.is_constant}
    made = {
        tensor for node in model_file.operators for tensor in node.outputs if tensor >= 0
    } - constant
    try:
        rewritten = with_outputs(content, sorted(made))
    except DAMAGE as error:
        raise ModelFileError(f"{UNNAMED}: its tables are damaged ({error}).") from error
    interpreter = Interpreter(model_content=rewritten, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def tensor_reader(interpreter, model_file) -> Callable[[int], np.ndarray | None]:
    """The values of a tensor in `interpreter` by its index, for `Run`. Views: let go of
    them before the next run.
    """
    details = {entry["index"]: entry for entry in interpreter.get_tensor_details()}
    # In a rewritten file a tensor is seen in its copy, which comes behind the file's own tensors.
    tensors = range(len(model_file.tensors))
    copies = {entry["name"]: entry for entry in details.values() if entry["index"] not in tensors}
    seen = {tensor: copies.get(port_name(tensor), details.get(tensor)) for tensor in tensors}

    def read(tensor):
        entry = seen[tensor]
        if entry is None:
            return None
        # A view of texts would take their lengths for pointers.
        if np.dtype(entry["dtype"]).kind not in "fiub":
            return None
        try:
            array = interpreter.tensor(entry["index"])()
        except (ValueError, RuntimeError):
            return None
        if array.size != prod(int(size) for size in entry["shape"]):
            return None
        return _real(array, entry["quantization_parameters"])

    return read


def _real(array, quantisation):
    """Whole numbers with scales as the real numbers that they stand for; anything else as it is."""
    scales, zero_points = quantisation["scales"], quantisation["zero_points"]
    if array.dtype.kind not in "iu" or not len(scales):
        return array
    shape = [1] * array.ndim
    if len(scales) > 1:
        axis = quantisation["quantized_dimension"]
        if not 0 <= axis < array.ndim or array.shape[axis] != len(scales):
            return array
        shape[axis] = -1
    scales = np.asarray(scales, np.float32).reshape(shape)
    zero_points = np.asarray(zero_points if len(zero_points) else [0], np.float32)
    zero_points = (
        zero_points.reshape(shape)
        if zero_points.size > 1
        else zero_points.reshape([1] * array.ndim)
    )
    return (array.astype(np.float32) - zero_points) * scales
