"""The layered renderer against brute force: the mean of hundreds of pinhole views,
each with its own occlusion.
"""

import dataclasses

import cv2
import numpy as np
import pytest

from bokeh_tf.data.lens.apertures import DISC, Aperture
from bokeh_tf.data.lens.renderer import FAST, FINE, Layer, Quality, render, render_disparity
from bokeh_tf.data.lens.surfaces import continued_behind
from tests.data.lens.lens_views import (
    disc_points,
    encoded,
    linear,
    mean_view,
    mean_view_of_map,
    polygon_points,
    psnr_db,
)
from tests.photographs import disc, texture

SHAPE = (72, 108)
LEAST_DB = 40
# Light may neither appear nor vanish.
ENERGY_TOLERANCE = 0.01
# In 8 bits a quarter of a step.
LEAK_TOLERANCE = 1e-3
ONE = np.ones(SHAPE, np.float32)


def photo_like(colour, *, seed):
    """Texture as sharp as a photograph: edges a pixel or two wide."""
    return cv2.GaussianBlur(texture(SHAPE, colour, seed=seed).astype(np.float32) / 255, (0, 0), 0.8)


def place(centre, radius):
    return disc(SHAPE, centre=centre, radius=radius).astype(np.float32)


SCENES = {
    "one subject": [
        Layer(photo_like((70, 130, 90), seed=1), ONE, 0.1),
        Layer(photo_like((180, 90, 70), seed=2), place((0.45, 0.55), 0.35), 0.7),
    ],
    "three behind one another": [
        Layer(photo_like((70, 130, 90), seed=3), ONE, 0.0),
        Layer(photo_like((180, 90, 70), seed=4), place((0.35, 0.5), 0.32), 0.4),
        Layer(photo_like((70, 90, 190), seed=5), place((0.65, 0.6), 0.35), 0.75),
        Layer(photo_like((200, 200, 90), seed=6), place((0.5, 0.95), 0.3), 1.0),
    ],
    # Half transparent, as hair and glass are.
    "a veil": [
        Layer(photo_like((120, 120, 110), seed=7), ONE, 0.2),
        Layer(
            photo_like((30, 40, 160), seed=8),
            cv2.GaussianBlur(place((0.5, 0.5), 0.4), (0, 0), 4) * 0.7,
            0.9,
        ),
    ],
}


@pytest.mark.parametrize("focus_disparity", [0.1, 0.4, 0.75, 1.0])
@pytest.mark.parametrize("name", SCENES)
def test_layers_look_as_many_views_do(name, focus_disparity):
    focus = {"focus_disparity": focus_disparity, "aperture_px": 11.0}
    expected = mean_view(SCENES[name], disc_points(), **focus)
    rendering = render(SCENES[name], **focus, quality=FINE)
    assert psnr_db(rendering.bokeh, encoded(expected)) > LEAST_DB
    assert linear(rendering.bokeh).sum() == pytest.approx(expected.sum(), rel=ENERGY_TOLERANCE)


def test_fine_quality_is_finer_where_layers_hide_each_other():
    layers, focus = SCENES["three behind one another"], {"focus_disparity": 0.2, "aperture_px": 7.0}
    expected = encoded(mean_view(layers, disc_points(), **focus))
    fast, fine = (
        psnr_db(render(layers, **focus, quality=quality).bokeh, expected)
        for quality in (FAST, FINE)
    )
    assert fine > fast + 3 and fast > LEAST_DB - 5


@pytest.mark.parametrize(("blades", "rotation_degrees"), [(3, 0.0), (6, 20.0)])
def test_polygons_look_as_many_views_do(blades, rotation_degrees):
    layers, focus = (
        SCENES["three behind one another"],
        {"focus_disparity": 0.4, "aperture_px": 11.0},
    )
    points = polygon_points(blades, rotation_degrees=rotation_degrees)
    expected = mean_view(layers, points, **focus)
    bokeh = {
        turn: render(
            layers, **focus, aperture=Aperture(blades, rotation_degrees + turn), quality=FINE
        ).bokeh
        for turn in (0.0, 180.0 / blades)
    }
    assert psnr_db(bokeh[0.0], encoded(expected)) > LEAST_DB
    assert linear(bokeh[0.0]).sum() == pytest.approx(expected.sum(), rel=ENERGY_TOLERANCE)
    # The comparison tells how the polygon is turned.
    assert (
        psnr_db(bokeh[0.0], encoded(expected))
        > psnr_db(bokeh[180.0 / blades], encoded(expected)) + 1
    )


