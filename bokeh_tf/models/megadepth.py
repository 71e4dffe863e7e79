"""MegaDepth: a single photo to its depth, by an hourglass of inception blocks.

Li and Snavely, "MegaDepth: Learning Single-View Depth Prediction from Internet Photos"
(CVPR 2018), section 4, with the hourglass of Chen et al., "Single-Image Depth Perception
in the Wild" (NIPS 2016).

Input: images `[B, H, W, 3]` in [0, 1], H and W multiples of 16, of 32 for "tiny". Output:
    "log_depth" `[B, H, W, 1]`,
unbounded, the natural logarithm of depth up to an unknown scale.

5,357,153 trainable parameters and 14,144 moving statistics; 120.7 billion multiply-accumulates at
384x512. Nothing differs from the published network but the form of its nearest upsampling. On a
phone the 128-channel stem at full resolution is what costs memory: 50 MB as float16 at 384x512. The
variant "tiny" is ours and
untrained: a quarter of the channels at half of the photo's size, 339,833 parameters and 4.1 billion
multiply-accumulates at 512x768.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.layers import HOURGLASS_STRIDE, check_slimming, hourglass, image_input
from bokeh_tf.ops.resize import BilinearUpsampling


@dataclass(frozen=True)
class Config:
    """Width of the network, and at what share of the photo's size it works."""

    # Size of the head's convolution, odd.
    head_kernel_size: int = 3
    # Divides the published number of channels, see `hourglass`.
    width_divisor: int = 1
    # The network sees the photo reduced by this factor, and its depth is enlarged by it.
    decimation: int = 1

    def __post_init__(self):
        if self.head_kernel_size < 1 or self.head_kernel_size % 2 == 0:
            raise ValueError(
                f"head_kernel_size must be a positive odd number. Received: {self.head_kernel_size}"
            )
        check_slimming(self.width_divisor, self.decimation)


VARIANTS = {"base": Config(), "tiny": Config(width_divisor=4, decimation=2)}


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=HOURGLASS_STRIDE * config.decimation)

    # Features.
    features = hourglass(image, width_divisor=config.width_divisor, decimation=config.decimation)

    # Head, at the network's size.
    name = "log_depth" if config.decimation == 1 else "reduced_log_depth"
    log_depth = layers.Conv2D(1, config.head_kernel_size, padding="same", name=name)(features)
    if config.decimation > 1:
        log_depth = BilinearUpsampling(config.decimation, name="log_depth")(log_depth)
    return keras.Model(image, log_depth, name="megadepth")
