"""Transposed convolution to twice the size, `[B, H, W, C]` to `[B, 2 H, 2 W,
filters]`, right on GPU delegates.

Every input pixel adds its kernel to the output, two pixels further than the one before; of the 3 x
3 kernel's 2 H + 1 rows and 2 W + 1 columns, "same" padding drops the last. LiteRT's delegate
computes that wrongly where H or W is odd (the error is as large as the values) and rightly where
both are even, so here odd inputs get a row or column of zeros at the end, and the output loses what
that added. Even inputs take the plain operation.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="bokeh_tf")
class DoublingConv2DTranspose(keras.layers.Conv2DTranspose):
    """Keras's `Conv2DTranspose` with strides of 2 and "same" padding; height
    and width must be static.
    """

    def call(self, inputs):
        """Returns features of twice the height and width."""
        _, height, width, _ = inputs.shape
        if height % 2 == 0 and width % 2 == 0:
            return super().call(inputs)
        even = ops.pad(inputs, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
        return super().call(even)[:, : 2 * height, : 2 * width]
