"""PyNET against the released network's counts, level by level, and its parts in NumPy."""

import keras
import numpy as np
import pytest

from bokeh_tf.models import pynet
from bokeh_tf.models.layers import InstanceNormalization

SHAPE = (64, 128)
# Multiply-accumulates of "base" at 1024x1536.
REFERENCE_SHAPE, REFERENCE_MACS = (1024, 1536), 658e9
PARAMETERS = {
    "encoder": 1_177_792,
    "level7": 20_080_131,
    "level6": 7_682_307,
    "level5": 7_579_779,
    "level4": 6_746_179,
    "level3": 4_282_915,
    "level2": 2_523,
    "level1": 165,
}
# The outputs of levels 7 to 3, which only their own training needs.
COARSER_OUTPUTS = sum(9 * 3 * channels + 3 for channels in (512, 256, 128, 64, 32))
# Float32 means and products of numbers around 1.
TOLERANCE = 1e-5
SMALL = {"channels": 2, "residual_blocks": (1, 0, 0, 0, 1)}


@pytest.fixture(scope="module")
def small():
    """All levels, few channels, and weights large enough to tell pictures apart."""
    keras.utils.set_random_seed(0)
    model = pynet.build(pynet.Config(**SMALL, are_coarser_levels_output=True), image_shape=SHAPE)
    for weight in model.trainable_weights:
        if weight.name == "kernel":
            weight.assign(20 * np.asarray(weight))
    return model


def photo_and_depth(seed=0):
    random = np.random.default_rng(seed)
    return [random.random((1, *SHAPE, channels), dtype=np.float32) for channels in (3, 1)]


def features(model, names):
    """What these layers make of the photo; the order is theirs."""
    probe = keras.Model(model.inputs, {name: model.get_layer(name).output for name in names})
    outputs = probe(photo_and_depth())
    return [np.asarray(outputs[name]) for name in names]


def trainable(layers):
    return sum(int(np.prod(weight.shape)) for layer in layers for weight in layer.trainable_weights)


@pytest.mark.once
def test_parameters_of_each_level_are_the_released_ones():
    model = pynet.build(pynet.Config(are_coarser_levels_output=True), image_shape=SHAPE)
    assert model.count_params() == sum(PARAMETERS.values()) == 47_551_791
    for prefix, parameters in PARAMETERS.items():
        assert (
            trainable(layer for layer in model.layers if layer.name.startswith(prefix))
            == parameters
        )


@pytest.mark.parametrize(
    ("variant", "parameters", "inputs"),
    [
        ("tiny", 2_123_968, ["image", "depth"]),
        pytest.param(
            "base", 47_551_791 - COARSER_OUTPUTS, ["image", "depth"], marks=pytest.mark.slow
        ),
        # One channel less is four less after space-to-depth, for the encoder's first convolution.
        pytest.param(
            "without_depth",
            47_551_791 - COARSER_OUTPUTS - 9 * 4 * 32,
            ["image"],
            marks=pytest.mark.slow,
        ),
        # And MegaDepth's.
        pytest.param(
            "fused", 47_551_791 - COARSER_OUTPUTS + 5_357_153, ["image"], marks=pytest.mark.slow
        ),
    ],
)
@pytest.mark.once
def test_parameters(variant, parameters, inputs):
    model = pynet.build(pynet.VARIANTS[variant], image_shape=SHAPE)
    assert trainable(model.layers) == parameters
    assert [tensor.name for tensor in model.inputs] == inputs
    assert model.output_names == ["rendered"]


@pytest.mark.slow
@pytest.mark.once
def test_multiply_accumulates():
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    # A multiple of 128 rows and columns: odd features are padded, which costs a little.
    shape = (128, 256)
    macs = inspect(convert(pynet.build(image_shape=shape), precision="float16")).macs
    assert macs * np.prod(REFERENCE_SHAPE) / np.prod(shape) == pytest.approx(
        REFERENCE_MACS, rel=0.01
    )


def test_every_level_doubles_the_picture(small):
    names = ["rendered", *(f"level{number}_rendered" for number in range(2, 8))]
    assert small.output_names == names
    pictures = dict(zip(names, small(photo_and_depth()), strict=True))
    for number, picture in enumerate(pictures.values(), start=1):
        assert picture.shape == (1, SHAPE[0] >> (number - 1), SHAPE[1] >> (number - 1), 3)
        assert np.asarray(picture).std() > 1e-3


