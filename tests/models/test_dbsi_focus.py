"""The flagship's variant with a lens: what it keeps, what its blur is, and
what its second input does.
"""

import cv2
import keras
import numpy as np
import pytest

from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.linting.memory import estimate_memory
from bokeh_tf.models import dbsi_focus, dbsi_mobile, subject
from bokeh_tf.models.weights import FLAGSHIP_FILE
from bokeh_tf.ops.lens import disc_kernel
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect
from tests.photographs import texture

SHAPE, FULL_SHAPE = (256, 384), (1024, 1536)
BUDGET_GMAC, BUDGET_BYTES, BUDGET_MEMORY_BYTES = 1.5, 2.5e6, 50e6
FLOAT32_TOLERANCE = 1e-5
# What a sigmoid of 50 leaves, and roots of light just above nothing.
EXACT_TOLERANCE = 2e-3
# A disc of low rank on half the grid, enlarged bilinearly, against a disc on the pixels.
DISC_TOLERANCE = 0.03


def focus(row=-1.0, column=-1.0, aperture=-1.0, grade=0.0):
    return np.float32([row, column, aperture, grade]).reshape(1, 1, 1, 4)


def built(image_shape=SHAPE, **changes):
    keras.utils.set_random_seed(5)
    return dbsi_mobile.build(dbsi_focus.Config(**changes), image_shape=image_shape)


def assert_no_rule_objects(file):
    """Neither on phones with OpenCL nor on those without."""
    for target in TARGETS:
        report = lint(file, target)
        assert report.findings == () and report.without_opencl == (), target


def with_logit(logit, **changes):
    """The model whose network says `logit` everywhere."""
    model = built(**changes)
    head = model.get_layer("subject_focus_logit")
    head.kernel.assign(np.zeros(head.kernel.shape))
    head.bias.assign([logit])
    return model


@pytest.fixture(scope="module")
def model():
    return built()


@pytest.fixture(scope="module")
def nothing_in_focus():
    return with_logit(-50.0, highlight_gain=0.0)


@pytest.fixture(scope="module")
def photo():
    return cv2.GaussianBlur(
        texture(SHAPE, (120, 130, 110), seed=8).astype(np.float32) / 255, (0, 0), 1.0
    )


def run(model, image, *numbers, **named):
    return [
        np.asarray(part)[0]
        for part in model([image[None], focus(*numbers, **named)], training=False)
    ]


def test_ports_and_their_range(model, photo):
    assert {port.name: port.shape[1:] for port in model.inputs} == {
        "image": (*SHAPE, 3),
        "focus": (1, 1, 4),
    }
    assert model.output_names == ["rendered", "in_focus_weight", "subject_confidence"]
    for image in (photo, np.zeros_like(photo), np.ones_like(photo)):
        parts = run(model, image, 0.5, 0.5, 1.0)
        assert [part.shape for part in parts] == [(*SHAPE, 3), (*SHAPE, 1), (1, 1, 1)]
        for part in parts:
            assert part.min() >= -FLOAT32_TOLERANCE and part.max() <= 1 + FLOAT32_TOLERANCE


def test_a_closed_aperture_leaves_the_photo(nothing_in_focus, photo):
    rendered, in_focus, _ = run(nothing_in_focus, photo, aperture=0.0)
    np.testing.assert_allclose(in_focus, 1, atol=EXACT_TOLERANCE)
    np.testing.assert_allclose(rendered, photo, atol=EXACT_TOLERANCE)


def test_all_in_focus_is_the_photo(photo):
    rendered, in_focus, _ = run(with_logit(50.0), photo, aperture=1.0)
    np.testing.assert_allclose(in_focus, 1, atol=EXACT_TOLERANCE)
    np.testing.assert_allclose(rendered, photo, atol=EXACT_TOLERANCE)


@pytest.mark.parametrize("radius_px", dbsi_focus.Config().radii_px)
def test_the_aperture_chooses_the_disc(nothing_in_focus, photo, radius_px):
    smooth = cv2.GaussianBlur(photo, (0, 0), 2.0)
    rendered, in_focus, _ = run(nothing_in_focus, smooth, aperture=radius_px / 80)
    np.testing.assert_allclose(in_focus, 0, atol=EXACT_TOLERANCE)
    kernel = disc_kernel(radius_px * SHAPE[0] / 1024)
    light, share = (
        cv2.filter2D(part, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)
        for part in (smooth**2, np.ones_like(smooth))
    )
    assert np.abs(rendered - np.sqrt(light / share)).max() < DISC_TOLERANCE


