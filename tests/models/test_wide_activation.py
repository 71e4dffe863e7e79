"""The wide-activation network against its counts, its channel attention
and its shuffles in NumPy.
"""

import keras
import numpy as np
import pytest

from bokeh_tf.models import wide_activation

SHAPE = (16, 24)
# Multiply-accumulates of "base" at 1024x1536; all but the attention's 128 per block are
# proportional to the pixels.
REFERENCE_SHAPE, REFERENCE_MACS = (1024, 1536), 61.6e9
# Means of 24 float32 numbers, then two small products.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return wide_activation.build(wide_activation.Config(blocks=2), image_shape=SHAPE)


def features(model, names, seed=0):
    photo = np.random.default_rng(seed).random((1, *SHAPE, 3), dtype=np.float32)
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    return [photo, *(np.asarray(x) for x in probe(photo))]


@pytest.mark.parametrize(("variant", "parameters"), [("base", 629_376), ("tiny", 276_594)])
@pytest.mark.once
def test_parameters(variant, parameters):
    model = wide_activation.build(wide_activation.VARIANTS[variant], image_shape=SHAPE)
    assert (
        model.count_params() == parameters == sum(np.prod(w.shape) for w in model.trainable_weights)
    )


@pytest.mark.parametrize(
    ("prefix", "parameters"),
    [
        ("features", 13_856),
        ("block1_", 74_050),
        ("block2_", 74_050),
        ("last_", 9_248),
        ("colours", 13_872),
    ],
)
@pytest.mark.once
def test_parameters_of_each_part(model, prefix, parameters):
    assert (
        sum(layer.count_params() for layer in model.layers if layer.name.startswith(prefix))
        == parameters
    )


@pytest.mark.once
def test_multiply_accumulates():
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    shape = (64, 96)
    macs = inspect(convert(wide_activation.build(image_shape=shape), precision="float16")).macs
    assert macs * np.prod(REFERENCE_SHAPE) / np.prod(shape) == pytest.approx(
        REFERENCE_MACS, rel=0.01
    )


def test_photo_comes_as_cells_and_leaves_as_pixels(model):
    photo, cells, colours_of_cells, colours = features(
        model, ["cells", "colours_of_cells", "colours"]
    )
    high, wide = SHAPE[0] // 4, SHAPE[1] // 4
    for row, column in [(0, 0), (1, 3), (high - 1, wide - 1)]:
        pixels = photo[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        np.testing.assert_array_equal(cells[0, row, column], pixels.ravel())
        pixels = colours[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        np.testing.assert_array_equal(pixels.ravel(), colours_of_cells[0, row, column])


def test_attention_scales_channels_by_a_function_of_their_means(model):
    names = ["features", "block1_project", "block1_sum"]
    _, before, projected, summed = features(model, names)
    reduce, scale = (
        [np.asarray(w) for w in model.get_layer(f"block1_attention_{name}").get_weights()]
        for name in ("reduce", "scales")
    )
    means = projected.mean(axis=(1, 2))
    hidden = np.maximum(means @ reduce[0][0, 0] + reduce[1], 0)
    scales = 1 / (1 + np.exp(-(hidden @ scale[0][0, 0] + scale[1])))
    np.testing.assert_allclose(
        summed, before + projected * scales[:, None, None], rtol=0, atol=TOLERANCE
    )


def test_blocks_are_wide_where_they_are_activated(model):
    expand, project = model.get_layer("block1_expand"), model.get_layer("block1_project")
    assert (expand.filters, expand.activation) == (128, keras.activations.relu)
    assert (project.filters, project.activation) == (32, keras.activations.linear)


def test_one_skip_spans_all_blocks(model):
    _, first, last, summed = features(model, ["features", "last_features", "features_sum"])
    np.testing.assert_allclose(summed, first + last, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("field", ["channels", "blocks", "expansion", "attention_reduction"])
def test_config_refuses_nothing_of_anything(field):
    with pytest.raises(ValueError, match=r"must be positive\. Received"):
        wide_activation.Config(**{field: 0})


def test_config_refuses_an_attention_without_channels():
    with pytest.raises(ValueError, match=r"at least attention_reduction, 16\. Received: 8"):
        wide_activation.Config(channels=8)


def test_size_must_suit_the_cells():
    with pytest.raises(ValueError, match="multiples of 4"):
        wide_activation.build(image_shape=(16, 18))
