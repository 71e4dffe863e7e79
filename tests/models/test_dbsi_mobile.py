"""The flagship against its budget, against OpenCV and NumPy, and on the real delegate."""

import cv2
import keras
import numpy as np
import pytest

from bokeh_tf.models import dbsi_mobile
from bokeh_tf.ops.filtering import box_mean, gaussian_blur_inside
from bokeh_tf.ops.resize import BilinearUpsampling
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect
from tests.photographs import disc, texture

SHAPE, PHONE_SHAPE, FULL_SHAPE = (256, 384), (512, 768), (1024, 1536)
# Float32 roundings of values up to 1 through a few hundred sums.
FLOAT32_TOLERANCE = 1e-5
# What a sigmoid of 50 and half precision leave of the other images.
EXACT_TOLERANCE = 1e-3
# The blurs of the rest keep this much of the subject, for the floor under the mask.
BLEED_TOLERANCE = 0.05
# Sampling a Gaussian of 0.9 grid pixels and cutting it at three sigma
# changes its variance a little.
SIGMA_RELATIVE_TOLERANCE = 0.01
SIGMAS_PX = (4.1, 7.1, 11.6)


def built(image_shape):
    keras.utils.set_random_seed(3)
    return dbsi_mobile.build(image_shape=image_shape)


@pytest.fixture(scope="module")
def model():
    """The flagship with random weights, its maps far from uniform."""
    model = built(SHAPE)
    head = model.get_layer("logits")
    head.kernel.assign(20 * np.asarray(head.kernel))
    return model


@pytest.fixture(scope="module")
def full_size():
    """The flagship at its shipped size: (the shapes of its weights, the inspected float16 file)."""
    model = built(FULL_SHAPE)
    return [weight.shape for weight in model.weights], inspect(convert(model, precision="float16"))


@pytest.fixture(scope="module")
def photo():
    return cv2.GaussianBlur(
        texture(SHAPE, (120, 130, 110), seed=8).astype(np.float32) / 255, (0, 0), 1.0
    )


def run(model, image):
    return [np.asarray(output)[0] for output in model(image[None], training=False)]


def with_logits(model, logits):
    """A copy of the model whose network says `logits` everywhere."""
    copy = built(model.input_shape[1:3])
    head = copy.get_layer("logits")
    head.kernel.assign(np.zeros(head.kernel.shape))
    head.bias.assign(np.asarray(logits, np.float32))
    return copy


@pytest.mark.once
def test_full_size_keeps_to_the_budget(full_size):
    _, file = full_size
    assert file.macs <= 8e9
    assert file.size_bytes <= 0.5e6
    assert [tensor.shape for tensor in file.inputs] == [(1, *FULL_SHAPE, 3)]
    assert sorted(tensor.shape for tensor in file.outputs) == [
        (1, *FULL_SHAPE, 1),
        (1, *FULL_SHAPE, 3),
    ]


@pytest.mark.once
def test_at_most_eight_channels_at_full_resolution(full_size):
    # Elements, not last dimensions: a reshape may keep several pixels side by side as channels.
    pixels = FULL_SHAPE[0] * FULL_SHAPE[1]
    channels = {
        tensor.name: np.prod(tensor.shape) / pixels
        for tensor in full_size[1].tensors
        if not tensor.is_constant
    }
    assert max(channels.values()) >= 3, "the photo itself has three"
    assert {name: count for name, count in channels.items() if count > 8} == {}


@pytest.mark.once
def test_one_set_of_weights_serves_every_size(full_size, model):
    shapes = [weight.shape for weight in model.weights]
    assert shapes == full_size[0] == [weight.shape for weight in built(PHONE_SHAPE).weights]