def test_automatic_is_the_default_aperture(model, photo):
    default = dbsi_focus.Config().default_aperture
    for automatic, told in zip(run(model, photo), run(model, photo, aperture=default), strict=True):
        np.testing.assert_allclose(automatic, told, atol=FLOAT32_TOLERANCE)


def test_a_lamp_becomes_a_disc_and_a_white_wall_stays_white():
    model = with_logit(-50.0)
    night = np.full((*SHAPE, 3), 0.1, np.float32)
    night[127:129, 191:193] = 1.0
    rendered, _, _ = run(model, night, aperture=1.0)
    profile = rendered[127, :, 1]
    inside, outside = (
        profile[np.abs(np.arange(384) - 192) < 14],
        profile[np.abs(np.arange(384) - 192) > 28],
    )
    assert inside.min() > outside.max() + 0.01
    assert inside.max() - inside.min() < 0.5 * (inside.min() - outside.max()), (
        "a disc is flat, no Gaussian"
    )
    wall = np.ones((*SHAPE, 3), np.float32)
    np.testing.assert_allclose(run(model, wall, aperture=1.0)[0], 1, atol=EXACT_TOLERANCE)
    grey = np.full((*SHAPE, 3), 0.7, np.float32)
    np.testing.assert_allclose(run(model, grey, aperture=1.0)[0], 0.7, atol=EXACT_TOLERANCE)


