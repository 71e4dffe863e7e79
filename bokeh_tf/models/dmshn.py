"""DMSHN: a photo rendered at three sizes, each level correcting the input and the
features of the next finer one.

Dutta, Das, Shah and Tiwari, "Stacked Deep Multi-Scale Hierarchical Network for Fast Bokeh Effect
Rendering from a Single Image" (MAI 2021), sections 3.1 and 3.2; as released
(saikatdutta/Stacked_DMSHN_bokeh, DMSHN.py and stacked_DMSHN.py). The second of two stacked networks
takes the first one's picture.

Input: images `[B, H, W, 3]` in [0, 1], H and W multiples of 16. Output: "rendered" `[B, H,
    W, 3]`, clipped to [0, 1]
at inference as the released test clips when it saves; unbounded while training. Between stacked
networks nothing is clipped.

5,424,393 trainable parameters, 513.0 billion multiply-accumulates at 1024x1536; stacked twice both.
The variant "tiny" is ours and untrained: a quarter of the channels and half of the blocks, 195,369
parameters and 4.6 billion multiply-accumulates at 512x768. The pictures that the released network
forms at the two coarser levels but never uses are left out. On a phone the 32 channels at full
resolution are what costs memory: 101 MB as float16 at 1024x1536.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.hierarchy import (
    LEVELS,
    STRIDE,
    check_widths,
    decoder,
    doubled_features,
    doubled_image,
    encoder,
    halved_images,
)
from bokeh_tf.models.layers import ClipAtInference, image_input


@dataclass(frozen=True)
class Config:
    """Widths and depth of the network."""

    # Channels at a level's full, half and quarter size.
    channels: tuple[int, ...] = (32, 64, 128)
    # Residual blocks per scale of an encoder or decoder.
    blocks: int = 2
    # Networks in a row, each fed the picture of the one before.
    networks: int = 1

    def __post_init__(self):
        check_widths(self.channels, self.blocks)
        if self.networks < 1:
            raise ValueError(f"networks must be at least 1. Received: {self.networks}")


VARIANTS = {
    "base": Config(),
    "stacked": Config(networks=2),
    "tiny": Config(channels=(8, 16, 32), blocks=1),
}


def _network(image, config, *, prefix):
    """One DMSHN: an image `[B, H, W, 3]` to a picture of the same size, unbounded."""
    images = halved_images(image, prefix=prefix)
    picture = coarser_features = None
    for level in range(LEVELS, 0, -1):
        name, corrected = f"{prefix}level{level}", images[level - 1]
        if level < LEVELS:
            residual = doubled_image(picture, name=f"{name}_residual")
            corrected = layers.Add(name=f"{name}_corrected_image")([corrected, residual])
        features = encoded = encoder(
            corrected, config.channels, config.blocks, name=f"{name}_encoder"
        )
        if level < LEVELS:
            above = doubled_features(coarser_features, name=f"{name}_coarser_features")
            features = layers.Add(name=f"{name}_features")([encoded, above])
        picture = decoder(features, config.channels, config.blocks, 3, name=f"{name}_decoder")
        # What the next level adds to its own features are these alone, not their sum
        # with still coarser ones.
        coarser_features = encoded
    return picture


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=STRIDE)

    # One network, or several in a row.
    picture = image
    for number in range(1, config.networks + 1):
        prefix = f"net{number}_" if config.networks > 1 else ""
        picture = _network(picture, config, prefix=prefix)

    # Output.
    rendered = ClipAtInference(name="rendered")(picture)
    return keras.Model(image, rendered, name="dmshn")
