"""DMSHN against the published counts and a plain NumPy forward pass of the whole network."""

import numpy as np
import pytest

from bokeh_tf.models import dmshn
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect

# Twice and three times the network's stride, so that no level has a single row or column.
SHAPE = (32, 48)
# float32 sums of a few hundred terms of order one, over some thirty convolutions.
FORWARD_TOLERANCE = 1e-5
# The published figure is rounded, and leaves resizes out that are convolutions here.
MACS_TOLERANCE = 0.01
REFERENCE_PIXELS = 1024 * 1536
PHONE_PIXELS = 512 * 768
MOST_PHONE_MACS = 8e9


def elements(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def elements_of(model, prefix):
    return sum(elements(layer.weights) for layer in model.layers if layer.name.startswith(prefix))


def macs_per_pixel(model, shape):
    return inspect(convert(model, precision="float32")).macs / np.prod(shape)


@pytest.mark.once
def test_parameters_are_the_published_ones():
    model = dmshn.build(image_shape=(16, 16))
    assert model.count_params() == elements(model.trainable_weights) == 5_424_393
    for level in (1, 2, 3):
        assert elements_of(model, f"level{level}_encoder") == 868_288
        assert elements_of(model, f"level{level}_decoder") == 939_843
        assert elements_of(model, f"level{level}_") == 1_808_131


@pytest.mark.once
def test_stacked_parameters_are_the_published_ones():
    model = dmshn.build(dmshn.VARIANTS["stacked"], image_shape=(16, 16))
    assert model.count_params() == 10_848_786
    assert elements_of(model, "net1_") == elements_of(model, "net2_") == 5_424_393


@pytest.mark.once
def test_tiny_fits_a_phone():
    model = dmshn.build(dmshn.VARIANTS["tiny"], image_shape=SHAPE)
    assert model.count_params() == 195_369
    # Every operator is proportional to the pixels.
    assert macs_per_pixel(model, SHAPE) * PHONE_PIXELS < MOST_PHONE_MACS


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "macs"), [("base", 513.0e9), ("stacked", 1026.1e9)])
def test_macs_are_the_published_ones(variant, macs):
    model = dmshn.build(dmshn.VARIANTS[variant], image_shape=SHAPE)
    assert macs_per_pixel(model, SHAPE) * REFERENCE_PIXELS == pytest.approx(
        macs, rel=MACS_TOLERANCE
    )


