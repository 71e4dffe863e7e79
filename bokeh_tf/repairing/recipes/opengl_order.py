"""Numbers in another order without OpenCL: OpenGL has neither GATHER nor TRANSPOSE, but slices,
concatenations, pixel shuffles and 1x1 convolutions, whose weights choose channels.
"""

from math import prod

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.recipes.opengl_kernels import joined_by_a_few
from bokeh_tf.repairing.recipes.points import mixed
from bokeh_tf.repairing.shapes import RANK

_MOST_SLICES = 64
# A few slices move what a convolution would have to multiply.
_FEW_SLICES = 3
_MOST_WEIGHTS = 1 << 18
_LONGEST_CHAIN = 8
_MOST_INDICES = 1 << 24


def _gather(writer, node):
    graph = writer.graph
    shape, indices = graph.shape(node.inputs[0]), graph.stored(node.inputs[1])
    if indices is None or indices.ndim != 1 or len(shape) != RANK or node.option("batchDims"):
        raise Declined("its indices are made while running, or it is of other than four dimensions")
    axis = node.option("axis") % RANK
    if not (indices.min() >= 0 and indices.max() < shape[axis]):
        raise Declined("its indices lie outside")
    writer.deliver(_picked(writer, node.inputs[0], axis, indices.astype(np.int64)), node.outputs[0])


def _picked(writer, tensor, axis, indices):
    """The entries `indices` of one axis of four."""
    graph, size = writer.graph, len(indices)
    runs = np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1)
    is_small = size * graph.shape(tensor)[axis] <= _MOST_WEIGHTS
    if axis == 3 and len(runs) > _FEW_SLICES and is_small and graph.dtype(tensor) == "float32":
        return mixed(writer, tensor, np.eye(graph.shape(tensor)[3])[indices])
    if len(runs) > _MOST_SLICES or axis == 0:
        raise Declined(f"{len(runs)} runs of entries would be as many slices")
    slices = [writer.cut_axis(tensor, axis, int(run[0]), len(run)) for run in runs]
    return joined_by_a_few(writer, slices, axis)


def _transpose(writer, node):
    try:
        _as_pixels(writer, node)
    except Declined:
        _by_slices(writer, node)


def _as_pixels(writer, node):
    """The chain of RESHAPE and TRANSPOSE around it as channels in another order, before or after a
    pixel shuffle.
    """
    graph = writer.graph
    before, after = _chain(graph, node)
    for first in range(len(before) + 1):
        chain = [*before[first:], node]
        source = chain[0].inputs[0]
        for last in range(len(after), -1, -1):
            whole = [*chain, *after[:last]]
            output = whole[-1].outputs[0]
            made = _pixels(writer, source, output, whole)
            if made is not None:
                writer.node = whole[-1]
                writer.deliver(made, output)
                return
    raise Declined("it is no order of channels")


def _chain(graph, node):
    """(the nodes that only move numbers before a node, those after it), in order."""
    before, after = [], []
    while len(before) < _LONGEST_CHAIN:
        previous = graph.producer((before[0] if before else node).inputs[0])
        if previous is None or not _moves(graph, previous):
            break
        before.insert(0, previous)
    while len(after) < _LONGEST_CHAIN:
        output = (after[-1] if after else node).outputs[0]
        readers = graph.readers(output)
        if not graph.read_once(output) or not _moves(graph, readers[0]):
            break
        after.append(readers[0])
    return before, after


def _moves(graph, node):
    if node.is_custom or node.name not in ("RESHAPE", "TRANSPOSE"):
        return False
    return len(node.inputs) == 1 or graph.stored(node.inputs[1]) is not None


