"""A picture with a disparity for every pixel, out of focus, with what near things
hide continued behind them.

The picture is cut into slices of about one radius of the circle of confusion. Slices are defocused
and taken near to far, each filling what room the nearer ones leave. Along a slope neighbouring
slices fit together and their light adds up; at a jump the farther slice goes on behind the nearer
one, with colours that spread from its rim, so that a near defocused rim is transparent to something
plausible, and a blurred background has no dark seam along a sharp subject.

Light is float32 `[H, W, 3]`, linear; radii are float32 `[H, W]` in pixels,
signed as in `apertures`.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

# A step between neighbouring pixels that hides something; a slope that steep
# would be seen from the edge.
_JUMP_PX = 2.0
_NEIGHBOURS = [
    (down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)
]
_NOTHING = 1e-6


@dataclass(frozen=True)
class _Slice:
    """What has about one radius: premultiplied light and coverage `[h, w, 4]`, and
    where it lies in the frame.
    """

    radius_px: float
    place: tuple[slice, slice]
    premultiplied: np.ndarray


class Surface:
    """A picture ready to be seen through any part of an aperture.

    Args:
        slice_px: difference in radius between slices.
        reach: of the aperture.
    """

    def __init__(self, light, radius_px, *, slice_px, reach):
        behind_light, behind_px = continued_behind(light, radius_px, reach=reach)
        indices, behind_indices = (
            np.rint(r / slice_px).astype(np.int32) for r in (radius_px, behind_px)
        )
        self._shape = light.shape[:2]
        self._slices = []
        for index in np.unique(np.concatenate([indices.ravel(), behind_indices.ravel()]))[::-1]:
            own, hidden = indices == index, (behind_indices == index) & (indices != index)
            place = _place_of(own | hidden, math.ceil((abs(index) + 1) * slice_px * reach))
            alpha = (own | hidden)[place][..., None].astype(np.float32)
            colour = np.where(own[place][..., None], light[place], behind_light[place])
            radii_px = np.where(own[place], radius_px[place], behind_px[place])[alpha[..., 0] > 0]
            premultiplied = np.concatenate([colour * alpha, alpha], axis=-1)
            self._slices.append(
                _Slice(float(radii_px.mean(dtype=np.float64)), place, premultiplied)
            )

    def seen(self, blur):
        """Linear light `[H, W, 3]` after `blur(premultiplied, radius_px)` of each slice."""
        result = np.zeros((*self._shape, 4), np.float32)
        for part in self._slices:
            blurred = blur(part.premultiplied, part.radius_px)
            there = result[part.place]
            room = np.maximum(1 - there[..., 3:], 0)
            there += blurred * np.minimum(1, room / np.maximum(blurred[..., 3:], _NOTHING))
        return result[..., :3] / np.maximum(result[..., 3:], _NOTHING)


def _place_of(mask, margin_px):
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    rows = slice(max(0, top - margin_px), min(mask.shape[0], top + height + margin_px))
    return rows, slice(max(0, left - margin_px), min(mask.shape[1], left + width + margin_px))


def continued_behind(light, radius_px, *, reach=1.0):
    """Light and radius of what lies behind each pixel: the farther side of a jump
    spreads below the nearer one.

    It spreads pixel by pixel as far as a circle of confusion can look behind an edge; elsewhere
    the pixel itself comes back.
    """
    light, behind_px = light.copy(), radius_px.astype(np.float32)
    steps = math.ceil(2 * reach * float(np.abs(radius_px).max()))
    kernel = np.ones((3, 3), np.uint8)
    for _ in range(steps):
        lowest = cv2.erode(behind_px, kernel)
        rows, columns = np.nonzero(behind_px - lowest > _JUMP_PX)
        if not len(rows):
            break
        light[rows, columns], behind_px[rows, columns] = _means_of_far_neighbours(
            light, behind_px, rows, columns, lowest[rows, columns] + _JUMP_PX
        )
    return light, behind_px


def _means_of_far_neighbours(light, behind_px, rows, columns, limits_px):
    """Mean light and radius of each pixel's neighbours that are not nearer than its limit."""
    # A light beside an edge does not go on behind it as a row of lights.
    total, radius, count = (
        np.zeros((len(rows), 3), np.float32),
        np.zeros(len(rows)),
        np.zeros(len(rows)),
    )
    for down, right in _NEIGHBOURS:
        y = np.clip(rows + down, 0, light.shape[0] - 1)
        x = np.clip(columns + right, 0, light.shape[1] - 1)
        is_far = behind_px[y, x] <= limits_px
        total += np.minimum(light[y, x], 1) * is_far[:, None]
        radius += behind_px[y, x] * is_far
        count += is_far
    return total / count[:, None], radius / count
