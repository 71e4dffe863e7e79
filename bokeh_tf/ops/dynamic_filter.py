"""Filters every pixel of float32 images `[B, H, W, C]` with weights of its own, `[B, H,
W, k²]` for a k x k window.

    filtered(y, x) = sum over i, j of weights(y, x, k i + j) * image(y + i - r, x
    + j - r),  r = (k - 1) / 2

All channels share the weights; beyond the border the image is zero. k is odd.

The textbook form gathers a window per pixel: five dimensions, which GPU delegates refuse, and k² C
channels, which would be 764 MB in half precision for 9 x 9 windows of a photo of 1024 x 1536. Here
the window is taken row by row: a constant convolution lays the k neighbours in that row side by
side as channels, which the row's weights multiply and a second constant convolution adds up.
Besides the weights, no tensor has more than k C channels, and rows wait for one another, so that
only one row's neighbours exist at a time. It costs C² k² (k + 1) multiply-accumulates per pixel,
nearly all of them by zero.

Height, width and channels must be static.
"""

from math import isqrt

import keras
import numpy as np
from keras import ops


def dynamic_filter(images, weights):
    """Returns the filtered images, `[B, H, W, C]`."""
    side_px = _window_side_px(images.shape, weights.shape)
    radius_px = side_px // 2
    _, height, _, channels = images.shape
    neighbours = ops.convert_to_tensor(_neighbours_kernel(side_px, channels), dtype=images.dtype)
    sums = ops.convert_to_tensor(_sums_kernel(side_px, channels), dtype=images.dtype)
    margins_px = [radius_px, radius_px]
    padded = ops.pad(images, [[0, 0], margins_px, margins_px, [0, 0]])
    earlier, filtered = weights, 0.0
    for row in range(side_px):
        row_neighbours = ops.conv(
            _after(padded, earlier)[:, row : row + height], neighbours, padding="valid"
        )
        row_weights = _after(weights[..., row * side_px : (row + 1) * side_px], earlier)
        products = row_neighbours * ops.concatenate([row_weights] * channels, axis=-1)
        # A convolution, as delegates mistake one sum over a slice of channels for another.
        filtered = filtered + ops.conv(products, sums)
        earlier = filtered
    return filtered


def _after(tensor, earlier):
    """Returns `tensor`, which cannot be computed before `earlier` is.

    A converted graph puts first whatever is ready. All rows' neighbours are as soon as the photo is
    there, and would wait in memory through the whole network for their weights. A product with
    one, as the classic delegate's OpenGL half adds a single running value to nothing.
    """
    return tensor * (earlier[:, :1, :1, :1] * 0 + 1.0)


def _window_side_px(image_shape, weights_shape):
    side_px = isqrt(weights_shape[-1])
    if side_px**2 != weights_shape[-1] or side_px % 2 == 0:
        raise ValueError(
            "weights must have the square of an odd number of channels. Received:"
            f" {weights_shape[-1]}"
        )
    if None in image_shape[1:] or tuple(image_shape[1:3]) != tuple(weights_shape[1:3]):
        raise ValueError(
            "images and weights must have the same static height and width. "
            f"Received: {tuple(image_shape)}, {tuple(weights_shape)}"
        )
    return side_px


def _neighbours_kernel(side_px, channels):
    """Copies neighbour j of colour c to channel c * side_px + j: `[1, side_px, C, C side_px]`."""
    kernel = np.zeros((1, side_px, channels, channels, side_px), np.float32)
    for colour in range(channels):
        kernel[0, :, colour, colour] = np.eye(side_px)
    return kernel.reshape(1, side_px, channels, channels * side_px)


def _sums_kernel(side_px, channels):
    """Adds the `side_px` channels of each colour: `[1, 1, C side_px, C]`."""
    return np.repeat(np.eye(channels, dtype=np.float32), side_px, axis=0)[None, None]


@keras.saving.register_keras_serializable(package="bokeh_tf")
class DynamicFilter(keras.layers.Layer):
    """`dynamic_filter` as a layer."""

    def call(self, images, weights):
        return dynamic_filter(images, weights)

    def compute_output_shape(self, images_shape, weights_shape):
        _window_side_px(images_shape, weights_shape)
        return images_shape
