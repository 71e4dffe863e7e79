"""Arithmetic in half precision as the GPU delegates do it, in NumPy on the CPU.

Measured on the real delegate (ML Drift, default precision): convolutions multiply in half and add
tap by tap in half, in the order row, column, channel, which `accumulate` repeats bit by bit; SUM,
MEAN, AVERAGE_POOL_2D and FULLY_CONNECTED add in float32 and round once; RESIZE_BILINEAR rounds the
coordinate in the input to half.
"""

import numpy as np

LARGEST = 65504.0
# What still rounds up to the smallest positive number, 2^-24.
VANISHING = 2.0**-25
# Largest relative error of rounding a normal number.
UNIT_ROUNDOFF = 2.0**-11
# exp of anything above this is more than LARGEST.
LARGEST_EXPONENT = float(np.log(LARGEST))


def rounded(values) -> np.ndarray:
    """The values as float32 after rounding to half; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32).astype(np.float16).astype(np.float32)


def accumulate(products) -> tuple[np.ndarray, float]:
    """Adds `products` along the last axis one after the other in half.

    Returns:
        The sums as float32, and the largest magnitude that any partial sum reached
        (infinite where it overflowed).
    """
    with np.errstate(over="ignore", invalid="ignore"):
        partial = np.add.accumulate(
            np.asarray(products).astype(np.float16), axis=-1, dtype=np.float16
        )
    if partial.size == 0:
        return np.zeros(partial.shape[:-1], np.float32), 0.0
    magnitude = np.abs(partial)
    largest = np.inf if np.isnan(magnitude).any() else float(magnitude.max())
    return partial[..., -1].astype(np.float32), largest


def bilinear_coordinates(size_in, size_out, *, half_pixel_centers, align_corners) -> np.ndarray:
    """Where RESIZE_BILINEAR reads along one axis: for each output pixel the
    coordinate in the input, in pixels.
    """
    positions = np.arange(size_out, dtype=np.float64)
    if align_corners and size_out > 1:
        return positions * ((size_in - 1) / (size_out - 1))
    scale = size_in / size_out
    return (positions + 0.5) * scale - 0.5 if half_pixel_centers else positions * scale


def coordinate_errors_px(
    size_in, size_out, *, half_pixel_centers=False, align_corners=False
) -> np.ndarray:
    """By how much each of those coordinates moves when it is rounded to half, in input pixels."""
    exact = bilinear_coordinates(
        size_in, size_out, half_pixel_centers=half_pixel_centers, align_corners=align_corners
    )
    # Outside the input there is only its border, so moving there changes nothing.
    return np.abs(np.clip(rounded(exact), 0, size_in - 1) - np.clip(exact, 0, size_in - 1))
