"""Sums, means and extremes of more than four dimensions."""

from math import prod

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.shapes import RANK, joined_axes, spread, view_of


def _rewrite(writer, node):
    graph = writer.graph
    shape, runs, reduced = _runs(graph, node)
    groups = spread(runs)
    if groups is None:
        raise Declined("it alternates between axes to keep and to reduce more than four times")
    view = view_of(shape, groups)
    first = RANK - len(groups)
    places = [first + place for place, group in enumerate(groups) if group[0] in reduced]
    result = _reduced(writer, node, writer.view(node.inputs[0], view), places)
    writer.deliver(writer.view(result, graph.shape(node.outputs[0])), node.outputs[0])


def _in_steps(writer, node):
    graph = writer.graph
    shape, runs, reduced = _runs(graph, node)
    if node.name == "REDUCE_PROD" or graph.is_quantised(node.inputs[0]):
        raise Declined("in steps it would round otherwise")
    result = node.inputs[0]
    for axes, _ in reversed(runs):
        if axes[0] not in reduced:
            continue
        size, before = prod(shape[axis] for axis in axes), prod(shape[: axes[0]])
        rest = prod(graph.shape(result)) // (before * size)
        view = writer.view(result, (1, before, size, rest))
        result = _reduced(writer, node, view, [2])
    writer.deliver(writer.view(result, graph.shape(node.outputs[0])), node.outputs[0])


def _runs(graph, node):
    """(shape, runs of axes to keep and to reduce, the axes to reduce)."""
    shape, axes = graph.shape(node.inputs[0]), graph.stored(node.inputs[1])
    if axes is None:
        raise Declined("its axes are made while running")
    reduced = {int(axis) % len(shape) for axis in axes.ravel()}
    runs = joined_axes(shape, [axis in reduced for axis in range(len(shape))])
    if not any(axes[0] in reduced for axes, _ in runs):
        raise Declined("it reduces axes of size 1 alone")
    return shape, runs, reduced


def _reduced(writer, node, tensor, places):
    shape = writer.graph.shape(tensor)
    kept = tuple(1 if place in places else size for place, size in enumerate(shape))
    inputs = [tensor, np.array(places, np.int32)]
    return writer.again(node, inputs, kept, like=node.outputs[0], changes={"keepDims": True})


_OPS = frozenset({"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"})
RECIPE = Recipe(
    name="reductions",
    does="MEAN, SUM, REDUCE_MAX, MIN and PROD of more than four dimensions: the same on four",
    rules=("*.rank", "*.op_version"),
    ops=_OPS,
    rewrite=_rewrite,
)
IN_STEPS = Recipe(
    name="reductions-in-steps",
    does="MEAN, SUM, REDUCE_MAX and MIN over several groups of axes: one group after the other",
    rules=("*.rank", "*.op_version"),
    ops=_OPS,
    rewrite=_in_steps,
    bound=1e-6,
)
