"""What is measured of a rendering beside its pair, on pictures whose blur is known."""

import cv2
import numpy as np
import pytest

from benchmarks.seen import nearest_sigma_px, seen
from bokeh_tf.rendering import Rendering
from tests.photographs import texture

PHOTO = texture((512, 640), (120, 130, 110), seed=2)
LEFT = np.zeros((512, 640), np.float32)
LEFT[:, :320] = 1


def blurred(sigma_px, subject=PHOTO):
    soft = cv2.GaussianBlur(PHOTO, (0, 0), sigma_px)
    return np.where(LEFT[..., None] > 0, subject, soft).astype(np.uint8)


@pytest.mark.parametrize("sigma_px", [1.0, 4.0, 8.0])
def test_the_blur_is_recognised_whatever_the_exposure(sigma_px):
    picture = blurred(sigma_px).astype(np.float32) + 9
    assert nearest_sigma_px(PHOTO.astype(np.float32), picture, LEFT == 0) == pytest.approx(sigma_px)


def test_octaves_of_blur_and_the_share_of_sharpness():
    exact = seen(PHOTO, blurred(4.0), Rendering(blurred(4.0), LEFT))
    assert exact == {"background_octaves": 0, "subject_sharpness": pytest.approx(1)}
    soft_subject = cv2.GaussianBlur(PHOTO, (0, 0), 1.5)
    off = seen(PHOTO, blurred(8.0), Rendering(blurred(2.0, soft_subject), LEFT))
    assert off["background_octaves"] == pytest.approx(2)
    assert 0 < off["subject_sharpness"] < 0.7


def test_where_there_is_no_region_there_is_no_number():
    assert seen(PHOTO, PHOTO, Rendering(PHOTO, np.full_like(LEFT, 0.5))) == {
        "background_octaves": None,
        "subject_sharpness": None,
    }
