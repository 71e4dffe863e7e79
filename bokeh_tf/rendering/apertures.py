"""Pictures of a lens's opening: the blur that a point of light becomes when it is out of focus."""

import math
import re

import numpy as np

# What `kernel` draws, besides "5" to "9" for so many blades.
DISC, CATS_EYE = "disc", "cat-eye"
_BLADES = range(5, 10)
SHAPES = (DISC, *map(str, _BLADES), CATS_EYE)
# Samples along each side of a pixel.
_SAMPLES = 4
# How far, in radii, the rim of the lens's tube has moved over the opening in the frame's corners.
_MOST_SHIFT = 0.9
# A polygon that stands on a corner looks like a mistake.
_TURN = math.pi / 12


def shape_of(text: str) -> str:
    """The one of `SHAPES` that `text` means: "disc", "7", "7 blades",
    "cat-eye"; `ValueError` for others.
    """
    shape = re.sub(r"[ -]?blades$", "", text.strip().lower())
    if shape not in SHAPES:
        raise ValueError(f"a shape is one of {', '.join(SHAPES)}. Received: {text!r}")
    return shape


def kernel(
    radius_px: float, *, shape: str = DISC, place: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """The opening's picture, float32 `[k, k]` with odd k and sum 1, of the area
    of a disc of `radius_px`.

    Args:
        radius_px: more than 0.
        shape: one of `SHAPES`.
        place: (y, x) in the frame from its middle, the corners at a distance of 1;
            only a cat's eye looks at it.
    """
    if not radius_px > 0 or shape not in SHAPES:
        raise ValueError(f"radius and shape must be possible. Received: {radius_px}, {shape!r}")
    reach_px = math.ceil(1.25 * radius_px + 0.5) if shape.isdigit() else math.ceil(radius_px + 0.5)
    side = 2 * reach_px + 1
    axis = ((np.arange(side * _SAMPLES) + 0.5) / _SAMPLES - side / 2) / radius_px
    y, x = axis[:, None], axis[None, :]
    open_there = _polygon(y, x, int(shape)) if shape.isdigit() else y * y + x * x <= 1
    if shape == CATS_EYE:
        # The tube's rim hides what lies away from the frame's middle.
        shift_y, shift_x = (_MOST_SHIFT * part for part in place)
        open_there = open_there & ((y + shift_y) ** 2 + (x + shift_x) ** 2 <= 1)
    weights = open_there.reshape(side, _SAMPLES, side, _SAMPLES).mean(axis=(1, 3))
    weights[reach_px, reach_px] = max(weights[reach_px, reach_px], _SAMPLES**-2)
    return (weights / weights.sum()).astype(np.float32)


def _polygon(y, x, count):
    # Of a polygon of n corners at a distance of R, n / 2 R² sin(2 pi / n) is the area.
    corner = math.sqrt(2 * math.pi / (count * math.sin(2 * math.pi / count)))
    edge = corner * math.cos(math.pi / count)
    angles = _TURN + 2 * math.pi * np.arange(count) / count
    return np.all([y * math.sin(angle) + x * math.cos(angle) <= edge for angle in angles], axis=0)
