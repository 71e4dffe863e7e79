"""The orthonormal Haar transform of float32 images `[B, H, W, C]` and its inverse.

One level: each square of 2 x 2 pixels becomes four numbers, `[B, H / 2, W / 2, 4 C]`, by band,
then channel. With the square's pixels a (top left), b (bottom left), c (top right) and d
(bottom right) the bands are

    low             ( a + b + c + d) / 2     left to right   (-a - b + c + d) / 2
    top to bottom   (-a + b - c + d) / 2     diagonal        ( a - b - c + d) / 2

in the order low, left to right, top to bottom, diagonal. Order and signs are those of MWCNN as
released (lpj-github-io/MWCNNv2). The rows of the 4 x 4 matrix are orthonormal, so its transpose
inverts it and energy is kept; the low band of a constant image is twice the constant.

Written as sums and differences of slices: a 2 x 2 convolution of all channels would multiply mostly
by zeros, and a depthwise one with four outputs per channel is refused by the classic GPU delegate.
Nothing but halving rounds.
"""

import keras
from keras import ops

from bokeh_tf.ops.shuffle import cell_rows, join_cell_rows


def haar_transform(images):
    """Returns the four bands `[B, H / 2, W / 2, 4 C]` of images with even height and width."""
    top, bottom = cell_rows(images, 2)
    sums, differences = _halves((top + bottom) * 0.5), _halves((bottom - top) * 0.5)
    bands = [
        sums[0] + sums[1],
        sums[1] - sums[0],
        differences[0] + differences[1],
        differences[1] - differences[0],
    ]
    return ops.concatenate(bands, axis=-1)


def inverse_haar_transform(bands):
    """Returns the images `[B, 2 H, 2 W, C / 4]` of the bands `[B, H, W, C]`."""
    if bands.shape[-1] is None or bands.shape[-1] % 4:
        raise ValueError(
            f"channels must be four bands of as many each. Received: {bands.shape[-1]}"
        )
    sum_bands, difference_bands = _halves(bands * 0.5)
    sums, differences = _left_and_right(sum_bands), _left_and_right(difference_bands)
    return join_cell_rows([sums - differences, sums + differences])


def _left_and_right(bands):
    """A band of sums and one of differences along the row, back to the left and the right pixel."""
    total, rise = _halves(bands)
    return ops.concatenate([total - rise, total + rise], axis=-1)


def _halves(images):
    middle = images.shape[-1] // 2
    return images[..., :middle], images[..., middle:]


@keras.saving.register_keras_serializable(package="bokeh_tf")
class HaarTransform(keras.layers.Layer):
    """`haar_transform` as a layer."""

    def call(self, images):
        return haar_transform(images)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class InverseHaarTransform(keras.layers.Layer):
    """`inverse_haar_transform` as a layer."""

    def call(self, bands):
        return inverse_haar_transform(bands)
