"""The network that says what a photo is of: an ImageNet encoder, a slim decoder, one map and one number.

Its map answers "what stays sharp" with one logit per pixel of half the size; where it knows no subject it falls back
on what it has learnt of focus and of position, as the smaller network of `dbsi_mobile` base does. Its number says how
sure it is that there is a subject at all. A tap, if there is one, says which of several things is meant.

Every sum and product has its wide operand first and every mean is over rows and columns: the OpenGL half of the
classic engine takes nothing else.
"""

import keras
import numpy as np
from keras import layers, ops

from bokeh_tf.models import efficientnet_lite
from bokeh_tf.models.layers import PositionBias

STRIDE = efficientnet_lite.STRIDE
# Channels of the decoder at 1/32, 1/16, 1/8, 1/4 and 1/2 of the image.
CHANNELS = (96, 64, 48, 32, 16)
# A tap is a paraboloid that reaches this far, in heights of the image.
TAP_RADIUS = 0.08
# Of the mean of a tap's map over the frame, so that nothing is divided by zero where there is no tap.
_LEAST_TAP_MEAN = 1e-3


@keras.saving.register_keras_serializable(package="bokeh_tf")
class TapMap(layers.Layer):
    """Where somebody tapped: 1 at the tapped place, falling to 0 at `TAP_RADIUS`; 0 everywhere without a tap.

    The positions are added to nothing of the features: classic engines get a product or sum of a constant map and a
    single running number wrong.
    """

    def call(self, features, focus):
        """Returns `[B, h, w, 1]` for features `[B, h, w, C]` and a focus input `[B, 1, 1, 4]`."""
        height, width = features.shape[1:3]
        y, x = ((np.arange(size) + 0.5) / size for size in (height, width))
        places = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)[None].astype("float32")
        nothing = features[..., :2] * 0.0
        offsets = nothing + ops.convert_to_tensor(places, dtype=features.dtype)
        offsets = offsets + focus[..., :2] * -1.0
        curvature = np.reshape([1, (width / height) ** 2], (1, 1, 2, 1)) / -(TAP_RADIUS**2)
        kernel = ops.convert_to_tensor(curvature.astype("float32"), dtype=features.dtype)
        return ops.relu(ops.conv(offsets * offsets, kernel) + 1.0)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class HasTap(layers.Layer):
    """1 where a focus input `[B, 1, 1, 4]` names a place, 0 where its row is negative; `[B, 1, 1, 1]`."""

    def call(self, focus):
        return ops.clip(focus[..., :1] * 1000.0 + 1.0, 0.0, 1.0)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class TappedMean(layers.Layer):
    """Mean of features `[B, h, w, C]` where the tap `[B, h, w, 1]` is, `[B, 1, 1, C]`; 0 without one."""

    def call(self, features, tap):
        total = ops.mean(features * tap, axis=(1, 2), keepdims=True)
        return total * (1.0 / (ops.mean(tap, axis=(1, 2), keepdims=True) + _LEAST_TAP_MEAN))


def subject_maps(image, focus, *, channels=CHANNELS):
    """Logits of focus `[B, H / 2, W / 2, 1]` and of there being a subject `[B, 1, 1, 1]`, of images in [0, 1].

    Args:
        image: `[B, H, W, 3]`, H and W multiples of `STRIDE`.
        focus: `[B, 1, 1, 4]`: row and column of a tap in [0, 1], negative without one; the rest is not looked at.
        channels: the decoder's widths, coarsest first.
    """
    *skips, x = efficientnet_lite.encoder(image)
    tap = TapMap(name="tap")(skips[2], focus)
    x = _conv(x, channels[0], "subject_neck", kernel_size=1)
    x = PositionBias(name="subject_position")(x)
    scene = layers.GlobalAveragePooling2D(keepdims=True, name="subject_scene_mean")(x)
    confidence = _conv(scene, channels[0] // 2, "subject_confidence_hidden", kernel_size=1)
    confidence = layers.Conv2D(1, 1, name="subject_confidence_logit")(confidence)
    x = layers.Add(name="subject_scene_sum")([x, layers.Conv2D(channels[0], 1, name="subject_scene_conv")(scene)])
    has_tap = _silent_conv(HasTap(name="has_tap")(focus), channels[0], "has_tap")
    x = layers.Add(name="has_tap_sum")([x, has_tap])
    x = _with_tap(x, layers.AveragePooling2D(4, name="tap32")(tap), "tap32")
    x = layers.Add(name="subject_bottom_sum")([x, _conv(x, channels[0], "subject_bottom")])
    for level, (width, skip) in enumerate(zip(channels[1:], reversed(skips), strict=True)):
        name = f"subject_up{level}"
        x = _conv(x, width, f"{name}_reduce", kernel_size=1)
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_resize")(x)
        skip = layers.Conv2D(width, 1, name=f"{name}_skip")(skip)
        x = layers.Add(name=f"{name}_sum")([x, skip])
        if level == 0:
            tap16 = layers.AveragePooling2D(2, name="tap16")(tap)
            x = _like_the_tapped(_with_tap(x, tap16, "tap16"), tap16)
        if level == 1:
            x = _with_tap(x, tap, "tap8")
        x = _conv(x, width, name)
    return layers.Conv2D(1, 3, padding="same", name="subject_focus_logit")(x), confidence


def _with_tap(x, tap, name):
    return layers.Add(name=f"{name}_sum")([x, _silent_conv(tap, x.shape[-1], name)])


def _like_the_tapped(x, tap):
    """Adds what of the features agrees with those at the tap."""
    key = TappedMean(name="tapped_mean")(x, tap)
    key = layers.Conv2D(x.shape[-1], 1, use_bias=False, name="tapped_key_conv")(key)
    agreement = layers.Multiply(name="tapped_product")([x, key])
    return layers.Add(name="tapped_sum")([x, _silent_conv(agreement, x.shape[-1], "tapped")])


def _silent_conv(x, channels, name):
    """A 1x1 convolution that adds nothing before it has learnt."""
    return layers.Conv2D(channels, 1, use_bias=False, kernel_initializer="zeros", name=f"{name}_conv")(x)


def _conv(x, channels, name, *, kernel_size=3):
    x = layers.Conv2D(channels, kernel_size, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.98, epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
