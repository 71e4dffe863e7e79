"""The saliency blend against the paper's equation with OpenCV's Gaussian, and SCRN's count."""

import cv2
import numpy as np
import pytest

from bokeh_tf.models import saliency_blend, scrn
from bokeh_tf.models.backbones import Encoder

SHAPE = (64, 96)
SMALL = scrn.Config(channels=4, units=1, encoder=Encoder(planes=4, blocks=(1, 1, 1, 1), width=4))
# The blur is exact to 3e-6; the rest are float32 roundings of values up to 1.
BLEND_TOLERANCE = 1e-5
# The bank's Gaussian is not cut off at the kernel's size, and its grids blur a little more.
BANK_TOLERANCE = 0.02


def elements(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def opencv_blur(photo):
    # OpenCV's own rule: 0.3 * ((75 - 1) / 2 - 1) + 0.8.
    return cv2.GaussianBlur(photo, (75, 75), 11.6, borderType=cv2.BORDER_REFLECT_101)


def random_photo(seed):
    return np.random.default_rng(seed).random((*SHAPE, 3), dtype=np.float32)


@pytest.mark.parametrize(("variant", "parameters"), [("base", 25_226_498), ("from_map", 0)])
@pytest.mark.once
def test_all_parameters_are_scrns(variant, parameters):
    model = saliency_blend.build(saliency_blend.VARIANTS[variant], image_shape=SHAPE)
    assert elements(model.trainable_weights) == parameters
    assert model.output_names == ["rendered", "in_focus_weight"]


def test_blend_is_the_papers_equation():
    model = saliency_blend.build(saliency_blend.VARIANTS["from_map"], image_shape=SHAPE)
    assert [tensor.name for tensor in model.inputs] == ["image", "saliency"]
    photo, saliency = random_photo(1), random_photo(2)[..., :1]
    rendered, in_focus = (np.asarray(output)[0] for output in model([photo[None], saliency[None]]))
    expected = saliency * photo + (1 - saliency) * opencv_blur(photo)
    np.testing.assert_array_equal(in_focus, saliency)
    np.testing.assert_allclose(rendered, expected, atol=BLEND_TOLERANCE)


@pytest.mark.parametrize(
    ("is_decimated", "tolerance"), [(False, BLEND_TOLERANCE), (True, BANK_TOLERANCE)]
)
def test_estimated_saliency_weighs_the_photo(is_decimated, tolerance):
    config = saliency_blend.Config(is_blur_decimated=is_decimated, network=SMALL)
    model = saliency_blend.build(config, image_shape=SHAPE)
    estimator = scrn.build(SMALL, image_shape=SHAPE)
    estimator.set_weights(model.get_weights())
    photo = random_photo(3)
    rendered, in_focus = (np.asarray(output)[0] for output in model(photo[None], training=False))
    saliency = np.asarray(estimator(photo[None], training=False))[0]
    np.testing.assert_allclose(in_focus, saliency, atol=BLEND_TOLERANCE)
    expected = saliency * photo + (1 - saliency) * opencv_blur(photo)
    np.testing.assert_allclose(rendered, expected, atol=tolerance)


@pytest.mark.parametrize(("blur", "least"), [({"blur_size_px": 24}, 3), ({"blur_size_px": 1}, 3)])
def test_config_refuses_impossible_blurs(blur, least):
    with pytest.raises(ValueError, match=f"blur_size_px must be odd and at least {least}"):
        saliency_blend.Config(**blur)


def test_a_decimated_blur_must_be_large():
    with pytest.raises(ValueError, match="blur_size_px must be odd and at least 21"):
        saliency_blend.Config(blur_size_px=15, is_blur_decimated=True)


def test_image_smaller_than_the_blur_is_refused():
    with pytest.raises(ValueError, match="exceed half the blur kernel, 75 px"):
        saliency_blend.build(image_shape=(32, 96))
