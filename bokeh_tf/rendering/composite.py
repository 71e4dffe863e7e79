"""From what a model computed at its own size to a picture at the photo's size.

A bokeh model blends the sharp photo with blurred copies of it: rendered = W0 * photo + rest. The rest
is blurred, so it loses nothing by being enlarged; the sharp part is taken from the photo itself at
full resolution. Where W0 is 1 the result is the photo, to rounding.
"""

import cv2
import numpy as np

from bokeh_tf.rendering.geometry import Enlarger

_BAND_PIXELS = 1 << 20
# Side of the window over which the sharpness of a rendering is compared with the photo's, in pixels.
_WINDOW_PX = 9
# Detail weaker than this (root mean square, of a range of 1) says too little about sharpness; the
# estimate then leans on a wider neighbourhood. A quarter of an 8-bit step.
_FAINT_DETAIL = 0.25 / 255


def composite(photo, image, rendered, in_focus_weight):
    """Renders `photo` with what a model computed from a small copy of it.

    Args:
        photo: `[H, W, 3]` uint8 or uint16.
        image: `[h, w, 3]` float32 in [0, 1], the copy the model saw.
        rendered: `[h, w, 3]` float32, the model's rendering of `image`.
        in_focus_weight: `[h, w]` float32 in [0, 1], the share of `image` in `rendered`.

    Returns:
        The rendering, `[H, W, 3]` of the type of `photo`.
    """
    height, width, _ = photo.shape
    full_scale = np.float32(np.iinfo(photo.dtype).max)
    weight = in_focus_weight[..., None]
    enlarger = Enlarger(np.concatenate([(rendered - weight * image) * full_scale, weight], axis=2), height, width)
    result = np.empty_like(photo)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = enlarger.band(top, top + rows)
        blended = band[..., 3:] * photo[top : top + rows] + band[..., :3]
        result[top : top + rows] = np.rint(np.clip(blended, 0, full_scale))
    return result


def estimate_in_focus_weight(image, rendered):
    """How much of the fine detail of `image` is left in `rendered`, for models that do not say.

    In each window the weight is the least-squares factor from the high-pass of `image` to the high-pass
    of `rendered`, all channels together. Windows with little detail lean on windows four times as wide,
    those on still wider ones, and the widest on the whole picture.

    Args:
        image, rendered: `[h, w, 3]` float32.

    Returns:
        `[h, w]` float32 in [0, 1].
    """
    detail, rendered_detail = _high_pass(image), _high_pass(rendered)
    shared = (detail * rendered_detail).sum(axis=2)
    power = (detail * detail).sum(axis=2)
    total = float(power.sum(dtype=np.float64))
    weight = np.float32(shared.sum(dtype=np.float64) / total) if total > 0 else np.float32(1)
    faint = np.float32(3 * _FAINT_DETAIL**2)
    for window in (16 * _WINDOW_PX, 4 * _WINDOW_PX, _WINDOW_PX):
        mean_shared, mean_power = (
            cv2.blur(values, (window, window), borderType=cv2.BORDER_REFLECT) for values in (shared, power)
        )
        weight = (mean_shared + faint * weight) / (mean_power + faint)
    return np.clip(weight, 0, 1).astype(np.float32)


def _high_pass(image):
    return image - cv2.blur(image, (3, 3), borderType=cv2.BORDER_REFLECT)


def _window_mean(values, side_px):
    # Twice, because the corners of a plain box show in the weight.
    for _ in range(2):
        values = cv2.blur(values, (side_px, side_px), borderType=cv2.BORDER_REFLECT)
    return values
