"""Highlights, noise and compression: what they keep, and how much they change, by hand."""

import io

import numpy as np
import pytest
from PIL import Image

from bokeh_tf.data.lens.renderer import Layer, render, to_encoded, to_linear
from bokeh_tf.data.lens.sensor import boosted_highlights, jpeg_bytes, sensor_noise

SHAPE = (40, 56)
FLOAT32_TOLERANCE = 1e-5
# Of a standard deviation or mean of 6720 samples; the standard error of the first is 0.9 %.
STATISTICAL_TOLERANCE = 0.04
# Of a whole number, as JPEG's codecs round.
LEVEL = 1 / 255


def generator():
    return np.random.default_rng(11)


def flat(linear_light):
    return to_encoded(np.full((*SHAPE, 3), linear_light, np.float32))


def test_the_highlight_curve_by_hand():
    # t = 0, 0, 1/2 and 1 of the smoothstep from 0.8 to 1; it is 1/2 at 1/2. The gain is 3.
    light = np.float32([[[0.5, 0.5, 0.5], [0.8, 0.9, 1.0], [0.9, 1.0, 0.9], [1.0, 1.0, 1.0]]])
    boosted = to_linear(
        boosted_highlights(to_encoded(light), generator(), knee=0.8, gains=(3.0, 3.0))
    )
    gains = np.float32([1, 1, 2, 3])[None, :, None]
    np.testing.assert_allclose(boosted, light * gains, rtol=1e-4)


def test_a_saturated_colour_is_no_light():
    orange = np.broadcast_to(np.float32([1.0, 0.5, 0.1]), (*SHAPE, 3))
    np.testing.assert_allclose(
        boosted_highlights(orange, generator()), orange, atol=FLOAT32_TOLERANCE
    )


def test_gains_are_drawn_between_their_limits_and_evenly_in_stops():
    white = np.ones((1, 1, 3), np.float32)
    random = generator()
    gains = [
        to_linear(boosted_highlights(white, random, gains=(1.0, 16.0)))[0, 0, 0] for _ in range(300)
    ]
    assert min(gains) >= 1 and max(gains) <= 16.001
    assert np.median(gains) == pytest.approx(4, rel=0.25)


def test_a_boosted_light_stays_bright_when_it_spreads():
    picture = np.zeros((*SHAPE, 3), np.float32)
    picture[19:22, 27:30] = 1
    balls = {}
    for gain in (1.0, 8.0):
        lights = boosted_highlights(picture, generator(), gains=(gain, gain))
        layer = Layer(lights, np.ones(SHAPE, np.float32), 0.0)
        rendering = render([layer], focus_disparity=1.0, aperture_px=8.0)
        balls[gain] = to_linear(rendering.bokeh).sum()
        np.testing.assert_allclose(rendering.all_in_focus, picture, atol=FLOAT32_TOLERANCE)
    assert balls[8.0] == pytest.approx(8 * balls[1.0], rel=1e-3)


@pytest.mark.parametrize("light", [0.05, 0.4])
def test_noise_has_the_variance_of_shot_and_read_noise(light):
    noisy = to_linear(
        sensor_noise(flat(light), generator(), electrons_at_white=(2000, 2000), read_electrons=12)
    )
    # Poisson's variance is its mean.
    expected = np.sqrt(light * 2000 + 12**2) / 2000
    assert noisy.std() == pytest.approx(expected, rel=STATISTICAL_TOLERANCE)
    assert noisy.mean() == pytest.approx(light, rel=STATISTICAL_TOLERANCE / 10)
    assert np.abs(np.corrcoef(noisy.reshape(-1, 3).T) - np.eye(3)).max() < STATISTICAL_TOLERANCE * 2


def test_noise_is_its_generators_and_stays_in_range():
    for light in (0.0, 1.0):
        noisy = sensor_noise(flat(light), generator())
        assert noisy.dtype == np.float32 and noisy.min() >= 0 and noisy.max() <= 1
    np.testing.assert_array_equal(
        sensor_noise(flat(0.3), generator()), sensor_noise(flat(0.3), generator())
    )


def test_another_decoder_reads_the_quality_asked_for():
    rows, columns = np.indices(SHAPE)
    picture = np.stack([rows / 40, columns / 56, (rows + columns) / 96], axis=-1).astype(np.float32)
    fine, coarse = (decoded(jpeg_bytes(picture, quality=quality)) for quality in (80, 10))
    assert LEVEL / 4 < np.abs(fine - picture).mean() < np.abs(coarse - picture).mean() / 2


def decoded(content):
    return np.asarray(Image.open(io.BytesIO(content)), np.float32) / 255


def test_the_argument_stays_as_it_was():
    picture = np.random.default_rng(0).random((*SHAPE, 3), dtype=np.float32)
    before = picture.copy()
    for change in (boosted_highlights, sensor_noise):
        assert change(picture, generator()) is not picture
        np.testing.assert_array_equal(picture, before)


def test_nonsense_is_refused():
    picture = flat(0.5)
    with pytest.raises(ValueError, match=r"gains must be two numbers from 1.0 on"):
        boosted_highlights(picture, generator(), gains=(4.0, 2.0))
    with pytest.raises(ValueError, match=r"knee must be from 0 to less than 1. Received: 1"):
        boosted_highlights(picture, generator(), knee=1)
    with pytest.raises(ValueError, match="electrons_at_white must be two numbers"):
        sensor_noise(picture, generator(), electrons_at_white=(0, 10))
