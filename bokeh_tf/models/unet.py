"""Modified U-Net: strided convolutions go down, and the decoder activates only
after it has joined the skip.

Team CET21_CV, AIM 2020 Challenge on Rendering Realistic Bokeh, section 4.6, after
Ronneberger et al. 2015: strided convolutions instead of pooling, shortcuts concatenated
before the activation, leaky ReLUs.

Input: images `[B, H, W, 3]` in [0, 1], H and W multiples of 16. Output: "rendered"
    `[B, H, W, 3]` in [0, 1].

2,942,963 trainable parameters and 92.0 billion multiply-accumulates at 1024x1536. The
report gives no sizes. Our
choices: four scales below the photo and two convolutions at each, as in the original
    U-Net; 16 channels at full
resolution, because the team reports an eighth of the time of BGNet, which has 298.6 billion
multiply-accumulates; slope 0.2; skips of activated features, so that the decoder's activation
applies to them a second time; "same" padding, which lets each transposed convolution undo the
offset of the strided one. "tiny" is ours and untrained: half the channels of "base", 5.8 billion
multiply-accumulates at 512x768. On a phone the joined features at full resolution cost memory, 101
MB as float16 at 1024x1536.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.layers import ClipAtInference, image_input
from bokeh_tf.ops.transposed import DoublingConv2DTranspose

# Strided convolutions between the photo and the coarsest scale.
DEPTH = 4
SLOPE = 0.2


@dataclass(frozen=True)
class Config:
    """What may vary in the modified U-Net."""

    # Channels at full resolution; each scale below has twice as many.
    channels: int = 16

    def __post_init__(self):
        if self.channels < 1:
            raise ValueError(f"channels must be positive. Received: {self.channels}")


VARIANTS = {"base": Config(), "width32": Config(channels=32), "tiny": Config(channels=8)}


def _convolution(x, channels, *, name, strides=1):
    x = layers.Conv2D(channels, 3, strides, padding="same", name=name)(x)
    return layers.LeakyReLU(SLOPE, name=f"{name}_relu")(x)


def _pair(x, channels, *, name):
    x = _convolution(x, channels, name=f"{name}_conv1")
    return _convolution(x, channels, name=f"{name}_conv2")


def _encode(x, config):
    """The features of every scale, finest first."""
    features = []
    for scale in range(DEPTH):
        x = _pair(x, config.channels * 2**scale, name=f"down{scale}")
        features.append(x)
        x = _convolution(
            x, config.channels * 2 ** (scale + 1), strides=2, name=f"down{scale}_strided"
        )
    return [*features, _pair(x, config.channels * 2**DEPTH, name="bottom")]


def _decode(features, config):
    """Features at full resolution, `[B, H, W, channels]`."""
    *skips, x = features
    for scale in reversed(range(DEPTH)):
        channels = config.channels * 2**scale
        x = DoublingConv2DTranspose(channels, 3, 2, padding="same", name=f"up{scale}_transposed")(x)
        x = layers.Concatenate(name=f"up{scale}_skip")([x, skips[scale]])
        x = layers.LeakyReLU(SLOPE, name=f"up{scale}_skip_relu")(x)
        x = _pair(x, channels, name=f"up{scale}")
    return x


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=2**DEPTH)

    # U-Net.
    features = _decode(_encode(image, config), config)

    # Colours.
    colours = layers.Conv2D(3, 3, padding="same", name="colours")(features)
    return keras.Model(image, ClipAtInference(name="rendered")(colours), name="unet")
