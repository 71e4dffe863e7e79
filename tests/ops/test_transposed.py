"""The doubling transposed convolution against a loop in NumPy, and on the real delegate,
where Keras's own is wrong.
"""

import keras
import numpy as np
import pytest

from bokeh_tf.ops.transposed import DoublingConv2DTranspose

# Sums of up to four products of five channels, of numbers around 1.
TOLERANCE = 1e-5
# One odd size, the other, both, none.
SIZES = [(3, 4), (4, 3), (5, 3), (1, 1), (4, 6)]


def numpy_transposed(images, kernel, bias):
    """Every input pixel adds its kernel, two pixels further than the one
    before; the end is dropped.
    """
    batch, height, width, _ = images.shape
    size = kernel.shape[0]
    full = np.zeros((batch, 2 * height + size - 2, 2 * width + size - 2, kernel.shape[2]))
    for row in range(height):
        for column in range(width):
            patch = np.einsum("bc,uvoc->buvo", images[:, row, column], kernel)
            full[:, 2 * row : 2 * row + size, 2 * column : 2 * column + size] += patch
    return full[:, : 2 * height, : 2 * width] + bias


@pytest.mark.parametrize("size", SIZES)
def test_equals_the_loop_without_its_last_row_and_column(size):
    layer = DoublingConv2DTranspose(4, 3, 2, padding="same", bias_initializer="random_normal")
    images = np.random.default_rng(1).standard_normal((2, *size, 5)).astype(np.float32)
    actual = np.asarray(layer(images))
    expected = numpy_transposed(images, np.asarray(layer.kernel), np.asarray(layer.bias))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("size", SIZES)
def test_equals_keras(size):
    keras.utils.set_random_seed(0)
    layer = DoublingConv2DTranspose(4, 3, 2, padding="same", use_bias=False)
    images = np.random.default_rng(2).standard_normal((1, *size, 5)).astype(np.float32)
    actual = np.asarray(layer(images))
    plain = keras.layers.Conv2DTranspose(4, 3, 2, padding="same", use_bias=False)
    plain.build(images.shape)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(actual, np.asarray(plain(images)), rtol=0, atol=TOLERANCE)


def test_saved_and_loaded_model_gives_the_same(tmp_path):
    image = keras.Input((3, 5, 2))
    model = keras.Model(image, DoublingConv2DTranspose(4, 3, 2, padding="same")(image))
    assert model.output_shape == (None, 6, 10, 4)
    model.save(tmp_path / "transposed.keras")
    images = np.random.default_rng(3).random((1, 3, 5, 2), np.float32)
    loaded = keras.saving.load_model(tmp_path / "transposed.keras")
    np.testing.assert_array_equal(np.asarray(loaded(images)), np.asarray(model(images)))


def verdict(layer, size, folder):
    from bokeh_tf.delegate.probing.probe import probe
    from bokeh_tf.tflite.conversion import convert

    image = keras.Input((*size, 3), batch_size=1, name="image")
    path = folder / "transposed.tflite"
    path.write_bytes(
        convert(keras.Model(image, layer(image), name="transposed"), precision="float32")
    )
    return probe(path, precisions=("float32",)).verdict


@pytest.mark.gpu
def test_right_on_the_delegate(gpu, tmp_path):
    from bokeh_tf.delegate.probing.probe import Verdict

    assert (
        verdict(DoublingConv2DTranspose(4, 3, 2, padding="same"), (7, 9), tmp_path) is Verdict.FULL
    )


@pytest.mark.gpu
def test_keras_own_is_wrong_there(gpu, tmp_path):
    # The reason for the layer; once this fails, the delegate has been mended.
    from bokeh_tf.delegate.probing.probe import Verdict

    plain = keras.layers.Conv2DTranspose(4, 3, 2, padding="same")
    assert verdict(plain, (7, 9), tmp_path) is Verdict.WRONG
