"""`bokeh_tf.rendering`: geometry and full-resolution composite, against arithmetic done
another way.
"""

import dataclasses

import cv2
import numpy as np
import pytest

from bokeh_tf.rendering import ModelOutput, render
from bokeh_tf.rendering.geometry import Enlarger, place, resize, to_canvas
from tests.rendering.noise import CANVAS, FLOAT_TOLERANCE, ONE_STEP, noise

SIZES = [
    (16, 16),
    (17, 300),
    (300, 17),
    (64, 96),
    (50, 90),
    (90, 100),
    (40, 96),
    (211, 305),
    (400, 130),
]


@dataclasses.dataclass
class BlendModel:
    """Blends its input with a Gaussian blur of it: sharp inside a centred
    ellipse, or as `sharpness` says.
    """

    sharpness: float | None = None
    tells_weight: bool = True
    size: tuple[int, int] = CANVAS
    sigma: float = 4.0
    name: str = "blend"

    def canvas_size(self, photo_height, photo_width):
        return self.size

    def weight(self):
        if self.sharpness is not None:
            return np.full(self.size, self.sharpness, np.float32)
        rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in self.size)
        return np.clip(4 - 6 * np.hypot(rows[:, None], columns), 0, 1)

    def run(self, canvas):
        assert (canvas.shape, canvas.dtype) == ((*self.size, 3), np.float32)
        assert 0 <= canvas.min() <= canvas.max() <= 1
        weight = self.weight()[..., None]
        rendered = weight * canvas + (1 - weight) * cv2.GaussianBlur(canvas, (0, 0), self.sigma)
        return ModelOutput(rendered, weight[..., 0] if self.tells_weight else None)


