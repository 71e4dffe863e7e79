"""Dilated convolutions as old converters write them: SPACE_TO_BATCH_ND, convolution,
BATCH_TO_SPACE_ND.
"""

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe

_VALID = 1


def _rewrite(writer, node):
    graph = writer.graph
    convolution = graph.producer(node.inputs[0])
    if convolution is None or convolution.name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        raise Declined("no convolution before it")
    spread = graph.producer(convolution.inputs[0])
    if spread is None or spread.name != "SPACE_TO_BATCH_ND":
        raise Declined("no SPACE_TO_BATCH_ND before the convolution")
    block, crops = graph.stored(node.inputs[1]), graph.stored(node.inputs[2])
    first_block, paddings = graph.stored(spread.inputs[1]), graph.stored(spread.inputs[2])
    if any(values is None for values in (block, crops, first_block, paddings)):
        raise Declined("its sizes are made while running")
    if block.size != 2 or block.tolist() != first_block.tolist():
        raise Declined("its blocks are not of rows and columns")
    options = (
        ("padding", _VALID),
        ("strideH", 1),
        ("strideW", 1),
        ("dilationHFactor", 1),
        ("dilationWFactor", 1),
    )
    if any(convolution.option(name) != value for name, value in options):
        raise Declined("the convolution between has a stride, a dilation or padding of its own")
    around = [[0, 0], *paddings.tolist(), [0, 0]]
    source = spread.inputs[0]
    shape = [
        size + low + high for size, (low, high) in zip(graph.shape(source), around, strict=True)
    ]
    if any(any(pair) for pair in around):
        source = writer.add("PAD", [source, np.array(around, np.int32)], shape)
    rows, columns = (int(size) for size in block)
    taps = graph.shape(convolution.inputs[1])[1:3]
    shape = [shape[0], shape[1] - (taps[0] - 1) * rows, shape[2] - (taps[1] - 1) * columns]
    shape.append(graph.shape(node.outputs[0])[3])
    changes = {"dilationHFactor": rows, "dilationWFactor": columns}
    made = writer.again(
        convolution,
        [source, *convolution.inputs[1:]],
        shape,
        like=convolution.outputs[0],
        changes=changes,
    )
    begins = [0, *(int(low) for low, _ in crops), 0]
    writer.deliver(writer.cut(made, begins, graph.shape(node.outputs[0])), node.outputs[0])


RECIPE = Recipe(
    name="dilation",
    does="SPACE_TO_BATCH_ND, convolution, BATCH_TO_SPACE_ND: PAD and a convolution with dilation",
    rules=("*.op.space_to_batch",),
    ops=frozenset({"BATCH_TO_SPACE_ND"}),
    rewrite=_rewrite,
)
