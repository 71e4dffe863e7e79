"""Contracts that every entry of the MODELS table keeps, at a tiny non-square size."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from bokeh_tf import models

# The phone model works on a grid of 256 rows.
SHAPE = (256, 64)
# Every model ends in the same arithmetic after a round trip through a file, in the same process.
SAME_WEIGHTS_TOLERANCE = 1e-6


@pytest.fixture(scope="module", params=models.MODELS)
def named_model(request):
    """(name, base variant) of each model, built once."""
    return request.param, models.build(request.param, image_shape=SHAPE)


def photo(seed=0):
    return np.random.default_rng(seed).random((1, *SHAPE, 3), dtype=np.float32)


def predict(model, images):
    return [np.asarray(output) for output in keras.tree.flatten(model(images, training=False))]


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"Received: 'nope'. Known: megadepth, dbsi"):
        models.build("nope", image_shape=SHAPE)
    with pytest.raises(ValueError, match=r"Received: 'huge'. Known: base"):
        models.build("megadepth", variant="huge", image_shape=SHAPE)


@pytest.mark.parametrize("name", models.MODELS)
def test_every_variant_builds_under_its_own_name(name):
    assert "base" in models.variants(name)
    for variant in models.variants(name):
        assert models.build(name, variant=variant, image_shape=SHAPE).name == f"{name}.{variant}"


def test_takes_one_rgb_image_of_the_given_size(named_model):
    _, model = named_model
    assert [tensor.shape for tensor in model.inputs] == [(None, *SHAPE, 3)]


def test_outputs_have_the_size_of_the_image_and_the_promised_range(named_model):
    name, model = named_model
    outputs = dict(zip(model.output_names, predict(model, photo()), strict=True))
    for key, value in outputs.items():
        assert value.dtype == np.float32
        assert value.shape == (1, *SHAPE, 3 if key == "rendered" else 1)
        assert np.isfinite(value).all()
    is_depth = name == "megadepth"
    assert list(outputs) == (["log_depth"] if is_depth else ["rendered", "in_focus_weight"])
    low, high = (-np.inf, np.inf) if is_depth else (0, 1 + SAME_WEIGHTS_TOLERANCE)
    assert all(value.min() >= low and value.max() <= high for value in outputs.values())


def test_a_second_build_has_the_same_layer_names(named_model):
    name, model = named_model
    again = models.build(name, image_shape=SHAPE)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


# Keras 3.15 itself writes weights in a way that NumPy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_survives_a_keras_file(named_model, tmp_path):
    _, model = named_model
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    for actual, expected in zip(predict(restored, photo()), predict(model, photo()), strict=True):
        np.testing.assert_allclose(actual, expected, atol=SAME_WEIGHTS_TOLERANCE)


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("image_shape", [(255, 64), (256, 65), (0, 0), (-256, 64), (256,), (256, 64, 3)])
def test_shapes_it_cannot_take_are_refused(name, image_shape):
    with pytest.raises(ValueError, match="Received"):
        models.build(name, image_shape=image_shape)


JAX_PROGRAM = """
import numpy as np, keras
from bokeh_tf import models
assert keras.backend.backend() == "jax"
for name in models.MODELS:
    model = models.build(name, image_shape=(256, 64))
    outputs = keras.tree.flatten(model(np.full((1, 256, 64, 3), 0.5, "float32"), training=False))
    assert all(np.isfinite(np.asarray(output)).all() for output in outputs), name
    print(name, "runs")
"""


@pytest.mark.slow
def test_models_run_on_the_jax_backend():
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    child = subprocess.run(
        [sys.executable, "-c", JAX_PROGRAM], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.split("\n")[:-1] == [f"{name} runs" for name in models.MODELS]