def maps():
    rows, columns = np.indices(SHAPE) / np.array(SHAPE).reshape(2, 1, 1)
    return {
        "a floor": np.clip((rows - 0.4) / 0.6, 0, 1),
        "a ball": np.clip(1.4 - np.hypot((columns - 0.5) / 0.27, (rows - 0.5) / 0.32), 0, 1),
        "a curtain": 0.5 + 0.4 * np.sin(columns * 12),
    }


@pytest.mark.parametrize("name", maps())
@pytest.mark.parametrize(("focus_disparity", "aperture_px"), [(1.0, 7.0), (0.3, 11.0)])
def test_slopes_look_as_many_views_do(name, focus_disparity, aperture_px):
    photo, disparity = photo_like((120, 110, 100), seed=9), maps()[name].astype(np.float32)
    radius_px = (disparity - focus_disparity) * aperture_px
    expected, _ = mean_view_of_map(photo, radius_px, disc_points(11))
    rendering = render_disparity(
        photo, disparity, focus_disparity=focus_disparity, aperture_px=aperture_px
    )
    assert psnr_db(rendering.bokeh, encoded(expected)) > LEAST_DB
    assert linear(rendering.bokeh).sum() == pytest.approx(expected.sum(), rel=ENERGY_TOLERANCE)
    np.testing.assert_allclose(rendering.radius_px, np.abs(radius_px), atol=1e-5)
    np.testing.assert_allclose(rendering.all_in_focus, photo, atol=1e-5)


def flattened(layers):
    """The number of the layer that is seen at each pixel, and its disparity."""
    seen = np.zeros(SHAPE, int)
    for index, layer in enumerate(layers):
        seen = np.where(layer.alpha > 0.5, index, seen)
    return seen, np.float32([layer.disparity for layer in layers])[seen]


@pytest.mark.parametrize("focus_disparity", [0.0, 0.4, 1.0])
def test_a_photo_with_disparities_looks_as_the_scene_where_it_shows_enough(focus_disparity):
    """Where no view sees what the photo hides: found by painting that black, then white."""
    layers, focus = (
        SCENES["three behind one another"],
        {"focus_disparity": focus_disparity, "aperture_px": 9.0},
    )
    seen, disparity = flattened(layers)
    black, white = (
        mean_view(
            [
                dataclasses.replace(
                    layer, colour=np.where((seen == index)[..., None], layer.colour, hidden)
                )
                for index, layer in enumerate(layers)
            ],
            disc_points(),
            **focus,
        )
        for hidden in (np.float32(0), np.float32(1))
    )
    is_determined = (white - black).max(axis=-1) < 1e-9
    assert 0.6 < is_determined.mean() < 0.95
    photo = render(layers, **focus).all_in_focus
    bokeh = render_disparity(photo, disparity, **focus).bokeh
    assert psnr_db(bokeh[is_determined], encoded(black)[is_determined]) > LEAST_DB
    # Elsewhere what was hidden is between black and white.
    slack = 0.02
    assert np.mean((bokeh > encoded(black) - slack) & (bokeh < encoded(white) + slack)) > 0.99


