"""Sums, means and extremes without OpenCL: OpenGL has the mean of a whole picture, poolings and
convolutions alone.
"""

from math import prod

import numpy as np

from bokeh_tf.delegate.rules.opengl_means import TILE_PX, has_tiles, is_cut, is_overrun
from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.recipes.points import mixed, negated
from bokeh_tf.repairing.shapes import RANK, padded

_MOST_SUMMED = 256
_BY_TILES = ("v2.opengl.tiled_mean", "v2.opengl.small_mean")


def _sum(writer, node):
    tensor, axes = _picture(writer, node)
    shape, is_mean = writer.graph.shape(tensor), node.name == "MEAN"
    if 3 in axes:
        share = 1 / shape[3] if is_mean else 1
        tensor = mixed(writer, tensor, np.full((1, shape[3]), share))
    if axes & {1, 2}:
        tensor = _mean_along(writer, tensor, axes & {1, 2})
        count = prod(shape[axis] for axis in axes & {1, 2})
        if not is_mean:
            scaled = [tensor, np.array(count, np.float32)]
            tensor = writer.add("MUL", scaled, writer.graph.shape(tensor))
    output = node.outputs[0]
    writer.deliver(writer.view(tensor, writer.graph.shape(output)), output)


def _picture(writer, node):
    """(the input as a picture of a batch of one, the places of the axes longer than 1 to reduce)."""
    graph = writer.graph
    shape, axes = graph.shape(node.inputs[0]), graph.stored(node.inputs[1])
    if axes is None or len(shape) > RANK or padded(shape)[0] != 1:
        raise Declined("its axes are made while running, or it is no picture of a batch of one")
    if graph.dtype(node.inputs[0]) != "float32":
        raise Declined(f"of {graph.dtype(node.inputs[0])}")
    shift, whole = RANK - len(shape), padded(shape)
    places = {int(axis) % len(shape) + shift for axis in axes.ravel()}
    longer = {place for place in places if whole[place] > 1}
    if not graph.shape(node.outputs[0]):
        raise Declined("its result is a scalar, of which there is no view")
    if not longer:
        raise Declined("it reduces axes of size 1 alone")
    return writer.view(node.inputs[0], whole), longer


def _mean_along(writer, tensor, axes):
    _, height, width, channels = writer.graph.shape(tensor)
    if axes == {1} and width > 1:
        rows = writer.view(tensor, (1, height, 1, width * channels))
        return writer.view(_mean_along(writer, rows, {1}), (1, 1, width, channels))
    if axes == {2} and height > 1:
        return _pooled(writer, "AVERAGE_POOL_2D", tensor, (1, width))
    while _is_wrong_by_tiles(writer.graph.shape(tensor)):
        tensor = _pooled(writer, "AVERAGE_POOL_2D", tensor, (TILE_PX, TILE_PX))
    if writer.graph.shape(tensor)[1:3] == (1, 1):
        return tensor
    inputs = [tensor, np.array([1, 2], np.int32)]
    return writer.add("MEAN", inputs, (1, 1, 1, channels), keepDims=True)


def _is_wrong_by_tiles(shape):
    return has_tiles(shape) and (is_cut(shape) or is_overrun(shape))


def _in_one_row(writer, node):
    """The same mean of the pixels in one row, which the kernel without tiles takes."""
    graph, source = writer.graph, node.inputs[0]
    if graph.dtype(source) not in ("int8", "uint8"):
        # What reads a mean of floats may be compiled with this kernel, and is wrong then.
        raise Declined(f"of {graph.dtype(source)}")
    if graph.stored(node.inputs[1]) is None:
        raise Declined("its axes are made while running")
    batch, height, width, channels = graph.shape(source)
    row = writer.view(source, (batch, 1, height * width, channels))
    output = node.outputs[0]
    inputs = [row, node.inputs[1]]
    writer.deliver(writer.again(node, inputs, graph.shape(output), like=output), output)


