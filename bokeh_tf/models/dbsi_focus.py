"""`dbsi_mobile` with a lens: a network that knows subjects, a tap, an aperture, and
discs instead of Gaussians.

What differs from the variant "base":

* The weights come from `subject`, a network with a pretrained encoder on the whole grid. It is told
  where somebody tapped, and it says how sure it is that there is a subject at all.
* A second input "focus" `[B, 1, 1, 4]`: row and column of a tap in [0, 1] (negative: automatic),
  the aperture from 0, all sharp, to 1, discs of the largest radius (negative: the default), and the
  grade: 0 or negative keeps the subject, 1 keeps no subject and blurs by the distance along the
  ground instead, from the lower edge to the middle.
* One strength per picture: the blur's radius follows from the aperture and the grade, not from the
  network. On real pairs the learnt blend of base was the same in every picture.
* Where the network hesitates about the whole subject, all of the subject counts for more.
* Light is added as light: colours are squared before the blur and rooted after it, and highlights
  weigh more than they show, so that a lamp becomes a disc. The blurred weights are divided out
  again, so a white wall stays white.
* All blurs are computed at half the grid, where a disc of 80 pixels is one of ten.

Outputs: "rendered" `[B, H, W, 3]` and "in_focus_weight" `[B, H, W, 1]` as of base,
    "subject_confidence" `[B, 1, 1, 1]`
in [0, 1]. H is a multiple of 32, from 256 on of 256 d for a whole d, and W a multiple of 32 d.

Written for half precision and for all engines: no division but by a reciprocal, the wide operand
first in sums and products, constants never wider than the running tensor they meet.
"""

import itertools
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from bokeh_tf.models.layers import image_input
from bokeh_tf.models.lens_scale import (
    DEFAULT_APERTURE,
    LARGEST_RADIUS_PX,
    REFERENCE_ROWS,
    ground_nearness,
)
from bokeh_tf.models.subject import CHANNELS, STRIDE, subject_maps
from bokeh_tf.ops.filtering import box_mean, luminance
from bokeh_tf.ops.lens import disc_blur_inside
from bokeh_tf.ops.resize import (
    BilinearUpsampling,
    UpsampledSum,
    bilinear_taps,
    taps_variance,
)

GRID_ROWS = 256
# The least mask that blurs are divided by: far above half precision's
# resolution, far below what shows.
_LEAST_MASK = 0.02
# The share of that which is left of what is before the subject: beneath a transparent rim there
# is what lies behind it.
_BEFORE_MASK = 0.05
# Light of a pixel that is neither black nor noise; the root of less has no slope to speak of.
_LEAST_LIGHT = 1e-4
# Share of the frame below which nothing is marked: far above half precision's resolution.
_LEAST_MARKED = 1e-3


@dataclass(frozen=True)
class Config:
    """Widths of the decoder, the bank of discs, and how probabilities of focus become W0."""

    channels: tuple[int, ...] = CHANNELS
    # Radii of the discs for REFERENCE_ROWS rows; the aperture chooses between them,
    # and the photo itself is 0.
    radii_px: tuple[float, ...] = (12.0, 28.0, 52.0, LARGEST_RADIUS_PX)
    # Separable passes for each.
    ranks: tuple[int, ...] = (1, 2, 2, 3)
    # The aperture where none is asked for.
    default_aperture: float = DEFAULT_APERTURE
    # Half side of the guided filter's window at half the grid, and the guide
    # variance it takes for an edge.
    guide_radius_px: int = 2
    guide_epsilon: float = 1e-3
    # Probabilities of focus that become W0 = 0 and W0 = 1.
    focus_range: tuple[float, float] = (0.2, 0.7)
    # What a subject's typical probability is raised to where the network hesitates, and by
    # how much at most.
    typical_focus: float = 0.9
    most_gain: float = 3.0
    # How many times its light a white pixel weighs in a blur.
    highlight_gain: float = 4.0

    def __post_init__(self):
        if len(self.channels) != 5 or min(self.channels) < 1:
            raise ValueError(f"channels must be five positive numbers. Received: {self.channels}")
        if list(self.radii_px) != sorted(set(self.radii_px)) or min(self.radii_px, default=0) <= 0:
            raise ValueError(f"radii_px must rise from more than 0. Received: {self.radii_px}")
        if len(self.ranks) != len(self.radii_px) or min(self.ranks) < 1:
            raise ValueError(
                f"ranks must be a positive number for each radius. Received: {self.ranks}"
            )
        if not 0 <= self.focus_range[0] < self.focus_range[1] <= 1:
            raise ValueError(f"focus_range must rise within [0, 1]. Received: {self.focus_range}")
        if not 0 < self.typical_focus <= 1 or self.most_gain < 1:
            raise ValueError(
                "typical_focus must be in (0, 1] and most_gain at least 1. Received:"
                f" {self.typical_focus}, {self.most_gain}"
            )
        if not 0 < self.default_aperture <= 1 or self.highlight_gain < 0:
            raise ValueError(
                f"the aperture must be in (0, 1] and the gain positive. Received: {self}"
            )