def natural(height, width):
    """Detail at every scale, as in a photograph: random values with a 1/f spectrum."""
    spectrum = np.fft.rfft2(
        np.random.default_rng(height).standard_normal((height, width, 3)), axes=(0, 1)
    )
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)) + 1 / (
        height + width
    )
    texture = np.fft.irfft2(spectrum / frequency[..., None], s=(height, width), axes=(0, 1))
    return np.clip(128 + 40 * texture / texture.std(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_size_and_depth(size, dtype):
    photo = noise(*size, dtype)
    rendering = render(photo, BlendModel())
    assert (rendering.image.shape, rendering.image.dtype) == (photo.shape, dtype)
    assert rendering.in_focus_weight.ndim == 2
    np.testing.assert_array_equal(rendering.image, render(photo, BlendModel()).image)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_where_the_weight_is_one_the_pixels_are_the_photos_own(size, dtype):
    photo = noise(*size, dtype)
    np.testing.assert_array_equal(render(photo, BlendModel(sharpness=1.0)).image, photo)


def test_in_focus_region_keeps_pixel_detail_and_the_rest_loses_it():
    photo = noise(512, 768)
    image = render(photo, BlendModel()).image
    rows, columns = (np.linspace(-1, 1, side) for side in photo.shape[:2])
    radius = np.hypot(rows[:, None], columns)
    inside, outside = radius < 0.4, radius > 0.8
    assert inside.mean() > 0.1
    np.testing.assert_array_equal(image[inside], photo[inside])
    assert np.std(image[outside]) < 0.05 * np.std(photo[outside])


@pytest.mark.parametrize("size", SIZES)
def test_a_plain_photo_stays_plain(size):
    photo = np.full((*size, 3), (77, 0, 255), np.uint8)
    np.testing.assert_array_equal(render(photo, BlendModel()).image, photo)


def test_at_the_models_own_size_it_is_the_models_rendering():
    photo, model = noise(*CANVAS), BlendModel()
    expected = model.run(photo.astype(np.float32) / 255).rendered * 255
    assert np.abs(render(photo, model).image - expected).max() <= 0.5 + FLOAT_TOLERANCE


def test_subjects_edge_is_the_photos_own_and_has_no_halo():
    # A subject before a textured wall, its outline ten times finer than the model sees it.
    canvas, size = (64, 96), (640, 960)
    rows, columns = np.mgrid[: size[0], : size[1]]
    subject = columns < 480 + 40 * np.sin(rows / 40)
    photo = np.where(subject[..., None], (220, 40, 30), 60 + noise(*size) // 6).astype(np.uint8)
    weight = resize(subject.astype(np.float32), *canvas)

    class Matte(BlendModel):
        def weight(self):
            return weight

    small = resize(photo, *canvas)
    blurred = cv2.resize(
        cv2.GaussianBlur(small.astype(np.float32), (0, 0), BlendModel.sigma), size[::-1]
    )
    ideal = np.where(subject[..., None], photo, blurred)
    along_the_edge = (
        cv2.morphologyEx(subject.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((21, 21))) > 0
    )
    # Enlarging the weight without regard to the photo's edges is off by 5.8 on average,
    # which is seen as a halo.
    error = np.abs(render(photo, Matte()).image - ideal)[along_the_edge].mean()
    assert error < 1.5


@pytest.mark.parametrize("size", [(300, 460), (400, 300), (100, 900)])
def test_enlarged_blur_lies_where_the_photo_does(size):
    # A ramp through resampling and blur stays the same ramp; an offset of
    # half a pixel would move it.
    slope = 200 / size[1]
    ramp = np.repeat((20 + slope * np.arange(size[1]))[None], size[0], axis=0)
    photo = np.repeat(np.rint(ramp * 257)[..., None], 3, axis=2).astype(np.uint16)
    image = render(photo, BlendModel(sharpness=0.0, sigma=0.5)).image / 257
    middle = slice(size[1] // 4, -size[1] // 4)
    assert np.abs(image[..., 0] - ramp)[:, middle].max() < 0.25 * slope


def test_rest_does_not_see_the_padding():
    # A tall photo leaves most of a wide canvas empty; its mean must not be
    # pulled towards anything else.
    photo = natural(400, 100)
    image = render(photo, BlendModel(sharpness=0.0)).image
    assert abs(image.mean() - photo.mean()) < ONE_STEP


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        ((2000, 3000), (0, 0, 64, 96)),
        ((2250, 3000), (0, 0, 64, 96)),
        ((3000, 3000), (0, 16, 64, 64)),
        ((3000, 1500), (0, 32, 64, 32)),
        ((16, 1600), (31, 0, 1, 96)),
    ],
)
def test_placement(photo, expected):
    placement = place(*photo, *CANVAS)
    assert (placement.top, placement.left, placement.height, placement.width) == expected
    assert to_canvas(noise(*expected[2:]), placement).shape == (*CANVAS, 3)


def test_padding_is_a_reflection():
    photo = noise(64, 32)
    canvas = to_canvas(photo, place(64, 32, *CANVAS))
    expected = np.pad(photo / np.float32(255), ((0, 0), (32, 32), (0, 0)), mode="symmetric")
    np.testing.assert_allclose(canvas, expected, atol=1e-6)


@pytest.mark.parametrize("size", [(50, 40), (9, 40), (50, 8), (5, 4)])
def test_bands_equal_the_whole(size):
    small = np.random.default_rng(3).random((9, 8, 4), np.float32)
    enlarger = Enlarger(small, *size)
    bands = np.concatenate([enlarger.band(top, top + 7) for top in range(0, size[0], 7)])
    if size[0] >= 9 and size[1] >= 8:
        expected = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)
    else:
        expected = cv2.resize(small, size[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(bands, expected, atol=1e-5)


def test_resize_averages_areas_on_the_axis_that_shrinks():
    image = np.random.default_rng(4).random((8, 12), np.float32)
    expected = np.repeat(image.reshape(8, 3, 4).mean(axis=2), 2, axis=0)
    np.testing.assert_allclose(resize(image, 16, 3, enlarge=cv2.INTER_NEAREST), expected, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_image_only_identity_gives_the_photo_back(size):
    for photo in (noise(*size), natural(*size), np.full((*size, 3), 90, np.uint8)):
        np.testing.assert_array_equal(
            render(photo, BlendModel(sharpness=1.0, tells_weight=False)).image, photo
        )


@pytest.mark.parametrize("size", [(512, 768), (64, 96), (700, 400)])
def test_image_only_blur_lets_no_detail_back(size):
    photo = natural(*size)
    rendering = render(photo, BlendModel(sharpness=0.0, tells_weight=False, sigma=6.0))
    assert rendering.in_focus_weight.mean() < 0.02
    detail, left = (
        cv2.Laplacian(image.astype(np.float32), cv2.CV_32F) for image in (photo, rendering.image)
    )
    # Rounding to 8 bits alone leaves a standard deviation of about 1.3 in the Laplacian.
    assert np.std(left) < 0.02 * np.std(detail) + 1.5


def test_image_only_estimate_finds_the_models_weight():
    photo = natural(512, 768)
    told, estimated = (
        render(photo, BlendModel(size=(256, 384), tells_weight=tells)) for tells in (True, False)
    )
    assert np.abs(told.in_focus_weight - estimated.in_focus_weight).mean() < 0.03
    assert np.abs(told.image.astype(int) - estimated.image).mean() < ONE_STEP


@pytest.mark.parametrize("photo", [np.zeros((20, 20), np.uint8), np.zeros((20, 20, 3), np.float32)])
def test_render_refuses_other_arrays(photo):
    with pytest.raises(ValueError, match="must be"):
        render(photo, BlendModel())
