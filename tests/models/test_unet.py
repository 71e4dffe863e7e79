"""The modified U-Net against its counts, and the decoder's join in NumPy."""

import keras
import numpy as np
import pytest

from bokeh_tf.models import unet
from bokeh_tf.ops.transposed import DoublingConv2DTranspose

SHAPE = (32, 48)
# Multiply-accumulates of "base" at 1024x1536; every layer's are proportional to the pixels.
REFERENCE_SHAPE, REFERENCE_MACS = (1024, 1536), 92.0e9
# One float32 product.
TOLERANCE = 1e-6


def photo(seed=0):
    return np.random.default_rng(seed).random((1, *SHAPE, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("variant", "parameters"), [("base", 2_942_963), ("width32", 11_765_731), ("tiny", 736_507)]
)
@pytest.mark.once
def test_parameters(variant, parameters):
    model = unet.build(unet.VARIANTS[variant], image_shape=SHAPE)
    assert (
        model.count_params() == parameters == sum(np.prod(w.shape) for w in model.trainable_weights)
    )


@pytest.mark.once
def test_multiply_accumulates():
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    # A multiple of 32 rows and columns: odd features are padded, which costs a little.
    shape = (32, 64)
    macs = inspect(convert(unet.build(image_shape=shape), precision="float16")).macs
    assert macs * np.prod(REFERENCE_SHAPE) / np.prod(shape) == pytest.approx(
        REFERENCE_MACS, rel=0.01
    )


@pytest.mark.parametrize("scale", [0, 1, 2, 3])
def test_decoder_activates_after_it_has_joined_the_skip(scale):
    model = unet.build(unet.Config(channels=2), image_shape=SHAPE)
    transposed = model.get_layer(f"up{scale}_transposed")
    assert isinstance(transposed, DoublingConv2DTranspose)
    assert transposed.activation is keras.activations.linear
    names = [f"up{scale}_transposed", f"down{scale}_conv2_relu", f"up{scale}_skip_relu"]
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    from_below, skip, joined = (np.asarray(x) for x in probe(photo()))
    features = np.concatenate([from_below, skip], axis=-1)
    assert features.min() < 0
    np.testing.assert_allclose(joined, np.maximum(features, 0.2 * features), rtol=0, atol=TOLERANCE)


def test_goes_down_by_strided_convolutions_alone():
    model = unet.build(unet.Config(channels=2), image_shape=SHAPE)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert not any("Pooling" in kind for kind in kinds)
    assert [model.get_layer(f"down{scale}_strided").strides for scale in range(4)] == [(2, 2)] * 4


def test_output_is_clipped_at_inference_alone():
    model = unet.build(unet.Config(channels=2), image_shape=SHAPE)
    colours = model.get_layer("colours")
    colours.kernel.assign(np.zeros(colours.kernel.shape))
    colours.bias.assign(np.array([-0.5, 0.25, 1.5]))
    np.testing.assert_array_equal(np.unique(model(photo())), [0, 0.25, 1])
    np.testing.assert_array_equal(np.unique(model(photo(), training=True)), [-0.5, 0.25, 1.5])


def test_config_refuses_no_channels():
    with pytest.raises(ValueError, match=r"channels must be positive\. Received: -1"):
        unet.Config(channels=-1)


def test_size_must_suit_four_scales():
    with pytest.raises(ValueError, match="multiples of 16"):
        unet.build(image_shape=(32, 40))
