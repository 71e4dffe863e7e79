"""DBSI against the paper's counts, its blend equation in NumPy and OpenCV's Gaussian blur."""

import functools
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest

from bokeh_tf.models import dbsi
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect

SHAPE, TINY_SHAPE = (48, 80), (64, 96)
# The blur is exact to 3e-6; the rest are float32 roundings of values up to 1.
BLEND_TOLERANCE = 1e-5
# The decimated blurs' stated accuracy is 55 dB, 1.8e-3 of the range on average.
DECIMATED_TOLERANCE = 1e-2
# Weight that a logit of 50 leaves to the other images.
NOTHING = 1e-20


@functools.cache
def slim(variant):
    """A variant with a quarter of the channels, and the fresh kernel of its last layer.

    No blend hangs on the width, and for convolutions of 11x11 with all channels oneDNN has no more
    than its reference on some processors, which takes 20 s.
    """
    config = replace(dbsi.VARIANTS[variant], width_divisor=4)
    model = dbsi.build(config, image_shape=TINY_SHAPE if variant == "tiny" else SHAPE)
    return model, np.array(model.get_layer("blend_logits").kernel)


def with_head(variant, *, factor, bias=(0.0, 0.0, 0.0, 0.0)):
    """The slim network, its last layer the fresh one's kernel times `factor` and a bias."""
    model, kernel = slim(variant)
    head = model.get_layer("blend_logits")
    head.kernel.assign(factor * kernel)
    head.bias.assign(np.float32(bias))
    return model


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize(
    ("variant", "parameters"),
    [("base", 5_358_884), ("one_kernel", 5_357_730), ("small_kernels", 5_358_884)],
)
@pytest.mark.once
def test_parameters_are_the_published_ones(variant, parameters):
    model = dbsi.build(dbsi.VARIANTS[variant], image_shape=SHAPE)
    assert trainable(model) == parameters
    assert model.count_params() - trainable(model) == 14_144


def run_with_logits(model, photo):
    """What its last layer says of a photo `[H, W, 3]`, then its outputs."""
    probe = keras.Model(model.input, [model.get_layer("blend_logits").output, *model.outputs])
    return [np.asarray(value)[0] for value in probe(photo[None], training=False)]


def opencv_bank(photo, sizes_px):
    # sigma is spelled out because OpenCV's own default up to size 7 is a table of
    # binomials, not its formula.
    sigmas_px = [0.3 * ((k - 1) * 0.5 - 1) + 0.8 for k in sizes_px]
    return [
        photo,
        *(
            cv2.GaussianBlur(photo, (k, k), sigma, borderType=cv2.BORDER_REFLECT_101)
            for k, sigma in zip(sizes_px, sigmas_px, strict=True)
        ),
    ]


@pytest.mark.parametrize(
    ("variant", "sizes_px"), [("base", (25, 45, 75)), ("small_kernels", (5, 25, 45))]
)
def test_blend_is_the_softmax_weighted_sum_of_the_photo_and_its_blurs(variant, sizes_px):
    # So that the maps are far from uniform.
    model = with_head(variant, factor=30)
    photo = np.random.default_rng(2).random((*SHAPE, 3), dtype=np.float32)

    logits, rendered, in_focus_weight = run_with_logits(model, photo)

    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights = powers / powers.sum(axis=-1, keepdims=True)
    expected = sum(
        weights[..., i : i + 1] * image for i, image in enumerate(opencv_bank(photo, sizes_px))
    )
    assert weights.std() > 0.01
    np.testing.assert_allclose(rendered, expected, atol=BLEND_TOLERANCE)
    np.testing.assert_allclose(in_focus_weight, weights[..., :1], atol=BLEND_TOLERANCE)


def test_all_weight_on_one_image_returns_it():
    photo = np.random.default_rng(3).random((*SHAPE, 3), dtype=np.float32)
    for chosen, expected in enumerate(opencv_bank(photo, (25, 45, 75))):
        model = with_head("base", factor=0, bias=50.0 * np.eye(4)[chosen])
        rendered, in_focus_weight = (np.asarray(x)[0] for x in model(photo[None], training=False))
        np.testing.assert_allclose(rendered, expected, atol=BLEND_TOLERANCE)
        np.testing.assert_allclose(in_focus_weight, 1.0 if chosen == 0 else 0.0, atol=NOTHING)


@pytest.mark.once
def test_tiny_fits_a_phone():
    tiny, _ = slim("tiny")
    assert trainable(tiny) == 340_268
    # The blurs' margins make a small image dearer per pixel than a large one.
    macs_per_pixel = inspect(convert(tiny, precision="float32")).macs / np.prod(TINY_SHAPE)
    assert macs_per_pixel * 512 * 768 < 8e9


def test_tiny_blends_by_weights_from_half_the_size():
    model = with_head("tiny", factor=100)
    rows, columns = np.mgrid[: TINY_SHAPE[0], : TINY_SHAPE[1]]
    photo = (
        np.stack([np.sin(rows / 5), np.cos(columns / 7), rows > columns], axis=-1).astype(
            np.float32
        )
        / 2
        + 0.5
    )

    logits, rendered, in_focus_weight = run_with_logits(model, photo)

    enlarged = cv2.resize(logits, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    powers = np.exp(enlarged - enlarged.max(axis=-1, keepdims=True))
    weights = powers / powers.sum(axis=-1, keepdims=True)
    expected = sum(
        weights[..., i : i + 1] * image for i, image in enumerate(opencv_bank(photo, (25, 45, 75)))
    )
    assert weights.std() > 0.01
    np.testing.assert_allclose(in_focus_weight, weights[..., :1], atol=BLEND_TOLERANCE)
    np.testing.assert_allclose(rendered, expected, atol=DECIMATED_TOLERANCE)


def test_sigmas_can_be_chosen():
    model = dbsi.build(dbsi.Config(blur_sizes_px=(25,), blur_sigmas_px=(2.5,)), image_shape=SHAPE)
    photo = np.random.default_rng(4).random((*SHAPE, 3), dtype=np.float32)
    blurred = np.asarray(model.get_layer("blur1_k25")(photo[None]))[0]
    expected = cv2.GaussianBlur(photo, (25, 25), 2.5, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_allclose(blurred, expected, atol=BLEND_TOLERANCE)


@pytest.mark.parametrize("sizes_px", [(), (25, 25), (45, 25), (24,), (1,)])
def test_config_refuses_impossible_sizes(sizes_px):
    with pytest.raises(ValueError, match="blur_sizes_px must be rising odd numbers"):
        dbsi.Config(blur_sizes_px=sizes_px)


@pytest.mark.parametrize("sigmas_px", [(1.0, 2.0), (1.0, 2.0, 0.0), (1.0, 2.0, float("nan"))])
def test_config_refuses_impossible_sigmas(sigmas_px):
    with pytest.raises(ValueError, match="blur_sigmas_px must be one positive number"):
        dbsi.Config(blur_sigmas_px=sigmas_px)


def test_image_smaller_than_the_blur_is_refused():
    with pytest.raises(ValueError, match="exceed half the largest blur kernel, 75 px"):
        dbsi.build(image_shape=(32, 48))