def _pooled(writer, name, tensor, window):
    _, height, width, channels = writer.graph.shape(tensor)
    shape = (1, height // window[0], width // window[1], channels)
    return writer.add(
        name,
        [tensor],
        shape,
        padding=1,
        filterHeight=window[0],
        filterWidth=window[1],
        strideH=window[0],
        strideW=window[1],
    )


def _extreme(writer, node):
    tensor, axes = _picture(writer, node)
    _, height, width, _ = writer.graph.shape(tensor)
    is_least = node.name == "REDUCE_MIN"
    if axes & {1, 2}:
        window = (height if 1 in axes else 1, width if 2 in axes else 1)
        tensor = negated(writer, tensor) if is_least else tensor
        tensor = _pooled(writer, "MAX_POOL_2D", tensor, window)
        tensor = negated(writer, tensor) if is_least else tensor
    if 3 in axes:
        tensor = _extreme_channel(writer, tensor, "MINIMUM" if is_least else "MAXIMUM")
    output = node.outputs[0]
    writer.deliver(writer.view(tensor, writer.graph.shape(output)), output)


def _extreme_channel(writer, tensor, name):
    """By halves that share a channel where their number is odd, which changes no extreme."""
    *picture, channels = writer.graph.shape(tensor)
    while channels > 1:
        half = (channels + 1) // 2
        halves = [writer.cut_axis(tensor, 3, begin, half) for begin in (0, channels - half)]
        tensor, channels = writer.add(name, halves, (*picture, half)), half
    return tensor


def _cumulated(writer, node):
    graph, axis = writer.graph, writer.graph.stored(node.inputs[1])
    shape = graph.shape(node.inputs[0])
    if (
        axis is None
        or len(shape) != RANK
        or shape[0] != 1
        or graph.dtype(node.inputs[0]) != "float32"
    ):
        raise Declined("its axis is made while running, or it is no picture of a batch of one")
    place = int(axis.ravel()[0]) % RANK
    size, is_backwards, leaves_own_out = (
        shape[place],
        bool(node.option("reverse")),
        bool(node.option("exclusive")),
    )
    if place == 0 or size > _MOST_SUMMED:
        raise Declined("along the batch, or of too many numbers for one convolution")
    if place == 3:
        triangle = np.tril(np.ones((size, size)), -1 if leaves_own_out else 0)
        made = mixed(writer, node.inputs[0], triangle.T if is_backwards else triangle)
    else:
        made = _slid(writer, node.inputs[0], place, is_backwards, leaves_own_out)
    writer.deliver(made, node.outputs[0])


def _slid(writer, tensor, axis, is_backwards, leaves_own_out):
    """A window as long as the axis that slides over it with zeros around."""
    shape = writer.graph.shape(tensor)
    size, channels = shape[axis], shape[3]
    around = np.zeros((RANK, 2), np.int32)
    around[axis, int(is_backwards)] = size - 1
    longer = list(shape)
    longer[axis] += size - 1
    weights = np.ones((1, *(size if place == axis else 1 for place in (1, 2)), channels))
    if leaves_own_out:
        own = 0 if is_backwards else size - 1
        weights[(0, own, 0) if axis == 1 else (0, 0, own)] = 0
    inputs = [
        writer.add("PAD", [tensor, around], longer),
        weights.astype(np.float32),
        np.zeros(channels, np.float32),
    ]
    return writer.add(
        "DEPTHWISE_CONV_2D", inputs, shape, padding=1, strideH=1, strideW=1, depthMultiplier=1
    )


SUMS = Recipe(
    name="opengl-sums",
    does=(
        "sums and means without OpenCL: over channels a 1x1 convolution, over rows and columns the"
        " mean of a picture or a pooling"
    ),
    rules=("v2.opengl.operator", "v2.opengl.mean_axes"),
    ops=frozenset({"SUM", "MEAN"}),
    rewrite=_sum,
    bound=1e-6,
)
TILED = Recipe(
    name="opengl-tiled-mean",
    does=(
        "the mean of 8x8, 8x16, … pixels, or of more than 64 rows or columns, without OpenCL: of"
        " means of 8x8 pixels"
    ),
    rules=_BY_TILES,
    ops=frozenset({"MEAN"}),
    rewrite=_sum,
    # A sum of thousands of numbers one by one rounds more than that of means of a few.
    bound=1e-5,
)
IN_ONE_ROW = Recipe(
    name="opengl-quantised-mean",
    does=(
        "the mean of 8x8, 8x16, … quantised pixels without OpenCL: of as many in one row, which the"
        " kernel by tiles does not take"
    ),
    rules=_BY_TILES,
    ops=frozenset({"MEAN"}),
    rewrite=_in_one_row,
)
EXTREMES = Recipe(
    name="opengl-extremes",
    does=(
        "REDUCE_MAX and REDUCE_MIN without OpenCL: over rows and columns a pooling, over channels"
        " MAXIMUM or MINIMUM of halves"
    ),
    rules=("v2.opengl.operator",),
    ops=frozenset({"REDUCE_MAX", "REDUCE_MIN"}),
    rewrite=_extreme,
)
CUMULATED = Recipe(
    name="opengl-cumsum",
    does="CUMSUM without OpenCL: a 1x1 convolution with a triangle of ones, or a window that slides",
    rules=("v2.opengl.operator",),
    ops=frozenset({"CUMSUM"}),
    rewrite=_cumulated,
    bound=1e-6,
)
