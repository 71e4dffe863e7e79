"""Box mean, guided filter and masked Gaussian against OpenCV, and the guided filter
in emulated half precision.
"""

import cv2
import numpy as np
import pytest

from bokeh_tf.ops.filtering import box_mean, gaussian_blur_inside, guided_filter, luminance
from tests.photographs import disc

SHAPE = (40, 56)
RADIUS_PX, EPSILON = 3, 1e-3
# float32 sums of at most a few hundred values up to 1.
FLOAT32_TOLERANCE = 2e-6
# The guided filter divides a covariance by a variance of the order of epsilon, which
# magnifies those errors.
GUIDED_TOLERANCE = 2e-5
# Four units in the last place of half precision just below 1.
HALF_PRECISION_TOLERANCE = 2e-3


def random_map(seed, *, shape=SHAPE):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def batched(image):
    return image.reshape(1, *image.shape[:2], -1)


def opencv_box_mean(image, radius_px):
    """Mean over the part of the window inside the image: a sum with zeros
    outside over a count of ones.
    """
    side = (2 * radius_px + 1,) * 2
    sums, counts = (
        cv2.boxFilter(part, cv2.CV_64F, side, normalize=False, borderType=cv2.BORDER_CONSTANT)
        for part in (image.astype(np.float64), np.ones(image.shape[:2]))
    )
    return sums / counts


def opencv_guided_filter(weights, guide, radius_px, epsilon):
    """He et al. (2010), eq. 5-8, in double precision."""

    def mean(values):
        return opencv_box_mean(values, radius_px)

    weights, guide = weights.astype(np.float64), guide.astype(np.float64)
    covariance = mean(guide * weights) - mean(guide) * mean(weights)
    slope = covariance / (mean(guide * guide) - mean(guide) ** 2 + epsilon)
    offset = mean(weights) - slope * mean(guide)
    return np.clip(mean(slope) * guide + mean(offset), 0, 1)


def test_luminance_is_opencvs():
    image = random_map(0, shape=(*SHAPE, 3))
    expected = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    np.testing.assert_allclose(
        np.asarray(luminance(image[None]))[0, ..., 0], expected, atol=FLOAT32_TOLERANCE
    )


@pytest.mark.parametrize("radius_px", [1, 3, 7])
def test_box_mean_counts_only_pixels_inside_the_image(radius_px):
    image = random_map(1)
    actual = np.asarray(box_mean(batched(image), radius_px))[0, ..., 0]
    np.testing.assert_allclose(actual, opencv_box_mean(image, radius_px), atol=FLOAT32_TOLERANCE)
    assert actual[0, 0] == pytest.approx(
        image[: radius_px + 1, : radius_px + 1].mean(), abs=FLOAT32_TOLERANCE
    )


def test_guided_filter_is_its_formula():
    weights, guide = random_map(2), random_map(3)
    actual = np.asarray(
        guided_filter(batched(weights), batched(guide), radius_px=RADIUS_PX, epsilon=EPSILON)
    )
    expected = opencv_guided_filter(weights, guide, RADIUS_PX, EPSILON)
    np.testing.assert_allclose(actual[0, ..., 0], expected, atol=GUIDED_TOLERANCE)


