"""The thin lens: circles of confusion in pixels from focal length, f-number and distances.

A lens of focal length f and opening A = f / N that is focused at the distance s spreads a point at
the distance p over a disc of diameter A f / (s - f) * |p - s| / p on the sensor. With inverse
distances 1 / p that is A f / (1 - f / s) times |1 / p - 1 / s|: a constant of the lens and its
focus, times a difference of inverse distances. So it is for disparities that are inverse distances
up to a scale and an offset, and `aperture_px` of `synthesis.render` is that constant.

Distances are in metres from the lens, focal lengths and sensor widths in millimetres, radii in
pixels, half the diameter. A radius is positive nearer than the focus and negative behind it.
Distances may be arrays and infinite.
"""

from dataclasses import dataclass

import numpy as np

_MM_PER_M = 1000.0


@dataclass(frozen=True)
class Lens:
    """A lens before a sensor; `image_width_px` is the whole sensor's width in the picture."""

    focal_length_mm: float
    f_number: float
    sensor_width_mm: float
    image_width_px: int

    def __post_init__(self):
        for name in ("focal_length_mm", "f_number", "sensor_width_mm", "image_width_px"):
            value = getattr(self, name)
            if not (value > 0 and np.isfinite(value)):
                raise ValueError(f"{name} must be positive and finite. Received: {value}")

    @property
    def opening_mm(self):
        """Diameter of the opening, millimetres."""
        return self.focal_length_mm / self.f_number

    def radius_px_per_dioptre(self, focus_distance_m):
        """Radius for a difference of 1 / metre between the inverse distances
        of a point and the focus.
        """
        focal_length_m = self.focal_length_mm / _MM_PER_M
        if not focus_distance_m > focal_length_m:
            raise ValueError(
                f"focus_distance_m must exceed the focal length. Received: {focus_distance_m}"
            )
        diameter_mm = self.opening_mm * focal_length_m / (1 - focal_length_m / focus_distance_m)
        return diameter_mm / 2 * self.image_width_px / self.sensor_width_mm

    def radius_px(self, distance_m, *, focus_distance_m):
        """Signed radius of the circle of confusion of points at `distance_m`."""
        difference = 1 / np.asarray(distance_m, np.float64) - 1 / focus_distance_m
        return self.radius_px_per_dioptre(focus_distance_m) * difference


@dataclass(frozen=True)
class DisparityScale:
    """Disparities that are inverse distances up to a scale and an offset: 1 / distance =
    scale * disparity + offset.
    """

    scale_per_m: float
    offset_per_m: float = 0.0

    def __post_init__(self):
        if not (
            self.scale_per_m > 0
            and np.isfinite(self.scale_per_m)
            and np.isfinite(self.offset_per_m)
        ):
            raise ValueError(f"scale_per_m must be positive and both finite. Received: {self}")

    @classmethod
    def between(cls, near_m, far_m):
        """The scale on which `near_m` has disparity 1 and `far_m`, which may be infinite, 0."""
        if not 0 < near_m < far_m:
            raise ValueError(
                f"near_m must be positive and less than far_m. Received: {near_m}, {far_m}"
            )
        return cls(1 / near_m - 1 / far_m, 1 / far_m)

    def distance_m(self, disparity):
        """Metres to what has `disparity`, a number or an array; infinity
        where that is the horizon's.
        """
        with np.errstate(divide="ignore"):
            return 1 / (self.scale_per_m * np.asarray(disparity, np.float64) + self.offset_per_m)

    def disparity(self, distance_m):
        """The inverse of `distance_m`; the unit is this scale's own."""
        return (1 / np.asarray(distance_m, np.float64) - self.offset_per_m) / self.scale_per_m

    def aperture_px(self, lens, focus_disparity):
        """Radius at a disparity difference of 1: what `synthesis.render` takes
        beside `focus_disparity`.
        """
        return (
            lens.radius_px_per_dioptre(float(self.distance_m(focus_disparity))) * self.scale_per_m
        )
