"""Quantised 1x1 convolutions with strides, whose strides LiteRT's delegate leaves out."""

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    graph = writer.graph
    batch, height, width, channels = graph.shape(node.inputs[0])
    output, kernel = graph.shape(node.outputs[0]), graph.shape(node.inputs[1])
    rows, columns = node.option("strideH"), node.option("strideW")
    if kernel[1:3] != (1, 1) or output[1:3] != (-(-height // rows), -(-width // columns)):
        raise Declined("it is no convolution of points")
    sizes, steps = (batch, *output[1:3], channels), (1, rows, columns, 1)
    source = writer.cut(node.inputs[0], (0, 0, 0, 0), sizes, steps)
    changes = {"strideH": 1, "strideW": 1}
    inputs = [source, *node.inputs[1:]]
    made = writer.again(node, inputs, output, like=node.outputs[0], changes=changes)
    writer.deliver(made, node.outputs[0])


RECIPE = Recipe(
    name="strided-points",
    does="quantised 1x1 convolution with strides: STRIDED_SLICE, the convolution without strides",
    rules=("mldrift.convolution.strided_points",),
    ops=frozenset({"CONV_2D"}),
    rewrite=_rewrite,
)