def test_guided_filter_puts_a_soft_map_back_on_the_edge_of_the_guide():
    columns = np.tile(np.arange(SHAPE[1]), (SHAPE[0], 1))
    subject = (columns >= 28).astype(np.float32)
    soft = cv2.GaussianBlur(subject, (0, 0), 2)
    sharpened = np.asarray(
        guided_filter(batched(soft), batched(0.3 + 0.4 * subject), radius_px=3, epsilon=EPSILON)
    )
    step = np.diff(sharpened[0, SHAPE[0] // 2, :, 0])[27]
    assert np.diff(soft[SHAPE[0] // 2])[27] < 0.21
    assert step > 0.5


def test_guided_filter_without_edges_in_the_guide_only_smooths():
    weights = random_map(4)
    flat = np.full_like(weights, 0.7)
    actual = np.asarray(
        guided_filter(batched(weights), batched(flat), radius_px=RADIUS_PX, epsilon=EPSILON)
    )
    twice_smoothed = opencv_box_mean(opencv_box_mean(weights, RADIUS_PX), RADIUS_PX)
    np.testing.assert_allclose(actual[0, ..., 0], twice_smoothed, atol=GUIDED_TOLERANCE)


def test_guided_filter_stays_between_0_and_1_where_the_fit_overshoots():
    ramp = np.tile(np.linspace(0, 1, SHAPE[1], dtype=np.float32), (SHAPE[0], 1))
    step = (ramp > 0.5).astype(np.float32)
    actual = np.asarray(guided_filter(batched(step), batched(ramp), radius_px=7, epsilon=1e-4))
    assert actual.min() == 0 and actual.max() == 1


@pytest.mark.parametrize("epsilon", [0.0, 9e-5, -1.0])
def test_an_epsilon_below_half_precision_is_refused(epsilon):
    weights = batched(random_map(5))
    with pytest.raises(ValueError, match=r"epsilon must be at least 1e-4.*Received"):
        guided_filter(weights, weights, radius_px=RADIUS_PX, epsilon=epsilon)


def half(values):
    return np.asarray(values, np.float16)


def half_mean(values):
    """Box mean as a delegate in half precision gives it: inputs and result
    rounded, whatever it sums in.
    """
    return half(opencv_box_mean(values, RADIUS_PX))


def half_guided_filter(weights, guide, *, zero):
    """The filter with every result rounded to half precision, on values shifted by `zero`."""
    weights, guide = half(half(weights) - half(zero)), half(half(guide) - half(zero))
    mean_weights, mean_guide = half_mean(weights), half_mean(guide)
    covariance = half(half_mean(half(guide * weights)) - half(mean_guide * mean_weights))
    variance = half(half_mean(half(guide * guide)) - half(mean_guide * mean_guide))
    slope = half(covariance / half(np.maximum(variance, 0) + half(EPSILON)))
    offset = half(mean_weights - half(slope * mean_guide))
    return np.clip(half(half(half_mean(slope) * guide) + half_mean(offset)) + half(zero), 0, 1)


def test_centring_makes_the_guided_filter_survive_half_precision():
    # A bright sky with faint texture and a slightly darker subject: variances far
    # smaller than the squares.
    subject = disc(SHAPE, radius=0.3).astype(np.float32)
    guide = (
        0.9 - 0.15 * subject + np.random.default_rng(6).normal(0, 0.02, SHAPE).astype(np.float32)
    )
    weights = cv2.GaussianBlur(subject, (0, 0), 2)
    exact = np.asarray(
        guided_filter(batched(weights), batched(guide), radius_px=RADIUS_PX, epsilon=EPSILON)
    )
    errors = [
        np.abs(half_guided_filter(weights, guide, zero=zero) - exact[0, ..., 0]).max()
        for zero in (0.5, 0.0)
    ]
    assert errors[0] < HALF_PRECISION_TOLERANCE
    assert errors[1] > 2 * HALF_PRECISION_TOLERANCE, (
        "the test picture must be one where centring matters"
    )


@pytest.mark.parametrize("sigma_px", [0.3, 0.9, 2.9])
def test_gaussian_is_opencvs_with_zeros_outside(sigma_px):
    image = random_map(7, shape=(*SHAPE, 4))
    side_px = 2 * max(1, int(np.ceil(3 * sigma_px))) + 1
    expected = cv2.GaussianBlur(image, (side_px, side_px), sigma_px, borderType=cv2.BORDER_CONSTANT)
    actual = np.asarray(gaussian_blur_inside(image[None], sigma_px))[0]
    np.testing.assert_allclose(actual, expected, atol=FLOAT32_TOLERANCE)
    assert (
        np.asarray(gaussian_blur_inside(np.ones((1, *SHAPE, 1), np.float32), sigma_px))[0, 0, 0, 0]
        < 1
    )
