"""SCRN against the released network's counts and its cross-refinement unit in plain NumPy."""

import keras
import numpy as np
import pytest

from bokeh_tf.models import scrn
from bokeh_tf.models.backbones import Encoder
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect

SHAPE = (64, 96)
SMALL = scrn.Config(channels=4, units=1, encoder=Encoder(planes=4, blocks=(1, 1, 1, 1), width=4))
# Batch-norm channels: 26,560 in the encoder, 8 x 96, per unit 12 x 32 + 8 x 64,
# per head 4 x 32 + 3 x 96.
NORMALISED = 26_560 + 768 + 4 * 896 + 2 * 416
# float32 sums of some hundred terms of order one.
FORWARD_TOLERANCE = 1e-5
# The multiply-accumulates in the docstring are rounded.
MACS_TOLERANCE = 0.01


def elements(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def of_parts(model, *prefixes):
    return elements(
        [
            w
            for layer in model.layers
            if layer.name.startswith(prefixes)
            for w in layer.trainable_weights
        ]
    )


@pytest.mark.once
def test_parameters_are_the_released_ones():
    model = scrn.build(image_shape=SHAPE)
    assert elements(model.trainable_weights) == 25_226_498
    assert elements(model.non_trainable_weights) == 2 * NORMALISED
    assert of_parts(model, "scrn_resnet") == 23_508_032
    assert [of_parts(model, f"scrn_unit{unit}_") for unit in (1, 2, 3, 4)] == [253_696] * 4
    assert of_parts(model, "scrn_saliency_head") == of_parts(model, "scrn_edges_head") == 154_465
    branches = of_parts(
        model, *(f"scrn_{name}{level}_" for name in ("saliency", "edges") for level in (1, 2, 3, 4))
    )
    assert branches == 394_752


@pytest.mark.slow
@pytest.mark.once
def test_multiply_accumulates_at_the_published_size():
    # Without what leads to the edges alone.
    file = inspect(convert(scrn.build(image_shape=(352, 352)), precision="float16"))
    assert file.macs == pytest.approx(14.2e9, rel=MACS_TOLERANCE)


def numpy_resize(x, factor):
    for axis in (0, 1):
        size = x.shape[axis]
        points = np.linspace(0, size - 1, factor * size)
        lower = np.minimum(np.floor(points).astype(int), max(size - 2, 0))
        share = np.expand_dims(points - lower, (1, 2) if axis == 0 else (0, 2))
        upper = np.minimum(lower + 1, size - 1)
        x = np.take(x, lower, axis) * (1 - share) + np.take(x, upper, axis) * share
    return x


def numpy_conv_norm(x, model, name):
    kernel = np.asarray(model.get_layer(f"{name}_conv").kernel)
    gamma, beta, mean, variance = (
        np.asarray(weight) for weight in model.get_layer(f"{name}_norm").weights
    )
    radius = kernel.shape[0] // 2
    padded = np.pad(x, ((radius, radius), (radius, radius), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], axis=(0, 1))
    return (np.einsum("hwcij,ijco->hwo", windows, kernel) - mean) / np.sqrt(
        variance + 1e-5
    ) * gamma + beta


def numpy_unit(saliency, edges, model):
    """s + F([s, e, U(e of coarser levels)]) and e + F'(e * s * product
    of U(s of coarser levels)).
    """

    def convs(x, name):
        return numpy_conv_norm(numpy_conv_norm(x, model, f"{name}_3x3_1"), model, f"{name}_3x3_2")

    def coarser(features, level, branch):
        for other in range(level + 1, 4):
            resized = numpy_resize(features[other], 2 ** (other - level))
            yield numpy_conv_norm(resized, model, f"unit_{branch}{level + 1}_from{other + 1}")

    new_saliency, new_edges = [], []
    for level in range(4):
        s, e = saliency[level], edges[level]
        joined = np.concatenate([s, e, *coarser(edges, level, "saliency")], axis=-1)
        new_saliency.append(s + convs(joined, f"unit_saliency{level + 1}"))
        product = e * s
        for other in coarser(saliency, level, "edges"):
            product = product * other
        new_edges.append(e + convs(product, f"unit_edges{level + 1}"))
    return [*new_saliency, *new_edges]


def test_cross_refinement_unit_equals_numpy():
    random = np.random.default_rng(1)
    shapes = [(16, 24, 3), (8, 12, 3), (4, 6, 3), (2, 3, 3)]
    inputs = [keras.Input(shape) for shape in (*shapes, *shapes)]
    saliency, edges = scrn.cross_refinement(inputs[:4], inputs[4:], name="unit")
    model = keras.Model(inputs, [*saliency, *edges])
    for weight in model.weights:
        low, high = (0.5, 1.5) if weight.path.endswith(("variance", "gamma")) else (-0.5, 0.5)
        weight.assign(random.uniform(low, high, weight.shape))
    values = [random.standard_normal(shape).astype(np.float32) for shape in (*shapes, *shapes)]
    outputs = model([value[None] for value in values], training=False)
    for actual, expected in zip(outputs, numpy_unit(values[:4], values[4:], model), strict=True):
        assert np.abs(expected).max() > 1
        limit = FORWARD_TOLERANCE * np.abs(expected).max()
        np.testing.assert_allclose(np.asarray(actual)[0], expected, rtol=0, atol=limit)


@pytest.fixture(scope="module")
def both():
    """A small SCRN with its edges returned, and the same weights without them."""
    keras.utils.set_random_seed(2)
    returned = scrn.Config(SMALL.channels, SMALL.units, SMALL.encoder, are_edges_returned=True)
    models = scrn.build(returned, image_shape=SHAPE), scrn.build(SMALL, image_shape=SHAPE)
    models[1].set_weights(models[0].get_weights())
    return models


def test_outputs(both):
    photo = np.random.default_rng(3).random((1, *SHAPE, 3), dtype=np.float32)
    with_edges, alone = both
    assert with_edges.output_names == ["saliency", "edges"]
    saliency, edges = (np.asarray(output) for output in with_edges(photo, training=False))
    assert saliency.shape == edges.shape == (1, *SHAPE, 1)
    assert min(saliency.min(), edges.min()) >= 0 and max(saliency.max(), edges.max()) <= 1
    assert saliency.std() > 0.01
    assert alone.output_names == ["saliency"]
    np.testing.assert_array_equal(np.asarray(alone(photo, training=False)), saliency)


def test_photos_are_normalised_as_imagenet(both):
    normalised = keras.Model(both[1].input, both[1].get_layer("scrn_normalised").output)
    photo = np.random.default_rng(4).uniform(-0.5, 1.5, (1, *SHAPE, 3)).astype(np.float32)
    expected = (np.clip(photo, 0, 1) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(np.asarray(normalised(photo)), expected, atol=FORWARD_TOLERANCE)


@pytest.mark.parametrize("sizes", [{"channels": 0}, {"units": 0}])
def test_config_refuses_nonsense(sizes):
    with pytest.raises(ValueError, match="channels and units must be positive"):
        scrn.Config(**sizes)


def test_shapes_off_the_stride_are_refused():
    with pytest.raises(ValueError, match="multiples of 32"):
        scrn.build(image_shape=(352, 350))
