"""Sharpness and subject mattes on fabricated photographs whose truth is known."""

import cv2
import numpy as np
import pytest

from bokeh_tf.data.scenes.focus import (
    centred_subject_matte,
    guided_filter,
    sharpness_map,
    subject_matte,
)
from tests.photographs import disc, texture, with_subject

SHAPE = (160, 240)
MASK = disc(SHAPE, radius=0.3)
# The cut is made at 256 px and its edge is soft; a sixth of the area is more than that
# and far less than a miss.
MATTE_OVERLAP = 0.8
# float32 against double precision, through a division by small variances.
GUIDED_TOLERANCE = 1e-3


def overlap(matte, mask):
    return ((matte > 0.5) & mask).sum() / ((matte > 0.5) | mask).sum()


def flat_disc(shape=SHAPE):
    """A plain red disc on plain blue: (photo, mask). Sharp all over, as far as
    there is anything to judge.
    """
    mask = disc(shape, centre=(0.5, 0.55), radius=0.25)
    return np.where(mask[..., None], np.uint8([200, 40, 30]), np.uint8([60, 90, 180])), mask


@pytest.mark.parametrize("blur_px", [4.0, 8.0])
def test_sharpness_is_high_on_the_subject_and_low_behind_it(blur_px):
    sharpness = sharpness_map(with_subject(SHAPE, MASK, blur_px=blur_px))
    assert sharpness.dtype == np.float32 and sharpness.shape == SHAPE
    assert sharpness.min() >= 0 and sharpness.max() <= 1
    assert sharpness[MASK].mean() > 0.7
    # The neighbourhood reaches over the edge, so what lies right beside it counts as neither.
    far = cv2.erode((~MASK).astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    assert sharpness[far].mean() < 0.2


def test_sharpness_does_not_depend_on_contrast():
    strong, weak = (
        sharpness_map(texture(SHAPE, (128, 128, 128), seed=1, contrast=c)).mean() for c in (80, 20)
    )
    assert weak == pytest.approx(strong, abs=0.05)


@pytest.mark.parametrize("blur_px", [4.0, 8.0])
def test_matte_covers_the_subject_in_focus(blur_px):
    matte = subject_matte(with_subject(SHAPE, MASK, blur_px=blur_px))
    assert matte.dtype == np.float32 and matte.shape == SHAPE
    assert matte.min() >= 0 and matte.max() <= 1
    assert overlap(matte, MASK) > MATTE_OVERLAP


def test_no_matte_without_a_subject_in_focus():
    sharp = texture(SHAPE, (120, 110, 100), seed=2)
    assert subject_matte(sharp) is None, "sharp all over"
    assert subject_matte(cv2.GaussianBlur(sharp, (0, 0), 8)) is None, "blurred all over"
    assert subject_matte(np.full((*SHAPE, 3), 128, np.uint8)) is None, "flat colour"


def test_no_matte_where_the_sharp_part_fills_the_frame():
    assert subject_matte(with_subject(SHAPE, disc(SHAPE, radius=0.75))) is None


def test_centred_matte_covers_a_disc_of_another_colour():
    photo, mask = flat_disc()
    matte = centred_subject_matte(photo)
    assert matte.dtype == np.float32 and matte.shape == SHAPE
    assert overlap(matte, mask) > MATTE_OVERLAP


def test_no_centred_matte_without_anything_in_the_centre():
    assert centred_subject_matte(texture(SHAPE, (120, 110, 100), seed=3)) is None
    assert centred_subject_matte(np.full((*SHAPE, 3), 128, np.uint8)) is None


@pytest.mark.parametrize("shape", [(16, 16), (16, 200), (200, 16)])
def test_the_smallest_photos_do_not_break_it(shape):
    for photo in (texture(shape, (120, 110, 100), seed=4), with_subject(shape, disc(shape))):
        assert sharpness_map(photo).shape == shape
        for matte in (subject_matte(photo), centred_subject_matte(photo)):
            assert matte is None or matte.shape == shape


def test_the_same_photo_gives_the_same_matte():
    photo = with_subject(SHAPE, MASK)
    first = subject_matte(photo)
    cv2.setRNGSeed(123)
    np.testing.assert_array_equal(first, subject_matte(photo))
    photo, _ = flat_disc()
    np.testing.assert_array_equal(centred_subject_matte(photo), centred_subject_matte(photo))


def test_guided_filter_is_the_least_squares_line_of_every_window():
    random = np.random.default_rng(5)
    weights, guide = random.random((12, 14)), random.random((12, 14, 3)).astype(np.float32)
    grey = guide @ np.array([0.299, 0.587, 0.114])
    centre, radius = (6, 7), 1
    lines = []
    for row, column in np.ndindex(3, 3):
        top, left = centre[0] + row - 2 * radius, centre[1] + column - 2 * radius
        x, y = (values[top : top + 3, left : left + 3].ravel() for values in (grey, weights))
        slope = ((x - x.mean()) * (y - y.mean())).mean() / (x.var() + 0.01)
        lines.append((slope, y.mean() - slope * x.mean()))
    slope, offset = np.mean(lines, axis=0)
    actual = guided_filter(weights.astype(np.float32), guide, radius_px=radius, epsilon=0.01)
    assert actual[centre] == pytest.approx(slope * grey[centre] + offset, abs=GUIDED_TOLERANCE)
