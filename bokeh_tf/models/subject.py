"""The network that says what a photo is of: an ImageNet encoder, a slim
decoder, one map and one number.

Its map answers "what stays sharp" with one logit per pixel of half the size; where it knows no
subject it falls back on what it has learnt of focus and of position, as the smaller network of
`dbsi_mobile` base does. Its number says how sure it is that there is a subject at all. A tap, if
there is one, says which of several things is meant.

Every sum and product has its wide operand first and every mean is over rows and columns: the OpenGL
half of the classic engine takes nothing else.
"""

import keras
import numpy as np
from keras import layers, ops

from bokeh_tf.models import efficientnet_lite
from bokeh_tf.models.layers import PositionBias
from bokeh_tf.ops.means import picture_means

STRIDE = efficientnet_lite.STRIDE
# Channels of the decoder at 1/32, 1/16, 1/8, 1/4 and 1/2 of the image.
CHANNELS = (96, 64, 48, 32, 16)
# A tap is shown as paraboloids that reach this far, in heights of the image: where it
# is, and what is near it.
TAP_RADII = (0.08, 0.25, 0.6)
# Channels of the part that knows taps.
TAP_CHANNELS = 20
# Of the mean of a tap's map over the frame, so that nothing is divided by
# zero where there is no tap.
_LEAST_TAP_MEAN = 1e-3


@keras.saving.register_keras_serializable(package="bokeh_tf")
class TapMap(layers.Layer):
    """Where somebody tapped: 1 at the tapped place, falling to 0 at each of `radii`, in heights; 0
    everywhere without a tap.

    The positions are added to nothing of the features: classic engines get a product or sum of a
    constant map and a single running number wrong.
    """

    def __init__(self, radii=TAP_RADII, **kwargs):
        super().__init__(**kwargs)
        self.radii = tuple(radii)

    def get_config(self):
        """Adds the radii."""
        return {**super().get_config(), "radii": self.radii}

    def call(self, features, focus):
        """Returns a map for each radius, `[B, h, w, n]`, for features `[B, h, w, C]`, C at least 2,
        and a focus input `[B, 1, 1, 4]`.
        """
        height, width = features.shape[1:3]
        y, x = ((np.arange(size) + 0.5) / size for size in (height, width))
        places = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)[None].astype("float32")
        nothing = features[..., :2] * 0.0
        offsets = nothing + ops.convert_to_tensor(places, dtype=features.dtype)
        offsets = offsets + focus[..., :2] * -1.0
        curvature = np.reshape([1, (width / height) ** 2], (1, 1, 2, 1)) / -np.square(self.radii)
        kernel = ops.convert_to_tensor(curvature.astype("float32"), dtype=features.dtype)
        return ops.relu(ops.conv(offsets * offsets, kernel) + 1.0)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class HasTap(layers.Layer):
    """1 where a focus input `[B, 1, 1, 4]` names a place, 0 where its row is
    negative; `[B, 1, 1, 1]`.
    """

    def call(self, focus):
        return ops.clip(focus[..., :1] * 1000.0 + 1.0, 0.0, 1.0)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class TappedMean(layers.Layer):
    """Mean of features `[B, h, w, C]` where the tap `[B, h, w, 1]` is, `[B,
    1, 1, C]`; 0 without one.
    """

    def call(self, features, tap):
        return picture_means(features * tap) * (1.0 / (picture_means(tap) + _LEAST_TAP_MEAN))


@keras.saving.register_keras_serializable(package="bokeh_tf")
class TapDifference(layers.Layer):
    """How much features `[B, h, w, C]` differ from those at the tap, `[B, 1, 1, C]`: squares."""

    def call(self, features, key):
        difference = features + key * -1.0
        return difference * difference


def subject_maps(image, focus, *, channels=CHANNELS):
    """Logits of focus `[B, H / 2, W / 2, 1]` and of there being a subject `[B, 1, 1,
    1]`, of images in [0, 1].

    Args:
        image: `[B, H, W, 3]`, H and W multiples of `STRIDE`.
        focus: `[B, 1, 1, 4]`: row and column of a tap in [0, 1], negative without one;
            the rest is not looked at.
        channels: the decoder's widths, coarsest first.
    """
    *skips, x = efficientnet_lite.encoder(image)
    x = _conv(x, channels[0], "subject_neck", kernel_size=1)
    x = PositionBias(name="subject_position")(x)
    scene = layers.GlobalAveragePooling2D(keepdims=True, name="subject_scene_mean")(x)
    confidence = _conv(scene, channels[0] // 2, "subject_confidence_hidden", kernel_size=1)
    confidence = layers.Conv2D(1, 1, name="subject_confidence_logit")(confidence)
    # The narrow operand first: Keras would make a vector of a second one, which phones without
    # OpenCL refuse.
    x = layers.Add(name="subject_scene_sum")(
        [layers.Conv2D(channels[0], 1, name="subject_scene_conv")(scene), x]
    )
    x = layers.Add(name="subject_bottom_sum")([x, _conv(x, channels[0], "subject_bottom")])
    for level, (width, skip) in enumerate(zip(channels[1:], reversed(skips), strict=True)):
        name = f"subject_up{level}"
        x = _conv(x, width, f"{name}_reduce", kernel_size=1)
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_resize")(x)
        skip = layers.Conv2D(width, 1, name=f"{name}_skip")(skip)
        x = layers.Add(name=f"{name}_sum")([x, skip])
        x = _conv(x, width, name)
        if level == 1:
            eighth = layers.Concatenate(name="tap_features")([x, skips[2]])
    logits = layers.Conv2D(1, 3, padding="same", name="subject_focus_logit")(x)
    return layers.Add(name="focus_logit")([logits, _told(eighth, logits, focus)]), confidence


def _told(features, logits, focus):
    """What a tap adds to the logits, `[B, H / 2, W / 2, 1]`; 0 without one.

    Features `[B, H / 8, W / 8, C]` of every place are compared with those at the tap: what is like
    them and near them is the same thing. The automatic answer is one more thing to look at.
    """
    x = layers.Conv2D(TAP_CHANNELS, 1, name="tap_features_conv")(features)
    tap = TapMap(name="tap")(x, focus)
    key = TappedMean(name="tap_mean")(x, tap[..., :1])
    unlike = TapDifference(name="tap_difference")(x, key)
    automatic = layers.AveragePooling2D(4, name="tap_automatic")(logits)
    x = layers.Concatenate(name="tap_facts")([x, unlike, tap, automatic])
    x = layers.Conv2D(TAP_CHANNELS, 1, activation="relu", name="tap_facts_conv")(x)
    x = layers.Conv2D(TAP_CHANNELS, 3, padding="same", activation="relu", name="tap_near_conv")(x)
    around = layers.AveragePooling2D(4, name="tap_around")(x)
    around = layers.Conv2D(
        TAP_CHANNELS, 3, padding="same", activation="relu", name="tap_around_conv"
    )(around)
    around = layers.UpSampling2D(4, interpolation="bilinear", name="tap_around_resize")(around)
    x = layers.Add(name="tap_around_sum")([x, around])
    x = layers.Conv2D(TAP_CHANNELS, 3, padding="same", activation="relu", name="tap_far_conv")(x)
    x = layers.Conv2D(1, 1, kernel_initializer="zeros", name="tap_logit_conv")(x)
    x = layers.Multiply(name="tap_told")([x, HasTap(name="has_tap")(focus)])
    return layers.UpSampling2D(4, interpolation="bilinear", name="tap_logit")(x)


def _conv(x, channels, name, *, kernel_size=3):
    x = layers.Conv2D(channels, kernel_size, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.98, epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
