"""`dbsi_mobile` without a network: a map that the phone has, a mask or a disparity, says what is
in focus, and the lens of the variant "focus" does the rest.

Inputs: "image" `[B, H, W, 3]` as of the other variants; "focus" `[B, 1, 1, 4]`; and "guide"
`[B, H, W, 1]` in [0, 1], how near everything is: 1 the nearest and 0 the farthest, evenly in one
over distance, as dual pixels, stereo and portrait photos store it. A mask is the guide of two
distances: 1 for what stays sharp, 0 for the rest.

* In focus is a plane of this nearness: that of the guide around a tap ("focus" holds its row and
  column in [0, 1]), or, where the row is negative, that of the nearest thing; so a mask without a
  tap keeps what it marks, and a guide of one value, an empty mask too, leaves the photo alone.
* The blur's radius is the aperture (third number; 0 all sharp, 1 discs of the largest radius,
  negative the default) times the difference in nearness. What differs by `SAME_DISTANCE` at most
  is sharp. Nothing is stretched: the same scene looks the same from frame to frame. The fourth
  number is reserved: give 0.
* What is behind the plane is blurred without the colours of what is not; what is before it is
  spread over all else, and where that becomes transparent shows what is blurred behind it.

The guide may be coarse: as in "focus", a fast guided filter fits it to the photo's edges. Outputs:
"rendered" `[B, H, W, 3]` and "in_focus_weight" `[B, H, W, 1]`, the photo's own share. Sizes are
those of "focus". There are no weights.
"""

import itertools
import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from bokeh_tf.models.dbsi_focus import (
    Complement,
    FastGuidedFilter,
    LensBackground,
    chosen_aperture,
    grid_of,
    grid_radii_px,
    passed_nodes,
)
from bokeh_tf.models.layers import image_input, map_input
from bokeh_tf.models.lens_scale import DEFAULT_APERTURE, LARGEST_RADIUS_PX
from bokeh_tf.models.subject import STRIDE, HasTap, TapMap
from bokeh_tf.ops.extremes import picture_maxima
from bokeh_tf.ops.lens import disc_blur
from bokeh_tf.ops.means import picture_means
from bokeh_tf.ops.resize import BilinearUpsampling, UpsampledSum

# What differs in nearness from the plane of focus by less is as far away.
SAME_DISTANCE = 0.04
# By how much more it must differ to count wholly as behind the plane, or as before it. Of what is
# sharp the rim is a little behind, where a guide is soft, and its colours must not bleed.
_BEHIND_DISTANCE, _BEFORE_DISTANCE = 0.4, 0.06
# A tap asks for the mean nearness this far around it, in heights of the image.
_TAP_RADIUS = 0.03
# Of the mean of a tap's map, which is 1/4 in a corner, so that nothing is divided by zero
# without one.
_LEAST_TAP_MEAN = 1e-3
# Of what covers a place, so that nothing is divided by zero where nothing does.
_LEAST_COVER = 0.005
_LEAST_LIGHT = 1e-4


@dataclass(frozen=True)
class Config:
    """The bank of discs, and how the guide follows the photo's edges; the fields are those of
    `dbsi_focus.Config`.
    """

    radii_px: tuple[float, ...] = (12.0, 28.0, 52.0, LARGEST_RADIUS_PX)
    ranks: tuple[int, ...] = (1, 2, 2, 3)
    default_aperture: float = DEFAULT_APERTURE
    guide_radius_px: int = 2
    guide_epsilon: float = 1e-3
    highlight_gain: float = 4.0

    def __post_init__(self):
        if list(self.radii_px) != sorted(set(self.radii_px)) or min(self.radii_px, default=0) <= 0:
            raise ValueError(f"radii_px must rise from more than 0. Received: {self.radii_px}")
        if len(self.ranks) != len(self.radii_px) or min(self.ranks) < 1:
            raise ValueError(
                f"ranks must be a positive number for each radius. Received: {self.ranks}"
            )
        if not 0 < self.default_aperture <= 1 or self.highlight_gain < 0:
            raise ValueError(
                f"the aperture must be in (0, 1] and the gain positive. Received: {self}"
            )


