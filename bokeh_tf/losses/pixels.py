"""Losses that compare pictures pixel by pixel, or their edges.

Each takes pictures `[B, H, W, 3]` (the expected one first), RGB, sRGB-encoded, nominally in [0, 1],
and returns one value per picture, `[B]`, the mean over its pixels. NaN stays NaN.
"""

import numpy as np
from keras import ops

# Charbonnier's epsilon: below it the loss is quadratic.
CHARBONNIER_EPSILON = 1e-3
# ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)
_SOBEL_ROWS = np.outer([-1, 0, 1], [1, 2, 1])
# Probabilities closer to 0 or 1 than this have no useful logarithm in float32.
_LEAST_PROBABILITY = 1e-6


def l1(expected, actual):
    """Mean absolute difference."""
    return _mean(ops.abs(expected - actual))


def charbonnier(expected, actual):
    """Mean of sqrt(d² + epsilon²), a differentiable L1 (Charbonnier et al. 1994)."""
    return _mean(ops.sqrt(ops.square(expected - actual) + CHARBONNIER_EPSILON**2))


def grey(expected, actual):
    """Mean absolute difference of the luma (BT.601)."""
    luma = ops.convert_to_tensor(np.float32(_LUMA).reshape(3, 1))
    return _mean(ops.abs(ops.matmul(expected - actual, luma)))


def gradient(expected, actual):
    """Mean absolute difference of neighbours' differences, down and across added."""
    difference = expected - actual
    down = difference[:, 1:] - difference[:, :-1]
    across = difference[:, :, 1:] - difference[:, :, :-1]
    return _mean(ops.abs(down)) + _mean(ops.abs(across))


def sobel(expected, actual):
    """Mean absolute difference of Sobel responses, down and across averaged; the
    outermost pixels have none.
    """
    difference = expected - actual
    channels = difference.shape[-1]
    kernels = np.stack([_SOBEL_ROWS, _SOBEL_ROWS.T], axis=-1)[:, :, None, :]
    kernels = ops.convert_to_tensor(np.repeat(kernels, channels, axis=2).astype("float32"))
    return _mean(ops.abs(ops.depthwise_conv(difference, kernels, padding="valid")))


def binary_cross_entropy(expected, actual):
    """Mean binary cross entropy in nats of probabilities, maps `[B, H, W, 1]`."""
    actual = ops.clip(actual, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return _mean(-(expected * ops.log(actual) + (1 - expected) * ops.log(1 - actual)))


def _mean(values):
    return ops.mean(values, axis=(1, 2, 3))
