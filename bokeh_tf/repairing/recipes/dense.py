"""Dense layers on other than rows of a matrix, and those with uint8 weights."""

from math import prod

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _on_rows(writer, node):
    graph = writer.graph
    shape, width = graph.shape(node.inputs[0]), graph.shape(node.inputs[1])[-1]
    rows = prod(shape) // width if width else 0
    if rows * width != prod(shape):
        raise Declined("its input is no whole number of rows")
    if node.option("weightsFormat"):
        raise Declined("its weights are shuffled")
    source = writer.view(node.inputs[0], (rows, width))
    changes = {"keepNumDims": False}
    target = (rows, graph.shape(node.inputs[1])[0])
    made = writer.again(
        node, [source, *node.inputs[1:]], target, like=node.outputs[0], changes=changes
    )
    writer.deliver(writer.view(made, graph.shape(node.outputs[0])), node.outputs[0])


def _as_convolution(writer, node):
    graph = writer.graph
    weights = graph.stored(node.inputs[1])
    if (
        weights is None
        or graph.dtype(node.inputs[0]) != "uint8"
        or len(graph.scales(node.inputs[1])[0]) != 1
    ):
        raise Declined("not of uint8 throughout")
    outputs, width = weights.shape
    rows = prod(graph.shape(node.inputs[0])) // width
    kernel = graph.new_constant(weights.reshape(outputs, 1, 1, width), like=node.inputs[1])
    bias = node.inputs[2] if len(node.inputs) > 2 else -1
    if bias < 0:
        raise Declined("it has no bias")
    source = writer.view(node.inputs[0], (rows, 1, 1, width))
    made = writer.add(
        "CONV_2D",
        [source, kernel, bias],
        (rows, 1, 1, outputs),
        like=node.outputs[0],
        padding=1,
        strideH=1,
        strideW=1,
        fusedActivationFunction=node.option("fusedActivationFunction"),
    )
    writer.deliver(writer.view(made, graph.shape(node.outputs[0])), node.outputs[0])


ON_ROWS = Recipe(
    name="dense-rows",
    does="FULLY_CONNECTED on other than [rows, width]: RESHAPE to rows and back",
    rules=("*.rank", "*.fully_connected.keep_num_dims", "*.fully_connected.width", "*.op_version"),
    ops=frozenset({"FULLY_CONNECTED"}),
    rewrite=_on_rows,
)
UNSIGNED = Recipe(
    name="dense-uint8",
    does="FULLY_CONNECTED with uint8 weights: CONV_2D of 1x1 with the same weights",
    rules=("mldrift.fully_connected.weights",),
    ops=frozenset({"FULLY_CONNECTED"}),
    rewrite=_as_convolution,
)
