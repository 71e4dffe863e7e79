"""Photos of noise, the canvas of the models that render them, and how near a picture must come."""

import numpy as np

CANVAS = (64, 96)
# One step of 8 bits: two roundings may fall to different sides.
ONE_STEP = 1
# Sums of a few float32 terms in [0, 255].
FLOAT_TOLERANCE = 1e-3


def noise(height, width, dtype=np.uint8):
    return np.random.default_rng(height * 1000 + width).integers(
        0, np.iinfo(dtype).max, (height, width, 3), dtype, True
    )
