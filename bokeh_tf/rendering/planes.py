"""What is in focus and how much the rest is blurred, from a mask or a depth map that
somebody brings, or a model.
"""

import numpy as np

from bokeh_tf.models.lens_scale import ground_nearness, radius_px
from bokeh_tf.rendering.geometry import resize

# What differs from the plane of focus by less than this share of the whole range is as far away.
_SAME_DISTANCE = 0.04
# Blur that cannot be seen.
_SHARP_PX = 0.5
# Half side of the square around a tap that is asked how near it is, in heights of the photo.
_TAP_REACH = 0.01
# Without a tap and a subject the nearest things are in focus: this share of the photo.
_NEAREST_SHARE = 0.1


def of_mask(mask, placement, aperture):
    """In-focus weight and blur radius, float32 `[h, w]` each, of a mask `[H, W]` in
    [0, 1] of a photo's subject.
    """
    in_focus = np.clip(resize(mask, placement.height, placement.width), 0, 1)
    return in_focus, np.full_like(in_focus, radius_px(aperture, placement.canvas_height))


def of_weight(in_focus, placement, aperture, *, is_graded):
    """The same of a model's in-focus weight `[h, w]`, or of the ground
    where nothing is a subject.
    """
    largest_px = radius_px(aperture, placement.canvas_height)
    if not is_graded:
        return in_focus, np.full_like(in_focus, largest_px)
    rows = ground_nearness(placement.canvas_height)[
        placement.top : placement.top + placement.height
    ]
    radius = np.tile((largest_px * (1 - rows))[:, None], (1, placement.width)).astype(np.float32)
    return np.zeros_like(radius), radius


def of_nearness(nearness, placement, aperture, *, tap=None, subject=None):
    """The same of a depth map: nearness `[H, W]` in [0, 1], 1 for the nearest.

    Args:
        tap: (x, y) in [0, 1] of the photo; what is as near as there is in focus.
        subject: without a tap, float32 `[h, w]`: what is as near as most of it is in
            focus; None for the nearest.
    """
    near = np.clip(resize(nearness, placement.height, placement.width), 0, 1)
    away = _plane_of_focus(near, tap, subject) - near
    reach = max(float(np.abs(away).max()), 1e-6)
    beyond = np.maximum(np.abs(away) / reach - _SAME_DISTANCE, 0) / (1 - _SAME_DISTANCE)
    radius = (np.sign(away) * beyond * radius_px(aperture, placement.canvas_height)).astype(
        np.float32
    )
    return (np.abs(radius) < _SHARP_PX).astype(np.float32), radius


def _plane_of_focus(near, tap, subject):
    if tap is not None:
        column, row = (
            min(size - 1, int(part * size))
            for part, size in zip(tap, near.shape[::-1], strict=True)
        )
        reach = max(1, round(_TAP_REACH * len(near)))
        around = near[
            max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1
        ]
        return float(np.median(around))
    if subject is not None and (subject > 0.5).any():
        return float(np.median(near[subject > 0.5]))
    return float(np.quantile(near, 1 - _NEAREST_SHARE / 2))
