"""What an aperture means in pixels, and how the ground recedes; imports no Keras, for all
that blur outside a graph.
"""

import numpy as np

# A lens that is wide open blurs the far background to discs of this radius in a
# picture of so many rows.
LARGEST_RADIUS_PX = 80.0
REFERENCE_ROWS = 1024
# The aperture where none is asked for.
DEFAULT_APERTURE = 0.15
# Where the ground that a graded picture keeps ends, and where it is as far as
# everything above, in heights.
_GROUND_NEAR, _GROUND_FAR = 0.92, 0.45


def ground_nearness(rows: int) -> np.ndarray:
    """For each row of a picture how near the ground is there, float64
    `[rows]` from 1 (in focus) to 0.
    """
    places = (np.arange(rows) + 0.5) / rows
    return np.clip((places - _GROUND_FAR) / (_GROUND_NEAR - _GROUND_FAR), 0, 1)


def radius_px(aperture: float | None, rows: int) -> float:
    """The largest blur's radius in a picture of so many rows, at an aperture from 0 to
    1 or None for the default.
    """
    return (
        (DEFAULT_APERTURE if aperture is None else aperture)
        * LARGEST_RADIUS_PX
        * rows
        / REFERENCE_ROWS
    )
