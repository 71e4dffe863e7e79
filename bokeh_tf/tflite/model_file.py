"""What a `.tflite` file holds, as `inspection` reads it: tensors, nodes and their graph."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from bokeh_tf.tflite import layer_names, unpacking
from bokeh_tf.tflite.nodes import OperatorInfo, TensorInfo
from bokeh_tf.tflite.unpacking import UnpackedWeights, find_unpacked

if TYPE_CHECKING:
    import numpy as np

# How `struct` writes the types whose values can be read here. Types of fewer than eight bits are
# packed, and of bfloat16 and the 8-bit floats NumPy knows nothing.
_KINDS = {
    "bool": "?",
    **{"int8": "b", "int16": "h", "int32": "i", "int64": "q"},
    **{"uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q"},
    **{"float16": "e", "float32": "f", "float64": "d"},
}
_COMPLEX_BYTES = {"complex64": 8, "complex128": 16}
ELEMENT_BYTES = {
    name: struct.calcsize(f"<{kind}") for name, kind in _KINDS.items()
} | _COMPLEX_BYTES


@dataclass(frozen=True)
class Signature:
    """A way to call a file. `inputs` and `outputs` are the tensors' indices by the names that callers
    use, in the file's order, as it claims them: they may be of no tensor. `subgraph` is the graph
    that it runs, 0 for the main one.
    """

    key: str
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    subgraph: int = 0


@dataclass(frozen=True)
class ModelFile:
    """A `.tflite` file's content.

    `macs` are multiply-accumulates as `bokeh_tf.tflite.macs` counts them, `node_macs` those of each
    node, `parameters` the elements of its constant weights. `metadata` is what this package wrote
    into the file, None for a file from elsewhere; `standard_metadata` is TensorFlow Lite's own, unread.
    `subgraph_count` counts the main graph too;
    `signatures` are the ways in which the file may be called. `buffers` are views of the file's
    bytes, by `TensorInfo.buffer`.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    macs: int
    parameters: int
    size_bytes: int
    metadata: dict | None
    min_runtime_version: str | None
    node_macs: tuple[int, ...] = ()
    subgraph_count: int = 1
    signatures: tuple[Signature, ...] = ()
    buffers: tuple[memoryview, ...] = field(default=(), repr=False, compare=False)
    standard_metadata: memoryview | None = field(default=None, repr=False, compare=False)

    def values(self, tensor_index: int) -> "np.ndarray | None":
        """A constant's values, read-only; None where it is no constant, or sparse,
        or of a type NumPy lacks.
        """
        if not self._is_readable(tensor_index):
            return None
        # A check without a GPU looks at a few small constants, and NumPy takes longer to
        # load than to check them.
        import numpy as np

        tensor = self.tensors[tensor_index]
        content = self.buffers[tensor.buffer]
        return np.frombuffer(content, tensor.dtype, prod(tensor.shape)).reshape(tensor.shape)

    def flat_values(self, tensor_index: int) -> tuple | None:
        """The same as plain numbers, one after another; None also for complex ones."""
        kind = _KINDS.get(self.tensors[tensor_index].dtype)
        if kind is None or not self._is_readable(tensor_index):
            return None
        tensor = self.tensors[tensor_index]
        return struct.unpack_from(f"<{prod(tensor.shape)}{kind}", self.buffers[tensor.buffer])

    def _is_readable(self, tensor_index):
        tensor = self.tensors[tensor_index]
        return tensor.is_constant and not tensor.is_sparse and tensor.dtype in ELEMENT_BYTES

    @property
    def is_quantised(self) -> bool:
        """Whether real values stand behind integers anywhere.

        Right computations of such a model may differ by whole steps. Integers that mean themselves,
        such as a photo's bytes or an index, quantise nothing.
        """
        return any(tensor.is_quantised for tensor in self.tensors)

    def producer(self, tensor: int) -> int | None:
        """The node that computes a tensor, None for inputs and constants."""
        return self._producers.get(tensor)

    def consumers(self, tensor: int) -> tuple[int, ...]:
        """The nodes that read a tensor, each once, in the file's order."""
        return self._consumers.get(tensor, ())

    def layer(self, node_index: int) -> str | None:
        """The Keras layer that a node comes from as far as names tell, such as "block/conv"."""
        return self._layers[node_index]

    @cached_property
    def unpacked_weights(self) -> UnpackedWeights:
        """Weights that nodes unpack from any stored form: they do not depend on the inputs."""
        return find_unpacked(self.operators, self.tensors, unpacking.is_any)

    @cached_property
    def folded_weights(self) -> UnpackedWeights:
        """Those that GPU delegates fold, so that they are constants to them: float16 and sparse."""
        return find_unpacked(self.operators, self.tensors, unpacking.is_folded)

    @cached_property
    def set_aside_weights(self) -> UnpackedWeights:
        """Those whose nodes a delegate sets aside before it splits the graph: stored float16.

        With every other node supported they disappear into the delegate, otherwise they stay on
        the CPU.
        """
        return find_unpacked(self.operators, self.tensors, unpacking.is_set_aside)

    @cached_property
    def _producers(self):
        return {tensor: node.index for node in self.operators for tensor in node.outputs}

    @cached_property
    def _consumers(self):
        consumers: dict[int, list[int]] = {}
        for node in self.operators:
            for tensor in dict.fromkeys(node.inputs):
                consumers.setdefault(tensor, []).append(node.index)
        return {tensor: tuple(nodes) for tensor, nodes in consumers.items()}

    @cached_property
    def _layers(self):
        outputs = [
            next((tensor for tensor in node.outputs if tensor >= 0), None)
            for node in self.operators
        ]
        names = ["" if output is None else self.tensors[output].name for output in outputs]
        return layer_names.layers(
            [(node.name, name) for node, name in zip(self.operators, names, strict=True)]
        )


def is_quantisation(scale_count: int, details_type: int) -> bool:
    """Whether a tensor's quantisation says anything; a mere range, or no scale, does not."""
    return scale_count > 0 or details_type != 0
