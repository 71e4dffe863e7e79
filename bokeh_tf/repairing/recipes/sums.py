"""CUMSUM from the back or without the last, sums of several tensors, and softer or clipped
relatives of operators.
"""

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _cumsum(writer, node):
    graph, axis = writer.graph, writer.graph.stored(node.inputs[1])
    shape = graph.shape(node.inputs[0])
    if axis is None or len(shape) > 4:
        raise Declined("its axis is made while running, or it has more than four dimensions")
    axis = int(axis.ravel()[0]) % len(shape)
    if axis == 0 and len(shape) == 4:
        raise Declined("along the batch")
    backwards = np.arange(shape[axis])[::-1]
    result = node.inputs[0]
    if node.option("reverse"):
        result = writer.picked(result, axis, backwards)
    if node.option("exclusive"):
        result = _shifted(writer, result, axis)
    place = np.array(axis, np.int32)
    changes = {"reverse": False, "exclusive": False}
    result = writer.again(node, [result, place], shape, like=node.outputs[0], changes=changes)
    if node.option("reverse"):
        result = writer.picked(result, axis, backwards)
    writer.deliver(result, node.outputs[0])


def _shifted(writer, tensor, axis):
    """Zero in front, the last left out: sums of what came before."""
    shape = writer.graph.shape(tensor)
    if len(shape) != 4:
        raise Declined("without its last, of other than four dimensions")
    around = np.zeros((4, 2), np.int32)
    around[axis, 0] = 1
    longer = (*shape[:axis], shape[axis] + 1, *shape[axis + 1 :])
    return writer.cut_axis(writer.add("PAD", [tensor, around], longer), axis, 0, shape[axis])


def _add_n(writer, node):
    graph = writer.graph
    result = node.inputs[0]
    for tensor in node.inputs[1:]:
        result = writer.add("ADD", [result, tensor], graph.shape(node.outputs[0]))
    writer.deliver(result, node.outputs[0])


def _clipped(writer, node):
    shape = writer.graph.shape(node.outputs[0])
    if writer.graph.dtype(node.inputs[0]) != "float32":
        raise Declined("not of floats")
    positive = writer.add("RELU", [node.inputs[0]], shape)
    writer.deliver(
        writer.add("MINIMUM", [positive, np.array(1, np.float32)], shape), node.outputs[0]
    )


def _softmax(writer, node):
    shape, beta = writer.graph.shape(node.outputs[0]), node.option("beta")
    if writer.graph.dtype(node.inputs[0]) != "float32" or not beta:
        raise Declined("not of floats, or without a factor")
    scaled = writer.add("MUL", [node.inputs[0], np.array(beta, np.float32)], shape)
    made = writer.again(node, [scaled], shape, like=node.outputs[0], changes={"beta": 1.0})
    writer.deliver(made, node.outputs[0])


CUMSUM = Recipe(
    name="cumsum",
    does=(
        "CUMSUM reversed, exclusive or with an axis from the back: plain, its input turned round"
        " or shifted"
    ),
    rules=("mldrift.cumsum.*",),
    ops=frozenset({"CUMSUM"}),
    rewrite=_cumsum,
)
ADD_N = Recipe(
    name="add-n",
    does="ADD_N: ADDs in the same order",
    rules=("*.add_n.inputs", "*.binary.inputs", "*.op"),
    ops=frozenset({"ADD_N"}),
    rewrite=_add_n,
)
CLIPPED = Recipe(
    name="relu-0-to-1",
    does="RELU_0_TO_1: RELU, MINIMUM",
    rules=("*.op",),
    ops=frozenset({"RELU_0_TO_1"}),
    rewrite=_clipped,
)
SOFTMAX = Recipe(
    name="softmax-beta",
    does="SOFTMAX with a factor: MUL before it",
    rules=("*.softmax.beta",),
    ops=frozenset({"SOFTMAX"}),
    rewrite=_softmax,
    bound=1e-6,
)