@pytest.mark.parametrize("level", [7, 4, 2, 1])
def test_a_coarser_model_is_a_part_of_the_whole_one(small, level):
    part = pynet.build(pynet.Config(**SMALL, level=level), image_shape=SHAPE)
    for layer in part.layers:
        layer.set_weights(small.get_layer(layer.name).get_weights() if layer.weights else [])
    assert part.output_names == ["rendered"]
    expected = small(photo_and_depth())[level - 1]
    np.testing.assert_allclose(
        np.asarray(part(photo_and_depth())), np.asarray(expected), rtol=0, atol=TOLERANCE
    )


def test_picture_is_a_stretched_tanh(small):
    colours, rendered = features(small, ["level1_colours", "rendered"])
    expected = np.clip(0.58 * np.tanh(colours) + 0.5, 0, 1)
    np.testing.assert_allclose(rendered, expected, rtol=0, atol=TOLERANCE)


def test_level_2_hands_its_unbounded_colours_to_level_1(small):
    """The transposed convolution between them, as a loop: every pixel adds its
    kernel, the end is dropped.
    """
    colours, enlarged = features(small, ["level2_colours", "level1_transposed_relu"])
    kernel = np.asarray(small.get_layer("level1_transposed").kernel)
    height, width = colours.shape[1:3]
    full = np.zeros((2 * height + 1, 2 * width + 1, 3))
    for row, column in np.ndindex(height, width):
        full[2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += kernel @ colours[0, row, column]
    expected = full[: 2 * height, : 2 * width]
    np.testing.assert_allclose(
        enlarged[0], np.maximum(expected, 0.2 * expected), rtol=0, atol=TOLERANCE
    )


def test_photo_and_depth_are_halved_and_made_cells(small):
    (cells,) = features(small, ["cells"])
    image, depth = photo_and_depth()
    pixels = np.concatenate([image, depth], axis=-1)
    halved = pixels.reshape(1, SHAPE[0] // 2, 2, SHAPE[1] // 2, 2, 4).mean(axis=(2, 4))
    expected = np.concatenate(
        [halved[:, row::2, column::2] for row, column in ((0, 0), (0, 1), (1, 0), (1, 1))], axis=-1
    )
    np.testing.assert_allclose(cells, expected, rtol=0, atol=TOLERANCE)


def test_depth_changes_the_picture(small):
    image, depth = photo_and_depth()
    one, other = (np.asarray(small([image, each])[0]) for each in (depth, 1 - depth))
    assert np.abs(one - other).max() > 1e-3


def test_branches_are_normalised_over_each_image(small):
    name = "level4_block1_5x5_conv1"
    convolved, activated = features(small, [name, f"{name}_relu"])
    centred = convolved - convolved.mean(axis=(1, 2), keepdims=True)
    normalised = centred / np.sqrt((centred**2).mean(axis=(1, 2), keepdims=True) + 1e-3)
    np.testing.assert_allclose(
        activated, np.maximum(normalised, 0.2 * normalised), rtol=0, atol=TOLERANCE
    )


def test_branches_have_every_kernel_up_to_the_largest(small):
    for block, sizes in [
        ("level7_block1", (3,)),
        ("level4_block2", (3, 5, 7)),
        ("level3_block3", (3, 5, 7, 9)),
    ]:
        for size in (3, 5, 7, 9):
            names = {layer.name for layer in small.layers}
            assert (f"{block}_{size}x{size}_conv2" in names) is (size in sizes)


def test_normalisation_ends_at_level_4_and_can_be_left_out(small):
    normalised = {
        x.name.split("_")[0] for x in small.layers if isinstance(x, InstanceNormalization)
    }
    assert normalised == {
        "level7",
        "level6",
        "level5",
        "level4",
        "encoder6",
        "encoder5",
        "encoder4",
    }
    plain = pynet.build(pynet.Config(**SMALL, is_normalised=False), image_shape=SHAPE)
    assert not any(isinstance(layer, InstanceNormalization) for layer in plain.layers)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": 0}, "channels must be positive"),
        ({"residual_blocks": (1, 1)}, "residual_blocks must be five numbers"),
        ({"residual_blocks": (1, 1, 1, 1, -1)}, "none negative"),
        ({"level": 0}, "level must be 1 to 7"),
        ({"level": 8}, "level must be 1 to 7"),
        ({"has_depth": False, "are_maps_estimated": True}, "are_maps_estimated needs has_depth"),
    ],
)
def test_config_refuses(fields, message):
    with pytest.raises(ValueError, match=message):
        pynet.Config(**fields)


def test_size_must_suit_seven_levels():
    with pytest.raises(ValueError, match="multiples of 64"):
        pynet.build(image_shape=(64, 96))