@keras.saving.register_keras_serializable(package="bokeh_tf")
class Assured(layers.Layer):
    """A map of probabilities, raised as a whole where its subject is only half believed in.

    What the network has seen little of, it marks faintly but in the right place, and half a subject
    in focus looks worse than a little background. The typical probability of what is marked is the
    map's mean weighted by itself.
    """

    def __init__(self, typical, most_gain, **kwargs):
        super().__init__(**kwargs)
        self.typical, self.most_gain = typical, most_gain

    def call(self, focus_map):
        """Returns the map `[B, h, w, 1]` in [0, 1], times 1 to `most_gain`; h and w multiples of 4."""
        # Few numbers, so that half precision can add them up.
        pooled = ops.average_pool(focus_map, 4, strides=4, padding="valid")
        marked, marked_square = (
            ops.mean(part, axis=(1, 2), keepdims=True) for part in (pooled, pooled * pooled)
        )
        # Typical over the map's own: marked / marked_square is the reciprocal of the latter.
        gain = (marked + _LEAST_MARKED) * (1.0 / (marked_square + _LEAST_MARKED)) * self.typical
        return ops.clip(focus_map * ops.clip(gain, 1.0, self.most_gain), 0.0, 1.0)

    def get_config(self):
        """Adds what is typical and the largest gain."""
        return {**super().get_config(), "typical": self.typical, "most_gain": self.most_gain}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class FastGuidedFilter(layers.Layer):
    """Sharpens a map along the edges of an image twice its size, and stretches its
    contrast (He and Sun 2015).

    The guided filter's lines are fitted at the map's size and drawn at the image's,
    for a quarter of the cost.
    """

    def __init__(self, radius_px, epsilon, focus_range, **kwargs):
        super().__init__(**kwargs)
        self.radius_px, self.epsilon, self.focus_range = radius_px, epsilon, tuple(focus_range)
        self._enlarge = layers.UpSampling2D(2, interpolation="bilinear", name="enlarged_lines")

    def call(self, weights, reduced, image):
        """Returns the map `[B, 2 h, 2 w, 1]` in [0, 1].

        Args:
            weights: `[B, h, w, 1]` in [0, 1].
            reduced: the image at that size, `[B, h, w, 3]`.
            image: `[B, 2 h, 2 w, 3]`.
        """
        # Zero in the middle of the range: half precision keeps the small variances that
        # epsilon is compared with.
        weights, guide = weights + -0.5, luminance(reduced) + -0.5
        moments = ops.concatenate([weights, guide, guide * weights, guide * guide], axis=-1)
        moments = box_mean(moments, self.radius_px)
        mean_weights, mean_guide, mean_product, mean_square = (
            moments[..., i : i + 1] for i in range(4)
        )
        variance = ops.relu(mean_square - mean_guide * mean_guide)
        slope = (mean_product - mean_guide * mean_weights) * (1.0 / (variance + self.epsilon))
        lines = box_mean(
            ops.concatenate([slope, mean_weights - slope * mean_guide], axis=-1), self.radius_px
        )
        lines = self._enlarge(lines)
        sharpened = lines[..., :1] * (luminance(image) + -0.5) + lines[..., 1:]
        low, high = self.focus_range
        return ops.clip(sharpened * (1 / (high - low)) + (0.5 - low) / (high - low), 0.0, 1.0)

    def get_config(self):
        """Adds radius, epsilon and range."""
        own = {
            "radius_px": self.radius_px,
            "epsilon": self.epsilon,
            "focus_range": self.focus_range,
        }
        return {**super().get_config(), **own}


