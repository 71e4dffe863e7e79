"""GATHER and its relatives: indices as the delegates read them, reversed axes, rows by position."""

from math import prod

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _reverse(writer, node):
    graph, axes = writer.graph, writer.graph.stored(node.inputs[1])
    if axes is None:
        raise Declined("its axes are made while running")
    result, shape = node.inputs[0], graph.shape(node.inputs[0])
    for axis in axes.ravel():
        size = shape[int(axis)]
        result = writer.picked(result, int(axis) % len(shape), np.arange(size)[::-1])
    writer.deliver(result, node.outputs[0])


def _gather(writer, node):
    graph = writer.graph
    if node.option("batchDims") or (
        graph.is_constant(node.inputs[0]) and graph.is_constant(node.inputs[1])
    ):
        raise Declined("it gathers for each of a batch, or from constants alone")
    shape, axis = graph.shape(node.inputs[0]), node.option("axis")
    axis += len(shape) * (axis < 0)
    indices = graph.stored(node.inputs[1])
    if indices is None:
        _gather_at(writer, node, shape, axis)
        return
    indices = indices.ravel().astype(np.int64)
    indices = np.where(indices < 0, indices + shape[axis], indices)
    if indices.size == 0 or indices.min() < 0 or indices.max() >= shape[axis]:
        raise Declined("its indices lie outside")
    result = writer.picked(node.inputs[0], axis, indices)
    writer.deliver(writer.view(result, graph.shape(node.outputs[0])), node.outputs[0])


def _gather_at(writer, node, shape, axis):
    """Indices made while running, of more dimensions than one: one row of them."""
    graph = writer.graph
    count = prod(graph.shape(node.inputs[1]))
    if graph.rank(node.inputs[1]) == 1 or graph.dtype(node.inputs[1]) != "int32":
        raise Declined(f"its indices are {graph.dtype(node.inputs[1])}, made while running")
    cast = graph.producer(node.inputs[1])
    if cast is not None and cast.name == "CAST" and graph.dtype(cast.inputs[0]) == "float32":
        row = writer.again(
            cast, [writer.view(cast.inputs[0], (count,))], (count,), like=node.inputs[1]
        )
    else:
        row = writer.view(node.inputs[1], (count,))
    picked = (*shape[:axis], count, *shape[axis + 1 :])
    made = writer.again(
        node, [node.inputs[0], row], picked, like=node.outputs[0], changes={"axis": axis}
    )
    writer.deliver(writer.view(made, graph.shape(node.outputs[0])), node.outputs[0])


def _gather_nd(writer, node):
    graph = writer.graph
    shape, indices = graph.shape(node.inputs[0]), graph.stored(node.inputs[1])
    if indices is None or graph.is_constant(node.inputs[0]):
        raise Declined("its indices are made while running, or it gathers from a constant")
    depth = indices.shape[-1]
    indices = indices.reshape(-1, depth).astype(np.int64)
    if (
        not 0 < depth <= len(shape)
        or (indices < 0).any()
        or (indices >= np.array(shape[:depth])).any()
    ):
        raise Declined("its indices lie outside")
    rows = np.ravel_multi_index(tuple(indices.T), shape[:depth])
    count, rest = prod(shape[:depth]), prod(shape[depth:])
    result = writer.picked(writer.view(node.inputs[0], (1, count, 1, rest)), 1, rows)
    writer.deliver(writer.view(result, graph.shape(node.outputs[0])), node.outputs[0])


def _embedding(writer, node):
    graph, (indices, table) = writer.graph, node.inputs
    if graph.rank(indices) != 1 or graph.dtype(table) != "float32" or not graph.is_stored(table):
        raise Declined("its table is not of stored floats, or its indices are no row")
    rows = (*graph.shape(indices), *graph.shape(table)[1:])
    writer.deliver(writer.add("GATHER", [table, indices], rows), node.outputs[0])


REVERSE = Recipe(
    name="reverse",
    does="REVERSE_V2: GATHER of the axis backwards, or slices of one",
    rules=("*.op.reverse", "mldrift.reverse", "*.rank", "*.op_version", "mldrift.reduction.axes"),
    ops=frozenset({"REVERSE_V2"}),
    rewrite=_reverse,
)
GATHER = Recipe(
    name="gather",
    does="GATHER with other than one row of int32 indices: SLICE, or GATHER with such a row",
    rules=("*.gather.*", "*.rank", "*.op_version"),
    ops=frozenset({"GATHER"}),
    rewrite=_gather,
)
GATHER_ND = Recipe(
    name="gather-nd",
    does="GATHER_ND with constant indices: GATHER of rows",
    rules=("*.op.gather_nd",),
    ops=frozenset({"GATHER_ND"}),
    rewrite=_gather_nd,
)
EMBEDDING = Recipe(
    name="embedding",
    does="EMBEDDING_LOOKUP in a table of floats: GATHER",
    rules=("v2.op", "*.embedding.*"),
    ops=frozenset({"EMBEDDING_LOOKUP"}),
    rewrite=_embedding,
)
