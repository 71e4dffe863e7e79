"""The Haar transform against its definition in NumPy, its own inverse, and the real delegate."""

import keras
import numpy as np
import pytest

from bokeh_tf.ops.wavelet import (
    HaarTransform,
    InverseHaarTransform,
    haar_transform,
    inverse_haar_transform,
)

# Sums of four float32 numbers around 1, there and back.
TOLERANCE = 1e-6
# Half precision rounds each of four sums of numbers up to 2, whose spacing there is 2e-3.
HALF_MAX_ERROR = 4e-3


def random_images(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def numpy_haar(images):
    """The four bands from strided slices, straight from the definition."""
    a, b = images[:, 0::2, 0::2], images[:, 1::2, 0::2]
    c, d = images[:, 0::2, 1::2], images[:, 1::2, 1::2]
    bands = [a + b + c + d, -a - b + c + d, -a + b - c + d, a - b - c + d]
    return np.concatenate(bands, axis=-1) / 2


@pytest.mark.parametrize("shape", [(2, 4, 6, 3), (1, 2, 2, 1), (1, 10, 2, 8)])
class TestTransform:
    def test_bands_are_those_of_the_definition(self, shape):
        images = random_images(shape)
        np.testing.assert_allclose(
            np.asarray(haar_transform(images)), numpy_haar(images), rtol=0, atol=TOLERANCE
        )

    def test_inverse_reconstructs_the_images(self, shape):
        images = random_images(shape)
        restored = np.asarray(inverse_haar_transform(haar_transform(images)))
        np.testing.assert_allclose(restored, images, rtol=0, atol=TOLERANCE)

    def test_transform_reconstructs_the_bands(self, shape):
        bands = random_images((*shape[:3], 4 * shape[3]))
        restored = np.asarray(haar_transform(inverse_haar_transform(bands)))
        np.testing.assert_allclose(restored, bands, rtol=0, atol=TOLERANCE)

    def test_keeps_energy(self, shape):
        images = random_images(shape)
        assert np.sum(np.asarray(haar_transform(images)) ** 2) == pytest.approx(
            np.sum(images**2), rel=1e-5
        )


def test_matrix_is_orthonormal():
    # The four unit images of one square give the columns of the transform.
    columns = np.asarray(haar_transform(np.eye(4, dtype=np.float32).reshape(4, 2, 2, 1))).reshape(
        4, 4
    )
    np.testing.assert_array_equal(columns @ columns.T, np.eye(4))


def test_constant_has_only_the_low_band():
    bands = np.asarray(haar_transform(np.full((1, 4, 4, 2), 0.75, np.float32)))
    np.testing.assert_array_equal(bands[..., :2], 1.5)
    np.testing.assert_array_equal(bands[..., 2:], 0)


def test_sizes_must_fit():
    with pytest.raises(
        ValueError, match=r"height and width must be multiples of 2\. Received: 4x5"
    ):
        haar_transform(random_images((1, 4, 5, 3)))
    with pytest.raises(
        ValueError, match=r"channels must be four bands of as many each\. Received: 6"
    ):
        inverse_haar_transform(random_images((1, 4, 4, 6)))


def test_saved_and_loaded_model_gives_the_same(tmp_path):
    image = keras.Input((4, 6, 3))
    model = keras.Model(
        image, InverseHaarTransform()(keras.layers.Rescaling(2.0)(HaarTransform()(image)))
    )
    model.save(tmp_path / "wavelet.keras")
    images = random_images((1, 4, 6, 3))
    loaded = keras.saving.load_model(tmp_path / "wavelet.keras")
    np.testing.assert_allclose(np.asarray(loaded(images)), 2 * images, rtol=0, atol=2 * TOLERANCE)


@pytest.mark.gpu
def test_right_on_the_delegate(gpu, tmp_path):
    from bokeh_tf.delegate.probing.probe import Verdict, probe
    from bokeh_tf.tflite.conversion import convert

    image = keras.Input((16, 24, 3), batch_size=1, name="image")
    bands = HaarTransform(name="bands")(image)
    restored = InverseHaarTransform(name="restored")(
        keras.layers.LeakyReLU(0.5, name="changed")(bands)
    )
    path = tmp_path / "wavelet.tflite"
    path.write_bytes(
        convert(keras.Model(image, [bands, restored], name="wavelet"), precision="float32")
    )
    report = probe(path, precisions=("float32", "default"))
    assert report.verdict is Verdict.FULL
    exact, half = (
        max(output.difference.max_abs for output in each.outputs) for each in report.precisions
    )
    assert exact <= TOLERANCE
    assert half <= HALF_MAX_ERROR
