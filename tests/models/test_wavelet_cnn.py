"""The dilated wavelet CNN against the counts of its released relative, and its wiring in NumPy."""

import keras
import numpy as np
import pytest

from bokeh_tf.models import wavelet_cnn

SHAPE = (16, 24)
# Multiply-accumulates of "base" at 1024x1536; every layer's are proportional to the pixels.
REFERENCE_SHAPE, REFERENCE_MACS = (1024, 1536), 102.8e9
# Sums of four float32 numbers.
TOLERANCE = 1e-5


def photo(seed=0):
    return np.random.default_rng(seed).random((1, *SHAPE, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("variant", "parameters"),
    [("base", 1_560_019), ("width32", 6_235_043), ("width64", 24_930_115), ("tiny", 390_635)],
)
@pytest.mark.once
def test_parameters(variant, parameters):
    model = wavelet_cnn.build(wavelet_cnn.VARIANTS[variant], image_shape=SHAPE)
    assert (
        model.count_params() == parameters == sum(np.prod(w.shape) for w in model.trainable_weights)
    )


@pytest.mark.once
def test_multiply_accumulates():
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    macs = inspect(convert(wavelet_cnn.build(image_shape=SHAPE), precision="float16")).macs
    assert macs * np.prod(REFERENCE_SHAPE) / np.prod(SHAPE) == pytest.approx(
        REFERENCE_MACS, rel=0.01
    )


def test_dilations_are_those_of_the_released_network():
    model = wavelet_cnn.build(image_shape=SHAPE)
    dilations = [x.dilation_rate[0] for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    down = [1, 2, 1] * 3
    bottom = [1, 2, 3, 3, 2, 1]
    up = [2, 1, 1] * 3
    assert dilations == down + bottom + up


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_scales_are_linked_by_haar_transforms_and_sums(scale):
    model = wavelet_cnn.build(wavelet_cnn.Config(channels=2), image_shape=SHAPE)
    bands = "bottom_bands" if scale == 2 else f"up{scale + 1}_bands"
    names = [f"down{scale}_conv3", f"down{scale}_haar", bands, f"up{scale}_skip"]
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    encoded, transformed, handed_up, joined = (np.asarray(x) for x in probe(photo()))

    left, right = encoded[:, :, 0::2], encoded[:, :, 1::2]
    low = (left[:, 0::2] + left[:, 1::2] + right[:, 0::2] + right[:, 1::2]) / 2
    np.testing.assert_allclose(transformed[..., : low.shape[-1]], low, rtol=0, atol=TOLERANCE)

    low, to_right, to_bottom, diagonal = np.split(handed_up / 2, 4, axis=-1)
    top_left = low - to_right - to_bottom + diagonal
    bottom_right = low + to_right + to_bottom + diagonal
    np.testing.assert_allclose(
        joined[:, 0::2, 0::2], encoded[:, 0::2, 0::2] + top_left, rtol=0, atol=TOLERANCE
    )
    np.testing.assert_allclose(
        joined[:, 1::2, 1::2], encoded[:, 1::2, 1::2] + bottom_right, rtol=0, atol=TOLERANCE
    )


def test_renders_the_photo_and_a_change_to_it():
    model = wavelet_cnn.build(wavelet_cnn.Config(channels=2), image_shape=SHAPE)
    change = model.get_layer("change")
    change.kernel.assign(np.zeros(change.kernel.shape))
    np.testing.assert_array_equal(np.asarray(model(photo())), photo())
    change.bias.assign(np.full(3, 0.5))
    np.testing.assert_allclose(
        np.asarray(model(photo())), np.minimum(photo() + 0.5, 1), rtol=0, atol=TOLERANCE
    )
    np.testing.assert_allclose(
        np.asarray(model(photo(), training=True)), photo() + 0.5, rtol=0, atol=TOLERANCE
    )


def test_config_refuses_no_channels():
    with pytest.raises(ValueError, match=r"channels must be positive\. Received: 0"):
        wavelet_cnn.Config(channels=0)


def test_size_must_suit_three_transforms():
    with pytest.raises(ValueError, match="multiples of 8"):
        wavelet_cnn.build(image_shape=(16, 20))
