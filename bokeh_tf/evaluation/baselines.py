"""What a bokeh network has to beat: renderings of a photo that need no network at all.

Photos and renderings are uint8 `[H, W, 3]` RGB. Nothing here is tuned on any picture.
"""

import cv2
import numpy as np

_KERNEL_SIZE_PX = 75
_REFERENCE_HEIGHT_PX = 1024
# Semi-axes of the ellipse as shares of width and height, and the shares of the semi-axes
# between which it fades.
_SEMI_AXES = (0.3, 0.4)
_FADE = (0.8, 1.2)


def untouched(photo):
    """The photo itself."""
    return photo


def global_blur(photo):
    """One Gaussian over the whole photo: 75 px and OpenCV's sigma for it where
    the photo is 1024 px high.

    For other heights the kernel scales with the height, to the nearest odd size, so that the blur
    covers the same share of the scene.
    """
    half_px = max(1, round((_KERNEL_SIZE_PX * photo.shape[0] / _REFERENCE_HEIGHT_PX - 1) / 2))
    size_px = 2 * half_px + 1
    return cv2.GaussianBlur(photo, (size_px, size_px), 0, borderType=cv2.BORDER_REFLECT_101)


def centre_ellipse(photo):
    """The photo inside a centred ellipse with a soft edge, `global_blur` outside."""
    weight = ellipse_weight(*photo.shape[:2])[..., None]
    return np.round(weight * photo + (1 - weight) * global_blur(photo)).astype(np.uint8)


def ellipse_weight(height_px, width_px):
    """Weight of the photo in `centre_ellipse`, float32 `[H, W]`: 1 in the ellipse, 0
    outside, a smoothstep between.
    """
    rows = (np.arange(height_px, dtype=np.float32) + 0.5) / height_px - 0.5
    columns = (np.arange(width_px, dtype=np.float32) + 0.5) / width_px - 0.5
    radius = np.hypot(columns[None] / _SEMI_AXES[0], rows[:, None] / _SEMI_AXES[1])
    share = np.clip((_FADE[1] - radius) / (_FADE[1] - _FADE[0]), 0, 1)
    return share * share * (3 - 2 * share)


BASELINES = {"untouched": untouched, "global blur": global_blur, "centre ellipse": centre_ellipse}