class NumpyDmshn:
    """The published forward pass, with the weights of a Keras model; images `[H, W, C]`."""

    def __init__(self, model, prefix):
        self.model, self.prefix = model, prefix

    def convolve(self, x, name, stride=1):
        """Cross-correlation with a margin of one zero on every side."""
        kernel, bias = (
            np.asarray(weight) for weight in self.model.get_layer(self.prefix + name).weights
        )
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, ((1, 1), (1, 1), (0, 0))), (3, 3), axis=(0, 1)
        )
        return np.einsum("hwcij,ijco->hwo", windows[::stride, ::stride], kernel) + bias

    def spread(self, x, name):
        """Transposed convolution: every pixel adds its 4 x 4 kernel, two pixels apart; a
        margin of one is cropped.
        """
        kernel, bias = (
            np.asarray(weight) for weight in self.model.get_layer(self.prefix + name).weights
        )
        height, width, _ = x.shape
        result = np.zeros((2 * height + 2, 2 * width + 2, kernel.shape[2]))
        for row, column in np.ndindex(height, width):
            result[2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += np.einsum(
                "i,kloi->klo", x[row, column], kernel
            )
        return result[1:-1, 1:-1] + bias

    def residual(self, x, name, blocks):
        for block in range(1, blocks + 1):
            inner = np.maximum(self.convolve(x, f"{name}_block{block}_conv1"), 0)
            x = x + self.convolve(inner, f"{name}_block{block}_conv2")
        return x

    def encode(self, x, level, blocks):
        for scale, stride in ((1, 1), (2, 2), (3, 2)):
            name = f"level{level}_encoder_scale{scale}"
            x = self.residual(self.convolve(x, f"{name}_conv", stride), name, blocks)
        return x

    def decode(self, x, level, blocks):
        x = self.residual(x, f"level{level}_decoder_scale3", blocks)
        for scale in (2, 1):
            name = f"level{level}_decoder_scale{scale}"
            x = self.residual(self.spread(x, f"{name}_deconv"), name, blocks)
        return self.convolve(x, f"level{level}_decoder_head")

    def __call__(self, image, blocks):
        half = halved(image)
        quarter = halved(half)
        features3 = self.encode(quarter, 3, blocks)
        residual3 = self.decode(features3, 3, blocks)
        features2 = self.encode(half + doubled(residual3), 2, blocks)
        residual2 = self.decode(features2 + doubled(features3), 2, blocks)
        features1 = self.encode(image + doubled(residual2), 1, blocks)
        return self.decode(features1 + doubled(features2), 1, blocks)


def halved(image):
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4


def doubled(image):
    """Half-pixel bilinear: three quarters of the nearest pixel and one of
    the next, along each axis.
    """
    for axis in (0, 1):
        before = np.concatenate([image.take([0], axis), image], axis).take(
            range(image.shape[axis]), axis
        )
        after = np.concatenate([image, image.take([-1], axis)], axis).take(
            range(1, 1 + image.shape[axis]), axis
        )
        phases = np.stack([0.75 * image + 0.25 * before, 0.75 * image + 0.25 * after], axis + 1)
        image = phases.reshape(
            [2 * size if index == axis else size for index, size in enumerate(image.shape)]
        )
    return image


def randomised(config):
    """A model whose biases are not zero either."""
    model = dmshn.build(config, image_shape=SHAPE)
    random = np.random.default_rng(5)
    for weight in model.weights:
        deviation = 0.8 / np.sqrt(np.prod(weight.shape[:3])) if len(weight.shape) == 4 else 0.1
        weight.assign(random.normal(0, deviation, weight.shape))
    return model


@pytest.mark.parametrize("blocks", [1, 2])
def test_network_equals_numpy(blocks):
    model = randomised(dmshn.Config(channels=(4, 6, 8), blocks=blocks))
    image = np.random.default_rng(1).random((*SHAPE, 3), dtype=np.float32)
    expected = NumpyDmshn(model, "")(image, blocks)
    assert expected.std() > 0.1 and expected.min() < 0 < expected.max()
    tolerance = FORWARD_TOLERANCE * np.abs(expected).max()
    np.testing.assert_allclose(
        np.asarray(model(image[None], training=True))[0], expected, atol=tolerance
    )
    np.testing.assert_allclose(
        np.asarray(model(image[None], training=False))[0], np.clip(expected, 0, 1), atol=tolerance
    )


def test_stacked_networks_run_in_a_row_without_a_clip_between():
    model = randomised(dmshn.Config(channels=(4, 6, 8), blocks=1, networks=2))
    image = np.random.default_rng(2).random((*SHAPE, 3), dtype=np.float32)
    first = NumpyDmshn(model, "net1_")(image, 1)
    expected = NumpyDmshn(model, "net2_")(first, 1)
    assert first.min() < 0
    tolerance = FORWARD_TOLERANCE * np.abs(expected).max()
    np.testing.assert_allclose(
        np.asarray(model(image[None], training=True))[0], expected, atol=tolerance
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": (32, 64)}, "channels must be three positive numbers"),
        ({"channels": (0, 64, 128)}, "channels must be three positive numbers"),
        ({"blocks": 0}, "blocks must be at least 1"),
        ({"networks": 0}, "networks must be at least 1"),
    ],
)
def test_config_refuses_nonsense(fields, message):
    with pytest.raises(ValueError, match=message):
        dmshn.Config(**fields)
