"""The models that render, `.tflite` files and Keras ones: loaded by name, range and weights, or
refused in one line.
"""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.errors import ModelFileError
from bokeh_tf.models import weights
from bokeh_tf.rendering import backends, load_model, render
from tests.rendering.noise import CANVAS, FLOAT_TOLERANCE, ONE_STEP, noise


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
