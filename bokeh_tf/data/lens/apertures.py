"""Shapes of a lens's opening, and what a point out of focus looks like through it.

A kernel is float32 `[n, n]`, n odd, sum 1: the share of a point's light in each pixel around it. A
radius is that of the disc of the same area, so that an f-number lets as much light through whatever
the shape. It is positive for a point nearer than the focus, and negative for one behind it, whose
picture is upside down, its rays having crossed.
"""

import dataclasses
import itertools
import math
from functools import lru_cache

import numpy as np

# Points per pixel and side on which the coverage of a rim's pixels is counted. A disc's
# are fixed: the shipped weights were trained on them. Polygons and parts have this many
# per radius, within limits.
_DISC_POINTS = 8
_POINTS_PER_RADIUS = 96
_MOST_POINTS = 48
_MOST_BLADES = 32
# Points a side on which the shares of an opening's parts are counted.
_SHARE_POINTS = 512


@dataclasses.dataclass(frozen=True)
class Aperture:
    """A disc or a regular polygon.

    Attributes:
        blades: sides of the polygon, 3 to 32; 0 for a disc.
        rotation_degrees: clockwise turn of the polygon, which has a corner at the top, in
            the picture of a near point.
        window: the part of the opening that is meant: left, top, right and
            bottom, -1 to 1 being all of it.
    """

    blades: int = 0
    rotation_degrees: float = 0.0
    window: tuple[float, float, float, float] = (-1.0, -1.0, 1.0, 1.0)

    def __post_init__(self):
        if self.blades and not 3 <= self.blades <= _MOST_BLADES:
            raise ValueError(
                f"blades must be 0 or from 3 to {_MOST_BLADES}. Received: {self.blades}"
            )
        if not math.isfinite(self.rotation_degrees):
            raise ValueError(f"rotation_degrees must be finite. Received: {self.rotation_degrees}")

    @property
    def reach(self):
        """Distance of the opening's farthest point from its centre, for a radius of 1."""
        if not self.blades:
            return 1.0
        # A regular polygon in a circle of radius R has the area blades / 2 R² sin(2 pi / blades).
        return math.sqrt(2 * math.pi / (self.blades * math.sin(2 * math.pi / self.blades)))

    def contains(self, right, down):
        """Whether points lie in the opening: arrays that broadcast, in units of the radius."""
        left_end, top, right_end, bottom = np.multiply(self.window, self.reach)
        inside = (right >= left_end) & (right <= right_end) & (down >= top) & (down <= bottom)
        if not self.blades:
            return inside & (right**2 + down**2 <= 1)
        apothem = self.reach * math.cos(math.pi / self.blades)
        first = math.radians(self.rotation_degrees) - math.pi / 2 + math.pi / self.blades
        for side in range(self.blades):
            angle = first + 2 * math.pi * side / self.blades
            inside = inside & (right * math.cos(angle) + down * math.sin(angle) <= apothem)
        return inside


DISC = Aperture()


@lru_cache(maxsize=64)
def parts_of(aperture, per_side):
    """Divides an opening into `per_side` x `per_side` squares: (share of the area, part)
    of each that is not empty.
    """
    if per_side == 1:
        return ((1.0, aperture),)
    points = ((np.arange(_SHARE_POINTS) + 0.5) / _SHARE_POINTS * 2 - 1) * aperture.reach
    spans = list(itertools.pairwise(np.linspace(-1, 1, per_side + 1).tolist()))
    counts = {}
    for (left, right), (top, bottom) in itertools.product(spans, spans):
        part = dataclasses.replace(aperture, window=(left, top, right, bottom))
        counts[part] = int(part.contains(points[None], points[:, None]).sum())
    total = sum(counts.values())
    return tuple((count / total, part) for part, count in counts.items() if count)


@lru_cache(maxsize=256)
def disc_kernel(radius_px):
    """Uniform disc with an antialiased rim. A radius of 0 is a single pixel."""
    positions, side = _positions(math.ceil(radius_px), _DISC_POINTS)
    inside = (positions[:, None] ** 2 + positions[None] ** 2) <= max(radius_px, 0.5) ** 2
    return _counted(inside, side)


@lru_cache(maxsize=512)
def aperture_kernel(aperture, radius_px):
    """Picture of a point through `aperture`, with antialiased rims."""
    if aperture == DISC:
        return disc_kernel(abs(radius_px))
    size_px = max(abs(radius_px), 0.5)
    points = min(max(math.ceil(_POINTS_PER_RADIUS / size_px), _DISC_POINTS), _MOST_POINTS)
    positions, side = _positions(math.ceil(size_px * aperture.reach), points)
    fractions = positions / math.copysign(size_px, radius_px)
    return _counted(aperture.contains(fractions[None], fractions[:, None]), side)


def _positions(reach_px, points):
    """Points along one axis on which coverage is counted, and the number
    of pixels that they lie in.
    """
    offsets = np.arange(-reach_px, reach_px + 1, dtype=np.float64)
    fine = (np.arange(points) + 0.5) / points - 0.5
    return (offsets[:, None] + fine[None]).ravel(), len(offsets)


def _counted(inside, side):
    points = len(inside) // side
    kernel = inside.reshape(side, points, side, points).mean(axis=(1, 3)).astype(np.float32)
    return kernel / kernel.sum()
