"""Fixtures that several test files share: small `.tflite` files,
photographs, and the GPU adapter.
"""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.longest import LONGEST_FIRST
from tests.numeric import NUMERIC_FILES

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SEED = 7
TESTS = Path(__file__).resolve().parent


def pytest_configure(config):
    # Keras 3.15 with NumPy 2.4: theirs to mend, and every save or predict of a model meets it.
    config.addinivalue_line(
        "filterwarnings", "ignore:__array__ implementation doesn't accept:DeprecationWarning"
    )


def pytest_collection_modifyitems(items):
    for item in items:
        if _place(item) in NUMERIC_FILES and item.get_closest_marker("once") is None:
            item.add_marker(pytest.mark.numeric)
    turns = {place: turn for turn, place in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: turns.get(_place(item), len(turns)))


def _place(item):
    return item.path.relative_to(TESTS).as_posix()


@pytest.fixture
def hears_ctrl_c():
    """SIGINT interrupts this process as Ctrl-C does a command.

    A shell starts what it runs in the background deaf to it, and a program that a test imports
    lets it end the process.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def tiny_tflite(tmp_path_factory):
    """`tiny_tflite(name, graph, image_shape=(16, 24), channels=3)`: the path of a
    `.tflite` of a small Keras graph.

    TensorFlow's own converter writes it, not ours, so that also graphs
    that ours refuses can be had.
    """
    folder = tmp_path_factory.mktemp("tiny_tflite")

    def write(name, graph, *, image_shape=(16, 24), channels=3, float16=False):
        import keras
        import tensorflow as tf

        path = folder / f"{name}.tflite"
        if path.exists():
            return path
        keras.utils.set_random_seed(SEED)
        image = keras.Input((*image_shape, channels), batch_size=1, name="image")
        converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, graph(image)))
        if float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())
        return path

    return write


@pytest.fixture(scope="session")
def tiny_convolution(tiny_tflite):
    """A two-layer network [1, 16, 24, 3] -> [1, 16, 24, 3] in (0, 1): right on every delegate."""

    def graph(image):
        import keras

        hidden = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(image)
        return keras.layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="rendered")(
            hidden
        )

    return tiny_tflite("tiny_convolution", graph, float16=True)


@pytest.fixture(scope="session")
def gpu(tiny_convolution):
    """Skips where no Vulkan adapter is to be had; in CI, where there must be one, fails instead."""
    from bokeh_tf.delegate.probing.probe import Verdict, probe

    report = probe(tiny_convolution, precisions=("default",))
    if report.verdict is not Verdict.UNAVAILABLE:
        return report.adapter
    reason = report.precisions[0].reasons[0]
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(f"CI must have a Vulkan adapter: {reason}")
    pytest.skip(reason)


@pytest.fixture
def photo_file(tmp_path):
    """A small JPEG [48, 64] with a smooth gradient and a hard edge."""
    rows, columns = np.mgrid[:48, :64].astype(np.float32)
    pixels = np.stack([rows * 5, columns * 4, np.where(columns > 30, 200, 20)], axis=-1)
    path = tmp_path / "foto größe.jpg"
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)
    return path
