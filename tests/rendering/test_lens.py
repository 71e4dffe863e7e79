"""The lens of this package: openings, what they make of light, and what is in focus."""

import numpy as np
import pytest

from bokeh_tf.rendering import planes
from bokeh_tf.rendering.apertures import SHAPES, kernel, shape_of
from bokeh_tf.rendering.geometry import place
from bokeh_tf.rendering.grain import Grain
from bokeh_tf.rendering.lens import through_lens

RADIUS_PX = 9.0


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "cat-eye"])
def test_openings_let_as_much_through_as_a_disc(shape):
    picture = kernel(RADIUS_PX, shape=shape)
    assert picture.sum() == pytest.approx(1, abs=1e-5)
    # All that is open is equally bright, so the area is the light over that of a pixel.
    assert picture.sum() / picture.max() == pytest.approx(np.pi * RADIUS_PX**2, rel=0.03)


def test_blades_have_corners():
    y, x = np.nonzero(kernel(40.0, shape="6") > 0)
    middle = (len(kernel(40.0, shape="6")) - 1) / 2
    reach = np.hypot(y - middle, x - middle).max()
    # Of a hexagon of the disc's area: R = r sqrt(2 pi / (6 sin 60°)).
    assert reach == pytest.approx(40 * np.sqrt(2 * np.pi / (6 * np.sin(np.pi / 3))), abs=1.5)


def test_a_cats_eye_is_round_in_the_middle_and_narrow_in_the_corner():
    assert kernel(20.0, shape="cat-eye").shape == kernel(20.0).shape
    np.testing.assert_allclose(kernel(20.0, shape="cat-eye"), kernel(20.0), atol=1e-7)
    y, x = np.nonzero(kernel(20.0, shape="cat-eye", place=(0.0, 0.8)) > 0)
    assert np.ptp(x) < 0.8 * np.ptp(y)


@pytest.mark.parametrize(
    ("text", "shape"), [("disc", "disc"), ("7 blades", "7"), ("9", "9"), ("Cat-Eye", "cat-eye")]
)
def test_shapes_are_named_as_people_do(text, shape):
    assert shape_of(text) == shape


@pytest.mark.parametrize("text", ["4", "heart", "", "blades"])
def test_shapes_that_are_none(text):
    with pytest.raises(ValueError, match="a shape is one of"):
        shape_of(text)


@pytest.mark.parametrize(
    ("radius_px", "shape"), [(0, "disc"), (float("nan"), "disc"), (3, "heart")]
)
def test_impossible_openings_are_refused(radius_px, shape):
    with pytest.raises(ValueError, match="must be possible"):
        kernel(radius_px, shape=shape)


