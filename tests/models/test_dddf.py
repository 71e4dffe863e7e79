"""DDDF against the released network's numbers, and its parts against plain NumPy."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from bokeh_tf.models import dddf

SHAPE = (32, 64)
# float32 sums of a few hundred terms of order one.
FORWARD_TOLERANCE = 2e-5
# From the released network: parameters per part, moving statistics, and
# arithmetic without the filter.
PART_PARAMETERS = {
    "encoder_stem": 10_560,
    "encoder1": 335_040 + 33_280,
    "encoder2": 919_680 + 132_096,
    "encoder3": 2_837_760 + 526_336,
    "decoder": 3_876_864 + 884_864,
    "colour_quarter": 1_263_616 + 221_248,
    "colour_half": 497_664 + 110_656,
    "colour_conv": 12_080,
    "context": 84,
    "colours_255": 651,
    "filter_quarter": 1_263_616 + 221_248,
    "filter_half": 497_664 + 110_656,
    "filter_conv": 73_856,
    "filter_logits": 10_449,
}
MEASURED_GIGA_MACS = 1371
FILTER_MACS_PER_PX = 3**2 * 9**2 * 10
TINY = dddf.VARIANTS["tiny"]


def trainable(layers):
    return sum(int(np.prod(weight.shape)) for layer in layers for weight in layer.trainable_weights)


def inputs(*, shape=SHAPE, seed=0):
    """Random image, saliency and depth."""
    random = np.random.default_rng(seed)
    return [random.random((1, *shape, channels), np.float32) for channels in (3, 1, 1)]


@pytest.fixture(scope="module")
def model():
    return dddf.build(image_shape=SHAPE)


@pytest.fixture(scope="module")
def tiny():
    keras.utils.set_random_seed(2)
    return dddf.build(TINY, image_shape=SHAPE)


def outputs_of(model, names, values):
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    return [np.asarray(output)[0] for output in keras.tree.flatten(probe(values, training=False))]


@pytest.mark.once
def test_parameters_are_the_released_ones(model):
    for part, parameters in PART_PARAMETERS.items():
        assert (
            trainable(layer for layer in model.layers if layer.name.startswith(part)) == parameters
        ), part
    assert trainable(model.layers) == sum(PART_PARAMETERS.values()) == 13_839_968
    assert model.count_params() - trainable(model.layers) == 53_440


@pytest.mark.once
def test_inputs_are_the_image_and_its_maps(model):
    assert [(tensor.name, tensor.shape[1:]) for tensor in model.inputs] == [
        ("image", (*SHAPE, 3)),
        ("saliency", (*SHAPE, 1)),
        ("depth", (*SHAPE, 1)),
    ]


@pytest.mark.once
def test_features_are_those_of_the_released_graph(model):
    shapes = {
        layer.name: tuple(layer.output.shape[1:]) for layer in model.layers if layer.name != "image"
    }
    expected = {
        "encoder_input": (16, 32, 18),
        "encoder1_pool": (8, 16, 128),
        "encoder2_pool": (4, 8, 256),
        "encoder3_end_conv": (4, 8, 512),
        "decoder_concat": (4, 8, 768),
        "decoder_skip": (8, 16, 256),
        "colour_skip": (16, 32, 128),
        "colour_half_up_crop": (32, 64, 64),
        "context_concat": (32, 64, 24),
        "filter_weights": (32, 64, 81),
    }
    assert {name: shapes[name] for name in expected} == expected


@pytest.mark.once
def test_statistics_of_the_image_have_the_same_trainable_parameters_and_no_moving_ones():
    network = dddf.build(replace(dddf.Config(), encoder_norm="image"), image_shape=SHAPE)
    assert network.count_params() == trainable(network.layers) == 13_839_968


def test_statistics_of_the_image_are_those_of_batch_normalisation_while_training():
    """As in the released test, which left the network in training mode: batch
    statistics of a single image.
    """
    by_batch, by_image = (
        dddf.build(replace(TINY, encoder_norm=norm), image_shape=(64, 96))
        for norm in dddf.ENCODER_NORMS
    )
    random = np.random.default_rng(3)
    # By name: moving statistics stand between the others.
    values = {
        weight.path: random.normal(0.5, 0.3, weight.shape) for weight in by_batch.trainable_weights
    }
    for network in (by_batch, by_image):
        for weight in network.trainable_weights:
            weight.assign(values[weight.path])
    images = inputs(shape=(64, 96), seed=1)
    ends = [
        keras.Model(network.input, network.get_layer("encoder1_pool").output)
        for network in (by_batch, by_image)
    ]
    expected, actual = (
        np.asarray(end(images, training=training))
        for end, training in zip(ends, (True, False), strict=True)
    )
    # The epsilons differ: 1e-5 at 0..255 and 1e-4 at [0, 1].
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-3 * np.abs(expected).max())


def test_stem_reads_the_four_phases_of_the_photo_less_its_mean_and_the_maps(tiny):
    image, saliency, depth = values = inputs(seed=4)
    (actual,) = outputs_of(tiny, ["encoder_input_255"], values)
    centred = 255 * (image[0] - image[0].mean(axis=(0, 1)))
    phases = [centred[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    halves = [
        255 * values.reshape(16, 2, 32, 2).mean(axis=(1, 3)) for values in (saliency[0], depth[0])
    ]
    expected = np.concatenate(
        [*phases, *(half[..., None] for half in halves for _ in range(3))], axis=-1
    )
    np.testing.assert_allclose(actual, expected, rtol=0, atol=255 * FORWARD_TOLERANCE)


def numpy_deconv(values, kernel, bias):
    """PyTorch's transposed convolution 3x3 of stride 2, padding 1, output padding 1."""
    height, width, _ = values.shape
    full = np.zeros((2 * height + 2, 2 * width + 2, kernel.shape[2]))
    for y, x in np.ndindex(height, width):
        full[2 * y : 2 * y + 3, 2 * x : 2 * x + 3] += np.einsum("c,ijoc->ijo", values[y, x], kernel)
    # Padding drops the first row and column; output padding adds one after the last,
    # where nothing is added.
    return full[1 : 2 * height + 1, 1 : 2 * width + 1] + bias


