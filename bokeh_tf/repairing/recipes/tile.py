"""TILE of more than four dimensions, and BROADCAST_TO, which is one.

Single rows, columns and channels of floats are spread without a TILE: behind a convolution OpenVINO
turns the shape of what a TILE reads, but not how often it repeats.
"""

from math import prod

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.recipes.points import mixed
from bokeh_tf.repairing.shapes import RANK, padded


def _rewrite(writer, node):
    graph = writer.graph
    shape, target = graph.shape(node.inputs[0]), graph.shape(node.outputs[0])
    shape = (*(1,) * (len(target) - len(shape)), *shape)
    multiples = [whole // size if size else 0 for whole, size in zip(target, shape, strict=True)]
    if [size * count for size, count in zip(shape, multiples, strict=True)] != list(
        target
    ) or 0 in target:
        raise Declined("its shapes do not tell how often it repeats")
    if graph.is_constant(node.inputs[0]):
        raise Declined("it repeats a constant")
    writer.deliver(repeated(writer, writer.view(node.inputs[0], shape), multiples), node.outputs[0])


def repeated(writer, tensor, multiples):
    """The tensor repeated along each axis as `multiples` say, computed on four dimensions."""
    shape = writer.graph.shape(tensor)
    target = [size * count for size, count in zip(shape, multiples, strict=True)]
    groups = _groups(shape, multiples)
    if len(groups) > RANK:
        for axis, count in enumerate(multiples):
            one = [count if place == axis else 1 for place in range(len(multiples))]
            tensor = repeated(writer, tensor, one) if count > 1 else tensor
        return tensor
    view = padded([prod(shape[axis] for axis in group) for group in groups])
    counts = padded([prod(multiples[axis] for axis in group) for group in groups])
    if set(counts) == {1}:
        return tensor
    return writer.view(_on_four(writer, writer.view(tensor, view), view, counts), target)


def _on_four(writer, tensor, view, counts):
    """A tensor of four dimensions repeated."""
    made = [size * count for size, count in zip(view, counts, strict=True)]
    repeats_single = all(size == 1 for size, count in zip(view, counts, strict=True) if count > 1)
    if not repeats_single or counts[0] > 1 or writer.graph.dtype(tensor) != "float32":
        return writer.add("TILE", [tensor, np.array(counts, np.int32)], made)
    if made[1:3] != list(view[1:3]):
        size = np.array(made[1:3], np.int32)
        tensor = writer.add("RESIZE_NEAREST_NEIGHBOR", [tensor, size], (*made[:3], view[3]))
    if counts[3] == 1:
        return tensor
    # Each channel is the only one times 1.
    return mixed(writer, tensor, np.ones((made[3], 1)))


def _groups(shape, multiples):
    """Axes joined where that keeps the order of elements: each repeated one with the whole ones
    behind it.
    """
    groups: list[list[int]] = []
    for axis, (size, count) in enumerate(zip(shape, multiples, strict=True)):
        if size == count == 1:
            continue
        starts = count > 1 or not groups
        # A picture's last two axes stay width and channels where there is room.
        if starts or len(shape) <= RANK:
            groups.append([axis])
        else:
            groups[-1].append(axis)
    return groups


RECIPE = Recipe(
    name="tile",
    does=(
        "BROADCAST_TO, and TILE of more than four dimensions: TILE on four, or for single rows,"
        " columns and channels a resize and a convolution with ones"
    ),
    rules=("*.rank", "*.op.broadcast_to", "*.op_version"),
    ops=frozenset({"TILE", "BROADCAST_TO"}),
    rewrite=_rewrite,
)