@keras.saving.register_keras_serializable(package="bokeh_tf")
class FocusPlane(layers.Layer):
    """The nearness that is in focus, `[B, 1, 1, 1]`: the tapped thing's, or else the nearest's."""

    def call(self, guide, tap, has_tap):
        """Takes a guide of cells, whose means no single pixel decides, a map of the tap, both `[B,
        h, w, 1]`, and whether there is one, `[B, 1, 1, 1]`.
        """
        height, width = guide.shape[1:3]
        # Means near one, which half precision keeps: a paraboloid holds half of its circle.
        tap = tap * (height * width / (0.5 * math.pi * (_TAP_RADIUS * height) ** 2))
        tapped = picture_means(tap * guide) * (1.0 / (picture_means(tap) + _LEAST_TAP_MEAN))
        return tapped * has_tap + picture_maxima(guide) * (has_tap * -1.0 + 1.0)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class Defocus(layers.Layer):
    """How far everything is behind the plane of focus and before it: two maps `[B, h, w, 1]` in
    [0, 1], of differences in nearness.
    """

    def call(self, nearness, plane):
        away = nearness + plane * -1.0
        scale = 1 / (1 - SAME_DISTANCE)
        behind, before = (
            ops.relu(away * (sign * scale) + -SAME_DISTANCE * scale) for sign in (-1.0, 1.0)
        )
        return behind, before


@keras.saving.register_keras_serializable(package="bokeh_tf")
class DiscShares(layers.Layer):
    """What the aperture makes of defocus: the share `[B, h, w, 1]` of each disc, the photo itself
    first, which sum to 1.
    """

    def __init__(self, radii_px, default_aperture, **kwargs):
        super().__init__(**kwargs)
        self.radii_px, self.default_aperture = tuple(radii_px), default_aperture

    def call(self, defocus, focus):
        passed = passed_nodes(
            defocus * chosen_aperture(focus, self.default_aperture), self.radii_px
        )
        between = [before - after for before, after in itertools.pairwise(passed)]
        return [passed[0] * -1.0 + 1.0, *between, passed[-1]]

    def get_config(self):
        """Adds radii and the default."""
        own = {"radii_px": self.radii_px, "default_aperture": self.default_aperture}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class OtherDistance(layers.Layer):
    """Whether something counts as not in the plane of focus, 0 to 1, by its defocus; wholly from
    `distance` on.
    """

    def __init__(self, distance, **kwargs):
        super().__init__(**kwargs)
        self.distance = distance

    def call(self, defocus):
        return ops.clip(defocus * (1 / self.distance), 0.0, 1.0)

    def get_config(self):
        """Adds the distance."""
        return {**super().get_config(), "distance": self.distance}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class LensForeground(layers.Layer):
    """What is before the plane of focus, spread over all else: colours times what they cover
    `[B, h, w, 3]`, and what they cover `[B, h, w, 1]`.

    Every place spreads by its own radius.
    """

    def __init__(self, radii_px, ranks, **kwargs):
        super().__init__(**kwargs)
        self.radii_px, self.ranks = tuple(radii_px), tuple(ranks)

    def call(self, image, is_before, shares):
        """Takes the image and what is before the plane at twice the size, and maps `[B, h, w, 1]`,
        the share of each disc.
        """
        light = ops.concatenate([image * image * is_before, is_before], axis=-1)
        light = ops.average_pool(light, 2, strides=2, padding="valid")
        parts = [
            disc_blur(light * share, radius_px, rank=rank)
            for radius_px, rank, share in zip(self.radii_px, self.ranks, shares, strict=True)
        ]
        # Their sum by one convolution: as sums, phones without OpenCL make one program of all that
        # went before, which has too many inputs.
        total = np.tile(np.eye(4, dtype=np.float32), (len(parts), 1))[None, None]
        spread = ops.conv(
            ops.concatenate(parts, axis=-1), ops.convert_to_tensor(total, dtype=light.dtype)
        )
        cover = ops.clip(spread[..., 3:], 0.0, 1.0)
        colour = spread[..., :3] * (1.0 / (ops.relu(cover + -_LEAST_COVER) + _LEAST_COVER))
        return ops.sqrt(ops.clip(colour, _LEAST_LIGHT, 1.0)) * cover, cover

    def get_config(self):
        """Adds radii and ranks."""
        return {**super().get_config(), "radii_px": self.radii_px, "ranks": self.ranks}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class VisibleShares(layers.Layer):
    """Who is seen where: the photo's own share and the background's, `[B, h, w, 1]` each; the
    foreground covers the rest.
    """

    def call(self, own_behind, own_before, is_before, cover):
        """Takes the photo's share by the defocus behind and before the plane, what is before it,
        and what the blurred foreground covers.
        """
        sharp_before = is_before * own_before
        blurred_before = is_before + sharp_before * -1.0
        rest = cover * -1.0 + 1.0
        uncovered = ops.relu(rest + sharp_before * -1.0)
        # Beneath its own blurred rim the foreground gives way to what is behind it.
        own = own_behind * (blurred_before * -1.0 + 1.0) * uncovered
        return own + rest + uncovered * -1.0, uncovered + own * -1.0


