"""Pictures of a point through discs and polygons, against geometry done in another way."""

import math

import numpy as np
import pytest

from bokeh_tf.data.lens.apertures import DISC, Aperture, aperture_kernel, disc_kernel, parts_of
from tests.data.lens.lens_views import corners, polygon_points

FLOAT32_TOLERANCE = 1e-6
# Of a pixel's coverage, counted on points here and on other points by the reference.
COVERAGE_TOLERANCE = 0.03
# A disc's coverage is counted on eight points a side.
DISC_TOLERANCE = 0.12


def inside_polygon(outline, right, down):
    """Even-odd rule: crossings of a ray to the right."""
    crossings = np.zeros(np.broadcast(right, down).shape, int)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        spans = (y0 > down) != (y1 > down)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossings += spans & (right < x0 + (down - y0) / (y1 - y0) * (x1 - x0))
    return crossings % 2 == 1


def counted_kernel(outline, side):
    """Share of each pixel inside an outline in pixels, over the
    outline's area, on 40 x 40 points.
    """
    fine = (np.arange(40) + 0.5) / 40 - 0.5
    positions = ((np.arange(side) - side // 2)[:, None] + fine).ravel()
    inside = inside_polygon(outline, positions[None], positions[:, None])
    return inside.reshape(side, 40, side, 40).mean(axis=(1, 3))


@pytest.mark.parametrize("blades", [3, 5, 6, 8, 9])
@pytest.mark.parametrize("rotation_degrees", [0.0, 17.0])
@pytest.mark.parametrize("radius_px", [1.7, 6.3])
def test_a_polygon_is_the_polygon_and_as_large_as_the_disc(blades, rotation_degrees, radius_px):
    kernel = aperture_kernel(Aperture(blades, rotation_degrees), radius_px)
    assert kernel.dtype == np.float32 and kernel.shape[0] == kernel.shape[1] and len(kernel) % 2
    assert kernel.sum() == pytest.approx(1, abs=FLOAT32_TOLERANCE)
    area = math.pi * radius_px**2
    expected = counted_kernel(corners(blades, rotation_degrees) * radius_px, len(kernel))
    assert expected.sum() == pytest.approx(area, rel=0.01)
    np.testing.assert_allclose(kernel * area, expected, atol=2 * COVERAGE_TOLERANCE)
    assert np.abs(kernel * area - expected).mean() < COVERAGE_TOLERANCE / 3


def test_many_blades_are_a_disc():
    np.testing.assert_allclose(
        aperture_kernel(Aperture(32), 5.0)[1:-1, 1:-1],
        disc_kernel(5.0),
        atol=DISC_TOLERANCE / (25 * math.pi),
    )


def test_a_triangle_points_up_before_the_focus_and_down_behind_it():
    near, far = (aperture_kernel(Aperture(3), radius_px) for radius_px in (6.0, -6.0))
    middle = len(near) // 2
    rows = np.arange(len(near)) - middle
    widths = (near > 0).sum(axis=1)
    assert widths[rows == -8] < widths[rows == 0] < widths[rows == 4]
    np.testing.assert_allclose(far, near[::-1, ::-1], atol=FLOAT32_TOLERANCE)
    np.testing.assert_allclose(near, near[:, ::-1], atol=FLOAT32_TOLERANCE)


def test_the_reference_knows_the_same_polygon():
    points = polygon_points(5, rotation_degrees=30, count=200)
    assert Aperture(5, 30.0).contains(points[:, 0], points[:, 1]).mean() > 0.999


def test_a_disc_has_no_upside():
    for radius_px in (0.0, 0.75, 4.5):
        np.testing.assert_array_equal(aperture_kernel(DISC, -radius_px), disc_kernel(radius_px))


@pytest.mark.parametrize("aperture", [DISC, Aperture(3), Aperture(7, 10.0)])
@pytest.mark.parametrize("per_side", [1, 2, 3])
@pytest.mark.parametrize("radius_px", [0.6, -1.3, 7.0])
def test_parts_make_up_the_whole(aperture, per_side, radius_px):
    parts = parts_of(aperture, per_side)
    assert len(parts) <= per_side**2
    assert sum(share for share, _ in parts) == pytest.approx(1)
    total = sum(share * aperture_kernel(part, radius_px) for share, part in parts)
    whole = aperture_kernel(aperture, radius_px)
    # A part of a five-hundredth of the opening may be counted as one pixel.
    np.testing.assert_allclose(total, whole, atol=DISC_TOLERANCE * whole.max())
    assert np.abs(total - whole).sum() < (
        DISC_TOLERANCE if aperture == DISC else COVERAGE_TOLERANCE
    )


def test_nonsense_is_refused():
    for blades in (1, 2, -3, 33):
        with pytest.raises(
            ValueError, match=f"blades must be 0 or from 3 to 32. Received: {blades}"
        ):
            Aperture(blades)
    with pytest.raises(ValueError, match="rotation_degrees must be finite"):
        Aperture(5, math.nan)
