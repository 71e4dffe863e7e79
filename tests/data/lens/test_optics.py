"""The thin lens against numbers worked out by hand and against the lens
equation in its other form.
"""

import numpy as np
import pytest

from bokeh_tf.data.lens.optics import DisparityScale, Lens
from bokeh_tf.data.lens.renderer import Layer, render

# 50 mm at f/1.8 before a sensor of 36 mm: an opening of 27.778 mm.
LENS = Lens(50.0, 1.8, 36.0, 1536)
# float64 roundings.
TOLERANCE = 1e-9


@pytest.mark.parametrize(
    ("distance_m", "radius_px"),
    [
        # Focused at 2 m: 27.778 mm * 50 / 1950 = 0.712251 mm on the sensor, 30.3894 px of
        # 1536 / 36 px per mm; half.
        (np.inf, -15.1947),
        (1.0, 15.1947),
        (4.0, -7.59734),
        (2.0, 0.0),
        (0.5, 45.5840),
    ],
)
def test_circles_of_confusion_by_hand(distance_m, radius_px):
    assert LENS.radius_px(distance_m, focus_distance_m=2.0) == pytest.approx(radius_px, abs=1e-4)


def test_it_is_the_lens_equation():
    """A cone of rays from the opening to the image at v' = p f / (p - f), cut by the
    sensor at v = s f / (s - f).
    """
    focal_m, opening_mm = 0.085, 85 / 2.8
    lens = Lens(85.0, 2.8, 23.5, 6000)
    distances_m = np.geomspace(0.3, 500, 60)
    for focus_m in (0.7, 3.0, 40.0):
        image_m, sensor_m = (m * focal_m / (m - focal_m) for m in (distances_m, focus_m))
        diameter_mm = opening_mm * (image_m - sensor_m) / image_m
        expected = diameter_mm / 2 * 6000 / 23.5
        np.testing.assert_allclose(
            lens.radius_px(distances_m, focus_distance_m=focus_m),
            expected,
            rtol=TOLERANCE,
            atol=TOLERANCE,
        )


def test_twice_the_f_number_is_half_the_radius_and_twice_the_pixels_are_twice():
    for factor, lens in ((0.5, Lens(50.0, 3.6, 36.0, 1536)), (2.0, Lens(50.0, 1.8, 36.0, 3072))):
        assert lens.radius_px(9.0, focus_distance_m=2) == pytest.approx(
            factor * LENS.radius_px(9.0, focus_distance_m=2)
        )


def test_disparities_are_inverse_distances():
    scale = DisparityScale.between(0.5, 4.0)
    assert (scale.scale_per_m, scale.offset_per_m) == (1.75, 0.25)
    np.testing.assert_allclose(scale.disparity([0.5, 4.0, 1.0]), [1, 0, 0.75 / 1.75])
    np.testing.assert_allclose(scale.distance_m(scale.disparity([0.6, 2.2])), [0.6, 2.2])
    assert DisparityScale.between(0.5, np.inf).distance_m(0.0) == np.inf


@pytest.mark.parametrize("far_m", [5.0, np.inf])
def test_the_renderers_aperture_is_the_lenss(far_m):
    scale = DisparityScale.between(0.8, far_m)
    disparity = np.linspace(0, 1, 24).reshape(4, 6).astype(np.float32)
    focus = float(scale.disparity(1.5))
    aperture_px = scale.aperture_px(LENS, focus)
    layer = Layer(np.zeros((4, 6, 3), np.float32), np.ones((4, 6), np.float32), disparity)
    rendering = render([layer], focus_disparity=focus, aperture_px=aperture_px)
    expected = np.abs(LENS.radius_px(scale.distance_m(disparity), focus_distance_m=1.5))
    np.testing.assert_allclose(rendering.radius_px, expected, rtol=1e-5, atol=1e-5)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"f_number must be positive and finite. Received: 0"):
        Lens(50.0, 0, 36.0, 1536)
    with pytest.raises(
        ValueError, match=r"focus_distance_m must exceed the focal length. Received: 0.05"
    ):
        LENS.radius_px(1.0, focus_distance_m=0.05)
    with pytest.raises(ValueError, match=r"less than far_m. Received: 2, 1"):
        DisparityScale.between(2, 1)
    with pytest.raises(ValueError, match="scale_per_m must be positive"):
        DisparityScale(0.0)
