"""Multiply-accumulates of the operators that hold nearly all arithmetic of an image network.

The convention: one per tap of a convolution-like operator and output element, padding's
taps included, biases and activations not. Every other operator counts as zero, which is
also what published figures do. Weight layouts are TFLite's: convolution `[out, kh, kw, in
/ groups]`, depthwise `[1, kh, kw, out]`, transposed convolution `[out, kh, kw, in]`,
fully connected `[out, in]`.
"""

from math import prod


def _convolution(inputs, outputs):
    kernel = inputs[1]
    return prod(outputs[0]) * prod(kernel[1:])


def _depthwise(inputs, outputs):
    kernel = inputs[1]
    return prod(outputs[0]) * prod(kernel[1:3])


def _transposed(inputs, outputs):
    # The first input is the wanted output shape; every pixel of the image
    # reaches kh * kw * out outputs.
    kernel, image = inputs[1], inputs[2]
    return prod(image) * prod(kernel[:3])


def _fully_connected(inputs, outputs):
    return prod(outputs[0]) * inputs[1][-1]


def _batch_matmul(inputs, outputs):
    # Either side of the first factor may be the one summed over, so it is what
    # the output's rows leave.
    rows, factor = outputs[0][-2], inputs[0][-2] * inputs[0][-1]
    return prod(outputs[0]) * (factor // rows if rows else 0)


# By operator: the formula, how many inputs it reads, and the smallest rank of
# those and of the output.
_FORMULAS = {
    "CONV_2D": (_convolution, 2, 4),
    "DEPTHWISE_CONV_2D": (_depthwise, 2, 4),
    "TRANSPOSE_CONV": (_transposed, 3, 4),
    "FULLY_CONNECTED": (_fully_connected, 2, 1),
    "BATCH_MATMUL": (_batch_matmul, 2, 2),
}


def multiply_accumulates(name, inputs, outputs):
    """Multiply-accumulates of one operator.

    Args:
        name: the operator, as in the TFLite schema.
        inputs: shapes of its inputs, None where an optional one is absent.
        outputs: shapes of its outputs.

    Raises:
        ValueError: the operator lacks an input or output, or one has the wrong rank.
    """
    if name not in _FORMULAS:
        return 0
    formula, needed, rank = _FORMULAS[name]
    # A transposed convolution's first input is a list of numbers, not an image.
    images = [*inputs[1 if name == "TRANSPOSE_CONV" else 0 : needed], *outputs[:1]]
    if (
        len(inputs) < needed
        or not outputs
        or any(shape is None or len(shape) < rank for shape in images)
    ):
        raise ValueError(f"{name} needs {needed} inputs and an output, of rank {rank} or more")
    return formula(inputs, outputs)
