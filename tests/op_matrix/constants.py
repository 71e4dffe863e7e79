"""Constants that the models of the matrix hold: always the same numbers."""

import numpy as np

SEED = 7


def normal(*shape):
    """Random numbers of both signs, float32."""
    return np.random.default_rng(SEED).normal(size=shape).astype(np.float32)


def taps_kernel(channels):
    """A depthwise 3x3 kernel [3, 3, channels, 9] whose output channels are the nine
    neighbours of each pixel.
    """
    return np.tile(np.eye(9, dtype=np.float32).reshape(3, 3, 1, 9), (1, 1, channels, 1))


def taps_kernel_dense(channels):
    """The same as a convolution's kernel [3, 3, channels, 9 * channels], neighbour by neighbour."""
    return np.eye(9 * channels, dtype=np.float32).reshape(3, 3, channels, 9 * channels)


def haar_kernel():
    """The four 2x2 Haar filters [2, 2, 4]."""
    filters = (
        np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float32) / 2
    )
    return filters.T.reshape(2, 2, 4)


def haar_kernel_dense(channels):
    """All Haar filters of each channel as a convolution's kernel [2, 2, channels, 4 * channels]."""
    kernel = (
        haar_kernel()[:, :, None, :, None]
        * np.eye(channels, dtype=np.float32)[None, None, :, None, :]
    )
    return kernel.reshape(2, 2, channels, 4 * channels)
