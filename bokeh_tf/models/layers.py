"""Blocks that two or more models share: inputs, channel slices, instance
normalisation, the MegaDepth hourglass.

All tensors are float32 `[B, H, W, C]`. Every layer has an explicit name, so that building a model
twice gives the same graph and a report can point at a block.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from bokeh_tf.ops.means import picture_means


def image_input(image_shape, *, multiple):
    """Input of RGB images of (height, width) `image_shape`; both must be
    multiples of the network's stride.
    """
    sizes_px = tuple(image_shape)
    if len(sizes_px) != 2 or any(size_px < multiple or size_px % multiple for size_px in sizes_px):
        raise ValueError(
            f"image_shape must be (height, width), both positive multiples of {multiple}."
            f" Received: {image_shape}"
        )
    return keras.Input((*sizes_px, 3), name="image")


def map_input(image_shape, *, name):
    """Input of one map in [0, 1] as large as the image, such as "depth" or "saliency"."""
    return keras.Input((*image_shape, 1), name=name)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class Channel(layers.Layer):
    """A slice of the channels, `[B, H, W, count]`: the GPU delegate
    refuses one that drops the axis.
    """

    def __init__(self, index, count=1, **kwargs):
        super().__init__(**kwargs)
        self.index = index
        self.count = count

    def call(self, inputs):
        """Returns `count` channels from `index` on."""
        return inputs[..., self.index : self.index + self.count]

    def get_config(self):
        return {**super().get_config(), "index": self.index, "count": self.count}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class PositionBias(layers.Layer):
    """Adds a learned quadratic of the position to every channel: subjects are rarely in corners.

    A constant added, not a coordinate concatenated: the delegate mangles float16
    constants in CONCATENATION.
    """

    def build(self, input_shape):
        """Creates the coefficients `[5, C]`."""
        self.coefficients = self.add_weight(
            shape=(5, input_shape[-1]), initializer="zeros", name="coefficients"
        )
        super().build(input_shape)

    def call(self, features):
        """Returns features plus the bias."""
        rows, columns = (np.linspace(-1, 1, size, dtype="float32") for size in features.shape[1:3])
        y, x = np.meshgrid(rows, columns, indexing="ij")
        terms = np.stack([x, y, x * x, y * y, x * y], axis=-1)[None]
        return features + ops.matmul(
            ops.convert_to_tensor(terms, dtype=features.dtype), self.coefficients
        )


@keras.saving.register_keras_serializable(package="bokeh_tf")
class ClipAtInference(layers.Layer):
    """Clips pictures to [0, 1], but not while training: a clipped pixel would have no gradient."""

    def call(self, inputs, training=None):
        """Returns the inputs, clipped unless `training`."""
        return inputs if training else ops.clip(inputs, 0.0, 1.0)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class InstanceNormalization(layers.Layer):
    """Every channel of every image less its mean, divided by its standard deviation
    (Ulyanov et al. 2016, eq. 4).

    Written out: Keras's GroupNormalization becomes five-dimensional tensors, which GPU delegates
    refuse. Means, not sums, and an epsilon that half precision can tell from zero.

    Args:
        affine: learn a scale and a shift per channel.
    """

    def __init__(self, epsilon=1e-4, affine=False, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.affine = affine

    def build(self, input_shape):
        """Creates the scale and the shift, `[C]`, if any."""
        if self.affine:
            self.gamma = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="beta")
        super().build(input_shape)

    def call(self, inputs):
        # Half precision rounds the first mean as coarsely as the values, the mean of what it leaves
        # of them as finely as that is. Not subtracted one after the other: OpenGL gets that wrong.
        nearly = picture_means(inputs)
        centred = inputs - (nearly + picture_means(inputs - nearly))
        variance = picture_means(ops.square(centred))
        normalised = centred * ops.rsqrt(variance + self.epsilon)
        return normalised * self.gamma + self.beta if self.affine else normalised

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "affine": self.affine}


@dataclass(frozen=True)
class Inception:
    """Widths of an inception block: a 1x1 branch, then branches of 1x1 to `middle` and k
    x k to `branch` channels.
    """

    # Output channels of the 1x1 branch and of each k x k branch.
    branch: int
    # Channels between the 1x1 and the k x k convolution.
    middle: int
    # k of the three branches.
    kernels: tuple[int, int, int]

    @property
    def channels(self):
        """Channels of the block's output."""
        return self.branch * (1 + len(self.kernels))

    def slimmed(self, divisor):
        """The block with its widths divided by `divisor`."""
        return Inception(self.branch // divisor, self.middle // divisor, self.kernels)


# The letters of the published network's block list; G, H and K are narrower middles
# and outputs near the end.
INCEPTIONS = {
    "a": Inception(32, 32, (3, 5, 7)),
    "b": Inception(64, 32, (3, 5, 7)),
    "c": Inception(64, 32, (3, 5, 7)),
    "d": Inception(64, 64, (3, 7, 11)),
    "e": Inception(32, 32, (3, 5, 7)),
    "f": Inception(32, 64, (3, 7, 11)),
    "g": Inception(32, 64, (3, 5, 7)),
    "h": Inception(16, 32, (3, 7, 11)),
    "k": Inception(16, 64, (3, 7, 11)),
}

# Per level, finest first: pooling, and the blocks of its skip path, before
# and after the next level.
HOURGLASS = (
    {"pool": layers.MaxPooling2D, "skip": "k", "down": "aa", "up": "gh"},
    {"pool": layers.MaxPooling2D, "skip": "af", "down": "ab", "up": "ce"},
    {"pool": layers.AveragePooling2D, "skip": "cd", "down": "cc", "up": "cd"},
    {"pool": layers.AveragePooling2D, "skip": "cc", "down": "cc", "up": "c"},
)
HOURGLASS_STRIDE = 2 ** len(HOURGLASS)
# What all published widths, from 16 on, can be divided by.
HOURGLASS_DIVISORS = (1, 2, 4, 8, 16)


def conv_norm_relu(x, filters, kernel_size, *, name, affine=False):
    """Convolution with bias, batch normalisation (without scale and
    shift unless `affine`), ReLU.
    """
    x = layers.Conv2D(filters, kernel_size, padding="same", name=f"{name}_conv")(x)
    # PyTorch's defaults, which the published weights were trained with: its
    # momentum 0.1 is 0.9 here.
    x = layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, center=affine, scale=affine, name=f"{name}_norm"
    )(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def inception(x, block, *, name):
    """Four parallel branches, concatenated: 1x1, and three of 1x1 then k x k."""
    branches = [conv_norm_relu(x, block.branch, 1, name=f"{name}_1x1")]
    for position, kernel_size in enumerate(block.kernels, start=1):
        middle = conv_norm_relu(x, block.middle, 1, name=f"{name}_branch{position}_reduce")
        branches.append(
            conv_norm_relu(middle, block.branch, kernel_size, name=f"{name}_branch{position}")
        )
    return layers.Concatenate(name=f"{name}_concat")(branches)


def check_slimming(width_divisor, decimation):
    """Refuses what no hourglass can be slimmed by."""
    if width_divisor not in HOURGLASS_DIVISORS:
        raise ValueError(
            f"width_divisor must be one of {HOURGLASS_DIVISORS}. Received: {width_divisor}"
        )
    if decimation < 1:
        raise ValueError(f"decimation must be a positive whole number. Received: {decimation}")


def hourglass(image, *, width_divisor=1, decimation=1):
    """MegaDepth without its head: images `[B, H, W, 3]` to features `[B, H, W,
    64]`, H and W multiples of 16.

    Args:
        width_divisor: divides the published number of channels everywhere,
            that of the features too.
        decimation: the image is reduced by this factor first, and so are the features.
    """
    if decimation > 1:
        image = layers.AveragePooling2D(decimation, name="reduced_image")(image)
    stem = conv_norm_relu(image, 128 // width_divisor, 7, name="stem", affine=True)
    return _level(stem, 1, width_divisor)


def _level(x, number, width_divisor):
    """One scale: a skip path, plus a path through half the resolution and the level below."""
    plan = HOURGLASS[number - 1]
    skip = _sequence(x, plan["skip"], width_divisor, name=f"level{number}_skip")
    below = plan["pool"](2, name=f"level{number}_pool")(x)
    below = _sequence(below, plan["down"], width_divisor, name=f"level{number}_down")
    if number < len(HOURGLASS):
        below = _level(below, number + 1, width_divisor)
    below = _sequence(below, plan["up"], width_divisor, name=f"level{number}_up")
    # UpSampling2D(nearest) would become five-dimensional tensors, which the GPU delegate refuses.
    above = layers.Resizing(*x.shape[1:3], interpolation="nearest", name=f"level{number}_resize")(
        below
    )
    return layers.Add(name=f"level{number}_sum")([skip, above])


def _sequence(x, letters, width_divisor, *, name):
    for position, letter in enumerate(letters, start=1):
        x = inception(
            x, INCEPTIONS[letter].slimmed(width_divisor), name=f"{name}{position}_{letter}"
        )
    return x
