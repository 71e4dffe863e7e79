"""Defocus and compositing against brute force, geometry and numbers worked out by hand."""

import math

import numpy as np
import pytest

from bokeh_tf.data.lens.apertures import disc_kernel
from bokeh_tf.data.lens.renderer import Layer, blend_weights, defocus, render, to_encoded, to_linear

SHAPE = (24, 36)
# float32 roundings.
FLOAT32_TOLERANCE = 1e-5
# The rim of a disc is sampled eight times per pixel and side.
RIM_TOLERANCE = 0.01
# A subject that is sharp in front of a blurred background keeps its own colour to
# the last bit but one of 8.
LEAK_TOLERANCE = 1e-4


def opaque(colour, disparity):
    return Layer(
        np.broadcast_to(np.float32(colour), (*SHAPE, 3)).copy(),
        np.ones(SHAPE, np.float32),
        disparity,
    )


def left_half(colour, disparity):
    alpha = np.zeros(SHAPE, np.float32)
    alpha[:, : SHAPE[1] // 2] = 1
    return Layer(opaque(colour, disparity).colour, alpha, disparity)


@pytest.mark.parametrize(
    ("encoded", "linear"),
    [(0.0, 0.0), (0.04045, 0.0031308), (0.2, 0.0331048), (0.5, 0.2140411), (1.0, 1.0)],
)
def test_srgb_transfer_is_the_standards(encoded, linear):
    assert to_linear(np.float32(encoded)) == pytest.approx(linear, abs=1e-6)
    assert to_encoded(np.float32(linear)) == pytest.approx(encoded, abs=1e-5)


def test_encoding_clips():
    assert to_encoded(np.float32([-0.1, 1.7])) == pytest.approx([0, 1], abs=FLOAT32_TOLERANCE)


@pytest.mark.parametrize("radius_px", [0.0, 0.75, 2.0, 5.5, 12.0])
def test_disc_kernel_is_a_disc_of_weight_one(radius_px):
    kernel = disc_kernel(radius_px)
    assert kernel.sum() == pytest.approx(1, abs=FLOAT32_TOLERANCE)
    np.testing.assert_array_equal(kernel, kernel.T)
    np.testing.assert_array_equal(kernel, kernel[::-1])
    assert len(kernel) == 2 * math.ceil(radius_px) + 1
    if radius_px >= 2:
        assert kernel.max() == pytest.approx(1 / (math.pi * radius_px**2), rel=0.03)
        offsets = np.arange(len(kernel)) - len(kernel) // 2
        # The variance that DBSI's weights are made from, and a pixel's own.
        variance = (kernel.sum(axis=0) * offsets**2).sum()
        assert variance == pytest.approx(radius_px**2 / 4 + 1 / 12, abs=0.06)


def test_defocus_of_a_point_is_a_disc_and_small_radii_change_nothing():
    point = np.zeros((*SHAPE, 3), np.float32)
    point[12, 18] = (1, 2, 4)
    spread = defocus(point, 3.1)
    np.testing.assert_allclose(spread[9:16, 15:22, 1], 2 * disc_kernel(3.0), atol=FLOAT32_TOLERANCE)
    assert spread.sum() == pytest.approx(7, rel=1e-4)
    np.testing.assert_array_equal(defocus(point, 0.5), point)


def brute_force_scatter(light, radius_px):
    """Every pixel spreads its light over a disc, whose coverage of each pixel is
    counted on 32 x 32 points.
    """
    reach = math.ceil(radius_px)
    fine = (np.arange(32) + 0.5) / 32 - 0.5
    result = np.zeros_like(light)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            y, x = np.meshgrid(down + fine, right + fine)
            share = np.mean(np.hypot(x, y) <= radius_px) / (math.pi * radius_px**2)
            shifted = np.roll(light, (down, right), axis=(0, 1))
            result += share * shifted
    return result


def test_one_layer_is_a_scatter_of_linear_light():
    colour = np.random.default_rng(0).random((*SHAPE, 3), dtype=np.float32)
    layer = Layer(colour, np.ones(SHAPE, np.float32), 0.25)
    rendering = render([layer], focus_disparity=1.0, aperture_px=4.0)
    np.testing.assert_allclose(rendering.radius_px, 3.0)
    np.testing.assert_allclose(rendering.all_in_focus, colour, atol=FLOAT32_TOLERANCE)
    inside = (slice(4, -4), slice(4, -4))
    expected = brute_force_scatter(to_linear(colour), 3.0)[inside]
    np.testing.assert_allclose(to_linear(rendering.bokeh)[inside], expected, atol=RIM_TOLERANCE)
    # In encoded values the mean is darker than the light: the test tells the two apart.
    encoded = brute_force_scatter(colour, 3.0)[inside]
    assert np.abs(rendering.bokeh[inside] - encoded).mean() > 5 * RIM_TOLERANCE


def test_defocus_keeps_the_light():
    colour = np.zeros((*SHAPE, 3), np.float32)
    colour[8:16, 12:24] = (1.0, 0.5, 0.2)
    rendering = render(
        [Layer(colour, np.ones(SHAPE, np.float32), 0.0)], focus_disparity=0.5, aperture_px=8.0
    )
    np.testing.assert_allclose(
        to_linear(rendering.bokeh).sum(axis=(0, 1)), to_linear(colour).sum(axis=(0, 1)), rtol=1e-3
    )


def test_a_sharp_subject_neither_leaks_nor_is_leaked_into():
    layers = [opaque((0, 0, 1), 0.0), left_half((1, 0, 0), 1.0)]
    rendering = render(layers, focus_disparity=1.0, aperture_px=6.0)
    half = SHAPE[1] // 2
    np.testing.assert_allclose(
        rendering.bokeh[:, :half], layers[1].colour[:, :half], atol=LEAK_TOLERANCE
    )
    np.testing.assert_allclose(
        rendering.bokeh[:, half:], layers[0].colour[:, half:], atol=LEAK_TOLERANCE
    )
    assert rendering.radius_px[0, 0] == 0 and rendering.radius_px[0, -1] == 6
    # Blurring the finished picture, as a global filter does, leaks.
    assert defocus(rendering.all_in_focus, 6.0)[:, half, 0].min() > 0.3


def test_a_near_defocused_rim_mixes_with_what_it_hides():
    layers = [opaque((0, 0, 0), 0.0), left_half((1, 1, 1), 1.0)]
    rendering = render(layers, focus_disparity=0.0, aperture_px=4.0)
    light = to_linear(rendering.bokeh)[12, :, 0]
    half = SHAPE[1] // 2
    # The disc of radius 4 around the first pixel outside lies beyond the edge, half a pixel away,
    # but for the segment (acos(1/8) - 1/8 sqrt(1 - 1/64)) / pi = 0.4206.
    assert light[half] == pytest.approx(0.4206, abs=RIM_TOLERANCE)
    assert light[half - 1] == pytest.approx(1 - 0.4206, abs=RIM_TOLERANCE)
    assert light[half - 6] == pytest.approx(1, abs=FLOAT32_TOLERANCE)
    assert light[half + 5] == pytest.approx(0, abs=FLOAT32_TOLERANCE)
    assert np.all(np.diff(light) <= FLOAT32_TOLERANCE)


def test_a_map_of_disparities_blurs_each_part_by_its_own():
    colour = np.random.default_rng(1).random((*SHAPE, 3), dtype=np.float32)
    disparity = np.where(np.arange(SHAPE[1]) < SHAPE[1] // 2, 1.0, 0.0) * np.ones(SHAPE)
    layer = Layer(colour, np.ones(SHAPE, np.float32), disparity.astype(np.float32))
    rendering = render([layer], focus_disparity=1.0, aperture_px=4.0)
    np.testing.assert_allclose(rendering.bokeh[:, :18], colour[:, :18], atol=FLOAT32_TOLERANCE)
    whole = render([Layer(colour, layer.alpha, 0.0)], focus_disparity=1.0, aperture_px=4.0)
    np.testing.assert_allclose(rendering.bokeh[:, 18:], whole.bokeh[:, 18:], atol=FLOAT32_TOLERANCE)


def test_layers_with_holes_are_refused_where_they_must_cover():
    with pytest.raises(ValueError, match=r"first layer must cover the frame. Received: holes"):
        render([left_half((1, 1, 1), 0.0)], focus_disparity=0.0, aperture_px=1.0)
    with pytest.raises(ValueError, match=r"Received: no layer"):
        render([], focus_disparity=0.0, aperture_px=1.0)
    holes = left_half(
        (1, 1, 1), np.linspace(0, 1, SHAPE[1], dtype=np.float32) * np.ones(SHAPE, np.float32)
    )
    with pytest.raises(ValueError, match=r"map of disparities must cover the frame"):
        render([opaque((0, 0, 0), 0.0), holes], focus_disparity=0.0, aperture_px=1.0)


@pytest.mark.parametrize(
    ("radius_px", "expected"),
    [
        (0, (1, 0, 0)),
        # Sigma 2, half-way from 0 to 4.
        (4, (0.5, 0.5, 0)),
        (8, (0, 1, 0)),
        # Sigma 5, a quarter of the way from 4 to 8.
        (10, (0, 0.75, 0.25)),
        (16, (0, 0, 1)),
        (1000, (0, 0, 1)),
    ],
)
def test_blend_weights_by_hand(radius_px, expected):
    weights = blend_weights(np.full((1, 2), radius_px, np.float32), (4.0, 8.0))
    assert weights.dtype == np.float32 and weights.shape == (1, 2, 3)
    np.testing.assert_allclose(weights[0, 1], expected, atol=1e-6)


def test_blend_weights_sum_to_one():
    weights = blend_weights(
        np.random.default_rng(2).uniform(0, 30, SHAPE).astype(np.float32), (1.1, 4.0, 8.0)
    )
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)
    assert weights.min() >= 0
