"""Bokeh from defocus against the released network's counts, and its
unusual parts in plain NumPy.
"""

import keras
import numpy as np
import pytest

from bokeh_tf.models import defocus
from bokeh_tf.models.backbones import Encoder
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect

SHAPE = (64, 128)
SMALL = {
    "disk_sizes_px": (3, 5),
    "encoder": Encoder(planes=4, blocks=(1, 1, 1, 1), width=4),
    "features": 8,
    "head_features": (8, 4),
}
# float32 sums of some hundred terms of order one.
FORWARD_TOLERANCE = 1e-5
# The multiply-accumulates in the docstring are rounded.
MACS_TOLERANCE = 0.01


def elements(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def of_parts(model, prefix):
    return elements(
        [
            w
            for layer in model.layers
            if layer.name.startswith(prefix)
            for w in layer.trainable_weights
        ]
    )


def small_model(**changes):
    """A narrow network with random weights, its maps far from uniform."""
    keras.utils.set_random_seed(1)
    model = defocus.build(defocus.Config(**{**SMALL, **changes}), image_shape=SHAPE)
    for name in ("defocus_regression", "defocus_classes"):
        for layer in model.layers:
            if layer.name == name:
                layer.kernel.assign(40 * np.asarray(layer.kernel))
    return model


def outputs_of(model, photo, *names):
    """Named layers' outputs, then the model's, for one photo."""
    probe = keras.Model(
        model.input, [*(model.get_layer(name).output for name in names), *model.outputs]
    )
    return [
        np.asarray(output)[0] for output in keras.tree.flatten(probe(photo[None], training=False))
    ]


def random_photo(seed=0):
    return np.random.default_rng(seed).random((*SHAPE, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("variant", "network"), [("base", 41_600_678), ("single_channel", 41_600_513)]
)
@pytest.mark.once
def test_parameters_are_the_released_ones(variant, network):
    model = defocus.build(defocus.VARIANTS[variant], image_shape=(128, 192))
    assert of_parts(model, "defocus") == network
    assert of_parts(model, "defocus_resnext") == 22_979_904
    assert of_parts(model, "radiance") == 353
    assert elements(model.trainable_weights) == network + 353
    assert elements(model.non_trainable_weights) == 68_224
    # The deepest fusion's first unit is published, and idle.
    assert of_parts(model, "defocus_fusion4_unit1") == 1_180_160


@pytest.mark.slow
@pytest.mark.once
def test_multiply_accumulates_at_the_challenges_size():
    file = inspect(convert(defocus.build(image_shape=(1024, 1536)), precision="float16"))
    # On the photo of 512x768: six disks' squares times seven maps, and the network.
    disks = sum(size**2 for size in defocus.Config().disk_sizes_px) * 7 * 512 * 768
    assert file.macs - disks == pytest.approx(181e9, rel=MACS_TOLERANCE)


def test_the_idle_unit_changes_nothing():
    with_unit, without = small_model(), small_model(has_idle_unit=False)
    names = {layer.name for layer in without.layers}
    for layer in with_unit.layers:
        if layer.name in names:
            without.get_layer(layer.name).set_weights(layer.get_weights())
    assert elements(with_unit.trainable_weights) - elements(without.trainable_weights) == 2 * (
        3 * 3 * 8 * 8 + 8
    )
    photo = random_photo()
    np.testing.assert_array_equal(
        *(np.asarray(model(photo[None], training=False)) for model in (with_unit, without))
    )


def numpy_conv(x, layer):
    kernel, bias = (np.asarray(weight) for weight in layer.weights)
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    return np.einsum("hwcij,ijco->hwo", windows, kernel) + bias


def test_residual_unit_adds_the_rectified_input_as_the_released_one_does():
    model = small_model()
    unit = "defocus_fusion3_unit2"
    x, actual, _ = outputs_of(model, random_photo(), "defocus_fusion3_sum", f"{unit}_sum")
    rectified = np.maximum(x, 0)
    middle = np.maximum(numpy_conv(rectified, model.get_layer(f"{unit}_conv1")), 0)
    expected = numpy_conv(middle, model.get_layer(f"{unit}_conv2")) + rectified
    assert (x < 0).any()
    np.testing.assert_allclose(actual, expected, atol=FORWARD_TOLERANCE * np.abs(expected).max())


def test_light_of_dim_and_of_saturated_pixels():
    image = np.array([[[0.2, 0.5, 0.98], [1.0, 0.5, 0.1], [0.3, 0.99, 0.98]]], np.float32)[None]
    weight = np.full((1, 1, 3, 1), 0.4, np.float32)
    actual = np.asarray(defocus.LightWeight()(image, weight))[0, 0]
    expected = [[0.4] * 3, 3 * image[0, 0, 1] ** 5, 3 * image[0, 0, 2] ** 5]
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def naive_disk(size):
    radius = size // 2
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    weights = 0.5 + 0.5 * np.tanh((radius**2 - x**2 - y**2) / 4 + 0.5)
    return weights / weights.sum()


def naive_blur(image, size):
    if size is None:
        return image
    radius, kernel = size // 2, naive_disk(size)
    padded = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape, axis=(0, 1))
    return np.einsum("hwcij,ij->hwc", windows, kernel)


def naive_layers(image, masks, sizes):
    """The released recursion, with its divisor's epsilon as here."""
    total, cover = 0, 0
    for mask, size in reversed(list(zip(masks, sizes, strict=True))):
        m, s = naive_blur(mask, size), naive_blur(mask * image, size)
        total, cover = total * (1 - m) + s, cover * (1 - m) + m
    return total / (cover + 1e-3)


def upsampled(image):
    return np.asarray(
        keras.ops.image.resize(image[None].astype(np.float32), SHAPE, interpolation="bilinear")
    )[0]


def test_base_composites_the_probabilities_layers():
    photo = random_photo(2)
    model = small_model()
    names = ("half_size", "radiance_weight", "defocus_probabilities")
    half, weight, probabilities, rendered = outputs_of(model, photo, *names)
    assert probabilities.std() > 0.01
    np.testing.assert_allclose(half, photo.reshape(32, 2, 64, 2, 3).mean(axis=(1, 3)), atol=1e-6)
    masks = [probabilities[..., index : index + 1] for index in range(3)]
    light, total = (naive_layers(part, masks, (None, 3, 5)) for part in (half * weight, weight))
    np.testing.assert_allclose(rendered, upsampled(light / (total + 1e-3)), atol=FORWARD_TOLERANCE)


def test_single_channel_composites_its_masks_and_pastes_the_foreground():
    photo = random_photo(3)
    model = small_model(is_single_channel=True)
    assert model.output_names == ["rendered", "in_focus_weight"]
    half, weight, value, rendered, in_focus = outputs_of(
        model, photo, "half_size", "radiance_weight", "defocus"
    )
    assert 0 <= value.min() < 0.3 and 0.7 < value.max() <= 1
    masks = [0.5 + 0.5 * np.tanh(100 * (1 / 2 - np.abs(value - index / 2))) for index in range(3)]
    light, total = (naive_layers(part, masks, (None, 3, 5)) for part in (half * weight, weight))
    mask = 1 / (1 + np.exp(-20 * (0.125 - upsampled(value))))
    np.testing.assert_allclose(in_focus, mask, atol=FORWARD_TOLERANCE)
    expected = mask * photo + (1 - mask) * upsampled(light / (total + 1e-3))
    np.testing.assert_allclose(rendered, expected, atol=10 * FORWARD_TOLERANCE)


def test_a_photo_that_is_sharp_everywhere_is_kept():
    model = small_model(is_single_channel=True)
    head = model.get_layer("defocus_regression")
    head.kernel.assign(np.zeros(head.kernel.shape))
    head.bias.assign([-1.0])
    photo = random_photo(4)
    rendered, in_focus = outputs_of(model, photo)
    # sigmoid(20 / 8) of the photo, the rest of its half-size copy.
    np.testing.assert_allclose(in_focus, 1 / (1 + np.exp(-2.5)), atol=FORWARD_TOLERANCE)
    copy = upsampled(photo.reshape(32, 2, 64, 2, 3).mean(axis=(1, 3)))
    np.testing.assert_allclose(rendered, in_focus * photo + (1 - in_focus) * copy, atol=5e-3)


@pytest.mark.parametrize("sizes_px", [(), (5, 5), (7, 5), (4,), (1,)])
def test_config_refuses_impossible_disks(sizes_px):
    with pytest.raises(ValueError, match="disk_sizes_px must be rising odd numbers"):
        defocus.Config(disk_sizes_px=sizes_px)


@pytest.mark.parametrize(
    "sizes", [{"features": 0}, {"head_features": (8,)}, {"head_features": (8, 0)}]
)
def test_config_refuses_impossible_widths(sizes):
    with pytest.raises(ValueError, match="features and two head_features must be positive"):
        defocus.Config(**sizes)


@pytest.mark.parametrize(
    ("image_shape", "rule"),
    [((96, 128), "multiples of 64"), ((64, 128), "exceed the largest disk")],
)
def test_impossible_shapes_are_refused(image_shape, rule):
    with pytest.raises(ValueError, match=rule):
        defocus.build(image_shape=image_shape)
