"""Sizes fixed: free ones of the inputs become numbers, and what only they decide becomes constants.

The first step of a repair, before the passes: with a free size no other recipe knows what it
writes.
"""

from collections.abc import Sequence

import numpy as np

from bokeh_tf.repairing.evaluation import Evaluation
from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.nodes import Declined, listed
from bokeh_tf.repairing.tidying import tidy

NAME = "sizes"
DOES = "free sizes fixed, and what only they decide (SHAPE and what reads it) made constants"
# Unpacked weights stay as they are stored, and what draws numbers is no constant.
_KEPT = frozenset(
    {"DEQUANTIZE", "DENSIFY", "RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL"}
)
_SHAPE_READERS = frozenset({"SHAPE", "RANK"})


def has_free_sizes(graph: Graph) -> bool:
    """Whether any tensor's size is free, or nodes compute with sizes."""
    return any(node.name in _SHAPE_READERS for node in graph.nodes) or any(
        size < 0 for tensor in graph.tensors for size in listed(tensor.shapeSignature)
    )


def input_shapes(
    graph: Graph, given: Sequence[Sequence[int]] | None, *, batch: int = 1
) -> tuple[tuple[int, ...], ...]:
    """The sizes of the inputs: those given, else the file's with a free first dimension at `batch`.

    Raises:
        Declined: another dimension is free and was not given, or what was given does not fit the
        file.
    """
    if given is not None and len(given) != len(graph.inputs):
        raise Declined(f"{len(graph.inputs)} inputs need as many shapes, {len(given)} were given")
    shapes = []
    for place, tensor in enumerate(graph.inputs):
        stored = tuple(map(int, listed(graph.tensors[tensor].shape)))
        signature = tuple(map(int, listed(graph.tensors[tensor].shapeSignature))) or stored
        if given is not None:
            _check_fits(tuple(given[place]), signature)
            shapes.append(tuple(given[place]))
            continue
        free = [axis for axis, size in enumerate(signature) if size < 0]
        if free not in ([], [0]):
            raise Declined(
                f"input {place} has the free size {_text(signature)}: give --input-shape"
            )
        shapes.append((batch, *signature[1:]) if free else stored)
    return tuple(shapes)


def fix_sizes(graph: Graph, shapes) -> int:
    """Fixes all sizes and folds what depends on no input; returns how many nodes went.

    Raises:
        Declined: the interpreter cannot run the file, or a size depends on what the inputs hold.
    """
    evaluation = Evaluation(graph.content(), shapes)
    for tensor, entry in enumerate(graph.tensors):
        if graph.is_stored(tensor):
            continue
        shape = evaluation.shape(tensor)
        if shape is None and _is_used(graph, tensor):
            raise Declined(f"the size of {graph.name(tensor)} depends on what the inputs hold")
        if shape is not None and (
            shape != tuple(listed(entry.shape)) or entry.shapeSignature is not None
        ):
            graph.change_tensor(
                tensor, shape=np.array(shape, np.int32), shapeSignature=None, hasRank=len(shape) > 0
            )
    before = len(graph.nodes)
    _fold(graph, evaluation)
    tidy(graph)
    return before - len(graph.nodes)


def _is_used(graph, tensor):
    return bool(graph.readers(tensor)) or tensor in graph.outputs


def _fold(graph, evaluation):
    """Nodes that depend on no input become their values, SHAPE and RANK too."""
    varying = set(graph.inputs)
    for node in list(graph.nodes):
        depends = varying.intersection(node.inputs) and node.name not in _SHAPE_READERS
        is_stateful = any(graph.tensors[tensor].isVariable for tensor in node.inputs if tensor >= 0)
        if depends or is_stateful or node.is_custom or node.name in _KEPT or not node.outputs:
            varying.update(() if node.name in _KEPT and not depends else node.outputs)
            continue
        values = [evaluation.values(tensor) for tensor in node.outputs]
        if any(value is None for value in values) or set(node.outputs) & set(graph.outputs):
            varying.update(node.outputs)
            continue
        for tensor, value in zip(node.outputs, values, strict=True):
            graph.store(tensor, value)


def _check_fits(shape, signature):
    is_whole = len(shape) == len(signature) and all(size > 0 for size in shape)
    if not is_whole or any(
        own >= 0 and own != size for own, size in zip(signature, shape, strict=True)
    ):
        raise Declined(f"an input of {_text(shape)} does not fit the file's {_text(signature)}")


def _text(shape):
    return "x".join("?" if size < 0 else str(size) for size in shape) or "scalar"