def chosen_aperture(focus, default):
    """The aperture `[B, 1, 1, 1]` in [0, 1] of a focus input `[B, 1, 1, 4]`; `default` where it is
    negative.
    """
    aperture = focus[..., 2:3]
    has_none = ops.clip(aperture * -1000.0, 0.0, 1.0)
    return ops.clip(aperture, 0.0, 1.0) + has_none * default


def passed_nodes(radius, radii_px):
    """How far a map of radii, in parts of the largest of `radii_px`, has come from each disc, the
    photo itself first, to the next: a list of maps from 0 to 1.
    """
    nodes = np.concatenate([[0.0], radii_px]) / radii_px[-1]
    return [
        ops.clip(radius * (1 / (upper - lower)) + -lower / (upper - lower), 0.0, 1.0)
        for lower, upper in zip(nodes[:-1].tolist(), nodes[1:].tolist(), strict=True)
    ]


@keras.saving.register_keras_serializable(package="bokeh_tf")
class LensStrength(layers.Layer):
    """How much of each disc every place gets: `[B, h, w, 1 + n]`, the photo itself
    first, by aperture and grade.
    """

    def __init__(self, radii_px, default_aperture, **kwargs):
        super().__init__(**kwargs)
        self.radii_px, self.default_aperture = tuple(radii_px), default_aperture

    def call(self, features, focus):
        """Returns a list of maps `[B, h, w, 1]`, at each place summing to 1.

        Args:
            features: any tensor `[B, h, w, C]`, for its size.
            focus: `[B, 1, 1, 4]`, see the module.
        """
        height, width = features.shape[1:3]
        near = np.tile(ground_nearness(height)[None, :, None, None], (1, 1, width, 1)).astype(
            "float32"
        )
        near = features[..., :1] * 0.0 + ops.convert_to_tensor(near, dtype=features.dtype)
        aperture = chosen_aperture(focus, self.default_aperture)
        grade = ops.clip(focus[..., 3:], 0.0, 1.0)
        # The radius in parts of the largest, by distance in graded pictures.
        radius = (near * (grade * -1.0) + 1.0) * aperture
        passed = passed_nodes(radius, self.radii_px)
        own = [passed[0] * -1.0 + 1.0]
        between = [before - after for before, after in itertools.pairwise(passed)]
        return [*own, *between, passed[-1]]

    def get_config(self):
        """Adds radii and the default."""
        return {
            **super().get_config(),
            "radii_px": self.radii_px,
            "default_aperture": self.default_aperture,
        }


