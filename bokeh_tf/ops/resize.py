"""Upsampling of float32 images `[B, H, W, C]` by an integer factor, in a form that
is right in half precision.

A phone's GPU delegate computes RESIZE_BILINEAR's sampling positions in half precision: beyond a few
hundred pixels they lose the fractions they need, so a x4 upsampling is wrong from an input width of
512 on and a x2 one from 1024. An integer factor needs no positions. Output pixel `factor * i +
phase` is a fixed mixture of the input pixels i - 1, i and i + 1, and depends on the phase only:

- rows: each phase is a weighted sum of three shifted copies; the phases side by side along the
  width are, in memory, already the finer rows, so a reshape finishes;
- columns: one convolution writes all phases of a pixel as channels, which a
  reshape spreads along the width.

Height, width and channels must be static.
"""

import keras
import numpy as np
from keras import ops


def bilinear_taps(factor):
    """Half-pixel bilinear weights `[factor, 3]` of each phase on the previous,
    same and next input pixel.
    """
    offsets = _phase_offsets(factor)
    return np.stack([np.maximum(-offsets, 0), 1 - np.abs(offsets), np.maximum(offsets, 0)], axis=1)


def spline_taps(factor):
    """Quadratic B-spline weights `[factor, 3]`, which leave less of the input's pixel grid
    visible than bilinear ones.

    A spline does not pass through the input pixels: it blurs them with a variance
    of `taps_variance` pixels.
    """
    offsets = _phase_offsets(factor)
    return np.stack(
        [0.5 * (0.5 - offsets) ** 2, 0.75 - offsets**2, 0.5 * (0.5 + offsets) ** 2], axis=1
    )


def taps_variance(taps):
    """Mean variance that upsampling with `[factor, 3]` taps adds to a
    blur, in input pixels squared.
    """
    distances = np.array([-1, 0, 1]) - _phase_offsets(len(taps))[:, None]
    return float(np.mean(np.sum(taps * distances**2, axis=1)))


def _phase_offsets(factor):
    return (np.arange(factor) + 0.5) / factor - 0.5


def upsample_extended(images, taps, *, added=None):
    """Upsamples by `len(taps)` images that carry one more row and column on every
    side, which the taps use up.

    Args:
        added: what is added to the result, of its shape, or None.
    """
    return upsample_columns(_add_row_phases(images, taps), taps, added=added)


def _add_row_phases(images, taps):
    _, extended_height, width, channels = images.shape
    factor, height = len(taps), extended_height - 2
    previous, same, following = (images[:, first : first + height] for first in range(3))
    # The phases mirror one another: a pair needs one part that is even in the
    # offset, and one that is odd.
    outer_sum, outer_difference = previous + following, following - previous
    phases = [None] * factor
    for phase, (before, middle, after) in enumerate(taps[: (factor + 1) // 2].tolist()):
        even = middle * same + (before + after) / 2 * outer_sum
        odd = (before - after) / 2 * outer_difference
        phases[phase], phases[factor - 1 - phase] = even - odd, even + odd
    return ops.reshape(ops.concatenate(phases, axis=2), (-1, height * factor, width, channels))


def upsample_columns(images, taps, *, added=None):
    """The half of `upsample_extended` that is about columns."""
    _, height, extended_width, channels = images.shape
    factor = len(taps)
    kernel = taps.T[:, None, :, None] * np.eye(channels)[None, :, None, :]
    kernel = np.reshape(kernel, (1, 3, channels, factor * channels)).astype("float32")
    phases = ops.conv(images, ops.convert_to_tensor(kernel, dtype=images.dtype), padding="valid")
    if added is not None:
        phases = phases + ops.reshape(added, (-1, *phases.shape[1:]))
    return ops.reshape(phases, (-1, height, (extended_width - 2) * factor, channels))


def _extend_edges(images):
    """Repeats the first and last row and column once."""
    images = ops.concatenate([images[:, :1], images, images[:, -1:]], axis=1)
    return ops.concatenate([images[:, :, :1], images, images[:, :, -1:]], axis=2)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class BilinearUpsampling(keras.layers.Layer):
    """Half-pixel bilinear upsampling by an integer factor, edges clamped: the
    values of `ops.image.resize`.

    Costs 3 C + 3 / factor multiply-accumulates per output pixel and channel
    (the convolution is dense).

    Args:
        factor: output pixels per input pixel, along both axes; at least 1.
    """

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(factor, int) or factor < 1:
            raise ValueError(f"factor must be a positive integer. Received: {factor!r}")
        self.factor = factor

    def call(self, images):
        """Returns the images, `factor` times as high and as wide."""
        if self.factor == 1:
            return images
        return upsample_extended(_extend_edges(images), bilinear_taps(self.factor))

    def compute_output_shape(self, input_shape):
        if None in input_shape[1:]:
            raise ValueError(
                f"images must have static height, width and channels. Received: {input_shape[1:]}"
            )
        batch, height, width, channels = input_shape
        return (batch, height * self.factor, width * self.factor, channels)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class UpsampledSum(keras.layers.Layer):
    """Images upsampled as by `BilinearUpsampling`, plus a picture of the size that they become.

    The sum is taken before the phases are spread along the width: three channels take a GPU the
    memory of four, those of all phases only their own.
    """

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, images, added):
        """Returns `[B, factor h, factor w, C]`, the shape of `added`."""
        if self.factor == 1:
            return images + added
        return upsample_extended(_extend_edges(images), bilinear_taps(self.factor), added=added)

    def compute_output_shape(self, images_shape, added_shape):
        return added_shape

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