def two_flat_layers(near, far, *, focus_near):
    """Red before blue with a straight edge, as layers and as one photo."""
    mask = np.zeros(SHAPE, np.float32)
    mask[:, : SHAPE[1] // 2] = 1
    red, blue = (
        np.broadcast_to(np.float32(c), (*SHAPE, 3)).copy() for c in ((0.9, 0, 0), (0, 0, 0.9))
    )
    layers = [Layer(blue, ONE, far), Layer(red, mask, near)]
    focus = {"focus_disparity": near if focus_near else far, "aperture_px": 10.0}
    photo = np.where(mask[..., None] > 0, red, blue)
    return layers, photo, np.where(mask > 0, near, far).astype(np.float32), focus


@pytest.mark.parametrize("aperture", [DISC, Aperture(5, 10.0)])
def test_nothing_bleeds_over_a_sharp_edge(aperture):
    layers, photo, disparity, focus = two_flat_layers(1.0, 0.2, focus_near=True)
    half = SHAPE[1] // 2
    for rendering in (
        render(layers, **focus, aperture=aperture),
        render(layers, **focus, aperture=aperture, quality=FINE),
        render_disparity(photo, disparity, **focus, aperture=aperture),
    ):
        assert rendering.bokeh[:, half:, 0].max() < LEAK_TOLERANCE
        assert rendering.bokeh[:, :half, 2].max() < LEAK_TOLERANCE
        np.testing.assert_allclose(rendering.bokeh, photo, atol=LEAK_TOLERANCE)


def test_a_textured_background_does_not_leak_onto_a_sharp_subject():
    layers = SCENES["one subject"]
    photo = render(layers, focus_disparity=0.7, aperture_px=12.0).all_in_focus
    seen, disparity = flattened(layers)
    bokeh = render_disparity(photo, disparity, focus_disparity=0.7, aperture_px=12.0).bokeh
    np.testing.assert_allclose(bokeh[seen == 1], photo[seen == 1], atol=LEAK_TOLERANCE)
    # The subject painted green changes nothing outside it.
    green = np.where((seen == 1)[..., None], np.float32([0, 1, 0]), photo)
    other = render_disparity(green, disparity, focus_disparity=0.7, aperture_px=12.0).bokeh
    np.testing.assert_allclose(other[seen == 0], bokeh[seen == 0], atol=LEAK_TOLERANCE)
    # A plain filter bleeds.
    assert np.abs(cv2.blur(green, (9, 9)) - cv2.blur(photo, (9, 9)))[seen == 0].max() > 0.1


def test_a_near_rim_lets_what_it_hides_shine_through():
    layers, photo, disparity, focus = two_flat_layers(1.0, 0.2, focus_near=False)
    expected = encoded(mean_view(layers, disc_points(40), **focus))
    assert psnr_db(render_disparity(photo, disparity, **focus).bokeh, expected) > LEAST_DB
    half = SHAPE[1] // 2
    assert expected[SHAPE[0] // 2, half - 4, 2] > 0.2


def test_the_background_goes_on_behind_and_no_farther_than_it_must():
    light = np.zeros((9, 40, 3), np.float32)
    light[:, :20], light[:, 20:] = (1, 0, 0), (0, 0, 1)
    radius_px = np.where(np.arange(40) < 20, 0.0, -4.0) * np.ones((9, 1), np.float32)
    behind, behind_px = continued_behind(light, radius_px)
    np.testing.assert_array_equal(
        behind[:, 12:], np.broadcast_to(np.float32([0, 0, 1]), (9, 28, 3))
    )
    np.testing.assert_array_equal(behind_px[:, 12:], -4)
    np.testing.assert_array_equal(behind[:, :12], light[:, :12])
    slope = np.linspace(0, 8, 40, dtype=np.float32) * np.ones((9, 1), np.float32)
    np.testing.assert_array_equal(continued_behind(light, slope)[0], light)


def test_what_does_not_fit_is_refused():
    photo = np.zeros((*SHAPE, 3), np.float32)
    with pytest.raises(
        ValueError, match=r"disparity must be as large as the photo. Received: \(5, 4\)"
    ):
        render_disparity(photo, np.zeros((5, 4), np.float32), focus_disparity=0, aperture_px=1)
    slope = Layer(photo, ONE, np.linspace(0, 1, SHAPE[1], dtype=np.float32) * ONE)
    with pytest.raises(ValueError, match="Without slices a map of disparities takes a disc"):
        render([slope], focus_disparity=0, aperture_px=9, aperture=Aperture(6))
    with pytest.raises(ValueError, match=r"parts_per_side must be at least 1. Received: 0"):
        Quality(parts_per_side=0, radius_step_px=0.25, slice_px=1.0)
    with pytest.raises(ValueError, match=r"slice_px must be positive. Received: 0"):
        Quality(parts_per_side=1, radius_step_px=0.25, slice_px=0)
