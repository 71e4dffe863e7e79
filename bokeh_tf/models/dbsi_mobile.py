"""DBSI made for a phone: a slim network on a reduced copy of the photo weighs one
shared bank of small blurs.

The idea is Dutta's (2021, eq. 1): rendered = W0 * photo + sum of Wi * blur_i, the weights from a
network, summing to one. What differs, and why:

* Everything but the photo itself is computed on a grid of 256 rows; only the blended blurs,
  premultiplied, and W0 are enlarged. A blur has no detail to lose there, and W0 * photo keeps all
  of the photo's. Full resolution is read and written only by a pooling, the two enlargements and
  the blend. Enlarged as one four-channel tensor they would have to be sliced apart at full size,
  which took twice the time on a CPU.
* The weights come from a U-Net of plain convolutions at half the grid; a guided filter with a
  learned guide then fits W0 to the photo's edges.
* The blurs leave out what is in focus (premultiplied by 1 - W0 and divided by the blurred
  mask), so a subject's colour does not bleed into the background around it; the same division
  makes the image border right.

Input: images `[B, H, W, 3]` in [0, 1], H = 256 d and W a multiple of 64 d for a
    whole d. Outputs: "rendered"
`[B, H, W, 3]` in [0, 1] and "in_focus_weight" W0 `[B, H, W, 1]` in [0, 1]. Blur sizes are given for
1024 rows and scale with H, so one set of weights serves every size and the look stays.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from bokeh_tf.models import dbsi_focus, dbsi_guided
from bokeh_tf.models.layers import Channel, PositionBias, image_input
from bokeh_tf.ops.blur import default_sigma_px
from bokeh_tf.ops.filtering import gaussian_blur_inside, guided_filter, luminance
from bokeh_tf.ops.resize import BilinearUpsampling, bilinear_taps, taps_variance

# Rows of the grid on which all but the photo itself is computed.
GRID_ROWS = 256
# Rows of the image that blur sizes refer to: those of the EBB! photographs.
REFERENCE_ROWS = 1024
# The network halves the half grid five times.
_GRID_MULTIPLE = 64
# The least mask that blurs are divided by: far above half precision's
# resolution, far below what shows.
_LEAST_MASK = 0.02


@dataclass(frozen=True)
class Config:
    """Widths of the network and the bank of blurs."""

    # Channels of the U-Net at 1/2, 1/4, ... 1/32 of the grid's rows.
    channels: tuple[int, ...] = (16, 24, 32, 48, 64)
    # Gaussian kernel sizes for REFERENCE_ROWS rows; OpenCV's rule gives the sigmas.
    blur_sizes_px: tuple[int, ...] = (25, 45, 75)
    # Half side of the guided filter's window on the grid, and the guide
    # variance it takes for an edge.
    guide_radius_px: int = 3
    guide_epsilon: float = 1e-3
    # Probabilities of focus that become W0 = 0 and W0 = 1: between sharp and soft, a
    # mixture looks like haze.
    focus_range: tuple[float, float] = (0.2, 0.7)

    def __post_init__(self):
        if len(self.channels) != 5 or min(self.channels) < 1:
            raise ValueError(f"channels must be five positive numbers. Received: {self.channels}")
        if not self.blur_sizes_px or any(size < 25 or size % 2 == 0 for size in self.blur_sizes_px):
            raise ValueError(
                f"blur_sizes_px must be odd and at least 25. Received: {self.blur_sizes_px}"
            )
        if not 0 <= self.focus_range[0] < self.focus_range[1] <= 1:
            raise ValueError(f"focus_range must rise within [0, 1]. Received: {self.focus_range}")


VARIANTS = {
    "base": Config(),
    "focus": dbsi_focus.Config(),
    "guided": dbsi_guided.Config(),
}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class GuidedFilter(layers.Layer):
    """Sharpens a weight map `[B, H, W, 1]` along the edges of an image's luminance
    and stretches its contrast.
    """

    def __init__(self, radius_px, epsilon, focus_range, **kwargs):
        super().__init__(**kwargs)
        self.radius_px, self.epsilon, self.focus_range = radius_px, epsilon, tuple(focus_range)

    def call(self, weights, image):
        """Returns the sharpened map, in [0, 1]."""
        sharpened = guided_filter(
            weights, luminance(image), radius_px=self.radius_px, epsilon=self.epsilon
        )
        low, high = self.focus_range
        return ops.clip((sharpened - low) * (1 / (high - low)), 0.0, 1.0)

    def get_config(self):
        own = {
            "radius_px": self.radius_px,
            "epsilon": self.epsilon,
            "focus_range": self.focus_range,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class BackgroundBlend(layers.Layer):
    """Blends Gaussian blurs of everything out of focus, by weight maps."""

    def __init__(self, sigmas_px, **kwargs):
        super().__init__(**kwargs)
        self.sigmas_px = tuple(sigmas_px)

    def call(self, image, in_focus_weight, blur_weights):
        """Returns (1 - W0) times the blended blurs of the rest, `[B, H, W, 3]`."""
        mask = ops.maximum(1.0 - in_focus_weight, _LEAST_MASK)
        masked = ops.concatenate([image * mask, mask], axis=-1)
        blended = sum(
            # The wide operand first, here and below: phones without OpenCL refuse the other order.
            gaussian_blur_inside(masked, sigma_px) * blur_weights[..., index : index + 1]
            for index, sigma_px in enumerate(self.sigmas_px)
        )
        background = blended[..., :3] * (1.0 / ops.maximum(blended[..., 3:], _LEAST_MASK / 2))
        return background * (1.0 - in_focus_weight)

    def get_config(self):
        return {**super().get_config(), "sigmas_px": self.sigmas_px}


def grid_sigmas_px(config, decimation):
    """Sigmas on the grid, less what the pooling before and the bilinear
    enlargement after already blur.
    """
    # A mean of d pixels has the variance (d² - 1) / 12 of their spacing; the
    # grid's is d times as wide.
    already_px2 = (1 - decimation**-2) / 12 + (
        taps_variance(bilinear_taps(decimation)) if decimation > 1 else 0
    )
    sigmas_px = [
        default_sigma_px(size) * GRID_ROWS / REFERENCE_ROWS for size in config.blur_sizes_px
    ]
    return tuple(float(np.sqrt(sigma_px**2 - already_px2)) for sigma_px in sigmas_px)


def _conv(x, channels, name, *, strides=1, kernel_size=3):
    x = layers.Conv2D(
        channels, kernel_size, strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    x = layers.BatchNormalization(momentum=0.98, epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _residual(x, name):
    return layers.Add(name=f"{name}_sum")([x, _conv(x, x.shape[-1], name)])


def _weights_network(x, config):
    """U-Net from the reduced photo `[B, h, w, 3]` to one logit for W0 and one per
    blur, `[B, h, w, 1 + n]`.
    """
    skips = [_conv(x, config.channels[0] // 2, "stem")]
    x = skips[0]
    for depth, channels in enumerate(config.channels, start=1):
        x = _conv(x, channels, f"down{depth}", strides=2)
        x = _residual(x, f"down{depth}_residual") if depth > 1 else x
        skips.append(x)
    x = PositionBias(name="position")(skips.pop())
    scene = layers.GlobalAveragePooling2D(keepdims=True, name="scene_mean")(x)
    # Keras hands a wide second operand on as it is, and makes a vector of a narrow one.
    x = layers.Add(name="scene_sum")([layers.Conv2D(x.shape[-1], 1, name="scene_conv")(scene), x])
    x = _residual(x, "bottom")
    for depth in range(len(skips), 0, -1):
        skip = skips.pop()
        x = _conv(x, skip.shape[-1], f"up{depth}_reduce", kernel_size=1)
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{depth}_resize")(x)
        x = _conv(layers.Add(name=f"up{depth}_skip")([x, skip]), skip.shape[-1], f"up{depth}")
    return layers.Conv2D(1 + len(config.blur_sizes_px), 3, padding="same", name="logits")(x)


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    if isinstance(config, dbsi_focus.Config):
        return dbsi_focus.build(config, image_shape=image_shape)
    if isinstance(config, dbsi_guided.Config):
        return dbsi_guided.build(config, image_shape=image_shape)
    # The grid.
    decimation = max(1, image_shape[0] // GRID_ROWS)
    image = image_input(image_shape, multiple=_GRID_MULTIPLE * decimation)
    if image_shape[0] % GRID_ROWS:
        raise ValueError(
            f"image_shape must have a multiple of {GRID_ROWS} rows. Received: {image_shape}"
        )
    grid = layers.AveragePooling2D(decimation, name="grid")(image) if decimation > 1 else image

    # The weights.
    logits = _weights_network(layers.AveragePooling2D(2, name="half_grid")(grid), config)
    logits = layers.UpSampling2D(2, interpolation="bilinear", name="logits_resize")(logits)
    focus = layers.Activation("sigmoid", name="focus")(Channel(0, name="focus_logit")(logits))
    blur_weights = layers.Softmax(name="blur_weights")(
        Channel(1, count=len(config.blur_sizes_px), name="blur_logits")(logits)
    )
    in_focus = GuidedFilter(
        config.guide_radius_px, config.guide_epsilon, config.focus_range, name="sharpened_focus"
    )(focus, grid)

    # The blend.
    rest = BackgroundBlend(grid_sigmas_px(config, decimation), name="background")(
        grid, in_focus, blur_weights
    )
    rest = BilinearUpsampling(decimation, name="enlarged_background")(rest)
    in_focus_weight = BilinearUpsampling(decimation, name="in_focus_weight")(in_focus)
    kept = layers.Multiply(name="kept")([image, in_focus_weight])
    rendered = layers.Add(name="rendered")([rest, kept])
    return keras.Model(image, [rendered, in_focus_weight], name="dbsi_mobile")
