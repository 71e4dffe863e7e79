"""The lens's disc in low rank against the disc itself, and against OpenCV."""

import cv2
import numpy as np
import pytest

from bokeh_tf.ops.lens import disc_blur_inside, disc_kernel, separable_parts
from tests.photographs import texture

# What the ranks that the model uses leave out of a disc, in parts of its root mean square.
RANK_ERRORS = {(3.2, 2): 0.13, (6.4, 2): 0.16, (10.0, 3): 0.11}
FLOAT32_TOLERANCE = 1e-5


def test_a_disc_covers_its_area():
    kernel = disc_kernel(6.0)
    assert kernel.sum() == pytest.approx(1)
    assert 1 / kernel.max() == pytest.approx(np.pi * 36, rel=0.02)
    assert kernel.shape == (13, 13) and kernel[0, 0] == 0


@pytest.mark.parametrize(("radius_px", "rank"), RANK_ERRORS)
def test_few_parts_come_near_the_disc(radius_px, rank):
    kernel = disc_kernel(radius_px)
    rows, columns = separable_parts(kernel, rank)
    error = np.linalg.norm(np.einsum("rh,rw->hw", rows, columns) - kernel) / np.linalg.norm(kernel)
    assert error < RANK_ERRORS[radius_px, rank]
    assert np.einsum("rh,rw->", rows, columns) == pytest.approx(1)


def test_all_parts_are_the_disc():
    kernel = disc_kernel(3.0)
    rows, columns = separable_parts(kernel, len(kernel))
    np.testing.assert_allclose(np.einsum("rh,rw->hw", rows, columns), kernel, atol=1e-12)


def test_blur_is_opencvs_with_zeros_beyond_the_border():
    image = texture((32, 48), (120, 130, 110), seed=3).astype(np.float32) / 255
    kernel = disc_kernel(3.0)
    expected = cv2.filter2D(image, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)
    actual = np.asarray(disc_blur_inside(image[None], 3.0, rank=len(kernel)))[0]
    np.testing.assert_allclose(actual, expected, atol=FLOAT32_TOLERANCE)


@pytest.mark.parametrize("radius_px", [0, -1])
def test_radius_must_be_positive(radius_px):
    with pytest.raises(ValueError, match="must be positive"):
        disc_kernel(radius_px)


@pytest.mark.parametrize("rank", [0, 8])
def test_rank_must_fit_the_kernel(rank):
    with pytest.raises(ValueError, match="rank must be"):
        separable_parts(np.eye(7), rank)
