"""Contracts that every entry of the MODELS table keeps, on its small variant
at a small non-square size.
"""

import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.models import catalogue
from tests.models.zoo_models import (
    ONE_OF_EACH_NETWORK,
    SMALL,
    fresh_model,
    key_id,
    predict,
    random_inputs,
    small_fresh_model,
)

# Every model ends in the same arithmetic after a round trip through a file, in the same process.
SAME_WEIGHTS_TOLERANCE = 1e-6
# What a model gives that renders no picture.
MAPS = {"megadepth": "log_depth", "scrn": "saliency"}
SHAPE = (256, 64)

each_small = pytest.mark.parametrize("key", SMALL, ids=key_id)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"Received: 'nope'. Known: megadepth, scrn"):
        models.build("nope", image_shape=SHAPE)
    with pytest.raises(ValueError, match=r"Received: 'huge'. Known: base"):
        models.build("megadepth", variant="huge", image_shape=SHAPE)


@pytest.mark.parametrize("name", models.MODELS)
def test_the_catalogue_lists_the_variants_there_are(name):
    assert sorted(variant.name for variant in catalogue.entry(name).variants) == sorted(
        models.variants(name)
    )
    assert "base" in models.variants(name)


@each_small
def test_takes_an_image_and_the_maps_of_the_catalogue(key):
    name, variant = key
    model = small_fresh_model(*key)
    assert model.name == f"{name}.{variant}"
    sizes = catalogue.entry(name).check_size_px
    maps = dict.fromkeys(catalogue.entry(name).variant(variant).maps, (None, *sizes, 1))
    assert {tensor.name: tensor.shape for tensor in model.inputs} == {
        "image": (None, *sizes, 3),
        **maps,
    }


@each_small
def test_outputs_have_the_size_of_the_image_and_the_promised_range(key):
    name, _ = key
    outputs = predict(small_fresh_model(*key), random_inputs(small_fresh_model(*key)))
    assert next(iter(outputs)) == MAPS.get(name, "rendered")
    for output, value in outputs.items():
        assert value.dtype == np.float32
        assert value.shape == (
            1,
            *catalogue.entry(name).check_size_px,
            3 if output == "rendered" else 1,
        )
        assert np.isfinite(value).all()
        if output != "log_depth":
            assert (
                value.min() >= -SAME_WEIGHTS_TOLERANCE and value.max() <= 1 + SAME_WEIGHTS_TOLERANCE
            )


@each_small
def test_layers_have_names_of_their_own(key):
    """Keras names what has none after its class and a number, so that a second build
    would be called otherwise.
    """
    for layer in small_fresh_model(*key).layers:
        class_name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__).lower()
        number = r"_\d+" if type(layer).__module__.startswith("bokeh_tf") else r"(_\d+)?"
        assert not re.fullmatch(class_name + number, layer.name), layer.name


def test_a_second_build_has_the_same_layer_names():
    again = fresh_model("unet", "tiny")
    assert [layer.name for layer in again.layers] == [
        layer.name for layer in small_fresh_model("unet", "tiny").layers
    ]


@pytest.mark.parametrize("key", ONE_OF_EACH_NETWORK, ids=key_id)
def test_survives_a_keras_file(key, tmp_path):
    model = small_fresh_model(*key)
    inputs = random_inputs(model)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    for name, expected in predict(model, inputs).items():
        np.testing.assert_allclose(
            predict(restored, inputs)[name], expected, atol=SAME_WEIGHTS_TOLERANCE
        )


@each_small
def test_shapes_it_cannot_take_are_refused(key):
    name, variant = key
    height_px, width_px = catalogue.entry(name).check_size_px
    odd = [(height_px - 1, width_px), (height_px, width_px + 1)]
    for shape in (*odd, (0, 0), (-height_px, width_px), (height_px,), (height_px, width_px, 3)):
        with pytest.raises(ValueError, match="Received"):
            models.build(name, variant=variant, image_shape=shape)


JAX_PROGRAM = """
import keras
from tests.models.zoo_models import SMALL, predict, random_inputs, small_fresh_model
import numpy as np
assert keras.backend.backend() == "jax"
for name, variant in SMALL:
    model = small_fresh_model(name, variant)
    outputs = predict(model, random_inputs(model))
    assert all(np.isfinite(value).all() for value in outputs.values()), name
    print(name, "runs")
"""


@pytest.mark.slow
def test_models_run_on_the_jax_backend():
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    child = subprocess.run(
        [sys.executable, "-c", JAX_PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.split("\n")[:-1] == [f"{name} runs" for name in models.MODELS]
