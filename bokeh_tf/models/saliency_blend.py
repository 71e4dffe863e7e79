"""Saliency blend, DBSI's baseline: what is salient stays, all the rest is the
photo through one Gaussian.

Dutta, "Depth-aware Blending of Smoothed Images for Bokeh Effect Generation" (2021), section 5.3:
SCRN's soft map is the weight W0 of equation 1, rendered = W0 * photo + (1 - W0) * blur, with a
Gaussian of 75x75 pixels.

Input: images `[B, H, W, 3]` in [0, 1], H and W multiples of 32 and larger than 37; the
    variant "from_map" also takes
"saliency" `[B, H, W, 1]` in [0, 1] and has no weights. Outputs: "rendered" `[B, H, W, 3]` in [0, 1]
and "in_focus_weight" W0 `[B, H, W, 1]` in [0, 1].

25,226,498 trainable parameters, all of them SCRN's; 12.0 billion multiply-accumulates at
1024x1536. The paper says neither at what size SCRN ran nor the blur's sigma and borders; a copy
near its training's size, OpenCV's rule and mirrored borders stand in. "tiny" is ours and
untrained: it has the tiny SCRN and the decimated Gaussian. On a phone the blend at full size
costs little beside SCRN.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models import scrn
from bokeh_tf.models.backbones import ENCODER_STRIDE
from bokeh_tf.models.layers import image_input
from bokeh_tf.models.maps import saliency_map
from bokeh_tf.ops.blur import GaussianBlurBank, SeparableGaussianBlur


@dataclass(frozen=True)
class Config:
    """The blur and where saliency comes from."""

    # Size of the Gaussian kernel, odd; OpenCV's rule gives its sigma.
    blur_size_px: int = 75
    # Whether the blur is computed on coarse grids.
    is_blur_decimated: bool = False
    # Whether SCRN is in the graph, or its map an input.
    are_maps_estimated: bool = True
    # SCRN's configuration.
    network: scrn.Config = scrn.VARIANTS["base"]

    def __post_init__(self):
        least_px = 21 if self.is_blur_decimated else 3
        if self.blur_size_px < least_px or self.blur_size_px % 2 == 0:
            raise ValueError(
                f"blur_size_px must be odd and at least {least_px}. Received: {self.blur_size_px}"
            )


VARIANTS = {
    "base": Config(),
    "from_map": Config(are_maps_estimated=False),
    "tiny": Config(is_blur_decimated=True, network=scrn.VARIANTS["tiny"]),
}


def _blurred(image, config):
    if config.is_blur_decimated:
        return GaussianBlurBank((config.blur_size_px,), name="blur")(image)[0]
    return SeparableGaussianBlur(config.blur_size_px, name="blur")(image)


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=ENCODER_STRIDE)
    if min(image_shape) <= config.blur_size_px // 2:
        raise ValueError(
            f"image_shape must exceed half the blur kernel, {config.blur_size_px} px. Received:"
            f" {image_shape}"
        )

    # What is in focus. The clip is for a map from outside.
    saliency = saliency_map(image, is_estimated=config.are_maps_estimated, network=config.network)
    in_focus_weight = layers.ReLU(max_value=1.0, name="in_focus_weight")(saliency)

    # Blend: the blur plus W0 times the photo's difference to it.
    blurred = _blurred(image, config)
    detail = layers.Subtract(name="detail")([image, blurred])
    kept = layers.Multiply(name="detail_kept")([detail, in_focus_weight])
    rendered = layers.Add(name="rendered")([blurred, kept])
    inputs = image if config.are_maps_estimated else [image, saliency]
    return keras.Model(inputs, [rendered, in_focus_weight], name="saliency_blend")
