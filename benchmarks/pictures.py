"""Pictures to measure on: generated ones, the same everywhere, and photos brought to one size.

All are float32 `[H, W, 3]` in [0, 1].
"""

import cv2
import numpy as np

from bokeh_tf import photos

_HIGHLIGHT_SIZE_PX = 3
_HIGHLIGHT_SPACING_PX = 64


def natural_noise(height_px, width_px, *, seed=0):
    """Noise whose amplitude falls with spatial frequency as in photographs (1 / f), with
    hard clipping at both ends.
    """
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height_px)[:, None], np.fft.rfftfreq(width_px)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.standard_normal((3, height_px, width_px))) / frequency
    noise = np.fft.irfft2(spectrum, s=(height_px, width_px))
    noise = 0.5 + 0.25 * noise / noise.std(axis=(1, 2), keepdims=True)
    return np.ascontiguousarray(np.moveaxis(np.clip(noise, 0, 1), 0, 2), np.float32)


def highlights(height_px, width_px):
    """Small white squares on black, sparse enough that their blurs with 75 px hardly meet."""
    picture = np.zeros((height_px, width_px, 3), np.float32)
    for row in range(_HIGHLIGHT_SPACING_PX // 2, height_px, _HIGHLIGHT_SPACING_PX):
        for column in range(_HIGHLIGHT_SPACING_PX // 2, width_px, _HIGHLIGHT_SPACING_PX):
            picture[row : row + _HIGHLIGHT_SIZE_PX, column : column + _HIGHLIGHT_SIZE_PX] = 1
    return picture


def photo_of_size(path, height_px, width_px):
    """The photo at `path` scaled to cover the size and cropped at the centre."""
    pixels = photos.reduced_to_8_bits(photos.read(path).pixels)
    scale = max(height_px / pixels.shape[0], width_px / pixels.shape[1])
    covering_px = (
        max(width_px, round(pixels.shape[1] * scale)),
        max(height_px, round(pixels.shape[0] * scale)),
    )
    scaled = cv2.resize(
        pixels, covering_px, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    top, left = (scaled.shape[0] - height_px) // 2, (scaled.shape[1] - width_px) // 2
    return (
        np.ascontiguousarray(scaled[top : top + height_px, left : left + width_px]).astype(
            np.float32
        )
        / 255
    )