def _pixels(writer, source, output, chain):
    graph = writer.graph
    start, end = graph.shape(source), graph.shape(output)
    if len(start) != RANK or len(end) != RANK or start[0] != 1 or end[0] != 1:
        return None
    if prod(start) > _MOST_INDICES or graph.dtype(source) != "float32":
        return None
    places = np.arange(prod(start)).reshape(start)
    moved = places
    for node in chain:
        if node.name == "TRANSPOSE":
            moved = moved.transpose(graph.stored(node.inputs[1]).ravel())
        else:
            moved = moved.reshape(graph.shape(node.outputs[0]))
    for block in _blocks(start, end):
        if end[1] >= start[1]:
            order = _order(_gathered(moved, block), places)
            if order is not None:
                ordered = _ordered(writer, source, order)
                return (
                    ordered
                    if block == 1
                    else _shuffled(writer, "DEPTH_TO_SPACE", ordered, end, block)
                )
        else:
            order = _order(moved, _gathered(places, block))
            if order is not None:
                pixels = _shuffled(writer, "SPACE_TO_DEPTH", source, end, block)
                return _ordered(writer, pixels, order)
    return None


def _blocks(start, end):
    """The side of the squares of pixels that channels become, or that become channels."""
    small, large = sorted((start[1:3], end[1:3]))
    block = large[0] // small[0]
    return [block] if large == (small[0] * block, small[1] * block) else []


def _gathered(places, block):
    """What SPACE_TO_DEPTH makes of an array."""
    _, height, width, channels = places.shape
    squares = places.reshape(height // block, block, width // block, block, channels)
    return squares.transpose(0, 2, 1, 3, 4).reshape(1, height // block, width // block, -1)


def _order(moved, places):
    """The channels of `places` that `moved` has at every pixel, None where it has others."""
    where = {int(place): channel for channel, place in enumerate(places[0, 0, 0])}
    order = [where.get(int(place)) for place in moved[0, 0, 0]]
    if None in order or not np.array_equal(places[..., order], moved):
        return None
    return np.array(order)


def _ordered(writer, tensor, order):
    return tensor if (np.diff(order) == 1).all() else _picked(writer, tensor, 3, order)


def _shuffled(writer, name, tensor, shape, block):
    return writer.add(name, [tensor], _of_block(writer, name, tensor, block), blockSize=block)


def _of_block(writer, name, tensor, block):
    _, height, width, channels = writer.graph.shape(tensor)
    if name == "DEPTH_TO_SPACE":
        return (1, height * block, width * block, channels // block**2)
    return (1, height // block, width // block, channels * block**2)


def _by_slices(writer, node):
    """One axis put elsewhere: slices of one along it, each as it lies there."""
    graph = writer.graph
    shape, order = graph.shape(node.inputs[0]), graph.stored(node.inputs[1])
    if order is None or len(shape) != RANK:
        raise Declined("its order is made while running, or it is of other than four dimensions")
    order = [int(axis) % RANK for axis in order.ravel()]
    end = [shape[axis] for axis in order]
    axis = _moved_axis(shape, order)
    place = order.index(axis)
    if 0 in (axis, place) and shape[axis] > 1 and (axis == 0 or end[0] > 1):
        raise Declined("the batch moves")
    single = [*end[:place], 1, *end[place + 1 :]]
    slices = [
        writer.view(writer.cut_axis(node.inputs[0], axis, index, 1), single)
        for index in range(shape[axis])
    ]
    writer.deliver(joined_by_a_few(writer, slices, place), node.outputs[0])


def _moved_axis(shape, order):
    """The shortest axis without which all others keep their order."""
    longer = [axis for axis in range(RANK) if shape[axis] > 1]
    for axis in sorted(longer, key=lambda one: shape[one]):
        others = [one for one in order if one in longer and one != axis]
        if others == sorted(others) and shape[axis] <= _MOST_SLICES:
            return axis
    raise Declined("more than one axis moves, or one of more than 64 entries")


GATHER = Recipe(
    name="opengl-gather",
    does=(
        "GATHER with constant indices without OpenCL: slices joined, or for channels a 1x1"
        " convolution that chooses them"
    ),
    rules=("v2.opengl.operator",),
    ops=frozenset({"GATHER"}),
    rewrite=_gather,
)
TRANSPOSE = Recipe(
    name="opengl-transpose",
    does=(
        "TRANSPOSE without OpenCL: a pixel shuffle and an order of channels (PyTorch's shuffles),"
        " or slices of the axis that moves"
    ),
    rules=("v2.opengl.operator", "v2.opengl.first_dimension"),
    ops=frozenset({"TRANSPOSE"}),
    rewrite=_transpose,
)