def test_enlarging_equals_numpy(tiny):
    before, actual = outputs_of(tiny, ["decoder_up_relu", "decoder_up_crop"], inputs(seed=5))
    expected = numpy_deconv(
        before, *(np.asarray(weight) for weight in tiny.get_layer("decoder_up_conv").weights)
    )
    assert expected.std() > 0.1
    np.testing.assert_allclose(
        actual, expected, rtol=0, atol=FORWARD_TOLERANCE * np.abs(expected).max()
    )


def test_context_repeats_averages_of_cells(tiny):
    names = [
        "colour_relu",
        *(f"context{cell_px}_resize" for cell_px in (16, 8, 4, 2)),
        "context_concat",
    ]
    features, *contexts, joined = outputs_of(tiny, names, inputs(seed=6))
    for cell_px, actual in zip((16, 8, 4, 2), contexts, strict=True):
        kernel, bias = (
            np.asarray(weight) for weight in tiny.get_layer(f"context{cell_px}_conv").weights
        )
        cells = features.reshape(32 // cell_px, cell_px, 64 // cell_px, cell_px, -1).mean(
            axis=(1, 3)
        )
        mean = cells @ kernel[0, 0] + bias
        mean = np.where(mean > 0, mean, 0.2 * mean).repeat(cell_px, axis=0).repeat(cell_px, axis=1)
        np.testing.assert_allclose(
            actual, mean, rtol=0, atol=FORWARD_TOLERANCE * np.abs(mean).max()
        )
    np.testing.assert_array_equal(joined, np.concatenate([*contexts, features], axis=-1))


def test_rendered_is_mean_plus_colours_plus_filtered_photo(tiny):
    values = inputs(seed=7)
    colours, filtered, weights, total = outputs_of(
        tiny, ["colours", "filtered", "filter_weights", "sum"], values
    )
    image = values[0][0]
    mean = image.mean(axis=(0, 1))
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=FORWARD_TOLERANCE)
    padded = np.pad(image - mean, ((3, 3), (3, 3), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(0, 1))
    expected = np.einsum("hwcij,hwij->hwc", windows, weights.reshape(*SHAPE, 7, 7))
    np.testing.assert_allclose(filtered, expected, rtol=0, atol=FORWARD_TOLERANCE)
    np.testing.assert_allclose(total, mean + colours + filtered, rtol=0, atol=FORWARD_TOLERANCE)
    rendered = np.asarray(tiny(values, training=False))[0]
    np.testing.assert_allclose(rendered, total.clip(0, 1), rtol=0, atol=FORWARD_TOLERANCE)


@pytest.mark.slow
def test_fused_takes_the_image_alone(tiny):
    network = dddf.build(replace(TINY, are_maps_estimated=True), image_shape=SHAPE)
    assert [tensor.name for tensor in network.inputs] == ["image"]
    estimators = 5_357_153 + 25_226_498
    assert trainable(network.layers) == trainable(tiny.layers) + estimators
    assert (
        network.get_layer("depth").output.shape[1:]
        == network.get_layer("saliency").output.shape[1:]
        == (*SHAPE, 1)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"growth": 0}, "must be positive"),
        ({"block_layers": (6, 12)}, "three block_layers must be positive"),
        ({"block_layers": (6, 12, 0)}, "three block_layers must be positive"),
        ({"colour_channels": 0}, "must be positive"),
        ({"window_px": 8}, "window_px must be a positive odd number"),
        ({"encoder_norm": "layer"}, r"Received: 'layer'. Known: batch, image"),
    ],
)
def test_config_refuses_nonsense(arguments, message):
    with pytest.raises(ValueError, match=message):
        dddf.Config(**arguments)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="multiples of 32"):
        dddf.build(image_shape=(48, 64))


def converted(config, image_shape):
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    return inspect(convert(dddf.build(config, image_shape=image_shape), precision="float16"))


@pytest.mark.slow
@pytest.mark.once
def test_multiply_accumulates_at_the_reference_size():
    macs = converted(dddf.Config(), (1024, 1536)).macs
    assert macs / 1e9 == pytest.approx(MEASURED_GIGA_MACS, rel=0.01)
    assert (macs - FILTER_MACS_PER_PX * 1024 * 1536) / 1e9 == pytest.approx(
        MEASURED_GIGA_MACS, abs=0.5
    )


@pytest.mark.once
def test_tiny_costs_at_most_8_giga_macs():
    assert converted(TINY, (512, 768)).macs <= 8e9
