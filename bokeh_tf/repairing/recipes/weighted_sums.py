"""Sums of weighted channel slices that LiteRT's delegate takes for one and the same."""

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    graph = writer.graph
    tensors = [_as_convolution(writer, tensor) for tensor in node.inputs]
    if tensors == list(node.inputs):
        raise Declined("none of its parts is a sum over channels")
    shape = graph.shape(node.outputs[0])
    writer.deliver(writer.again(node, tensors, shape, like=node.outputs[0]), node.outputs[0])


def _as_convolution(writer, tensor):
    """A sum or mean over channels as a 1x1 convolution, which the delegate does not merge."""
    graph = writer.graph
    total = graph.producer(tensor)
    if total is not None and total.name == "RESHAPE":
        total = graph.producer(total.inputs[0])
    if total is None or total.name not in ("SUM", "MEAN") or graph.dtype(tensor) != "float32":
        return tensor
    axes = graph.stored(total.inputs[1])
    shape = graph.shape(total.inputs[0])
    if axes is None or len(shape) != 4 or axes.ravel().tolist() not in ([3], [-1]):
        return tensor
    weight = 1 if total.name == "SUM" else 1 / shape[3]
    kernel = np.full((1, 1, 1, shape[3]), weight, np.float32)
    inputs = [total.inputs[0], kernel, np.zeros(1, np.float32)]
    made = writer.add("CONV_2D", inputs, (*shape[:3], 1), padding=1, strideH=1, strideW=1)
    return writer.view(made, graph.shape(tensor))


RECIPE = Recipe(
    name="weighted-sums",
    does="sums of weighted channels that are joined: 1x1 convolutions with ones instead of SUM",
    rules=("mldrift.weighted_sums",),
    ops=frozenset({"CONCATENATION", "PACK"}),
    rewrite=_rewrite,
    bound=1e-6,
)
