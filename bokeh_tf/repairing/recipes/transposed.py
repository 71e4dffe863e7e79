"""Transposed convolutions: with an activation in them, and with padding that the delegates
misplace.
"""

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe

_ACTIVATIONS = {"RELU": "RELU", "RELU6": "RELU6", "RELU_N1_TO_1": "RELU_N1_TO_1"}
_VALID = 1


def _without_activation(writer, node):
    if node.activation not in _ACTIVATIONS:
        raise Declined("it computes no activation that is an operator")
    shape = writer.graph.shape(node.outputs[0])
    changes = {"fusedActivationFunction": 0}
    made = writer.again(node, node.inputs, shape, like=node.outputs[0], changes=changes)
    made = writer.add(_ACTIVATIONS[node.activation], [made], shape)
    writer.deliver(made, node.outputs[0])


def _valid(writer, node):
    graph = writer.graph
    kernel, source, output = (
        graph.shape(tensor) for tensor in (node.inputs[1], node.inputs[2], node.outputs[0])
    )
    strides = node.option("strideH"), node.option("strideW")
    if any(taps < stride for taps, stride in zip(kernel[1:3], strides, strict=True)):
        raise Declined("its kernel is smaller than its stride")
    whole, begins = [output[0]], [0]
    for axis, stride in zip((1, 2), strides, strict=True):
        size, taps = output[axis], kernel[axis]
        whole.append((source[axis] - 1) * stride + taps)
        steps = -(-size // stride)
        begins.append(max(0, (steps - 1) * stride + taps - size) // 2)
    whole.append(output[3])
    inputs = [np.array(whole, np.int32), *node.inputs[1:]]
    made = writer.again(node, inputs, whole, like=node.outputs[0], changes={"padding": _VALID})
    if any(
        begin + size > full for begin, size, full in zip([*begins, 0], output, whole, strict=True)
    ):
        raise Declined("its output is larger than a valid one")
    writer.deliver(writer.cut(made, [*begins, 0], output), node.outputs[0])


WITHOUT_ACTIVATION = Recipe(
    name="transposed-activation",
    does="transposed convolution with an activation in it: the activation as a node of its own",
    rules=("*.op_version",),
    ops=frozenset({"TRANSPOSE_CONV"}),
    rewrite=_without_activation,
)
VALID = Recipe(
    name="transposed-same",
    does='transposed convolution with misplaced "same" padding: a "valid" one and a SLICE',
    rules=("*.transposed_convolution.shifted",),
    ops=frozenset({"TRANSPOSE_CONV"}),
    rewrite=_valid,
)
