"""Padding of other than four dimensions."""

from math import prod

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.shapes import RANK, padded


def _rewrite(writer, node):
    graph = writer.graph
    shape, paddings = graph.shape(node.inputs[0]), graph.stored(node.inputs[1])
    if paddings is None:
        raise Declined("how much it pads is made while running")
    paddings = [(int(low), int(high)) for low, high in paddings.reshape(-1, 2)]
    if node.name == "MIRROR_PAD" and node.option("mode"):
        raise Declined("its mode is SYMMETRIC")
    groups = _groups(shape, paddings)
    if len(groups) > RANK or (len(groups) == RANK and any(paddings[groups[0][0]])):
        raise Declined("it pads along more than three groups of axes")
    view = padded([prod(shape[axis] for axis in group) for group in groups])
    around = [(0, 0)] * (RANK - len(groups)) + [paddings[group[0]] for group in groups]
    target = [size + low + high for size, (low, high) in zip(view, around, strict=True)]
    inputs = [writer.view(node.inputs[0], view), np.array(around, np.int32), *node.inputs[2:]]
    made = writer.again(node, inputs, target, like=node.outputs[0])
    if (
        graph.shape(node.inputs[0]) == view
        and paddings == around
        and graph.dtype(node.inputs[1]) == "int32"
    ):
        raise Declined("it pads four dimensions already")
    writer.deliver(writer.view(made, graph.shape(node.outputs[0])), node.outputs[0])


def _groups(shape, paddings):
    """Axes in groups: each that is padded alone, neighbours that are not together."""
    groups: list[list[int]] = []
    joins = False
    for axis, (size, around) in enumerate(zip(shape, paddings, strict=True)):
        is_padded = around != (0, 0)
        if size == 1 and not is_padded:
            continue
        if joins and not is_padded and len(shape) > RANK:
            groups[-1].append(axis)
        else:
            groups.append([axis])
        joins = not is_padded
    return groups


RECIPE = Recipe(
    name="padding",
    does="PAD of 1, 2, 3 or 5 dimensions: PAD on four",
    rules=("*.pad.shape", "*.pad.rank", "*.rank", "*.op_version"),
    ops=frozenset({"PAD", "PADV2", "MIRROR_PAD"}),
    rewrite=_rewrite,
)