def test_a_graded_picture_is_sharp_below_and_soft_above(model, photo):
    _, in_focus, _ = run(model, photo, aperture=1.0, grade=1.0)
    np.testing.assert_allclose(in_focus[-8:], 1, atol=EXACT_TOLERANCE)
    np.testing.assert_allclose(in_focus[: SHAPE[0] // 3], 0, atol=EXACT_TOLERANCE)
    assert np.ptp(in_focus, axis=1).max() < EXACT_TOLERANCE, "the subject does not count"
    assert (np.diff(in_focus[:, 0, 0]) > -EXACT_TOLERANCE).all()


def test_the_subjects_colour_does_not_bleed():
    image = np.full((*SHAPE, 3), (0, 0, 1), np.float32)
    image[64:192, 128:256] = (1, 0, 0)
    in_focus = np.zeros((*SHAPE, 1), np.float32)
    in_focus[64:192, 128:256] = 1
    layer = dbsi_focus.LensBackground((10.0,), (3,), 0.0)
    everything = np.ones((1, SHAPE[0] // 2, SHAPE[1] // 2, 1), np.float32)
    colours = np.asarray(layer(image[None], in_focus[None], [everything]))[0]
    beside = np.ones(colours.shape[:2], bool)
    beside[30:98, 62:130] = False
    # The root of the least mask's share.
    assert colours[beside][:, 0].max() < 0.2
    assert colours[beside][:, 2].min() > 0.98


def test_a_tap_is_seen_where_it_is_and_nowhere_without_one():
    layer = subject.TapMap()
    features = np.random.default_rng(0).random((1, 32, 48, 5), np.float32)
    taps = np.asarray(layer(features, focus(0.25, 0.75)))[0]
    for tap, radius in zip(taps.transpose(2, 0, 1), subject.TAP_RADII, strict=True):
        assert np.unravel_index(tap.argmax(), tap.shape) in [(7, 35), (7, 36), (8, 35), (8, 36)]
        rows, columns = np.nonzero(tap)
        reach = max(np.abs(rows - 7.5).max(), np.abs(columns - 35.5).max())
        assert min(23.5, 32 * radius - 1.5) <= reach <= 32 * radius
    assert np.asarray(layer(features, focus())).max() == 0
    assert [np.asarray(subject.HasTap()(focus(row))).item() for row in (-1.0, 0.0, 1.0)] == [
        0,
        1,
        1,
    ]


def test_a_tap_adds_to_the_answer_and_nothing_without_one(photo):
    model = built()
    head = model.get_layer("tap_logit_conv")
    head.kernel.assign(0 * head.kernel)
    head.bias.assign([50.0])
    untold = run(built(), photo, aperture=1.0)
    for expected, actual in zip(untold, run(model, photo, aperture=1.0), strict=True):
        np.testing.assert_array_equal(actual, expected)
    np.testing.assert_allclose(run(model, photo, 0.5, 0.5, 1.0)[1], 1, atol=EXACT_TOLERANCE)


def test_things_that_are_like_the_tapped_one_differ_in_nothing():
    features = np.random.default_rng(2).random((1, 4, 6, 3), np.float32)
    difference = np.asarray(subject.TapDifference()(features, features[:, 1:2, 2:3]))[0]
    assert difference[1, 2].max() == 0
    np.testing.assert_allclose(difference, (features[0] - features[0, 1, 2]) ** 2, rtol=1e-5)


def test_what_is_tapped_is_averaged():
    features = np.random.default_rng(1).random((1, 8, 12, 3), np.float32)
    tap = np.zeros((1, 8, 12, 1), np.float32)
    tap[0, 2:6, 3:9] = 0.5
    mean = np.asarray(subject.TappedMean()(features, tap))[0, 0, 0]
    np.testing.assert_allclose(mean, features[0, 2:6, 3:9].mean(axis=(0, 1)), rtol=0.01)
    np.testing.assert_array_equal(
        np.asarray(subject.TappedMean()(features, 0 * tap)), np.zeros((1, 1, 1, 3))
    )


@pytest.mark.parametrize(("believed", "expected"), [(0.8, 0.8), (0.5, 0.8), (0.2, 0.4), (1.0, 1.0)])
def test_a_subject_half_believed_in_is_raised_as_a_whole(believed, expected):
    focus_map = np.zeros((1, 32, 48, 1), np.float32)
    focus_map[:, 8:24, 12:36] = believed
    raised = np.asarray(dbsi_focus.Assured(0.8, 2.0)(focus_map))
    np.testing.assert_allclose(raised[focus_map > 0], expected, rtol=0.02)
    np.testing.assert_array_equal(raised[focus_map == 0], 0)


def test_nothing_marked_stays_nothing():
    np.testing.assert_array_equal(dbsi_focus.Assured(0.8, 2.0)(np.zeros((1, 8, 8, 1))), 0)


def test_maps_are_sharpened_along_edges():
    image = np.zeros((64, 96, 3), np.float32)
    image[:, 48:] = 1
    weights = cv2.GaussianBlur(
        (np.arange(48) >= 24).astype(np.float32)[None].repeat(32, axis=0), (0, 0), 1.5
    )
    layer = dbsi_focus.FastGuidedFilter(2, 1e-3, (0.2, 0.8))
    reduced = image[::2, ::2]
    sharpened = np.asarray(layer(weights[None, ..., None], reduced[None], image[None]))[0, 32, :, 0]
    assert sharpened[47] < 0.1 and sharpened[48] > 0.9


@pytest.mark.slow
def test_full_size_keeps_to_the_budget():
    file = inspect(convert(built(FULL_SHAPE), precision="float16"))
    assert file.macs <= BUDGET_GMAC * 1e9
    assert file.size_bytes <= BUDGET_BYTES


def test_the_packaged_file_keeps_to_the_memory_and_to_all_rules():
    file = inspect(FLAGSHIP_FILE)
    assert estimate_memory(file).total_bytes <= BUDGET_MEMORY_BYTES
    assert_no_rule_objects(file)


@pytest.mark.once
def test_both_delegates_take_it_by_their_rules(model):
    assert_no_rule_objects(inspect(convert(model, precision="float16")))


@pytest.mark.parametrize("image_shape", [(100, 384), (256, 100), (700, 960), ()])
def test_shapes_off_the_grid_are_refused(image_shape):
    with pytest.raises(ValueError, match=r"image_shape must .*Received"):
        built(image_shape)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": (1, 2)}, "channels must be five"),
        ({"radii_px": (20.0, 10.0), "ranks": (1, 1)}, "radii_px must rise"),
        ({"ranks": (1,)}, "ranks must be"),
        ({"focus_range": (0.7, 0.2)}, "focus_range must rise"),
        ({"default_aperture": 0.0}, "the aperture must be"),
        ({"typical_focus": 0.0}, "typical_focus must be"),
        ({"most_gain": 0.5}, "most_gain at least 1"),
    ],
)
def test_config_refuses_what_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        dbsi_focus.Config(**change)
