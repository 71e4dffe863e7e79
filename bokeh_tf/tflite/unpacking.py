"""Weights that a file stores packed and that nodes unpack on every run: half precision, small
integers, sparse.

Who asks wants one of three sets, each within the one before: all such weights, those that a GPU
delegate folds into its own constants, and those whose nodes it sets aside before it looks at the
graph. See `ModelFile`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bokeh_tf.tflite.nodes import OperatorInfo, TensorInfo

_UNPACKING = frozenset({"DEQUANTIZE", "DENSIFY"})


@dataclass(frozen=True)
class UnpackedWeights:
    """Indices of the nodes that unpack weights, and of the tensors that they make of them."""

    nodes: frozenset[int]
    tensors: frozenset[int]


def find_unpacked(
    operators: Sequence[OperatorInfo],
    tensors: Sequence[TensorInfo],
    counts: Callable[[OperatorInfo, TensorInfo], bool],
) -> UnpackedWeights:
    """The nodes that unpack a stored tensor, or what another such node made of one.

    Args:
        counts: whether a node with this source is of the kind that is asked for.
    """
    nodes: set[int] = set()
    made: set[int] = set()
    # A node that stands before the one it needs unpacks nothing, so a cycle ends here too.
    for operator, source in _unpacking_nodes(operators, tensors):
        if (source.is_constant or source.index in made) and counts(operator, source):
            nodes.add(operator.index)
            made.update(tensor for tensor in operator.outputs if tensor >= 0)
    return UnpackedWeights(frozenset(nodes), frozenset(made))


def is_any(operator: OperatorInfo, source: TensorInfo) -> bool:
    """Whatever is unpacked does not depend on the file's inputs."""
    return True


def is_folded(operator: OperatorInfo, source: TensorInfo) -> bool:
    """Delegates fold float16 and sparse weights.

    Small integers they read as they are, or leave to the CPU.
    """
    return operator.name == "DENSIFY" or source.dtype == "float16"


def is_set_aside(operator: OperatorInfo, source: TensorInfo) -> bool:
    """The runtime looks past the unpacking of stored float16 alone.

    Behind a DENSIFY a DEQUANTIZE is a node like others.
    """
    return operator.name == "DEQUANTIZE" and source.dtype == "float16" and source.is_constant


def _unpacking_nodes(
    operators: Sequence[OperatorInfo], tensors: Sequence[TensorInfo]
) -> Iterator[tuple[OperatorInfo, TensorInfo]]:
    """(node, its only input) of every node whose operator unpacks."""
    for operator in operators:
        if operator.name not in _UNPACKING or operator.is_custom:
            continue
        if len(operator.inputs) == 1 and operator.inputs[0] >= 0:
            yield operator, tensors[operator.inputs[0]]
