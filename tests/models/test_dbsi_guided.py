"""The variant that a mask or a disparity guides, against discs drawn by OpenCV and by hand."""

import cv2
import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.delegate.linting.memory import estimate_memory
from bokeh_tf.models import dbsi_guided
from bokeh_tf.models.weights import GUIDED_FILE
from bokeh_tf.ops.lens import disc_blur, disc_kernel
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect
from tests.models.test_dbsi_focus import (
    BUDGET_MEMORY_BYTES,
    DISC_TOLERANCE,
    EXACT_TOLERANCE,
    FLOAT32_TOLERANCE,
    assert_no_rule_objects,
    focus,
)
from tests.photographs import texture

SHAPE = (256, 384)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]]
SUBJECT = (ROWS >= 64) & (ROWS < 192) & (COLUMNS >= 96) & (COLUMNS < 208)
# Around edges the guided filter's and the grid's own softness show, in pixels.
EDGE_PX = 12
# As `DISC_TOLERANCE`, and beside a subject what its soft rim adds.
RIM_TOLERANCE = 0.045
# Three distances side by side: far, middle, near.
THREE = np.float32([0.1, 0.5, 0.9])[COLUMNS // 128]


@pytest.fixture(scope="module")
def model():
    return models.build(
        "dbsi_mobile", variant="guided", image_shape=SHAPE, changes={"highlight_gain": 0.0}
    )


@pytest.fixture(scope="module")
def photo():
    return cv2.GaussianBlur(
        texture(SHAPE, (120, 130, 110), seed=8).astype(np.float32) / 255, (0, 0), 2.0
    )


def run(model, image, guide, *numbers, **named):
    guide = np.asarray(guide, np.float32)[None, ..., None]
    inputs = [np.float32(image)[None], focus(*numbers, **named), guide]
    return [np.asarray(part)[0] for part in model(inputs, training=False)]


def in_light(image, kernel, mask):
    """What a kernel makes of the light of what a mask holds."""
    light, share = (
        cv2.filter2D(np.float32(part), cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)
        for part in (image**2 * mask[..., None], mask)
    )
    return np.sqrt(np.maximum(light, 0) / np.maximum(share, 1e-6)[..., None])


def kernel_of(difference, aperture):
    """The disc of a difference in nearness, by the rule in the module's docstring."""
    beyond = (difference - dbsi_guided.SAME_DISTANCE) / (1 - dbsi_guided.SAME_DISTANCE)
    return disc_kernel(beyond * aperture * 80 * SHAPE[0] / 1024)


def away_from(edges, distance_px):
    """Where no pixel within the distance belongs to `edges`, a mask of one side of them."""
    window = np.ones((2 * distance_px + 1,) * 2, np.uint8)
    return cv2.dilate(edges.astype(np.uint8), window) == cv2.erode(edges.astype(np.uint8), window)


def test_ports_and_their_range(model, photo):
    assert {port.name: port.shape[1:] for port in model.inputs} == {
        "image": (*SHAPE, 3),
        "focus": (1, 1, 4),
        "guide": (*SHAPE, 1),
    }
    assert model.output_names == ["rendered", "in_focus_weight"] and not model.weights
    noise = np.random.default_rng(0).random(SHAPE, np.float32)
    for image in (photo, np.zeros_like(photo), np.ones_like(photo)):
        parts = run(model, image, noise, 0.5, 0.5, 1.0)
        assert [part.shape for part in parts] == [(*SHAPE, 3), (*SHAPE, 1)]
        for part in parts:
            assert part.min() >= -FLOAT32_TOLERANCE and part.max() <= 1 + FLOAT32_TOLERANCE


@pytest.mark.parametrize(
    ("guide", "aperture"), [(SUBJECT, 0.0), (0 * THREE, 1.0), (0 * THREE + 0.5, 1.0)]
)
def test_a_closed_aperture_and_one_distance_leave_the_photo(model, photo, guide, aperture):
    rendered, in_focus = run(model, photo, guide, aperture=aperture)
    np.testing.assert_allclose(in_focus, 1, atol=EXACT_TOLERANCE)
    np.testing.assert_allclose(rendered, photo, atol=EXACT_TOLERANCE)


# The radii of the bank itself: between them two discs are mixed.
@pytest.mark.parametrize("radius_px", dbsi_guided.Config().radii_px)
def test_a_mask_keeps_what_it_marks_and_blurs_the_rest_without_it(model, photo, radius_px):
    image = np.where(SUBJECT[..., None], np.float32([0.9, 0.2, 0.1]), photo)
    rendered, in_focus = run(model, image, SUBJECT, aperture=radius_px / 80)
    clear = away_from(SUBJECT, EDGE_PX)
    inside, outside = clear & SUBJECT, clear & ~SUBJECT
    np.testing.assert_allclose(in_focus[inside], 1, atol=EXACT_TOLERANCE)
    np.testing.assert_allclose(rendered[inside], image[inside], atol=EXACT_TOLERANCE)
    np.testing.assert_allclose(in_focus[outside], 0, atol=EXACT_TOLERANCE)
    # Of the subject's red as much as divisors must not fall below.
    kept = np.where(SUBJECT, 0.02, 1.0)
    expected = in_light(image, disc_kernel(radius_px * SHAPE[0] / 1024), kept)
    assert np.abs(rendered - expected)[outside].max() < RIM_TOLERANCE


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_tap_keeps_its_distance_and_all_else_is_blurred_by_the_difference(model, photo, column):
    # Of a difference of 0.4 a disc of the bank, and of 0.8 nearly the next but one.
    aperture = 28 / 80 / 0.375
    rendered, in_focus = run(model, photo, THREE, 0.5, (column + 0.5) / 3, aperture)
    kept = column == COLUMNS // 128
    assert in_focus[kept & away_from(kept, EDGE_PX)].min() > 1 - EXACT_TOLERANCE
    assert in_focus[~kept & away_from(kept, EDGE_PX)].max() < EXACT_TOLERANCE
    for other in {0, 1, 2} - {column}:
        difference = abs(other - column) * 0.4
        kernel = kernel_of(difference, aperture)
        own = other == COLUMNS // 128
        # Nearer things are spread over the border, as far as their own disc reaches.
        inner = away_from(own, EDGE_PX + len(kernel)) & own
        expected = in_light(photo, kernel, np.ones(SHAPE, bool))
        inner[: len(kernel)] = inner[-len(kernel) :] = False
        inner[:, : len(kernel)] = inner[:, -len(kernel) :] = False
        assert inner.any()
        assert np.abs(rendered - expected)[inner].max() < DISC_TOLERANCE


def test_without_a_tap_the_nearest_is_in_focus(model, photo):
    untold, tapped = run(model, photo, THREE), run(model, photo, THREE, 0.5, 5 / 6)
    for expected, actual in zip(tapped, untold, strict=True):
        np.testing.assert_allclose(actual, expected, atol=EXACT_TOLERANCE)


@pytest.mark.parametrize(("row", "column"), [(0.0, 0.0), (1.0, 0.0), (0.5, 0.3)])
def test_a_tap_at_the_border_asks_what_is_there(model, photo, row, column):
    expected, actual = (run(model, photo, THREE, *place) for place in [(0.5, 1 / 6), (row, column)])
    np.testing.assert_allclose(actual[1], expected[1], atol=0.02)


def test_what_is_nearer_is_spread_over_what_is_in_focus(model):
    near = COLUMNS < 128
    image = np.repeat(near.astype(np.float32)[..., None], 3, axis=2)
    rendered, in_focus = run(model, image, near, 0.5, 0.75, 1.0)
    kernel = disc_kernel(20.0)
    cover = cv2.filter2D(near.astype(np.float32), -1, kernel, borderType=cv2.BORDER_REFLECT)
    # White in front of black: what it covers is what is seen.
    profile = slice(128 + EDGE_PX, 192)
    np.testing.assert_allclose(rendered[128, profile, 0], cover[128, profile], atol=DISC_TOLERANCE)
    np.testing.assert_allclose(
        in_focus[128, profile, 0], 1 - cover[128, profile], atol=DISC_TOLERANCE
    )
    # Up to the border, and at the border too, where nothing shines through.
    np.testing.assert_allclose(rendered[:, :96], 1, atol=DISC_TOLERANCE)
    # Its rim is transparent inwards as well: half of it at its old edge.
    assert abs(rendered[128, 126:130, 0].mean() - 0.5) < 0.15


def test_a_coarse_guide_follows_the_photos_edges(model):
    image = np.where(SUBJECT[..., None], np.float32(0.9), np.float32(0.1)) * np.ones(3, np.float32)
    coarse = cv2.GaussianBlur(SUBJECT.astype(np.float32), (0, 0), 3.0)
    _, in_focus = run(model, image, coarse, aperture=0.15)
    # Soft over a dozen pixels, and half of it within the two at the photo's own edge.
    assert coarse[128, 96] - coarse[128, 95] < 0.14
    assert in_focus[128, 96, 0] - in_focus[128, 95, 0] > 0.45


def test_highlights_weigh_more_and_a_white_wall_stays_white():
    model = models.build("dbsi_mobile", variant="guided", image_shape=SHAPE)
    night = np.full((*SHAPE, 3), 0.1, np.float32)
    night[127:129, 300:302] = 1.0
    rendered, _ = run(model, night, SUBJECT, aperture=1.0)
    assert rendered[127, 312, 1] > rendered[127, 340, 1] + 0.01
    wall = np.ones((*SHAPE, 3), np.float32)
    np.testing.assert_allclose(run(model, wall, SUBJECT, aperture=1.0)[0], 1, atol=EXACT_TOLERANCE)


def test_a_mirrored_disc_is_opencvs():
    image = np.random.default_rng(3).random((40, 48, 4), np.float32)
    kernel = disc_kernel(6.0)
    expected = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    blurred = np.asarray(disc_blur(image[None], 6.0, rank=len(kernel)))[0]
    np.testing.assert_allclose(blurred, expected, atol=FLOAT32_TOLERANCE)


def test_the_packaged_file_keeps_to_the_memory_and_to_all_rules():
    file = inspect(GUIDED_FILE)
    assert [entry["name"] for entry in file.metadata["inputs"]] == ["image", "focus", "guide"]
    assert estimate_memory(file).total_bytes <= BUDGET_MEMORY_BYTES
    assert_no_rule_objects(file)


@pytest.mark.once
def test_both_delegates_take_it_by_their_rules(model):
    assert_no_rule_objects(inspect(convert(model, precision="float16")))


@pytest.mark.parametrize("image_shape", [(100, 384), (256, 100), (700, 960), ()])
def test_shapes_off_the_grid_are_refused(image_shape):
    with pytest.raises(ValueError, match=r"image_shape must .*Received"):
        models.build("dbsi_mobile", variant="guided", image_shape=image_shape)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radii_px": (20.0, 10.0), "ranks": (1, 1)}, "radii_px must rise"),
        ({"ranks": (1,)}, "ranks must be"),
        ({"default_aperture": 0.0}, "the aperture must be"),
    ],
)
def test_config_refuses_what_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        dbsi_guided.Config(**change)