def frame(rows=60, columns=80, grey=0.4):
    return np.full((rows, columns, 3), grey, np.float32), np.zeros((rows, columns), np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("grey", [0.0, 0.4, 1.0])
def test_a_wall_stays_as_it_is(shape, grey):
    image, in_focus = frame(grey=grey)
    rendered, weight = through_lens(image, in_focus, np.full_like(in_focus, RADIUS_PX), shape)
    np.testing.assert_allclose(rendered, grey, atol=5e-3)
    assert weight.max() < 1e-6


@pytest.mark.parametrize("radius_px", [7.0, 16.0])
def test_a_lamp_becomes_a_disc(radius_px):
    image, in_focus = frame(grey=0.05)
    image[29:32, 39:42] = 1
    rendered, _ = through_lens(image, in_focus, np.full_like(in_focus, radius_px), "disc")
    y, x = np.nonzero(rendered[..., 1] > 0.5 * (rendered.max() + 0.05))
    assert np.hypot(y - 30, x - 40).max() == pytest.approx(radius_px, abs=2.1)
    assert len(y) == pytest.approx(np.pi * radius_px**2, rel=0.25)


def test_no_subject_in_the_background():
    image, in_focus = frame()
    image[20:40, 30:50] = [1, 0, 0]
    in_focus[20:40, 30:50] = 1
    rendered, weight = through_lens(image, in_focus, np.full_like(in_focus, RADIUS_PX), "disc")
    # Highlights and the small share that is never masked leave less than two steps of 8 bits.
    assert np.abs(rendered[in_focus == 0] - 0.4).max() < 0.05
    np.testing.assert_allclose(rendered[in_focus == 1], image[in_focus == 1], atol=1e-6)
    np.testing.assert_array_equal(weight, in_focus)


def test_what_is_nearer_is_blurred_over_the_subject():
    image, in_focus = frame()
    in_focus[:, 40:] = 1
    image[:, :40] = [0, 0, 1]
    radius_px = np.where(in_focus > 0, 0, -RADIUS_PX).astype(np.float32)
    rendered, weight = through_lens(image, in_focus, radius_px, "disc")
    assert rendered[30, 42, 2] > 0.5 > rendered[30, 60, 2]
    # The part of a disc that lies beyond a line at 2.5 of its 9 pixels from the middle is covered.
    line = 2.5 / RADIUS_PX
    assert weight[30, 42] == pytest.approx(
        1 - (np.arccos(line) - line * np.sqrt(1 - line**2)) / np.pi, abs=0.01
    )
    assert weight[30, 60] == 1


def test_a_closed_opening_changes_nothing():
    image = np.random.default_rng(0).random((20, 30, 3), np.float32)
    nothing = np.zeros((20, 30), np.float32)
    rendered, weight = through_lens(image, nothing, nothing, "disc")
    np.testing.assert_array_equal(rendered, image)
    np.testing.assert_array_equal(weight, 1)


def test_more_distance_is_more_blur():
    image = np.tile(np.random.default_rng(0).random((48, 96, 1), np.float32), (1, 1, 3))
    radius_px = np.tile(np.linspace(0, 8, 96, dtype=np.float32), (48, 1))
    rendered, _ = through_lens(image, np.zeros_like(radius_px), radius_px, "disc")
    deviations = [rendered[8:40, start : start + 24].std() for start in (0, 24, 48, 72)]
    assert deviations == sorted(deviations, reverse=True)


PLACEMENT = place(64, 96, 64, 96)


def steps():
    """Three distances side by side."""
    return np.repeat(np.float32([[0.0, 0.5, 1.0]]), 32, axis=1).repeat(64, axis=0)


def test_a_tap_focuses_where_it_is_in_depth():
    in_focus, radius_px = planes.of_nearness(steps(), PLACEMENT, 1.0, tap=(0.5, 0.5))
    assert in_focus[10, 48] == 1
    assert in_focus[10, 5] == in_focus[10, 90] == 0
    # 80 pixels for 1024 rows, of 64; what lies behind is positive.
    assert radius_px[10, 5] == pytest.approx(5)
    assert radius_px[10, 90] == pytest.approx(-5)


def test_without_a_tap_the_subject_or_the_nearest_is_in_focus():
    subject = np.zeros((64, 96), np.float32)
    subject[:, :30] = 1
    assert planes.of_nearness(steps(), PLACEMENT, 1.0, subject=subject)[0][10, 5] == 1
    assert planes.of_nearness(steps(), PLACEMENT, 1.0)[0][10, 90] == 1


def test_a_flat_depth_map_blurs_nothing():
    in_focus, radius_px = planes.of_nearness(np.full((8, 8), 0.3, np.float32), PLACEMENT, 1.0)
    np.testing.assert_array_equal(in_focus, 1)
    np.testing.assert_array_equal(radius_px, 0)


@pytest.mark.parametrize("sigma", [0.01, 0.04])
def test_grain_is_measured_and_put_back(sigma):
    noise = np.random.default_rng(0).normal(0, sigma, (128, 160, 1)).astype(np.float32)
    photo = np.rint(np.clip(0.5 + np.repeat(noise, 3, axis=2), 0, 1) * 255).astype(np.uint8)
    grain = Grain(photo)
    assert grain.sigmas[4] == pytest.approx(sigma, rel=0.15)
    band = grain.band(7, np.full((64, 160, 3), 0.5, np.float32))
    assert band.std() == pytest.approx(sigma, rel=0.2)
    np.testing.assert_array_equal(band, grain.band(7, np.full((64, 160, 3), 0.5, np.float32)))


def test_a_clean_photo_has_no_grain():
    ramp = np.tile(np.linspace(0, 255, 160), (128, 1)).astype(np.uint8)
    assert Grain(np.repeat(ramp[..., None], 3, axis=2)).sigmas.max() < 0.004
