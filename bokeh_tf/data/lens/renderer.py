"""Photographs with shallow depth of field, rendered from layers: colour, coverage and disparity.

Colours are float32 `[H, W, 3]`, RGB, sRGB-encoded, [0, 1], or above 1 for lights brighter than
white; coverage (alpha) is float32 `[H, W]` in [0, 1]. Disparities are inverse depths in [0, 1], 1
nearest. A circle of confusion is given by its radius in pixels, |disparity - focus disparity| *
aperture, which is the thin lens (`optics`; BokehMe, Peng et al. 2022, eq. 1). Layers are defocused
in linear light, where light adds up, and composited far to near, so that a near layer's defocused
rim mixes with what it hides and nothing far leaks over a sharp edge.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from bokeh_tf.data.lens.apertures import DISC, aperture_kernel, parts_of
from bokeh_tf.data.lens.surfaces import Surface


@dataclass(frozen=True)
class Layer:
    """One layer of a scene; `disparity` is a number, or `[H, W]` for a layer without holes."""

    colour: np.ndarray
    alpha: np.ndarray
    disparity: float | np.ndarray


@dataclass(frozen=True)
class Quality:
    """How exactly, and so how slowly, layers are rendered.

    Attributes:
        parts_per_side: the aperture is divided into that many parts a side, each with its own
            occlusion. With 1, what two layers hide of a pixel counts as independent, as if a
            layer's edge hid all directions alike.
        radius_step_px: radii are rounded to it.
        slice_px: a map of disparities is cut into slices that differ so much in radius, with
            occlusion among them. None mixes five discs instead.
    """

    parts_per_side: int
    radius_step_px: float
    slice_px: float | None

    def __post_init__(self):
        if self.parts_per_side < 1:
            raise ValueError(f"parts_per_side must be at least 1. Received: {self.parts_per_side}")
        for name in ("radius_step_px", "slice_px"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive. Received: {value}")


# What the shipped weights were trained on: it must not change.
FAST = Quality(parts_per_side=1, radius_step_px=0.25, slice_px=None)
FINE = Quality(parts_per_side=2, radius_step_px=1 / 16, slice_px=1.0)


@dataclass(frozen=True)
class Rendering:
    """What the layers look like: everything sharp, with shallow focus, and the
    circle of confusion's radius.
    """

    all_in_focus: np.ndarray
    bokeh: np.ndarray
    radius_px: np.ndarray


def to_linear(encoded):
    """Linear light from sRGB-encoded values (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def to_encoded(linear, *, most=1.0):
    """sRGB-encoded values from linear light; clips to [0, `most`]."""
    linear = np.clip(linear, 0, most)
    return np.where(
        linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055
    ).astype(np.float32)


def defocus(premultiplied, radius_px, *, aperture=DISC, radius_step_px=0.25):
    """Convolves `[H, W, C]` with the aperture's picture, mirroring at the border.

    Args:
        radius_px: of the circle of confusion, negative behind the focus; up to half a
            pixel it changes nothing.
        radius_step_px: radii are rounded to it: each costs a kernel.
    """
    radius_px = round(radius_px / radius_step_px) * radius_step_px
    if abs(radius_px) <= 0.5:
        return premultiplied
    # OpenCV correlates; a point shall become the kernel, not its mirror image.
    kernel = np.ascontiguousarray(aperture_kernel(aperture, radius_px)[::-1, ::-1])
    return cv2.filter2D(premultiplied, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101)


def _defocus_by_map(colour, radius_px, *, levels=5):
    """Defocuses an opaque layer by a radius per pixel: a linear mixture of the two
    nearest of `levels` radii.
    """
    radii_px = np.linspace(radius_px.min(), radius_px.max(), levels)
    if radii_px[-1] - radii_px[0] < FAST.radius_step_px:
        return defocus(colour, float(radii_px.mean()))
    position = (radius_px - radii_px[0]) / (radii_px[1] - radii_px[0])
    result = np.zeros_like(colour)
    for index, level_px in enumerate(radii_px):
        share = np.clip(1 - np.abs(position - index), 0, 1)[..., None]
        result += share * defocus(colour, float(level_px))
    return result


def render(layers, *, focus_disparity, aperture_px, aperture=DISC, quality=FAST):
    """Renders layers, given far to near; the first must cover the whole frame.

    Args:
        focus_disparity: the disparity that is sharp.
        aperture_px: radius in pixels of the circle of confusion at a disparity difference of 1.
        aperture: the opening's shape.
        quality: a `Quality`.
    """
    _check_layers(layers)
    shape = layers[0].alpha.shape
    sharp = np.zeros((*shape, 3), np.float32)
    radius_px = np.zeros(shape, np.float32)
    for layer in layers:
        alpha = layer.alpha[..., None]
        sharp = sharp * (1 - alpha) + to_linear(layer.colour) * alpha
        layer_radius_px = np.abs(layer.disparity - focus_disparity) * aperture_px
        radius_px = radius_px * (1 - layer.alpha) + layer_radius_px * layer.alpha
    seen = [
        _seen(layer, (layer.disparity - focus_disparity) * aperture_px, aperture, quality)
        for layer in layers
    ]
    bokeh = sum(
        share * _composited(seen, part)
        for share, part in parts_of(aperture, quality.parts_per_side)
    )
    return Rendering(to_encoded(sharp), to_encoded(bokeh), radius_px.astype(np.float32))


def render_disparity(
    photo, disparity, *, focus_disparity, aperture_px, aperture=DISC, quality=FINE
):
    """Renders a photo in which everything is sharp, given a disparity for each of its pixels.

    What near things hide is unknown; their surroundings are continued behind them. The edges
    of `disparity` must lie on those of the photo: pixels that hold the wrong side's disparity
    take their colour with them.

    Args:
        photo: as a layer's colour.
        disparity: `[H, W]`.
    """
    if np.ndim(disparity) != 2 or np.shape(disparity) != np.shape(photo)[:2]:
        raise ValueError(
            f"disparity must be as large as the photo. Received: {np.shape(disparity)}"
        )
    layer = Layer(photo, np.ones(disparity.shape, np.float32), disparity)
    focus = {"focus_disparity": focus_disparity, "aperture_px": aperture_px}
    return render([layer], **focus, aperture=aperture, quality=quality)


def _check_layers(layers):
    if not layers or np.min(layers[0].alpha) < 1:
        raise ValueError(
            "The first layer must cover the frame. Received: "
            + ("no layer" if not layers else "holes")
        )
    if any(np.ndim(layer.disparity) and np.min(layer.alpha) < 1 for layer in layers):
        raise ValueError("A layer with a map of disparities must cover the frame. Received: holes")


def _seen(layer, radius_px, aperture, quality):
    """A function from a part of the aperture to the layer's premultiplied
    light and coverage through it.
    """
    light, alpha = to_linear(layer.colour), layer.alpha[..., None]
    if not np.ndim(radius_px):
        premultiplied = np.concatenate([light * alpha, alpha], axis=-1)

        def spread(part):
            blurred = defocus(
                premultiplied, radius_px, aperture=part, radius_step_px=quality.radius_step_px
            )
            return blurred[..., :3], blurred[..., 3:]

        return spread
    if quality.slice_px is None:
        if aperture != DISC:
            raise ValueError(
                f"Without slices a map of disparities takes a disc. Received: {aperture}"
            )
        return lambda part: (_defocus_by_map(light, np.abs(radius_px)), np.float32(1))
    surface = Surface(light, radius_px, slice_px=quality.slice_px, reach=aperture.reach)
    options = {"radius_step_px": quality.radius_step_px}
    return lambda part: (
        surface.seen(lambda p, r: defocus(p, r, aperture=part, **options)),
        np.float32(1),
    )


def _composited(seen, part):
    bokeh = np.float32(0)
    for spread in seen:
        light, coverage = spread(part)
        bokeh = bokeh * (1 - coverage) + light
    return bokeh


def blend_weights(radius_px, sigmas_px):
    """DBSI weights that come nearest to circles of confusion: float32 `[H,
    W, 1 + n]`, summing to 1.

    A disc of radius r is as wide as a Gaussian of sigma r / 2 (equal variance per axis). Each pixel
    gets a mixture of the two nearest in the bank, linear in sigma, the sharp photo counting as 0;
    the largest blur is the limit. Linear in variance would be nearer in the mean square, but keeps
    ghosts of sharp detail in what should be soft.
    """
    sigmas_px = np.concatenate([[0.0], sigmas_px])
    wanted_px = np.clip(radius_px / 2, 0, sigmas_px[-1])
    upper = np.clip(np.searchsorted(sigmas_px, wanted_px, side="left"), 1, len(sigmas_px) - 1)
    share = (wanted_px - sigmas_px[upper - 1]) / (sigmas_px[upper] - sigmas_px[upper - 1])
    steps = np.arange(len(sigmas_px))
    upper, share = upper[..., None], share[..., None]
    return np.where(steps == upper, share, np.where(steps == upper - 1, 1 - share, 0)).astype(
        np.float32
    )
