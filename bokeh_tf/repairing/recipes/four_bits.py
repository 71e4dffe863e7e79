"""Weights of four bits stored as the same numbers of eight, which the classic delegate reads.

The scales stay, and so does every weight to the bit; the CPU's kernels sum in another order. Scales
for each block of a row are no scales of eight-bit weights, and as floats they would be computed with
otherwise: the CPU rounds the other operand to eight bits beside integer weights, not beside floats.
"""

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    graph = writer.graph
    inputs = [_in_eight_bits(graph, tensor) for tensor in node.inputs]
    if inputs == list(node.inputs):
        raise Declined("none of its constants is of four bits")
    output = node.outputs[0]
    writer.deliver(writer.again(node, inputs, graph.shape(output), like=output), output)


def _in_eight_bits(graph, tensor):
    if tensor < 0 or graph.dtype(tensor) != "int4" or not graph.is_stored(tensor):
        return tensor
    quantization = graph.tensors[tensor].quantization
    if quantization is None or quantization.details is not None:
        raise Declined("its weights of four bits have a scale for each block")
    packed = np.asarray(graph.buffers[graph.tensors[tensor].buffer].data, np.uint8)
    # The lower half of a byte comes first.
    halves = np.stack([packed & 15, packed >> 4], axis=1).ravel().astype(np.int8)
    shape = graph.shape(tensor)
    count = int(np.prod(shape))
    if len(packed) != (count + 1) // 2:
        raise Declined("a constant has another size than its shape says")
    values = ((halves[:count] ^ 8) - 8).astype(np.int8).reshape(shape)
    return graph.new_constant(values, quantization=quantization)


RECIPE = Recipe(
    name="four-bit-weights",
    does="weights of four bits: the same numbers stored in eight (the file grows)",
    rules=("v2.constant_type",),
    ops=frozenset({"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"}),
    rewrite=_rewrite,
    bound=1e-6,
)