def test_a_larger_photo_of_the_same_scene_has_the_same_map(model, photo):
    larger = built(PHONE_SHAPE)
    larger.set_weights(model.get_weights())
    # Every pixel four times: pooling gives the small photo back exactly.
    _, in_focus = run(larger, photo.repeat(2, axis=0).repeat(2, axis=1))
    _, expected = run(model, photo)
    assert expected.std() > 0.02
    expected = cv2.resize(expected, PHONE_SHAPE[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(in_focus[..., 0], expected, atol=10 * FLOAT32_TOLERANCE)


def test_outputs_and_their_range(model, photo):
    assert model.output_names == ["rendered", "in_focus_weight"]
    for image in (
        photo,
        (photo > photo.mean()).astype(np.float32),
        np.zeros_like(photo),
        np.ones_like(photo),
    ):
        rendered, in_focus = run(model, image)
        assert rendered.shape == (*SHAPE, 3) and in_focus.shape == (*SHAPE, 1)
        for values in (rendered, in_focus):
            assert values.min() >= -FLOAT32_TOLERANCE and values.max() <= 1 + FLOAT32_TOLERANCE


@pytest.mark.parametrize("image_shape", [SHAPE, PHONE_SHAPE])
def test_all_in_focus_is_the_photo_itself(image_shape):
    noise = np.random.default_rng(1).random((*image_shape, 3), dtype=np.float32)
    rendered, in_focus = run(with_logits(built(image_shape), [50, 0, 0, 0]), noise)
    np.testing.assert_allclose(in_focus, 1, atol=EXACT_TOLERANCE)
    np.testing.assert_allclose(rendered, noise, atol=EXACT_TOLERANCE)


@pytest.mark.parametrize("chosen", [1, 2, 3])
def test_nothing_in_focus_is_the_chosen_blur(model, photo, chosen):
    logits = np.where(np.arange(4) == chosen, 50.0, 0.0) - 50.0 * (np.arange(4) == 0)
    rendered, in_focus = run(with_logits(model, logits), photo)
    np.testing.assert_allclose(in_focus, 0, atol=EXACT_TOLERANCE)
    expected = opencv_blur(photo, SIGMAS_PX[chosen - 1] / 4) / opencv_blur(
        np.ones(SHAPE), SIGMAS_PX[chosen - 1] / 4
    )
    np.testing.assert_allclose(rendered, expected, atol=EXACT_TOLERANCE)


def opencv_blur(image, sigma_px):
    side_px = 2 * int(np.ceil(3 * sigma_px)) + 1
    blurred = cv2.GaussianBlur(
        image.astype(np.float64), (side_px, side_px), sigma_px, borderType=cv2.BORDER_CONSTANT
    )
    return blurred.reshape(*image.shape[:2], -1)


def test_background_blend_is_its_formula():
    random = np.random.default_rng(2)
    image, in_focus = random.random((24, 40, 3)), random.random((24, 40, 1))
    weights = random.dirichlet((1, 1), (24, 40))
    sigmas_px = (1.0, 2.5)
    mask = np.maximum(1 - in_focus, 0.02)
    blurred = [
        opencv_blur(np.concatenate([image * mask, mask], axis=-1), sigma_px)
        for sigma_px in sigmas_px
    ]
    blended = sum(weights[..., [index]] * part for index, part in enumerate(blurred))
    expected = (1 - in_focus) * blended[..., :3] / blended[..., 3:]

    layer = dbsi_mobile.BackgroundBlend(sigmas_px)
    actual = layer(*(array[None].astype(np.float32) for array in (image, in_focus, weights)))
    np.testing.assert_allclose(np.asarray(actual)[0], expected, atol=FLOAT32_TOLERANCE)


def test_the_subjects_colour_does_not_bleed():
    mask = disc((48, 64), radius=0.25)
    image = np.where(mask[..., None], np.float32([1, 0, 0]), np.float32([0, 0, 1]))
    in_focus = mask[..., None].astype(np.float32)
    everything = np.ones_like(in_focus)
    blend = np.asarray(
        dbsi_mobile.BackgroundBlend((2.9,))(image[None], in_focus[None], everything[None])
    )[0]
    assert blend[~mask][:, 0].max() < BLEED_TOLERANCE
    assert blend[~mask][:, 2].min() > 1 - BLEED_TOLERANCE
    plain = np.asarray(gaussian_blur_inside(image[None], 2.9))[0]
    assert plain[~mask][:, 0].max() > 0.3, "a plain Gaussian bleeds here"


def test_sigmas_on_the_grid_by_hand():
    # (4.1, 7.1, 11.6) / 4; at 1024 rows less 15/12/16 for the mean of 4 and (7 + 15) / 128
    # for the enlargement, whose phases lie 1/8 and 3/8 from the nearest grid point: 0.25
    # of their squares in all.
    config = dbsi_mobile.Config()
    assert dbsi_mobile.grid_sigmas_px(config, 1) == pytest.approx((1.025, 1.775, 2.9))
    assert dbsi_mobile.grid_sigmas_px(config, 4) == pytest.approx(
        (0.89478, 1.70312, 2.85657), abs=1e-5
    )


@pytest.mark.parametrize("decimation", [2, 4])
def test_pooling_blur_and_enlargement_add_up_to_the_sigma(decimation):
    # A lit column at each of the places it can have in a pooled pixel; the
    # variance of what becomes of it.
    centre = 64
    columns = np.arange(2 * centre)
    variances = []
    for column in range(centre, centre + decimation):
        image = np.tile((columns == column).astype(np.float32), (32, 1))[None, ..., None]
        pooled = keras.layers.AveragePooling2D(decimation)(image)
        blurred = gaussian_blur_inside(
            pooled, dbsi_mobile.grid_sigmas_px(dbsi_mobile.Config(), decimation)[0]
        )
        profile = np.asarray(BilinearUpsampling(decimation)(blurred))[0, 16, :, 0]
        variances.append((profile * (columns - column) ** 2).sum() / profile.sum())
    expected_px = SIGMAS_PX[0] * 256 * decimation / 1024
    assert np.sqrt(np.mean(variances)) == pytest.approx(expected_px, rel=SIGMA_RELATIVE_TOLERANCE)


def test_position_bias_is_a_quadratic_of_the_position():
    layer = dbsi_mobile.PositionBias()
    features = np.zeros((1, 3, 5, 2), np.float32)
    np.testing.assert_array_equal(np.asarray(layer(features)), features)
    layer.coefficients.assign(np.stack([[1, 2, 3, 4, 5], [0, 0, 0, 0, 1]], axis=1))
    actual = np.asarray(layer(features))[0]
    # Last column, first row: x = 1, y = -1.
    assert actual[0, 4].tolist() == [1 - 2 + 3 + 4 - 5, -1]
    assert actual[1, 2].tolist() == [0, 0]


def test_in_focus_map_of_a_photo_without_edges_is_smoothed_and_stretched(model, photo):
    probe = keras.Model(model.input, [model.get_layer("focus").output, model.outputs[1]])
    focus, in_focus = run(probe, np.full_like(photo, 0.5))
    smoothed = np.asarray(box_mean(box_mean(focus[None], 3), 3))[0]
    low, high = dbsi_mobile.Config().focus_range
    np.testing.assert_allclose(
        in_focus, np.clip((smoothed - low) / (high - low), 0, 1), atol=10 * FLOAT32_TOLERANCE
    )


@pytest.mark.parametrize(
    "image_shape", [(128, 192), (256, 100), (384, 576), (512, 736), (250, 384)]
)
def test_shapes_off_the_grid_are_refused(image_shape):
    with pytest.raises(ValueError, match=r"image_shape must .*Received"):
        dbsi_mobile.build(image_shape=image_shape)


@pytest.mark.parametrize("channels", [(8, 8), (16, 24, 32, 48, 0)])
def test_config_refuses_impossible_channels(channels):
    with pytest.raises(ValueError, match="channels must be five positive numbers"):
        dbsi_mobile.Config(channels=channels)


@pytest.mark.parametrize("sizes_px", [(), (24,), (15, 25)])
def test_config_refuses_impossible_blurs(sizes_px):
    with pytest.raises(ValueError, match="blur_sizes_px must be odd and at least 25"):
        dbsi_mobile.Config(blur_sizes_px=sizes_px)


@pytest.mark.parametrize("focus_range", [(0.7, 0.2), (0.5, 0.5), (-0.1, 0.5), (0.5, 1.1)])
def test_config_refuses_impossible_focus_ranges(focus_range):
    with pytest.raises(ValueError, match="focus_range must rise within"):
        dbsi_mobile.Config(focus_range=focus_range)


@pytest.mark.gpu
def test_the_delegate_takes_it_whole_in_both_precisions(gpu, model, tmp_path):
    from bokeh_tf.delegate.probing.probe import probe
    from bokeh_tf.delegate.probing.verdicts import Verdict

    path = tmp_path / "dbsi_mobile_base_float16_256x384.tflite"
    path.write_bytes(convert(model, precision="float16"))
    report = probe(path)
    assert report.verdict is Verdict.FULL, [part.reasons for part in report.precisions]
    assert {part.precision for part in report.precisions} == {"float32", "default"}
