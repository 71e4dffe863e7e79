"""Blocks that two or more models share: the image input, channel slices, and the MegaDepth hourglass.

All tensors are float32 `[B, H, W, C]`. Every layer has an explicit name, so that building a model twice gives
the same graph and a report can point at a block.
"""

from dataclasses import dataclass

import keras
from keras import layers


def image_input(image_shape, *, multiple):
    """Input of RGB images of (height, width) `image_shape`; both must be multiples of the network's stride."""
    sizes_px = tuple(image_shape)
    if len(sizes_px) != 2 or any(size_px < multiple or size_px % multiple for size_px in sizes_px):
        raise ValueError(
            f"image_shape must be (height, width), both positive multiples of {multiple}. Received: {image_shape}"
        )
    return keras.Input((*sizes_px, 3), name="image")


@keras.saving.register_keras_serializable(package="bokeh_tf")
class Channel(layers.Layer):
    """A slice of the channels, `[B, H, W, count]`: the GPU delegate refuses one that drops the axis."""

    def __init__(self, index, count=1, **kwargs):
        super().__init__(**kwargs)
        self.index = index
        self.count = count

    def call(self, inputs):
        """Returns `count` channels from `index` on."""
        return inputs[..., self.index : self.index + self.count]

    def get_config(self):
        """Adds index and count."""
        return {**super().get_config(), "index": self.index, "count": self.count}


@dataclass(frozen=True)
class Inception:
    """Widths of an inception block: a 1x1 branch, then branches of 1x1 to `middle` and k x k to `branch` channels."""

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


# The letters of the published network's block list; G, H and K are narrower middles and outputs near the end.
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

# Per level, finest first: pooling, and the blocks of its skip path, before and after the next level.
HOURGLASS = (
    {"pool": layers.MaxPooling2D, "skip": "k", "down": "aa", "up": "gh"},
    {"pool": layers.MaxPooling2D, "skip": "af", "down": "ab", "up": "ce"},
    {"pool": layers.AveragePooling2D, "skip": "cd", "down": "cc", "up": "cd"},
    {"pool": layers.AveragePooling2D, "skip": "cc", "down": "cc", "up": "c"},
)
HOURGLASS_STRIDE = 2 ** len(HOURGLASS)


def conv_norm_relu(x, filters, kernel_size, *, name, affine=False):
    """Convolution with bias, batch normalisation (without scale and shift unless `affine`), ReLU."""
    x = layers.Conv2D(filters, kernel_size, padding="same", name=f"{name}_conv")(x)
    # PyTorch's defaults, which the published weights were trained with: its momentum 0.1 is 0.9 here.
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, center=affine, scale=affine, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def inception(x, block, *, name):
    """Four parallel branches, concatenated: 1x1, and three of 1x1 then k x k."""
    branches = [conv_norm_relu(x, block.branch, 1, name=f"{name}_1x1")]
    for position, kernel_size in enumerate(block.kernels, start=1):
        middle = conv_norm_relu(x, block.middle, 1, name=f"{name}_branch{position}_reduce")
        branches.append(conv_norm_relu(middle, block.branch, kernel_size, name=f"{name}_branch{position}"))
    return layers.Concatenate(name=f"{name}_concat")(branches)


def hourglass(image):
    """MegaDepth without its head: images `[B, H, W, 3]` to features `[B, H, W, 64]`, H and W multiples of 16."""
    stem = conv_norm_relu(image, 128, 7, name="stem", affine=True)
    return _level(stem, 1)


def _level(x, number):
    """One scale: a skip path, plus a path through half the resolution and the level below."""
    plan = HOURGLASS[number - 1]
    skip = _sequence(x, plan["skip"], name=f"level{number}_skip")
    below = plan["pool"](2, name=f"level{number}_pool")(x)
    below = _sequence(below, plan["down"], name=f"level{number}_down")
    if number < len(HOURGLASS):
        below = _level(below, number + 1)
    below = _sequence(below, plan["up"], name=f"level{number}_up")
    # UpSampling2D(nearest) would become five-dimensional tensors, which the GPU delegate refuses.
    above = layers.Resizing(*x.shape[1:3], interpolation="nearest", name=f"level{number}_resize")(below)
    return layers.Add(name=f"level{number}_sum")([skip, above])


def _sequence(x, letters, *, name):
    for position, letter in enumerate(letters, start=1):
        x = inception(x, INCEPTIONS[letter], name=f"{name}{position}_{letter}")
    return x
