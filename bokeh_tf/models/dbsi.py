"""DBSI: bokeh as a per-pixel blend of the photo and Gaussian blurs of it,
weighted by a depth network.

Dutta, "Depth-aware Blending of Smoothed Images for Bokeh Effect Generation" (2021), section 3:
MegaDepth's last convolution gives, through a softmax, one weight per image to blend; rendered = W0
* photo + sum of Wi * blur_i.

Input: images `[B, H, W, 3]` in [0, 1], H and W multiples of 16 (32 for "tiny") and larger
    than half the largest blur
kernel.
Outputs: "rendered" `[B, H, W, 3]` in [0, 1] and "in_focus_weight" W0 `[B, H, W, 1]` in [0, 1].

5,358,884 trainable parameters and 14,144 moving statistics; 484.8 billion multiply-accumulates at
768x1024. The paper does not publish the blurs' sigmas and borders; OpenCV's rule and mirrored
borders stand in. On a phone the 128-channel stem at full resolution is what costs memory: 201 MB as
float16 at 768x1024. The variant "tiny" is ours and untrained: weights from a quarter of the
channels at half of the photo's size, the same blurs on decimated grids, 340,268 parameters and 4.2
billion multiply-accumulates at 512x768.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.layers import HOURGLASS_STRIDE, Channel, check_slimming, hourglass, image_input
from bokeh_tf.ops.blur import GaussianBlurBank, SeparableGaussianBlur
from bokeh_tf.ops.resize import BilinearUpsampling


@dataclass(frozen=True)
class Config:
    """The bank of blurs and the widths of the network."""

    # Gaussian kernel sizes, odd and rising.
    blur_sizes_px: tuple[int, ...] = (25, 45, 75)
    # Standard deviations, one per size; None is OpenCV's rule for the size.
    blur_sigmas_px: tuple[float, ...] | None = None
    # Compute the blurs on decimated grids, which takes sizes from 21 on.
    has_decimated_blurs: bool = False
    # Divides the published number of channels, see `hourglass`.
    width_divisor: int = 1
    # The network sees the photo reduced by this factor, and its weight maps are enlarged by it.
    decimation: int = 1

    def __post_init__(self):
        sizes_px, sigmas_px = self.blur_sizes_px, self.blur_sigmas_px
        if (
            not sizes_px
            or list(sizes_px) != sorted(set(sizes_px))
            or any(k < 3 or k % 2 == 0 for k in sizes_px)
        ):
            raise ValueError(
                f"blur_sizes_px must be rising odd numbers from 3 on. Received: {sizes_px}"
            )
        if sigmas_px is not None and (
            len(sigmas_px) != len(sizes_px) or any(not sigma > 0 for sigma in sigmas_px)
        ):
            raise ValueError(
                f"blur_sigmas_px must be one positive number per blur size. Received: {sigmas_px}"
            )
        check_slimming(self.width_divisor, self.decimation)


VARIANTS = {
    "base": Config(),
    "one_kernel": Config(blur_sizes_px=(75,)),
    "small_kernels": Config(blur_sizes_px=(5, 25, 45)),
    "tiny": Config(has_decimated_blurs=True, width_divisor=4, decimation=2),
}


def _blend_weights(image, config):
    """Weight maps `[B, H, W, 1]`, one per image to blend, that sum to one at every pixel."""
    count = 1 + len(config.blur_sizes_px)
    features = hourglass(image, width_divisor=config.width_divisor, decimation=config.decimation)
    logits = layers.Conv2D(count, 3, padding="same", name="blend_logits")(features)
    if config.decimation > 1:
        # Before the softmax, so that the border between two weights stays as sharp
        # as the network wants it.
        logits = BilinearUpsampling(config.decimation, name="enlarged_logits")(logits)
    weights = layers.Softmax(axis=-1, name="blend_weights")(logits)
    names = ["in_focus_weight", *(f"blur{index}_weight" for index in range(1, count))]
    return [Channel(index, name=name)(weights) for index, name in enumerate(names)]


def _blurred(image, config):
    """The photo through every blur of the bank."""
    if config.has_decimated_blurs:
        return GaussianBlurBank(config.blur_sizes_px, config.blur_sigmas_px, name="blurs")(image)
    sigmas_px = config.blur_sigmas_px or [None] * len(config.blur_sizes_px)
    return [
        SeparableGaussianBlur(size_px, sigma_px, name=f"blur{index}_k{size_px}")(image)
        for index, (size_px, sigma_px) in enumerate(
            zip(config.blur_sizes_px, sigmas_px, strict=True), start=1
        )
    ]


def _blend(images, weights):
    """Sum of the images times their weight maps."""
    parts = [
        layers.Multiply(name=f"part{index}")([image, weight])
        for index, (image, weight) in enumerate(zip(images, weights, strict=True))
    ]
    return layers.Add(name="rendered")(parts)


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=HOURGLASS_STRIDE * config.decimation)
    if min(image_shape) <= max(config.blur_sizes_px) // 2:
        raise ValueError(
            f"image_shape must exceed half the largest blur kernel, {max(config.blur_sizes_px)}"
            " px. "
            f"Received: {image_shape}"
        )

    # Weights of the photo and its blurs.
    weights = _blend_weights(image, config)

    # Blend.
    rendered = _blend([image, *_blurred(image, config)], weights)
    return keras.Model(image, [rendered, weights[0]], name="dbsi")