@keras.saving.register_keras_serializable(package="bokeh_tf")
class LensBackground(layers.Layer):
    """What is out of focus as a lens shows it: discs in linear light of all but
    the subject, `[B, h, w, 3]`.
    """

    def __init__(self, radii_px, ranks, highlight_gain, **kwargs):
        super().__init__(**kwargs)
        self.radii_px, self.ranks, self.highlight_gain = (
            tuple(radii_px),
            tuple(ranks),
            highlight_gain,
        )

    def call(self, image, in_focus, strengths, before=None):
        """Returns the background's colours at half the image's size, of no
        meaning inside the subject.

        Args:
            image: `[B, 2 h, 2 w, 3]` in [0, 1].
            in_focus: `[B, 2 h, 2 w, 1]`, what to leave out.
            strengths: maps `[B, h, w, 1]`, one for each disc.
            before: `[B, 2 h, 2 w, 1]`, what of it to leave out even beside the subject.
        """
        bright = luminance(image)
        bright = bright * bright
        bright = bright * bright
        mask = ops.relu(in_focus * -1.0 + (1.0 - _LEAST_MASK)) + _LEAST_MASK
        if before is not None:
            mask = mask * (before * (_BEFORE_MASK - 1.0) + 1.0)
        mask = mask * (bright * bright * self.highlight_gain + 1.0)
        light = image * image * mask
        light = ops.average_pool(
            ops.concatenate([light, mask], axis=-1), 2, strides=2, padding="valid"
        )
        mixed = None
        for radius_px, rank, strength in zip(self.radii_px, self.ranks, strengths, strict=True):
            part = disc_blur_inside(light, radius_px, rank=rank) * strength
            mixed = part if mixed is None else mixed + part
        # A low-rank disc has small negative lobes.
        total = ops.relu(mixed[..., 3:] + -_LEAST_MASK / 4) + _LEAST_MASK / 4
        return ops.sqrt(ops.clip(mixed[..., :3] * (1.0 / total), _LEAST_LIGHT, 1.0))

    def get_config(self):
        """Adds radii, ranks and gain."""
        own = {
            "radii_px": self.radii_px,
            "ranks": self.ranks,
            "highlight_gain": self.highlight_gain,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class SharpShare(layers.Layer):
    """What the photo itself contributes: all of it in focus, elsewhere as much as
    the aperture leaves sharp.
    """

    def call(self, in_focus, own_share):
        """Returns `[B, h, w, 1]` from W0 and the share that the strength leaves to the photo."""
        return (in_focus * -1.0 + 1.0) * (own_share + -1.0) + 1.0


def grid_radii_px(config, decimation):
    """Radii at half the grid, less what pooling before and enlarging after already blur.

    A disc of radius r has the variance r² / 4 along each axis.
    """
    spacing_px = REFERENCE_ROWS / GRID_ROWS * 2
    pooled = 2 * decimation
    already_px2 = (1 - pooled**-2) / 12 + taps_variance(bilinear_taps(2))
    already_px2 += taps_variance(bilinear_taps(decimation)) / 4 if decimation > 1 else 0
    variances_px2 = [
        (radius_px / spacing_px) ** 2 / 4 - already_px2 for radius_px in config.radii_px
    ]
    return tuple(float(2 * np.sqrt(max(variance_px2, 0.04))) for variance_px2 in variances_px2)


def grid_of(image_shape):
    """By what whole number the grid is smaller than images of this (height, width);
    `ValueError` if there is none.
    """
    height = image_shape[0] if len(tuple(image_shape)) else 0
    decimation = max(1, height // GRID_ROWS)
    if decimation > 1 and height % GRID_ROWS:
        raise ValueError(
            f"image_shape must have a multiple of {GRID_ROWS} rows. Received: {image_shape}"
        )
    return decimation


def build(config, *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    decimation = grid_of(image_shape)
    image = image_input(image_shape, multiple=STRIDE * decimation)
    focus = keras.Input((1, 1, 4), name="focus")
    grid = layers.AveragePooling2D(decimation, name="grid")(image) if decimation > 1 else image

    # What stays sharp.
    logits, confidence = subject_maps(grid, focus, channels=config.channels)
    half_grid = layers.AveragePooling2D(2, name="half_grid")(grid)
    focus_map = layers.Activation("sigmoid", name="focus_map")(logits)
    focus_map = Assured(config.typical_focus, config.most_gain, name="assured")(focus_map)
    in_focus = FastGuidedFilter(
        config.guide_radius_px, config.guide_epsilon, config.focus_range, name="sharpened_focus"
    )(focus_map, half_grid, grid)

    # What becomes of the rest.
    strengths = LensStrength(config.radii_px, config.default_aperture, name="strength")
    own_share, *strengths = strengths(half_grid, focus)
    in_focus = Ungraded(name="ungraded")(in_focus, focus)
    rest = LensBackground(
        grid_radii_px(config, decimation), config.ranks, config.highlight_gain, name="background"
    )(grid, in_focus, strengths)
    own_share = layers.UpSampling2D(2, interpolation="bilinear", name="own_share")(own_share)
    sharp = SharpShare(name="sharp_share")(in_focus, own_share)
    rest = layers.UpSampling2D(2, interpolation="bilinear", name="background_grid")(rest)
    rest = layers.Multiply(name="background_part")([rest, Complement(name="soft_share")(sharp)])

    # The blend.
    in_focus_weight = BilinearUpsampling(decimation, name="in_focus_weight")(sharp)
    kept = layers.Multiply(name="kept")([image, in_focus_weight])
    rendered = UpsampledSum(decimation, name="rendered")(rest, kept)
    confidence = layers.Activation("sigmoid", name="subject_confidence")(confidence)
    return keras.Model([image, focus], [rendered, in_focus_weight, confidence], name="dbsi_mobile")


@keras.saving.register_keras_serializable(package="bokeh_tf")
class Ungraded(layers.Layer):
    """W0 without a grade, nothing with a full one."""

    def call(self, in_focus, focus):
        return in_focus * (ops.clip(focus[..., 3:], 0.0, 1.0) * -1.0 + 1.0)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class Complement(layers.Layer):
    """One less a map."""

    def call(self, inputs):
        return inputs * -1.0 + 1.0
