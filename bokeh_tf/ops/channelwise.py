"""Bilinear upsampling of float32 features `[B, H, W, C]` channel by channel, with
or without aligned corners.

`BilinearUpsampling` in `resize` mixes columns in a dense convolution, which is cheap for three
channels and dear for 256. Here every output phase of a pixel is that pixel plus constant shares of
its differences to its neighbours: no multiply-accumulate more than a resize needs, and no sampling
positions that half precision could lose.

With aligned corners the first and last pixels of input and output coincide, so the shares change
along the axis: output `factor * i + p` lies at `i + (p * (n - 1) - i * (factor - 1)) / (factor * n
- 1)`, never a whole pixel from i. Height, width and channels must be static.
"""

import keras
import numpy as np
from keras import ops


def phase_offsets(size, factor, *, align_corners):
    """Where output pixels lie relative to their input pixel i, float64 `[factor, size]`, or
    `[factor, 1]` where all pixels have the same offsets; between -1 and 1.

    Without aligned corners the first and last pixels have nothing beyond to move towards; as
    differences beyond the border are zero, their offsets do not matter.
    """
    phases, pixels = np.arange(factor)[:, None], np.arange(size)[None]
    if align_corners:
        return (phases * (size - 1) - pixels * (factor - 1)) / max(factor * size - 1, 1)
    return (phases + 0.5) / factor - 0.5


def _phases(features, axis, offsets):
    """The features at `offsets` `[factor, size or 1]` from each pixel along `axis`: a list of
    tensors of the same shape.
    """
    size = features.shape[axis]
    padding = [[0, 0] for _ in features.shape]
    padding[axis] = [1, 1]
    steps = ops.pad(_part(features, axis, 1, size) - _part(features, axis, 0, size - 1), padding)
    before, after = _part(steps, axis, 0, size), _part(steps, axis, 1, size + 1)
    phases = []
    for row in offsets.astype("float32"):
        phase = features
        for share, step in ((np.minimum(row, 0), before), (np.maximum(row, 0), after)):
            if share.any():
                phase = phase + step * ops.convert_to_tensor(
                    _spread(share, axis, features.shape), dtype=step.dtype
                )
        phases.append(phase)
    return phases


def _spread(share, axis, shape):
    """One value, or one per row or column written out for the whole picture: the classic
    delegate's OpenGL half computes products with a constant of one row or column wrongly.
    """
    if share.size == 1:
        return share[0]
    _, height, width, _ = shape
    along = (1, -1, 1, 1) if axis == 1 else (1, 1, -1, 1)
    return np.broadcast_to(share.reshape(along), (1, height, width, 1)).copy()


def _part(features, axis, first, last):
    return features[:, first:last] if axis == 1 else features[:, :, first:last]


@keras.saving.register_keras_serializable(package="bokeh_tf")
class ChannelwiseUpsampling(keras.layers.Layer):
    """Bilinear upsampling by an integer factor, edges clamped.

    Args:
        factor: output pixels per input pixel, along both axes; at least 1.
        align_corners: PyTorch's option of that name.
    """

    def __init__(self, factor, align_corners=False, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(factor, int) or factor < 1:
            raise ValueError(f"factor must be a positive integer. Received: {factor!r}")
        self.factor = factor
        self.align_corners = align_corners

    def call(self, features):
        """Returns the features, `factor` times as high and as wide."""
        _, height, width, channels = features.shape
        if self.factor == 1:
            return features
        rows = _phases(features, 1, self._offsets(height))
        # Side by side along the width the phases are, in memory, already the finer rows; so
        # are columns as channels.
        features = ops.reshape(
            ops.concatenate(rows, axis=2), (-1, height * self.factor, width, channels)
        )
        columns = _phases(features, 2, self._offsets(width))
        return ops.reshape(
            ops.concatenate(columns, axis=3),
            (-1, height * self.factor, width * self.factor, channels),
        )

    def _offsets(self, size):
        return phase_offsets(size, self.factor, align_corners=self.align_corners)

    def compute_output_shape(self, input_shape):
        if None in input_shape[1:]:
            raise ValueError(
                f"features must have static height, width and channels. Received: {input_shape[1:]}"
            )
        batch, height, width, channels = input_shape
        return (batch, height * self.factor, width * self.factor, channels)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor, "align_corners": self.align_corners}
