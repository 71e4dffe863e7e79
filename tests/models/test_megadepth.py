"""MegaDepth against the published network's numbers and a plain NumPy forward pass of its block."""

import cv2
import keras
import numpy as np
import pytest

from bokeh_tf.models import layers as blocks
from bokeh_tf.models import megadepth
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect

# Published block types: letter, input channels, output channels, convolution parameters,
# normalised channels, uses.
BLOCK_TABLE = [
    ("a", 128, 128, 101_600, 224, 4),
    ("b", 128, 256, 190_816, 352, 1),
    ("c", 256, 256, 211_296, 352, 10),
    ("d", 256, 256, 799_168, 448, 2),
    ("e", 256, 128, 117_984, 224, 1),
    ("f", 128, 128, 395_584, 320, 1),
    ("g", 128, 128, 198_976, 320, 1),
    ("h", 128, 64, 106_144, 160, 1),
    ("k", 128, 64, 210_176, 256, 1),
]
STEM_AND_HEAD_PARAMETERS = 7 * 7 * 3 * 128 + 128 + 2 * 128 + 3 * 3 * 64 + 1
STEM_CHANNELS = 128
TINY_SHAPE = (64, 96)
# float32 sums of a few hundred terms of order one.
FORWARD_TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def model():
    return megadepth.build(image_shape=(32, 48))


def elements(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


@pytest.mark.once
def test_parameters_are_the_published_ones(model):
    assert elements(model.trainable_weights) == 5_357_153
    assert elements(model.non_trainable_weights) == 14_144
    assert model.count_params() == 5_371_297
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers) == 156


def test_the_block_table_adds_up_to_the_published_total():
    assert STEM_AND_HEAD_PARAMETERS + sum(row[3] * row[5] for row in BLOCK_TABLE) == 5_357_153
    assert 2 * (STEM_CHANNELS + sum(row[4] * row[5] for row in BLOCK_TABLE)) == 14_144


@pytest.mark.parametrize(
    ("letter", "channels", "out_channels", "parameters", "normalised", "uses"), BLOCK_TABLE
)
@pytest.mark.once
def test_block_types(model, letter, channels, out_channels, parameters, normalised, uses):
    image = keras.Input((16, 16, channels))
    block = keras.Model(image, blocks.inception(image, blocks.INCEPTIONS[letter], name="block"))
    assert block.output_shape[-1] == out_channels
    assert elements(block.trainable_weights) == parameters
    assert elements(block.non_trainable_weights) == 2 * normalised
    assert sum(layer.name.endswith(f"_{letter}_concat") for layer in model.layers) == uses


@pytest.mark.once
def test_levels_halve_the_resolution(model):
    sizes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    assert sizes["stem_relu"] == (32, 48, 128)
    assert [sizes[f"level{level}_sum"] for level in (1, 2, 3, 4)] == [
        (32, 48, 64),
        (16, 24, 128),
        (8, 12, 256),
        (4, 6, 256),
    ]
    assert sizes["level4_down2_c_concat"] == (2, 3, 256)
    kinds = [type(model.get_layer(f"level{level}_pool")).__name__ for level in (1, 2, 3, 4)]
    assert kinds == ["MaxPooling2D", "MaxPooling2D", "AveragePooling2D", "AveragePooling2D"]


def test_upsampling_repeats_every_pixel(model):
    features = np.random.default_rng(0).random((1, 4, 6, 256), dtype=np.float32)
    upsampled = np.asarray(model.get_layer("level3_resize")(features))
    np.testing.assert_array_equal(upsampled, features.repeat(2, axis=1).repeat(2, axis=2))


def numpy_conv_norm_relu(images, layer_of, name):
    """Zero-padded convolution, normalisation without scale and shift, ReLU,
    from the layers' weights.
    """
    kernel, bias = (np.asarray(weight) for weight in layer_of(f"{name}_conv").weights)
    mean, variance = (np.asarray(weight) for weight in layer_of(f"{name}_norm").weights)
    radius = kernel.shape[0] // 2
    padded = np.pad(images, ((radius, radius), (radius, radius), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], axis=(0, 1))
    convolved = np.einsum("hwcij,ijco->hwo", windows, kernel) + bias
    return np.maximum((convolved - mean) / np.sqrt(variance + 1e-5), 0)


