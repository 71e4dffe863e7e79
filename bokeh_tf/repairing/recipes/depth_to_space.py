"""Pixel shuffles written as RESHAPE, TRANSPOSE, RESHAPE, in TensorFlow's order of channels."""

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe

_ORDER = (0, 1, 3, 2, 4, 5)


def _rewrite(writer, node):
    graph = writer.graph
    order, shape = graph.stored(node.inputs[1]), graph.shape(node.inputs[0])
    if (
        order is None
        or tuple(order.ravel().tolist()) != _ORDER[: len(shape)]
        or len(shape) != len(_ORDER)
    ):
        raise Declined("its order is not that of a pixel shuffle")
    batch, height, first, width, second, channels = (shape[axis] for axis in (0, 1, 2, 3, 4, 5))
    if width == second > 1:
        # [n, h, w, r, r, c]: rows and columns of blocks come first.
        width, block = first, width
        source = writer.view(node.inputs[0], (batch, height, width, block * block * channels))
        shape = (batch, height * block, width * block, channels)
        result = writer.add("DEPTH_TO_SPACE", [source], shape, blockSize=block)
    elif first == second > 1:
        block = first
        source = writer.view(node.inputs[0], (batch, height * block, width * block, channels))
        shape = (batch, height, width, block * block * channels)
        result = writer.add("SPACE_TO_DEPTH", [source], shape, blockSize=block)
    else:
        raise Declined("its blocks are not square")
    writer.deliver(writer.view(result, graph.shape(node.outputs[0])), node.outputs[0])


RECIPE = Recipe(
    name="pixel-shuffle",
    does=(
        "RESHAPE, TRANSPOSE, RESHAPE in the order of a pixel shuffle: DEPTH_TO_SPACE or"
        " SPACE_TO_DEPTH"
    ),
    rules=("*.rank",),
    ops=frozenset({"TRANSPOSE"}),
    rewrite=_rewrite,
)
