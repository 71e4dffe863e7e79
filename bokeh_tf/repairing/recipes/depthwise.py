"""Depthwise convolutions that make several channels of one."""

import numpy as np

from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.recipes.tile import repeated


def _rewrite(writer, node):
    graph, times = writer.graph, node.option("depthMultiplier")
    batch, height, width, channels = graph.shape(node.inputs[0])
    if graph.dtype(node.inputs[0]) == "float32":
        source = writer.picked(node.inputs[0], 3, np.repeat(np.arange(channels), times))
    else:
        single = writer.view(node.inputs[0], (batch, height * width, channels, 1))
        source = repeated(writer, single, (1, 1, 1, times))
        source = writer.view(source, (batch, height, width, channels * times))
    changes = {"depthMultiplier": 1}
    shape = graph.shape(node.outputs[0])
    made = writer.again(
        node, [source, *node.inputs[1:]], shape, like=node.outputs[0], changes=changes
    )
    writer.deliver(made, node.outputs[0])


RECIPE = Recipe(
    name="depth-multiplier",
    does="depthwise convolution with a multiplier: channels repeated before one without",
    rules=("v2.depthwise.multiplier",),
    ops=frozenset({"DEPTHWISE_CONV_2D"}),
    rewrite=_rewrite,
)
