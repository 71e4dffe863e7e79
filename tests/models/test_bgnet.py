"""BGNet against the released network's numbers, and its blocks against plain NumPy."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from bokeh_tf.models import bgnet

SHAPE = (16, 24)
# float32 sums of up to 300 terms of order one, through two normalisations.
FORWARD_TOLERANCE = 2e-5
# The dossier of the released network: parameters of each stage, at 16 and 24 channels.
STAGE_PARAMETERS = {"stage1": 3_055_056, "stage2": 7_297_728}
MEASURED_GIGA_MACS = 298.6
SMALL = bgnet.Config(stage_channels=(2, 3), residual_blocks=1)


def trainable(layers):
    return sum(int(np.prod(weight.shape)) for layer in layers for weight in layer.trainable_weights)


@pytest.fixture(scope="module")
def model():
    return bgnet.build(image_shape=SHAPE)


@pytest.fixture(scope="module")
def small():
    """A small network with random biases and weights large enough that no
    activation is nearly linear.
    """
    keras.utils.set_random_seed(4)
    network = bgnet.build(SMALL, image_shape=SHAPE)
    random = np.random.default_rng(5)
    for weight in network.weights:
        weight.assign(random.normal(0, 0.3, weight.shape))
    return network


@pytest.mark.once
def test_parameters_are_the_released_ones(model):
    for stage, parameters in STAGE_PARAMETERS.items():
        assert (
            trainable(layer for layer in model.layers if layer.name.startswith(stage)) == parameters
        )
    assert model.count_params() == trainable(model.layers) == 10_352_784


@pytest.mark.once
def test_layers_are_those_of_the_released_graph(model):
    kinds = [type(layer).__name__ for layer in model.layers]
    counted = ("Conv2D", "Conv2DTranspose", "InstanceNormalization", "Concatenate")
    assert {kind: kinds.count(kind) for kind in counted} == {
        "Conv2D": 47,
        "Conv2DTranspose": 6,
        "InstanceNormalization": 36,
        "Concatenate": 5,
    }
    shapes = {
        layer.name: layer.output.shape[1:]
        for layer in model.layers
        if layer.name.startswith("stage2_skip")
    }
    assert shapes == {
        "stage2_skip3": (2, 3, 384),
        "stage2_skip2": (4, 6, 192),
        "stage2_skip1": (8, 12, 96),
    }


@pytest.mark.parametrize(
    ("kind", "parameters", "scores"), [("patch", 3_019_200, (8, 12)), ("full", 11_408_832, (2, 3))]
)
def test_critics(kind, parameters, scores):
    critic = bgnet.build_critic(kind, image_shape=(64, 96))
    assert critic.count_params() == trainable(critic.layers) == parameters
    assert critic.output_shape == (None, *scores, 512)
    # The fresh weights are small: scores start near zero, but not at it.
    scored = np.asarray(critic(np.random.default_rng(0).random((2, 64, 96, 3), np.float32)))
    assert 0 < np.abs(scored).max() < 10
    assert (
        sum(isinstance(layer, keras.layers.LeakyReLU) for layer in critic.layers)
        == len(bgnet.CRITICS[kind]) + 1
    )


def numpy_norm(values, *, is_as_released):
    """Deviations over their standard deviation, or over the root of the sum of their squares."""
    deviations = values.astype(np.float64) - values.mean(axis=(0, 1))
    squares = (
        (deviations**2).sum(axis=(0, 1)) if is_as_released else (deviations**2).mean(axis=(0, 1))
    )
    return deviations / np.sqrt(squares)


def numpy_conv(values, kernel):
    """3x3 convolution with zeros beyond the border."""
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    return np.einsum("hwcij,ijco->hwo", windows, kernel)


@pytest.mark.parametrize("is_norm_as_released", [False, True])
def test_residual_block_equals_numpy(is_norm_as_released):
    network = bgnet.build(
        replace(SMALL, is_norm_as_released=is_norm_as_released), image_shape=(64, 96)
    )
    random = np.random.default_rng(2)
    for weight in network.weights:
        weight.assign(random.normal(0, 1, weight.shape))
    features = random.normal(0, 1, (8, 12, 16)).astype(np.float32)
    block = keras.Model(
        network.get_layer("stage1_down3").output, network.get_layer("stage1_block1_relu2").output
    )
    kernels = [
        np.asarray(network.get_layer(f"stage1_block1_conv{number}").kernel) for number in (1, 2)
    ]
    first = np.maximum(
        numpy_norm(numpy_conv(features, kernels[0]), is_as_released=is_norm_as_released), 0
    )
    second = numpy_norm(numpy_conv(first, kernels[1]), is_as_released=is_norm_as_released)
    actual = np.asarray(block(features[None], training=False))[0]
    # Our epsilon of 1e-4 under a variance of order 100, or of order 1 after the
    # released normalisation.
    tolerance = 1e-3 if is_norm_as_released else FORWARD_TOLERANCE
    np.testing.assert_allclose(actual, np.maximum(features + second, 0), rtol=0, atol=tolerance)


def test_critic_block_equals_numpy():
    critic = bgnet.build_critic("patch", image_shape=(16, 24))
    photo = np.random.default_rng(8).random((16, 24, 3), np.float32)
    kernel, bias = (np.asarray(weight) for weight in critic.get_layer("down1_conv").weights)
    critic.get_layer("down1_conv").kernel.assign(30 * kernel)
    padded = np.pad(2 * photo - 1, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (4, 4), axis=(0, 1))[::2, ::2]
    convolved = np.einsum("hwcij,ijco->hwo", windows, 30 * kernel) + bias
    normalised = numpy_norm(convolved, is_as_released=False)
    block = keras.Model(critic.input, critic.get_layer("down1_relu").output)
    # Our epsilon of 1e-4 under variances of order 1.
    expected = np.where(normalised > 0, normalised, 0.2 * normalised)
    np.testing.assert_allclose(np.asarray(block(photo[None]))[0], expected, rtol=0, atol=1e-3)


def numpy_deconv(values, kernel, bias):
    """4x4 transposed convolution of stride 2 that drops one row and column
    on every side, then ReLU.
    """
    height, width, _ = values.shape
    full = np.zeros((2 * height + 2, 2 * width + 2, kernel.shape[2]))
    for y, x in np.ndindex(height, width):
        full[2 * y : 2 * y + 4, 2 * x : 2 * x + 4] += np.einsum("c,ijoc->ijo", values[y, x], kernel)
    return np.maximum(full[1:-1, 1:-1] + bias, 0)


def test_second_stage_skips_equal_numpy(small):
    def output(name):
        return small.get_layer(name).output

    names = (
        "stage2_down3",
        "stage2_down2",
        "stage2_block1_relu2",
        "stage2_up3_relu",
        "stage2_up2_relu",
    )
    photo = np.random.default_rng(3).random((1, *SHAPE, 3), np.float32)
    probe = keras.Model(small.input, [output(name) for name in names])
    down3, down2, deepest, *actual = (
        np.asarray(value)[0] for value in probe(photo, training=False)
    )
    kernels = [
        [np.asarray(weight) for weight in small.get_layer(name).weights]
        for name in ("stage2_up3", "stage2_up2")
    ]
    up3 = numpy_deconv(np.concatenate([down3, deepest], axis=-1), *kernels[0])
    up2 = numpy_deconv(np.concatenate([down2, up3], axis=-1), *kernels[1])
    for value, expected in zip(actual, (up3, up2), strict=True):
        assert expected.max() > 0.1
        np.testing.assert_allclose(
            value, expected, rtol=FORWARD_TOLERANCE, atol=FORWARD_TOLERANCE * expected.max()
        )


def test_second_stage_sees_the_first_rendering_and_what_it_removed(small):
    photo = np.random.default_rng(6).random((1, *SHAPE, 3), np.float32)
    names = ("stage1_rendered", "stage2_input", "stage2_rendered")
    probe = keras.Model(
        small.input, [*(small.get_layer(name).output for name in names), small.output]
    )
    first, seen, second, rendered = (np.asarray(value) for value in probe(photo, training=False))
    signed = 2 * photo - 1
    np.testing.assert_allclose(
        seen, np.concatenate([first, signed - first], axis=-1), atol=FORWARD_TOLERANCE
    )
    np.testing.assert_allclose(rendered, (second + 1) / 2, atol=FORWARD_TOLERANCE)
    assert np.abs(first).max() <= 1 and rendered.std() > 0.01


def test_dropout_acts_only_while_training(small):
    photo = np.random.default_rng(7).random((1, *SHAPE, 3), np.float32)
    still = [np.asarray(small(photo, training=False)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    keras.utils.set_random_seed(1)
    assert any(
        np.abs(np.asarray(small(photo, training=True)) - still[0]).max() > 1e-6 for _ in range(4)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stage_channels": (16,)}, "stage_channels must be two positive numbers"),
        ({"stage_channels": (16, 0)}, "stage_channels must be two positive numbers"),
        ({"residual_blocks": 0}, "residual_blocks must be positive"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
    ],
)
def test_config_refuses_nonsense(arguments, message):
    with pytest.raises(ValueError, match=message):
        bgnet.Config(**arguments)


def test_unknown_critics_and_sizes_are_refused():
    with pytest.raises(ValueError, match=r"Received: 'half'. Known: patch, full"):
        bgnet.build_critic("half", image_shape=(64, 64))
    with pytest.raises(ValueError, match="multiples of 32"):
        bgnet.build_critic("full", image_shape=(40, 64))
    with pytest.raises(ValueError, match="multiples of 8"):
        bgnet.build(image_shape=(20, 24))


@pytest.mark.slow
@pytest.mark.once
def test_multiply_accumulates_at_the_reference_size():
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    model = bgnet.build(image_shape=(1024, 1536))
    assert inspect(convert(model, precision="float16")).macs / 1e9 == pytest.approx(
        MEASURED_GIGA_MACS, rel=0.01
    )


@pytest.mark.once
def test_tiny_costs_at_most_8_giga_macs():
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    model = bgnet.build(bgnet.VARIANTS["tiny"], image_shape=(512, 768))
    assert inspect(convert(model, precision="float16")).macs <= 8e9
