"""LOG_SOFTMAX, L2_NORMALIZATION and LOCAL_RESPONSE_NORMALIZATION written out."""

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.shapes import padded

_SMALLEST_NORM = 1e-6
_MOST_BAND_CHANNELS = 256


def _log_softmax(writer, node):
    tensor, shape, last = _real_input(writer, node)
    top = writer.add("REDUCE_MAX", [tensor, last], (*shape[:3], 1), keepDims=True)
    below = writer.add("SUB", [tensor, top], shape)
    exponentials = writer.add("EXP", [below], shape)
    total = writer.add("SUM", [exponentials, last], (*shape[:3], 1), keepDims=True)
    logarithm = writer.add("LOG", [total], (*shape[:3], 1))
    _deliver_real(writer, node, writer.add("SUB", [below, logarithm], shape))


def _l2(writer, node):
    if node.activation != "NONE":
        raise Declined(f"it computes {node.activation} as well")
    tensor, shape, last = _real_input(writer, node)
    squares = writer.add("SQUARE", [tensor], shape)
    total = writer.add("SUM", [squares, last], (*shape[:3], 1), keepDims=True)
    root = writer.add("SQRT", [total], (*shape[:3], 1))
    norm = writer.add("MAXIMUM", [root, np.array(_SMALLEST_NORM, np.float32)], (*shape[:3], 1))
    _deliver_real(writer, node, writer.add("DIV", [tensor, norm], shape))


def _local_response(writer, node):
    graph = writer.graph
    shape = graph.shape(node.inputs[0])
    channels, radius = shape[3], node.option("radius")
    if channels > _MOST_BAND_CHANNELS or graph.dtype(node.inputs[0]) != "float32":
        raise Declined(f"{channels} channels would be a matrix of {channels}x{channels}")
    distance = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels)))
    band = np.where(distance <= radius, np.float32(node.option("alpha")), np.float32(0))
    kernel = band.astype(np.float32).reshape(channels, 1, 1, channels)
    bias = np.full(channels, node.option("bias"), np.float32)
    squares = writer.add("SQUARE", [node.inputs[0]], shape)
    total = writer.add("CONV_2D", [squares, kernel, bias], shape, padding=1, strideH=1, strideW=1)
    factor = writer.add("POW", [total, np.array(-node.option("beta"), np.float32)], shape)
    writer.deliver(writer.add("MUL", [node.inputs[0], factor], shape), node.outputs[0])


def _real_input(writer, node):
    """(the input as floats on four dimensions, its shape, the last axis as a constant)."""
    graph = writer.graph
    shape = graph.shape(node.inputs[0])
    if len(shape) > 4:
        shape = (1, int(np.prod(shape[:-2])), *shape[-2:])
    shape = padded(shape)
    tensor = writer.view(node.inputs[0], shape)
    if graph.dtype(tensor) in ("int8", "uint8"):
        tensor = writer.add("DEQUANTIZE", [tensor], shape, dtype="float32")
    elif graph.dtype(tensor) != "float32":
        raise Declined(f"of {graph.dtype(tensor)}")
    return tensor, shape, np.array([3], np.int32)


def _deliver_real(writer, node, result):
    graph, output = writer.graph, node.outputs[0]
    if graph.dtype(output) != "float32":
        result = writer.add("QUANTIZE", [result], graph.shape(result), like=output)
    writer.deliver(writer.view(result, graph.shape(output)), output)


LOG_SOFTMAX = Recipe(
    name="log-softmax",
    does="LOG_SOFTMAX: d = x - max, d - log(sum(exp(d)))",
    rules=("*.op.log_softmax",),
    ops=frozenset({"LOG_SOFTMAX"}),
    rewrite=_log_softmax,
    bound=1e-6,
)
L2 = Recipe(
    name="l2-normalisation",
    does="L2_NORMALIZATION: x / max(sqrt(sum(x * x)), 1e-6)",
    rules=("*.op.normalization",),
    ops=frozenset({"L2_NORMALIZATION"}),
    rewrite=_l2,
)
LOCAL_RESPONSE = Recipe(
    name="local-response",
    does="LOCAL_RESPONSE_NORMALIZATION: a 1x1 convolution with a band of alpha, POW, MUL",
    rules=("*.op.normalization",),
    ops=frozenset({"LOCAL_RESPONSE_NORMALIZATION"}),
    rewrite=_local_response,
    bound=1e-6,
)
