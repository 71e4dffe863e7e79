"""A photo's grain, measured and put back on what is blurred, which would
look like plastic without it.
"""

import cv2
import numpy as np

_BLOCK_PX = 8
_BRIGHTNESS_STEPS = 8
# Blocks of a brightness that say what its grain is: the calmest, as texture is no grain.
_CALM_SHARE = 0.1
_FEWEST_BLOCKS = 20
# What the standard deviation of 64 samples is at that quantile, of the true one.
_QUANTILE_OF_TRUE = 0.885
# The root of the sum of squares of the kernel below.
_KERNEL_GAIN = 6.0
_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_MOST_PIXELS = 4_000_000


class Grain:
    """The grain of a photo `[H, W, 3]`, uint8 or uint16: grey noise whose strength
    depends on the brightness.
    """

    def __init__(self, photo):
        rows = max(_BLOCK_PX, min(len(photo), _MOST_PIXELS // photo.shape[1]))
        top = (len(photo) - rows) // 2
        grey = _grey(photo[top : top + rows] / np.float32(np.iinfo(photo.dtype).max))
        detail = cv2.filter2D(grey, -1, _KERNEL) / _KERNEL_GAIN
        means, deviations = (_blocks(grey).mean(axis=1), _blocks(detail).std(axis=1))
        self._sigmas = np.zeros(_BRIGHTNESS_STEPS, np.float32)
        step = np.clip((means * _BRIGHTNESS_STEPS).astype(int), 0, _BRIGHTNESS_STEPS - 1)
        for number in range(_BRIGHTNESS_STEPS):
            own = deviations[step == number]
            chosen = own if len(own) >= _FEWEST_BLOCKS else deviations
            self._sigmas[number] = (
                np.quantile(chosen, _CALM_SHARE) / _QUANTILE_OF_TRUE if len(chosen) else 0
            )

    @property
    def sigmas(self):
        """Standard deviations float32 `[8]` of a range of 1, from black to white."""
        return self._sigmas

    def band(self, top, picture):
        """Grain `[h, W, 1]` for rows of a picture `[h, W, 3]` in [0, 1] that begin at
        row `top`: always the same.
        """
        noise = np.random.default_rng([0, top]).standard_normal(picture.shape[:2], np.float32)
        middles = (np.arange(_BRIGHTNESS_STEPS) + 0.5) / _BRIGHTNESS_STEPS
        return (noise * np.interp(_grey(picture), middles, self._sigmas).astype(np.float32))[
            ..., None
        ]


def _grey(picture):
    return cv2.cvtColor(np.ascontiguousarray(picture, np.float32), cv2.COLOR_RGB2GRAY)


def _blocks(plane):
    """`[n, 64]`: the plane in squares."""
    rows, columns = (size // _BLOCK_PX for size in plane.shape)
    plane = plane[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
    return (
        plane.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX)
        .swapaxes(1, 2)
        .reshape(rows * columns, -1)
    )
