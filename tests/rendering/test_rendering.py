"""`bokeh_tf.rendering`: geometry, full-resolution composite and backends, against
arithmetic done another way.
"""

import dataclasses
import subprocess
import sys

import cv2
import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.errors import ModelFileError
from bokeh_tf.models import weights
from bokeh_tf.rendering import ModelOutput, backends, load_model, render
from bokeh_tf.rendering.geometry import Enlarger, place, resize, to_canvas

CANVAS = (64, 96)
# One step of 8 bits: two roundings may fall to different sides.
ONE_STEP = 1
# Sums of a few float32 terms in [0, 255].
FLOAT_TOLERANCE = 1e-3
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


def noise(height, width, dtype=np.uint8):
    return np.random.default_rng(height * 1000 + width).integers(
        0, np.iinfo(dtype).max, (height, width, 3), dtype, True
    )


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


def blend_graph(image):
    import keras

    blurred = keras.layers.AveragePooling2D(5, strides=1, padding="same")(image)
    weight = keras.layers.Lambda(lambda values: 0.0 * values[..., :1] + 0.25)(image)
    return [0.25 * image + 0.75 * blurred, weight]


def test_tflite_backend_matches_the_arithmetic(tiny_tflite):
    path = tiny_tflite("blend", blend_graph, image_shape=CANVAS)
    model = load_model(path, input_range=(0, 1))
    assert model.canvas_size(1, 1) == CANVAS
    photo = noise(*CANVAS)
    rendering = render(photo, model)
    # TensorFlow averages over the pixels inside the picture only.
    ones = cv2.blur(np.ones(CANVAS), (5, 5), borderType=cv2.BORDER_CONSTANT)
    blurred = (
        cv2.blur(photo.astype(np.float64), (5, 5), borderType=cv2.BORDER_CONSTANT) / ones[..., None]
    )
    assert np.abs(rendering.image - (0.25 * photo + 0.75 * blurred)).max() <= 0.5 + FLOAT_TOLERANCE
    np.testing.assert_allclose(rendering.in_focus_weight, 0.25, atol=1e-6)


@pytest.mark.parametrize("input_range", [(0, 1), (0, 255), (-1, 1)])
def test_a_foreign_files_range_is_asked_for_and_applied(tiny_tflite, input_range):
    path = tiny_tflite("blend", blend_graph, image_shape=CANVAS)
    with pytest.raises(ModelFileError, match="--input-range 0 1") as refusal:
        load_model(path)
    assert "\n" not in str(refusal.value)
    photo = noise(*CANVAS)
    # A mean of pixels is a mean of pixels in every range, so the picture must be the same.
    expected, rendered = (
        render(photo, load_model(path, input_range=pair)) for pair in ((0, 1), input_range)
    )
    assert np.abs(rendered.image.astype(int) - expected.image).max() <= ONE_STEP


def test_a_range_that_does_not_fit_shows(tiny_tflite):
    # The negative for 0 to 1; for any other range another picture, so the range reaches the model.
    path = tiny_tflite("negative", lambda image: [1.0 - image], image_shape=CANVAS)
    photo = noise(*CANVAS)
    images = [render(photo, load_model(path, input_range=pair)).image for pair in ((0, 1), (-1, 1))]
    assert np.abs(images[0].astype(int) - (255 - photo.astype(int))).max() <= ONE_STEP
    # In -1 to 1 the model computes 1 - x, clipped to 1 below the middle: (2 - 2 * photo) / 2 + 0.5.
    expected = np.clip(1.5 - photo / 255, 0, 1) * 255
    assert np.abs(images[1] - expected).max() <= ONE_STEP


def test_what_the_file_states_is_taken(tmp_path):
    import keras

    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    image = keras.Input((*CANVAS, 3), batch_size=1, name="image")
    rendered = keras.layers.Rescaling(-255.0, offset=255.0, name="rendered")(image)
    negative = keras.Model(image, rendered, name="negative")
    path = tmp_path / "negative.tflite"
    photo = noise(*CANVAS)
    # What the file states of one side says nothing of the other.
    path.write_bytes(convert(negative, precision="float32", ranges={"image": (0, 1)}))
    with pytest.raises(ModelFileError, match="--output-range 0 1"):
        load_model(path)
    told = render(photo, load_model(path, output_range=(0, 255))).image
    assert np.abs(told.astype(int) - (255 - photo.astype(int))).max() <= ONE_STEP
    path.write_bytes(
        convert(negative, precision="float32", ranges={"image": (0, 1), "rendered": (0, 255)})
    )
    assert inspect(path).metadata["inputs"][0]["range"] == [0, 1]
    image = render(photo, load_model(path)).image
    assert np.abs(image.astype(int) - (255 - photo.astype(int))).max() <= ONE_STEP
    with pytest.raises(ModelFileError, match="Leave out"):
        load_model("dbsi_mobile", input_range=(0, 1))


