"""Team Horizon's network: counts, what each level sees, and its blends against
OpenCV's blurs and resizes.
"""

import cv2
import keras
import numpy as np
import pytest

from bokeh_tf.models import horizon
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect

SHAPE = (48, 80)
# The decimated blurs need some fifty pixels.
TINY_SHAPE = (64, 96)
# The blurs are exact to 3e-6; the rest are float32 roundings of values up to 1.
BLEND_TOLERANCE = 1e-5
# The decimated blurs' stated accuracy is 55 dB, 1.8e-3 of the range on average.
DECIMATED_TOLERANCE = 1e-2
# The figure counts neither the blurs' margins nor the enlargement of the maps.
MACS_TOLERANCE = 0.01
LEVEL_SIZES_PX = {1: (25, 45, 75), 2: (13, 23, 37), 3: (7, 11, 19)}


@pytest.fixture(scope="module")
def model():
    """The published widths, with heads large enough for maps that are far from uniform."""
    model = horizon.build(image_shape=SHAPE)
    for level in (1, 2, 3):
        kernel = model.get_layer(f"level{level}_decoder_head").kernel
        kernel.assign(20 * np.asarray(kernel))
    return model


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(2).random((*SHAPE, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def values(model, photo):
    """`values[name]`: what a layer gives for the photo, `[H, W, C]`."""
    names = [layer.name for layer in model.layers if layer.name != "image"]
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    return dict(
        zip(
            names,
            (np.asarray(value)[0] for value in probe(photo[None], training=False)),
            strict=True,
        )
    )


def opencv_blur(image, size_px):
    sigma_px = 0.3 * ((size_px - 1) * 0.5 - 1) + 0.8
    return cv2.GaussianBlur(image, (size_px, size_px), sigma_px, borderType=cv2.BORDER_REFLECT_101)


def opencv_doubled(image):
    channels = [
        cv2.resize(
            np.ascontiguousarray(image[..., index]),
            None,
            fx=2,
            fy=2,
            interpolation=cv2.INTER_LINEAR,
        )
        for index in range(image.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def elements(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


@pytest.mark.once
def test_parameters(model):
    assert model.count_params() == elements(model.trainable_weights) == 5_429_292
    by_part = {
        f"level{level}_{part}": sum(
            elements(layer.weights)
            for layer in model.layers
            if layer.name.startswith(f"level{level}_{part}")
        )
        for level in (1, 2, 3)
        for part in ("encoder", "decoder")
    }
    # DMSHN's parts, with seven more input channels on the two finer levels and one
    # more output channel on all.
    assert [by_part[f"level{level}_encoder"] for level in (1, 2, 3)] == [868_288 + 2_016] * 2 + [
        868_288
    ]
    assert [by_part[f"level{level}_decoder"] for level in (1, 2, 3)] == [939_843 + 289] * 3


@pytest.mark.slow
def test_macs_at_the_reference_size():
    model = horizon.build(image_shape=(1024, 1536))
    assert inspect(convert(model, precision="float16")).macs == pytest.approx(
        515e9, rel=MACS_TOLERANCE
    )


@pytest.mark.once
def test_tiny_fits_a_phone():
    model = horizon.build(horizon.VARIANTS["tiny"], image_shape=TINY_SHAPE)
    assert model.count_params() == 196_596
    # The blurs' margins make a small image dearer per pixel than a large one.
    macs_per_pixel = inspect(convert(model, precision="float32")).macs / np.prod(TINY_SHAPE)
    assert macs_per_pixel * 512 * 768 < 8e9


def test_levels_are_the_photo_a_half_and_a_quarter(values, photo):
    for level in (2, 3):
        scale = 2 ** (level - 1)
        expected = cv2.resize(photo, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(values[f"level{level}_image"], expected, atol=BLEND_TOLERANCE)


@pytest.mark.parametrize(
    ("level", "picture"), [(1, "rendered"), (2, "level2_rendered"), (3, "level3_rendered")]
)
def test_every_level_blends_its_image_with_blurs_of_it(values, photo, level, picture):
    image = photo if level == 1 else values[f"level{level}_image"]
    logits = values[f"level{level}_decoder_head"]
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights = powers / powers.sum(axis=-1, keepdims=True)
    images = [image, *(opencv_blur(image, size_px) for size_px in LEVEL_SIZES_PX[level])]
    expected = sum(weights[..., index : index + 1] * part for index, part in enumerate(images))
    assert weights.std() > 0.01
    np.testing.assert_allclose(values[picture], expected, atol=BLEND_TOLERANCE)
    np.testing.assert_allclose(values[f"level{level}_weights"], weights, atol=BLEND_TOLERANCE)


@pytest.mark.parametrize(("level", "picture"), [(1, "level2_rendered"), (2, "level3_rendered")])
def test_a_finer_level_sees_the_coarser_ones_picture_and_maps(values, photo, level, picture):
    image = photo if level == 1 else values[f"level{level}_image"]
    coarser = [values[picture], values[f"level{level + 1}_weights"]]
    expected = np.concatenate([image, *(opencv_doubled(part) for part in coarser)], axis=-1)
    np.testing.assert_allclose(values[f"level{level}_input"], expected, atol=BLEND_TOLERANCE)


@pytest.mark.parametrize("level", [1, 2])
def test_encoded_features_are_added_to_the_next_levels(values, level):
    own, coarser = (
        values[f"level{number}_encoder_scale3_block2_sum"] for number in (level, level + 1)
    )
    expected = own + opencv_doubled(coarser)
    tolerance = BLEND_TOLERANCE * np.abs(expected).max()
    np.testing.assert_allclose(values[f"level{level}_features"], expected, atol=tolerance)


def test_in_focus_weight_is_the_photos_own(model, values):
    assert model.output_names == ["rendered", "in_focus_weight"]
    np.testing.assert_array_equal(values["in_focus_weight"], values["level1_weights"][..., :1])


@pytest.mark.parametrize("chosen", range(4))
def test_tiny_with_all_weight_on_one_image_returns_it(chosen):
    model = horizon.build(horizon.VARIANTS["tiny"], image_shape=TINY_SHAPE)
    head = model.get_layer("level1_decoder_head")
    head.kernel.assign(np.zeros(head.kernel.shape))
    head.bias.assign(50.0 * np.eye(4)[chosen])
    rows, columns = np.mgrid[: TINY_SHAPE[0], : TINY_SHAPE[1]]
    photo = (
        np.stack([np.sin(rows / 5), np.cos(columns / 7), rows > columns], axis=-1).astype(
            np.float32
        )
        / 2
        + 0.5
    )
    rendered = np.asarray(model(photo[None], training=False)[0])[0]
    expected = [photo, *(opencv_blur(photo, size_px) for size_px in LEVEL_SIZES_PX[1])][chosen]
    np.testing.assert_allclose(
        rendered, expected, atol=DECIMATED_TOLERANCE if chosen else BLEND_TOLERANCE
    )


@pytest.mark.parametrize("sizes_px", [(), (25, 25), (45, 25), (24,), (7,)])
def test_config_refuses_impossible_blurs(sizes_px):
    with pytest.raises(ValueError, match="blur_sizes_px must be rising odd numbers"):
        horizon.Config(blur_sizes_px=sizes_px)


def test_image_smaller_than_the_blur_is_refused():
    with pytest.raises(ValueError, match="exceed half the largest blur kernel, 75 px"):
        horizon.build(image_shape=(32, 48))
