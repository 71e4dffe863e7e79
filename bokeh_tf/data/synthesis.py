"""Photographs with shallow depth of field, rendered from layers: colour, coverage and disparity.

Colours are float32 `[H, W, 3]`, RGB, sRGB-encoded, [0, 1]; coverage (alpha) is float32 `[H, W]` in [0, 1].
Disparities are inverse depths in [0, 1], 1 nearest. A circle of confusion is given by its radius in pixels,
|disparity - focus disparity| * aperture, which is the thin lens (BokehMe, Peng et al. 2022, eq. 1). Layers are
defocused in linear light, where light adds up, and composited far to near, so that a near layer's defocused rim
mixes with what it hides and nothing far leaks over a sharp edge.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

# Radii are rounded to this: finer steps do not show and each radius costs a kernel.
_RADIUS_STEP_PX = 0.25


@dataclass(frozen=True)
class Layer:
    """One layer of a scene; `disparity` is a number, or `[H, W]` for a layer without holes."""

    colour: np.ndarray
    alpha: np.ndarray
    disparity: float | np.ndarray


@dataclass(frozen=True)
class Rendering:
    """What the layers look like: everything sharp, with shallow focus, and the circle of confusion's radius."""

    all_in_focus: np.ndarray
    bokeh: np.ndarray
    radius_px: np.ndarray


def to_linear(encoded):
    """Linear light from sRGB-encoded values (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_encoded(linear):
    """sRGB-encoded values from linear light; clips to [0, 1]."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)


@lru_cache(maxsize=256)
def disc_kernel(radius_px):
    """Uniform disc with an antialiased rim, float32, odd side, sum 1. A radius of 0 is a single pixel."""
    reach_px = int(np.ceil(radius_px))
    offsets = np.arange(-reach_px, reach_px + 1, dtype=np.float64)
    fine = (np.arange(8) + 0.5) / 8 - 0.5
    positions = (offsets[:, None] + fine[None]).ravel()
    inside = (positions[:, None] ** 2 + positions[None] ** 2) <= max(radius_px, 0.5) ** 2
    side = len(offsets)
    kernel = inside.reshape(side, 8, side, 8).mean(axis=(1, 3)).astype(np.float32)
    return kernel / kernel.sum()


def defocus(premultiplied, radius_px):
    """Convolves `[H, W, C]` with a disc, mirroring at the border; a radius up to half a pixel changes nothing."""
    radius_px = round(radius_px / _RADIUS_STEP_PX) * _RADIUS_STEP_PX
    if radius_px <= 0.5:
        return premultiplied
    return cv2.filter2D(premultiplied, cv2.CV_32F, disc_kernel(radius_px), borderType=cv2.BORDER_REFLECT_101)


def _defocus_by_map(colour, radius_px, *, levels=5):
    """Defocuses an opaque layer by a radius per pixel: a linear mixture of the two nearest of `levels` radii."""
    radii_px = np.linspace(radius_px.min(), radius_px.max(), levels)
    if radii_px[-1] - radii_px[0] < _RADIUS_STEP_PX:
        return defocus(colour, float(radii_px.mean()))
    position = (radius_px - radii_px[0]) / (radii_px[1] - radii_px[0])
    result = np.zeros_like(colour)
    for index, level_px in enumerate(radii_px):
        share = np.clip(1 - np.abs(position - index), 0, 1)[..., None]
        result += share * defocus(colour, float(level_px))
    return result


def render(layers, *, focus_disparity, aperture_px):
    """Renders layers, given far to near; the first must cover the whole frame.

    Args:
        focus_disparity: the disparity that is sharp.
        aperture_px: radius in pixels of the circle of confusion at a disparity difference of 1.
    """
    if not layers or np.min(layers[0].alpha) < 1:
        raise ValueError("The first layer must cover the frame. Received: " + ("no layer" if not layers else "holes"))
    shape = layers[0].alpha.shape
    sharp = bokeh = np.zeros((*shape, 3), np.float32)
    radius_px = np.zeros(shape, np.float32)
    for layer in layers:
        colour, alpha = to_linear(layer.colour), layer.alpha[..., None]
        layer_radius_px = np.abs(layer.disparity - focus_disparity) * aperture_px
        if np.ndim(layer_radius_px):
            if np.min(alpha) < 1:
                raise ValueError("A layer with a map of disparities must cover the frame. Received: holes")
            spread, coverage = _defocus_by_map(colour, layer_radius_px), np.float32(1)
        else:
            blurred = defocus(np.concatenate([colour * alpha, alpha], axis=-1), layer_radius_px)
            spread, coverage = blurred[..., :3], blurred[..., 3:]
        sharp = sharp * (1 - alpha) + colour * alpha
        bokeh = bokeh * (1 - coverage) + spread
        radius_px = radius_px * (1 - layer.alpha) + layer_radius_px * layer.alpha
    return Rendering(to_encoded(sharp), to_encoded(bokeh), radius_px.astype(np.float32))


def blend_weights(radius_px, sigmas_px):
    """DBSI weights that come nearest to circles of confusion: float32 `[H, W, 1 + n]`, summing to 1.

    A disc of radius r is as wide as a Gaussian of sigma r / 2 (equal variance per axis). Each pixel gets a mixture of
    the two nearest in the bank, linear in sigma, the sharp photo counting as 0; the largest blur is the limit. Linear
    in variance would be nearer in the mean square, but keeps ghosts of sharp detail in what should be soft.
    """
    sigmas_px = np.concatenate([[0.0], sigmas_px])
    wanted_px = np.clip(radius_px / 2, 0, sigmas_px[-1])
    upper = np.clip(np.searchsorted(sigmas_px, wanted_px, side="left"), 1, len(sigmas_px) - 1)
    share = (wanted_px - sigmas_px[upper - 1]) / (sigmas_px[upper] - sigmas_px[upper - 1])
    steps = np.arange(len(sigmas_px))
    upper, share = upper[..., None], share[..., None]
    return np.where(steps == upper, share, np.where(steps == upper - 1, 1 - share, 0)).astype(np.float32)