def test_unusable_model_files_have_one_line(tmp_path, tiny_tflite):
    (tmp_path / "text.tflite").write_text("not a model")
    (tmp_path / "garbage.tflite").write_bytes(b"\x18\0\0\0TFL3" + bytes(range(256)) * 4)
    refusals = {
        tmp_path / "missing.tflite": "missing.tflite",
        tmp_path / "text.tflite": "text.tflite",
        tmp_path / "garbage.tflite": "garbage.tflite",
        tmp_path: str(tmp_path),
        "no_such_model": "Known models: .*dbsi",
        tiny_tflite(
            "grey", lambda image: [image * 2.0], channels=1
        ): r"input must be one float32 \[1, H, W, 3\]",
        tiny_tflite("weightless", lambda image: [image[..., :1]]): "no bokeh model",
        tiny_tflite("small", lambda image: [image * 1.0], image_shape=(8, 8)): "8x8",
    }
    for name, reason in refusals.items():
        with pytest.raises(ModelFileError, match=reason) as refusal:
            load_model(name)
        assert "\n" not in str(refusal.value)


def test_not_a_number_is_an_error(tiny_tflite):
    import keras

    model = load_model(
        tiny_tflite("nan", lambda image: [keras.ops.log(image - 2.0)]), input_range=(0, 1)
    )
    with pytest.raises(ModelFileError, match="NaN"):
        render(noise(16, 24), model)


def test_keras_backend_renders_as_the_keras_model(tmp_path, monkeypatch):
    import keras

    keras.utils.set_random_seed(11)
    monkeypatch.setattr(weights, "WEIGHTS_FOLDER", tmp_path)
    monkeypatch.setattr(backends, "_LYING_CANVAS", (256, 384))
    reference = models.build("dbsi_mobile", image_shape=(256, 384))
    reference.save_weights(tmp_path / "dbsi_mobile_base.weights.h5")
    model = load_model("dbsi_mobile")
    assert (model.canvas_size(2000, 3000), model.canvas_size(4000, 3000)) == (
        (256, 384),
        (1536, 1152),
    )
    photo = noise(256, 384)
    rendered, weight = reference.predict_on_batch(photo[None] / np.float32(255))
    rendering = render(photo, model)
    assert np.abs(rendering.image - np.clip(rendered[0], 0, 1) * 255).max() <= ONE_STEP
    np.testing.assert_allclose(rendering.in_focus_weight, weight[0, ..., 0], atol=1e-5)


def test_weights_and_whole_keras_files_render_as_their_model(tmp_path, monkeypatch):
    import keras

    keras.utils.set_random_seed(11)
    monkeypatch.setattr(backends, "_LYING_CANVAS", (64, 96))
    reference = models.build("unet", variant="tiny", image_shape=(64, 96))
    reference.save_weights(tmp_path / "unet_tiny.weights.h5")
    reference.save(tmp_path / "mine.keras")
    photo = noise(64, 96)
    expected = np.asarray(reference(photo[None] / np.float32(255)))[0]
    for name in ("unet_tiny.weights.h5", "mine.keras"):
        model = load_model(tmp_path / name)
        assert model.name == name
        np.testing.assert_allclose(model.run(photo / np.float32(255)).rendered, expected, atol=1e-5)
    with pytest.raises(ModelFileError, match=r"name it <model>_<variant>\.weights\.h5"):
        load_model(tmp_path / "mine.weights.h5")
    with pytest.raises(ModelFileError, match="Received: 'huge'"):
        load_model(tmp_path / "unet_huge.weights.h5")
    with pytest.raises(ModelFileError, match="no such file"):
        load_model(tmp_path / "none.keras")
    (tmp_path / "damaged.keras").write_bytes(b"PK no archive")
    with pytest.raises(ModelFileError, match="no HDF5 file and no Keras archive"):
        load_model(tmp_path / "damaged.keras")
    small = keras.Input((64, 96, 1), name="grey")
    keras.Model(small, keras.layers.Rescaling(2.0)(small)).save(tmp_path / "grey.keras")
    with pytest.raises(ModelFileError, match="no bokeh model"):
        load_model(tmp_path / "grey.keras")


def test_keras_model_without_weights_or_keras(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(ModelFileError, match="no trained weights"):
        load_model("megadepth")
    (tmp_path / "dbsi_base.weights.h5").write_bytes(b"")
    program = (
        "import sys; sys.modules['keras'] = None; from pathlib import Path; "
        "from bokeh_tf.models import weights; from bokeh_tf.rendering import backends; "
        "weights.WEIGHTS_FOLDER = Path(sys.argv[1]); backends.load_model('dbsi')"
    )
    child = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
    )
    assert "DependencyError" in child.stderr
    assert 'pip install "bokeh-tf[tensorflow]"' in child.stderr


def test_rendering_a_tflite_imports_no_tensorflow(tmp_path, tiny_tflite, photo_file):
    program = (
        "import sys; from bokeh_tf.rendering import render_files; "
        "failures = render_files([sys.argv[1]], output=sys.argv[2], model=sys.argv[3],"
        " input_range=(0, 1)); "
        "sys.exit(failures or any(name in sys.modules for name in ('tensorflow', 'keras')))"
    )
    model = tiny_tflite("blend", blend_graph, image_shape=CANVAS)
    arguments = [photo_file, tmp_path / "out", model]
    subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], check=True, capture_output=True
    )
    assert (tmp_path / "out" / photo_file.name).is_file()
