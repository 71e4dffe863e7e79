"""Losses against NumPy, SciPy, scikit-image and TensorFlow, on odd sizes; NaN stays NaN."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from skimage.metrics import structural_similarity

from bokeh_tf import losses
from bokeh_tf.errors import DependencyError, ModelFileError
from bokeh_tf.losses import LOSSES, adversarial, combined
from bokeh_tf.losses.perceptual import PerceptualLoss

# float32 sums in another order; SSIM's variances are differences of near numbers.
FLOAT32_TOLERANCE = 2e-6
SSIM_TOLERANCE = 2e-5
# Odd, not square, two pictures; MS-SSIM needs 176 pixels.
SHAPE = (2, 23, 37, 3)
LARGE_SHAPE = (2, 177, 181, 3)


def pair(shape=SHAPE, *, noise=0.1):
    """Smooth pictures and noisy ones."""
    random = np.random.default_rng(1)
    rows, columns = np.indices(shape[1:3])
    clean = np.broadcast_to(
        (0.5 + 0.3 * np.sin(rows / 7) * np.cos(columns / 5))[None, ..., None], shape
    )
    noisy = np.clip(clean + random.normal(0, noise, shape), 0, 1)
    return clean.astype(np.float32), noisy.astype(np.float32)


def value(name, expected, actual):
    result = np.asarray(
        LOSSES[name](keras.ops.convert_to_tensor(expected), keras.ops.convert_to_tensor(actual))
    )
    assert result.shape == (len(expected),)
    return result


def sobel_by_scipy(difference):
    planes = difference.transpose(0, 3, 1, 2)
    inner = [
        [ndimage.sobel(plane, axis)[1:-1, 1:-1] for axis in (0, 1)]
        for plane in planes.reshape(-1, *SHAPE[1:3])
    ]
    return np.abs(inner).reshape(len(difference), -1).mean(axis=1)


REFERENCES = {
    "l1": lambda d: np.abs(d).mean(axis=(1, 2, 3)),
    "charbonnier": lambda d: np.sqrt(d**2 + 1e-6).mean(axis=(1, 2, 3)),
    "grey": lambda d: np.abs(d @ [0.299, 0.587, 0.114]).mean(axis=(1, 2)),
    "gradient": lambda d: sum(
        np.abs(np.diff(d, axis=axis)).mean(axis=(1, 2, 3)) for axis in (1, 2)
    ),
    "sobel": sobel_by_scipy,
}


@pytest.mark.parametrize("name", REFERENCES)
def test_pixel_losses_are_numpys_and_scipys(name):
    expected, actual = pair()
    reference = REFERENCES[name](expected.astype(np.float64) - actual)
    np.testing.assert_allclose(
        value(name, expected, actual), reference, rtol=1e-5, atol=FLOAT32_TOLERANCE
    )


def test_binary_cross_entropy_by_hand():
    truth = np.float32([1, 0, 1, 0]).reshape(1, 2, 2, 1)
    probability = np.float32([0.5, 0.25, 0.125, 0.0]).reshape(1, 2, 2, 1)
    # (ln 2 + ln 4/3 + ln 8 + 0) / 4
    np.testing.assert_allclose(
        value("binary_cross_entropy", truth, probability), [0.7650674], atol=1e-5
    )
    certain_and_wrong = value("binary_cross_entropy", truth, 1 - truth)
    assert np.isfinite(certain_and_wrong).all() and certain_and_wrong[0] > 10


def test_ssim_is_scikit_images():
    expected, actual = pair()
    reference = [
        1
        - structural_similarity(
            a, e, data_range=1.0, channel_axis=2, gaussian_weights=True, use_sample_covariance=False
        )
        for a, e in zip(actual.astype(np.float64), expected.astype(np.float64), strict=True)
    ]
    np.testing.assert_allclose(value("ssim", expected, actual), reference, atol=SSIM_TOLERANCE)


def test_ms_ssim_is_tensorflows():
    expected, actual = pair(LARGE_SHAPE, noise=0.2)
    reference = (
        1
        - tf.image.ssim_multiscale(tf.constant(actual), tf.constant(expected), max_val=1.0).numpy()
    )
    assert reference.min() > 0.05
    np.testing.assert_allclose(value("ms_ssim", expected, actual), reference, atol=SSIM_TOLERANCE)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_pictures_cost_nothing_and_gradients_are_finite(name):
    clean, noisy = pair(LARGE_SHAPE)
    if name == "binary_cross_entropy":
        clean, noisy = np.round(clean), np.round(clean)
    least = losses.pixels.CHARBONNIER_EPSILON if name == "charbonnier" else 0.0
    np.testing.assert_allclose(value(name, clean, clean), least, atol=SSIM_TOLERANCE)
    for picture in (clean, noisy, 1 - clean):
        variable = tf.Variable(picture)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(LOSSES[name](tf.constant(clean), variable))
        assert np.isfinite(tape.gradient(loss, variable).numpy()).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("position", [0, 1])
def test_nan_is_not_averaged_away(name, position):
    pictures = pair(LARGE_SHAPE)
    pictures[position][1, 90, 90, 1] = np.nan
    first, second = value(name, *pictures)
    assert np.isfinite(first) and np.isnan(second)


@pytest.mark.parametrize(("name", "least_px"), [("ssim", 11), ("ms_ssim", 176)])
def test_pictures_too_small_for_a_window_are_refused(name, least_px):
    small = np.zeros((1, least_px - 1, 300, 3), np.float32)
    with pytest.raises(
        ValueError, match=f"at least {least_px} px on each side. Received: {least_px - 1}x300"
    ):
        value(name, small, small)


def test_a_combination_is_the_weighted_sum():
    expected, actual = pair()
    loss = combined([("l1", 0.5), ("ssim", 2.0)])
    reference = 0.5 * value("l1", expected, actual) + 2 * value("ssim", expected, actual)
    np.testing.assert_allclose(np.asarray(loss(expected, actual)), reference, rtol=1e-6)
    with pytest.raises(ValueError, match=r"Received: 'l3'. Known: l1, charbonnier"):
        combined([("l3", 1.0)])


def test_perceptual_loss_is_the_mean_square_of_keras_own_features():
    keras.utils.set_random_seed(0)
    loss = PerceptualLoss("random")
    expected, actual = pair((1, 48, 33, 3))
    preprocess = keras.applications.vgg19.preprocess_input
    features = [loss._features(preprocess(image * 255.0)).numpy() for image in (expected, actual)]
    reference = np.mean(np.square((features[0] - features[1]) / 255))
    assert reference > 0
    np.testing.assert_allclose(np.asarray(loss(expected, actual)), [reference], rtol=1e-4)
    keras.utils.set_random_seed(0)
    unscaled = combined([("vgg_255", 1.0)], vgg_weights="random")
    np.testing.assert_allclose(
        np.asarray(unscaled(expected, actual)), [reference * 255**2], rtol=1e-4
    )


def test_missing_and_wrong_vgg_weights_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(
        DependencyError, match=r"no weights of VGG-19 \(no such file\). Fetch them with: python -c"
    ) as error:
        PerceptualLoss()
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)
    wrong = tmp_path / "wrong.h5"
    wrong.write_bytes(b"no weights")
    with pytest.raises(ModelFileError, match="no HDF5 file and no Keras archive") as error:
        PerceptualLoss(wrong)
    assert "\n" not in str(error.value)


def test_adversarial_losses_by_hand():
    photo, rendered = (
        np.float32([[2.0]]).reshape(1, 1, 1, 1),
        np.float32([[-1.0]]).reshape(1, 1, 1, 1),
    )
    assert float(adversarial.wasserstein_critic(photo, rendered)) == -3.0
    assert float(adversarial.wasserstein_generator(rendered)) == 1.0


def test_gradient_penalty_by_hand():
    # Norms 5 and 0: ((5 - 1)² + (0 - 1)²) / 2.
    gradients = np.zeros((2, 1, 2, 3), np.float32)
    gradients[0, 0, :, 0] = (3, 4)
    np.testing.assert_allclose(adversarial.gradient_penalty(gradients), 8.5, rtol=1e-5)
