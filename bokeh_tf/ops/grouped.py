"""Grouped convolution of features `[B, H, W, C]` that trains on every processor and
that delegates compute right.

The channels fall into groups of C / groups, and every filter sees one group only (ResNeXt's
"cardinality", Xie et al. 2017). TensorFlow's processor kernels know no gradient of that as one
operation unless oneDNN replaces them, which it does on some processors only. Of phones' delegates,
the OpenGL one has no such operation, and ML Drift computes it wrongly unless every group has a
multiple of four channels. So here every group is sliced off, convolved with its own filters, and
joined to the others: the same sums. They are joined a few at a time, as OpenGL binds one kernel to
16 tensors at most.
"""

import keras
from keras import ops

_MOST_JOINED = 8


# Keras files weights under the layer's class: by any other name, weights of its
# own layer would not fit.
@keras.saving.register_keras_serializable(package="bokeh_tf")
class Conv2D(keras.layers.Conv2D):
    """Keras's `Conv2D` of the last axis's channels, with the same weights; `groups`
    may be any that Keras takes.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.data_format != "channels_last":
            raise ValueError(f"data_format must be 'channels_last'. Received: {self.data_format!r}")

    def convolution_op(self, inputs, kernel):
        """Returns the convolution, `[B, H, W, filters]`, without bias and activation."""
        if self.groups == 1:
            return super().convolution_op(inputs, kernel)
        channels = inputs.shape[-1] // self.groups
        filters = self.filters // self.groups
        outputs = []
        for group in range(self.groups):
            seen = inputs[..., group * channels : (group + 1) * channels]
            own = kernel[..., group * filters : (group + 1) * filters]
            outputs.append(super().convolution_op(seen, own))
        return _joined(outputs)


def _joined(parts):
    while len(parts) > 1:
        groups = [parts[at : at + _MOST_JOINED] for at in range(0, len(parts), _MOST_JOINED)]
        parts = [ops.concatenate(group, axis=-1) for group in groups]
    return parts[0]
