"""Dilated wavelet CNN: a U-Net of dilated convolutions whose scales are linked by Haar transforms.

Teams CET_CVLab and CET_SP, AIM 2020 Challenge on Rendering Realistic Bokeh, section 4.3: a U-Net
after the multi-level wavelet CNN (Liu et al. 2018) that goes down by wavelet transforms and up by
their inverses. Nothing else of the network is published. The layers are those of its nearest
released relative, MWCNNv2 (lpj-github-io/MWCNNv2, `mwcnn.py`), which is dilated already, with
three colour channels for one.

Input: images `[B, H, W, 3]` in [0, 1], H and W multiples of 8. Output: "rendered"
    `[B, H, W, 3]` in [0, 1].

1,560,019 trainable parameters and 102.8 billion multiply-accumulates at 1024x1536. The width of 16
is our choice: the teams report a fifth of the time of BGNet, which has 298.6 billion, and that
rules out MWCNNv2's 64 channels ("width64"). "tiny" is ours and untrained: half the channels of
"base", 6.5 billion multiply-accumulates at 512x768. On a phone the features at full resolution cost
memory, 50 MB each as float16 at 1024x1536.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.layers import ClipAtInference, image_input
from bokeh_tf.ops.wavelet import HaarTransform, InverseHaarTransform

# Transforms between the photo and the coarsest scale.
DEPTH = 3
# Dilations of the convolutions of each scale but the coarsest, on the way down and on
# the way up, and of that.
DOWN_DILATIONS = (1, 2, 1)
UP_DILATIONS = (2, 1)
BOTTOM_DILATIONS = (1, 2, 3, 3, 2)


@dataclass(frozen=True)
class Config:
    """What may vary in the dilated wavelet CNN."""

    # Channels at full resolution; each scale below has twice as many.
    channels: int = 16

    def __post_init__(self):
        if self.channels < 1:
            raise ValueError(f"channels must be positive. Received: {self.channels}")


VARIANTS = {
    "base": Config(),
    "width32": Config(channels=32),
    "width64": Config(channels=64),
    "tiny": Config(channels=8),
}


def _convolutions(x, channels, dilations, *, name):
    for position, dilation in enumerate(dilations, start=1):
        x = _convolution(x, channels, dilation=dilation, name=f"{name}_conv{position}")
    return x


def _convolution(x, channels, *, name, dilation=1):
    return layers.Conv2D(
        channels, 3, padding="same", dilation_rate=dilation, activation="relu", name=name
    )(x)


def _encode(x, config):
    """The features of every scale, finest first; the last are what the coarsest
    scale hands up, as bands.
    """
    features = []
    for scale in range(DEPTH):
        x = _convolutions(x, config.channels * 2**scale, DOWN_DILATIONS, name=f"down{scale}")
        features.append(x)
        x = HaarTransform(name=f"down{scale}_haar")(x)
    x = _convolutions(x, config.channels * 2**DEPTH, BOTTOM_DILATIONS, name="bottom")
    return [*features, _convolution(x, config.channels * 2 ** (DEPTH + 1), name="bottom_bands")]


def _decode(features, config):
    """Features at full resolution, `[B, H, W, channels]`."""
    *skips, x = features
    for scale in reversed(range(DEPTH)):
        channels = config.channels * 2**scale
        x = InverseHaarTransform(name=f"up{scale}_haar")(x)
        x = layers.Add(name=f"up{scale}_skip")([x, skips[scale]])
        x = _convolutions(x, channels, UP_DILATIONS, name=f"up{scale}")
        if scale:
            x = _convolution(x, 2 * channels, name=f"up{scale}_bands")
    return x


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=2**DEPTH)

    # U-Net.
    features = _decode(_encode(image, config), config)

    # What to change in the photo.
    change = layers.Conv2D(3, 3, padding="same", name="change")(features)
    changed = layers.Add(name="changed")([image, change])
    return keras.Model(image, ClipAtInference(name="rendered")(changed), name="wavelet_cnn")
