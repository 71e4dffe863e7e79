"""Team Horizon's entry of AIM 2020: weight maps at three sizes blend a photo
with Gaussian blurs of it.

Ignatov et al., "AIM 2020 Challenge on Rendering Realistic Bokeh" (2020), section 4.4 and figure
5: at each level an encoder and decoder give weight maps, which blend the input with blurs; maps
and picture are upscaled and concatenated with the input of the next level, encoded features
added to the next level's.

Input: images `[B, H, W, 3]` in [0, 1], H and W multiples of 16 and larger than half the
    largest blur kernel. Outputs:
"rendered" `[B, H, W, 3]` in [0, 1] and "in_focus_weight" `[B, H, W, 1]` in [0,
1], the photo's own weight.

5,429,292 trainable parameters, 519.5 billion multiply-accumulates at 1024x1536. The report gives
no sizes, so these are our choices: three levels with the encoder and decoder of the team's later
DMSHN; per level a softmax of four weights, for the photo and Gaussians of 25, 45 and 75 pixels as
in Dutta's DBSI, halved with the level so that all levels blur alike; OpenCV's sigmas and mirrored
borders. The variant "tiny" is ours and untrained: a quarter of the channels, half of the blocks
and the finest level's blurs on decimated grids, 196,596 parameters and 5.1 billion
multiply-accumulates at 512x768. On a phone the 32 channels at full resolution are what costs
memory: 101 MB as float16 at 1024x1536.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.hierarchy import (
    STRIDE,
    check_widths,
    decoder,
    doubled_features,
    doubled_image,
    encoder,
    halved_images,
)
from bokeh_tf.models.layers import Channel, image_input
from bokeh_tf.ops.blur import GaussianBlurBank, SeparableGaussianBlur


@dataclass(frozen=True)
class Config:
    """Widths and depth of the network, and its blurs."""

    # Channels at a level's full, half and quarter size.
    channels: tuple[int, ...] = (32, 64, 128)
    # Residual blocks per scale of an encoder or decoder.
    blocks: int = 2
    # Gaussian kernel sizes at full size, odd and rising; OpenCV's rule gives the sigmas.
    blur_sizes_px: tuple[int, ...] = (25, 45, 75)
    # Compute the finest level's blurs on decimated grids, which takes sizes from 21 on.
    has_decimated_blurs: bool = False

    def __post_init__(self):
        check_widths(self.channels, self.blocks)
        sizes_px = self.blur_sizes_px
        if (
            not sizes_px
            or list(sizes_px) != sorted(set(sizes_px))
            or any(k < 9 or k % 2 == 0 for k in sizes_px)
        ):
            raise ValueError(
                f"blur_sizes_px must be rising odd numbers from 9 on. Received: {sizes_px}"
            )


VARIANTS = {
    "base": Config(),
    "tiny": Config(channels=(8, 16, 32), blocks=1, has_decimated_blurs=True),
}


def level_blur_sizes_px(config, level):
    """Kernel sizes at a level: the odd numbers nearest to the full size's, halved once
    per level after the first.
    """
    return tuple(
        2 * round((size_px / 2 ** (level - 1) - 1) / 2) + 1 for size_px in config.blur_sizes_px
    )


def _blurred(image, config, level):
    """The level's image through every blur."""
    sizes_px = level_blur_sizes_px(config, level)
    if config.has_decimated_blurs and level == 1:
        return GaussianBlurBank(sizes_px, name="level1_blurs")(image)
    return [
        SeparableGaussianBlur(size_px, name=f"level{level}_blur_k{size_px}")(image)
        for size_px in sizes_px
    ]


@dataclass(frozen=True)
class _Level:
    """What a level hands to the next finer one."""

    # The blend, `[B, h, w, 3]`.
    picture: keras.KerasTensor
    # Weight maps, `[B, h, w, 1 + n]`, and the first of them, the image's own.
    weights: keras.KerasTensor
    in_focus_weight: keras.KerasTensor
    # The encoder's features, `[B, h / 4, w / 4, channels[2]]`.
    features: keras.KerasTensor


def _blend(images, weights, *, level):
    """The images times their channels of `weights`, summed, and the first of these channels."""
    prefix = f"level{level}_" if level > 1 else ""
    names = [
        f"{prefix}in_focus_weight",
        *(f"{prefix}blur{index}_weight" for index in range(1, len(images))),
    ]
    channels = [Channel(index, name=name)(weights) for index, name in enumerate(names)]
    parts = [
        layers.Multiply(name=f"{prefix}part{index}")([image, channel])
        for index, (image, channel) in enumerate(zip(images, channels, strict=True))
    ]
    return layers.Add(name=f"{prefix}rendered")(parts), channels[0]


def _level(image, coarser, config, *, level):
    """One level, from the image at its size and the level below, which the coarsest has not."""
    name, seen = f"level{level}", image
    if coarser is not None:
        maps = layers.Concatenate(name=f"{name}_coarser")([coarser.picture, coarser.weights])
        seen = layers.Concatenate(name=f"{name}_input")(
            [image, doubled_image(maps, name=f"{name}_doubled")]
        )
    features = encoded = encoder(seen, config.channels, config.blocks, name=f"{name}_encoder")
    if coarser is not None:
        above = doubled_features(coarser.features, name=f"{name}_coarser_features")
        features = layers.Add(name=f"{name}_features")([encoded, above])
    images = [image, *_blurred(image, config, level)]
    logits = decoder(features, config.channels, config.blocks, len(images), name=f"{name}_decoder")
    weights = layers.Softmax(axis=-1, name=f"{name}_weights")(logits)
    picture, in_focus_weight = _blend(images, weights, level=level)
    return _Level(picture, weights, in_focus_weight, encoded)


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=STRIDE)
    if min(image_shape) <= max(config.blur_sizes_px) // 2:
        raise ValueError(
            f"image_shape must exceed half the largest blur kernel, {max(config.blur_sizes_px)}"
            " px. "
            f"Received: {image_shape}"
        )

    # Levels, the coarsest first.
    current = None
    for level, shrunk in reversed(list(enumerate(halved_images(image), start=1))):
        current = _level(shrunk, current, config, level=level)

    # Outputs of the finest level.
    return keras.Model(image, [current.picture, current.in_focus_weight], name="horizon")
