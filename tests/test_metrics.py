"""Metrics against scikit-image and hand-computed numbers."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bokeh_tf.metrics import match_exposure, ms_ssim, psnr, ssim

# Both sides compute in float64; only the order of the additions differs.
SSIM_TOLERANCE = 1e-6
# Odd, not square, one side barely larger than the 11-pixel window.
SHAPES = [(23, 37, 3), (13, 64, 3), (31, 29)]


def _pair(shape, *, seed=0, dtype=np.float64):
    """A smooth image and a noisy copy of it, so that SSIM lies well between 0 and 1."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(0.2, 0.8, shape[0] * shape[1]).reshape(shape[:2])
    clean = np.broadcast_to(ramp.reshape(*shape[:2], *(1,) * (len(shape) - 2)), shape)
    noisy = np.clip(clean + random.normal(0, 0.05, shape), 0, 1)
    if dtype == np.uint8:
        return np.round(clean * 255).astype(np.uint8), np.round(noisy * 255).astype(np.uint8)
    return clean.astype(dtype), noisy.astype(dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_psnr_is_scikit_images(shape, dtype):
    clean, noisy = _pair(shape, dtype=dtype)
    data_range = 255 if dtype == np.uint8 else 1
    expected = peak_signal_noise_ratio(
        clean.astype(np.float64), noisy.astype(np.float64), data_range=data_range
    )
    assert psnr(noisy, clean) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.parametrize(
    ("window", "options"),
    [
        ("uniform", {}),
        ("gaussian", {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
    ],
)
def test_ssim_is_scikit_images(shape, dtype, window, options):
    clean, noisy = _pair(shape, dtype=dtype)
    expected = structural_similarity(
        clean,
        noisy,
        data_range=255 if dtype == np.uint8 else 1.0,
        channel_axis=2 if len(shape) == 3 else None,
        **options,
    )
    assert 0.05 < expected < 0.95
    assert ssim(noisy, clean, window=window) == pytest.approx(expected, abs=SSIM_TOLERANCE)


def test_psnr_by_hand():
    black = np.zeros((2, 3, 3), np.uint8)
    one_level = np.ones((2, 3, 3), np.uint8)
    assert psnr(one_level, black) == pytest.approx(20 * np.log10(255))
    assert psnr(np.full((4, 5), 0.1), np.zeros((4, 5))) == pytest.approx(20.0)


@pytest.mark.parametrize("window", ["uniform", "gaussian"])
def test_ssim_of_two_flat_images_by_hand(window):
    # No variance: structure is c2/c2 = 1 and luminance (2*a*b + c1) / (a^2 + b^2
    # + c1) with c1 = 0.01^2.
    expected = (2 * 0.25 * 0.5 + 1e-4) / (0.25**2 + 0.5**2 + 1e-4)
    actual = ssim(np.full((12, 15), 0.25), np.full((12, 15), 0.5), window=window)
    assert actual == pytest.approx(expected, abs=SSIM_TOLERANCE)


@pytest.mark.parametrize("window", ["uniform", "gaussian"])
def test_identical_images(window):
    image, _ = _pair((21, 33, 3))
    assert psnr(image, image) == float("inf")
    assert ssim(image, image, window=window) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(metric, bad):
    clean, noisy = _pair((21, 33, 3))
    noisy[3, 4, 1] = bad
    with pytest.raises(ValueError, match="finite"):
        metric(noisy, clean)
    with pytest.raises(ValueError, match="finite"):
        metric(clean, noisy)


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.zeros((21, 32, 3)), "one shape"),
        (np.zeros((21, 33, 3), np.uint8), "both be uint8 or both be float"),
        (np.zeros((21, 33, 3), np.int32), "uint8 or float"),
    ],
)
def test_unlike_images_are_refused(metric, other, message):
    with pytest.raises(ValueError, match=message):
        metric(np.zeros((21, 33, 3)), other)


def test_ssim_refuses_small_images_and_unknown_windows():
    with pytest.raises(ValueError, match="at least 11 px"):
        ssim(np.zeros((10, 20)), np.zeros((10, 20)), window="gaussian")
    with pytest.raises(ValueError, match="Known: uniform, gaussian"):
        ssim(np.zeros((20, 20)), np.zeros((20, 20)), window="triangle")


@pytest.mark.parametrize("shape", [(177, 203, 3), (176, 181)])
@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_ms_ssim_is_tensorflows(shape, noise):
    import tensorflow as tf

    random = np.random.default_rng(3)
    rows, columns = np.indices(shape[:2])
    pattern = 0.5 + 0.3 * np.sin(rows / 9) * np.cos(columns / 13)
    clean = np.broadcast_to(pattern.reshape(*shape[:2], *(1,) * (len(shape) - 2)), shape)
    noisy = np.clip(clean + random.normal(0, noise, shape), 0, 1)
    pair = [tf.constant(np.atleast_3d(image)[None], tf.float32) for image in (noisy, clean)]
    expected = float(tf.image.ssim_multiscale(*pair, max_val=1.0)[0])
    assert 0.1 < expected < 0.99
    # TensorFlow computes in float32.
    assert ms_ssim(noisy, clean) == pytest.approx(expected, abs=2e-5)


def test_ms_ssim_of_identical_and_small_images():
    image = np.random.default_rng(0).random((177, 180, 3))
    assert ms_ssim(image, image) == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"at least 176 px on each side. Received: 175x300"):
        ms_ssim(np.zeros((175, 300)), np.zeros((175, 300)))


def test_exposure_is_matched_as_least_squares_says():
    clean, noisy = _pair((21, 33, 3))
    darker = noisy * (0.7, 0.8, 0.9) + (0.05, 0.0, 0.02)
    matched, expected = match_exposure(darker, clean)
    for channel in range(3):
        columns = np.stack([darker[..., channel].ravel(), np.ones(darker[..., 0].size)], axis=1)
        fitted, *_ = np.linalg.lstsq(columns, clean[..., channel].ravel(), rcond=None)
        by_hand = np.clip(columns @ fitted, 0, 1)
        np.testing.assert_allclose(matched[..., channel].ravel(), by_hand, atol=1e-9)
    np.testing.assert_array_equal(expected, clean)
    # A gain and an offset that the truth itself was given are found exactly.
    assert psnr(*match_exposure(clean * 0.5 + 0.1, clean)) > 250
    flat, _ = match_exposure(np.full((4, 5, 3), 9, np.uint8), np.full((4, 5, 3), 51, np.uint8))
    np.testing.assert_allclose(flat, 0.2)