def test_inception_block_equals_numpy():
    random = np.random.default_rng(1)
    image = keras.Input((10, 14, 4))
    plan = blocks.Inception(branch=2, middle=3, kernels=(3, 5, 7))
    block = keras.Model(image, blocks.inception(image, plan, name="block"))
    for weight in block.weights:
        low, high = (0.5, 1.5) if "variance" in weight.path else (-1, 1)
        weight.assign(random.uniform(low, high, weight.shape))
    values = random.random((10, 14, 4), dtype=np.float32)
    expected = [numpy_conv_norm_relu(values, block.get_layer, "block_1x1")]
    for branch in (1, 2, 3):
        middle = numpy_conv_norm_relu(values, block.get_layer, f"block_branch{branch}_reduce")
        expected.append(numpy_conv_norm_relu(middle, block.get_layer, f"block_branch{branch}"))
    actual = np.asarray(block(values[None], training=False))[0]
    expected = np.concatenate(expected, axis=-1)
    assert expected.max() > 1
    np.testing.assert_allclose(
        actual, expected, rtol=FORWARD_TOLERANCE, atol=FORWARD_TOLERANCE * expected.max()
    )


@pytest.mark.once
def test_tiny_is_the_same_network_with_a_quarter_of_the_channels(model, tiny):
    assert elements(tiny.trainable_weights) == 339_833
    assert elements(tiny.non_trainable_weights) == 14_144 // 4
    published = {layer.name: layer for layer in model.layers}
    for layer in tiny.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.name != "reduced_log_depth":
            assert layer.filters == published.pop(layer.name).filters // 4
            assert layer.kernel_size == model.get_layer(layer.name).kernel_size
    assert [
        name for name, layer in published.items() if isinstance(layer, keras.layers.Conv2D)
    ] == ["log_depth"]


@pytest.fixture(scope="module")
def tiny():
    return megadepth.build(megadepth.VARIANTS["tiny"], image_shape=TINY_SHAPE)


@pytest.mark.once
def test_tiny_fits_a_phone(tiny):
    # Every operator is proportional to the pixels.
    macs_per_pixel = inspect(convert(tiny, precision="float32")).macs / np.prod(TINY_SHAPE)
    assert macs_per_pixel * 512 * 768 < 8e9


def test_tiny_works_at_half_the_size(tiny):
    assert tiny.get_layer("stem_relu").output.shape[1:] == (32, 48, 32)
    image = np.random.default_rng(2).random((1, *TINY_SHAPE, 3), dtype=np.float32)
    names = ("reduced_image", "reduced_log_depth", "log_depth")
    probe = keras.Model(tiny.input, [tiny.get_layer(name).output for name in names])
    reduced_image, reduced, log_depth = (
        np.asarray(value)[0] for value in probe(image, training=False)
    )
    means = image[0].reshape(32, 2, 48, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(reduced_image, means, atol=FORWARD_TOLERANCE)
    enlarged = cv2.resize(reduced, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[..., None]
    np.testing.assert_allclose(log_depth, enlarged, atol=FORWARD_TOLERANCE)


@pytest.mark.parametrize("fields", [{"width_divisor": 3}, {"width_divisor": 32}, {"decimation": 0}])
def test_config_refuses_impossible_slimming(fields):
    with pytest.raises(ValueError, match=f"{next(iter(fields))} must be"):
        megadepth.Config(**fields)


@pytest.mark.parametrize("head_kernel_size", [0, -1, 2])
def test_config_refuses_nonsense(head_kernel_size):
    with pytest.raises(ValueError, match="head_kernel_size must be a positive odd number"):
        megadepth.Config(head_kernel_size=head_kernel_size)