def _defocus(grid, half_grid, guide, focus, config):
    """`Defocus` of the photo on the grid, whose edges the guide of that size is fitted to."""
    cells = layers.AveragePooling2D(2, name="guide_cells")(guide)
    nearness = FastGuidedFilter(
        config.guide_radius_px, config.guide_epsilon, (0.0, 1.0), name="nearness"
    )(cells, half_grid, grid)
    tap = TapMap((_TAP_RADIUS,), name="tap")(half_grid, focus)
    plane = FocusPlane(name="plane")(cells, tap, HasTap(name="has_tap")(focus))
    return Defocus(name="defocus")(nearness, plane)


def build(config=Config(), *, image_shape):
    """Builds the graph for images of (height, width) `image_shape`."""
    decimation = grid_of(image_shape)
    image = image_input(image_shape, multiple=STRIDE * decimation)
    focus = keras.Input((1, 1, 4), name="focus")
    guide = map_input(image_shape, name="guide")
    grid, guide_grid = image, guide
    if decimation > 1:
        grid = layers.AveragePooling2D(decimation, name="grid")(image)
        guide_grid = layers.AveragePooling2D(decimation, name="guide_grid")(guide)

    # How far everything is from what is in focus.
    half_grid = layers.AveragePooling2D(2, name="half_grid")(grid)
    behind, before = _defocus(grid, half_grid, guide_grid, focus, config)
    shares = DiscShares(config.radii_px, config.default_aperture, name="shares")
    halved = layers.AveragePooling2D(2, name="half_defocus")
    own_behind, *_ = shares(behind, focus)
    own_before, *_ = shares(before, focus)
    is_before = OtherDistance(_BEFORE_DISTANCE, name="is_before")(before)

    # What is behind it, without the rest, and what is before it.
    own_half, first, *others = shares(halved(behind), focus)
    is_behind = OtherDistance(_BEHIND_DISTANCE, name="is_behind")(behind)
    in_or_before = Complement(name="in_or_before")(is_behind)
    radii_px = grid_radii_px(config, decimation)
    rest = LensBackground(radii_px, config.ranks, config.highlight_gain, name="background")(
        grid, in_or_before, [layers.Add(name="first_share")([own_half, first]), *others], is_before
    )
    _, *spread = shares(halved(before), focus)
    front, cover = LensForeground(radii_px, config.ranks, name="foreground")(
        grid, is_before, spread
    )

    # The blend.
    front, cover, rest = (
        layers.UpSampling2D(2, interpolation="bilinear", name=name)(part)
        for name, part in (("front_grid", front), ("cover_grid", cover), ("rest_grid", rest))
    )
    own, seen = VisibleShares(name="visible")(own_behind, own_before, is_before, cover)
    rest = layers.Multiply(name="background_part")([rest, seen])
    blurred = layers.Add(name="blurred")([rest, front])
    in_focus_weight = BilinearUpsampling(decimation, name="in_focus_weight")(own)
    kept = layers.Multiply(name="kept")([image, in_focus_weight])
    rendered = UpsampledSum(decimation, name="rendered")(blurred, kept)
    return keras.Model([image, focus, guide], [rendered, in_focus_weight], name="dbsi_mobile")
