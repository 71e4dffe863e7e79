"""Every model of the catalogue against published sizes, its own `.tflite`, the
rules and the real delegate.

Quick files run always, all others in the slow tests. No weights here are trained ones.
"""

import gc

import keras
import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.delegate.classic_gl import engine as classic_gl
from bokeh_tf.delegate.findings import TARGETS, TargetVerdict
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.probing.probe import Verdict, probe
from bokeh_tf.models import catalogue, measured
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.subject import subject_of
from export.zoo.practice import FLAT_WHEN_FRESH, practise
from tests.models.zoo_facts import FACTS, TINY_GMACS, TINY_SIZE_PX
from tests.models.zoo_models import (
    ALL,
    LONG_TO_PRACTISE,
    QUICK_FILES,
    SLOW_FILES,
    SMALL,
    fresh_model,
    key_id,
    photo_inputs,
    predict,
    random_inputs,
    run_file,
    small_file,
    small_model,
    typical_model,
)

# The dossier gives three or four digits, and counts constant convolutions or leaves them out.
GMAC_TOLERANCE = 0.01
# Relative to the largest value: sums of thousands of terms in another order.
FLOAT32_TOLERANCE = 1e-4
# Weights are rounded to eleven bits; what differs by half a unit of each adds
# up over dozens of layers.
FLOAT16_TOLERANCE = 2e-2
PROBE_TIMEOUT_S = 1800

each_small = pytest.mark.parametrize("key", SMALL, ids=key_id)
each_quick_file = pytest.mark.parametrize("key", QUICK_FILES, ids=key_id)
each_slow_file = pytest.mark.parametrize("key", SLOW_FILES, ids=key_id)
each_precision = pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", FLOAT32_TOLERANCE), ("float16", FLOAT16_TOLERANCE)]
)


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights if "seed" not in weight.path)


def assert_size_is_published(key):
    model = fresh_model(*key)
    assert count(model.trainable_weights) == FACTS[key].parameters
    if FACTS[key].moving_statistics:
        assert count(model.non_trainable_weights) == FACTS[key].moving_statistics


def test_every_published_variant_has_its_facts():
    ours = {(name, variant) for name, variant in ALL if variant == "tiny" or name == "dbsi_mobile"}
    assert set(FACTS) == set(ALL) - ours


@pytest.mark.slow
@pytest.mark.parametrize("key", FACTS, ids=key_id)
def test_parameters_are_the_published_ones(key):
    assert_size_is_published(key)


@pytest.mark.parametrize(
    "key", [("unet", "base"), ("wavelet_cnn", "base"), ("wide_activation", "base")], ids=key_id
)
def test_parameters_of_the_quick_ones(key):
    assert_size_is_published(key)


@pytest.mark.slow
@pytest.mark.parametrize("key", [key for key in FACTS if FACTS[key].gmacs], ids=key_id)
def test_arithmetic_is_the_published_one(key):
    fact = FACTS[key]
    assert gmacs_of(key, fact.size_px) == pytest.approx(fact.gmacs, rel=GMAC_TOLERANCE)


@pytest.mark.slow
@each_small
def test_small_variants_suit_a_phone(key):
    size_px = catalogue.entry(key[0]).reference_size_px if key[0] == "dbsi_mobile" else TINY_SIZE_PX
    assert gmacs_of(key, size_px) <= TINY_GMACS


def gmacs_of(key, size_px):
    gc.collect()
    name, variant = key
    model = models.build(name, variant=variant, image_shape=size_px)
    return inspect(convert(model, precision="float16")).macs / 1e9


def assert_file_agrees(model, content, tolerance):
    """The `.tflite` against Keras, on random input and on the photograph."""
    for inputs in (random_inputs(model), photo_inputs(model)):
        expected, actual = predict(model, inputs), run_file(content, inputs)
        assert list(actual) == list(expected)
        for name, value in expected.items():
            scale = max(float(np.abs(value).max()), 1.0)
            assert float(np.abs(actual[name] - value).max()) <= tolerance * scale, name


@each_quick_file
def test_small_files_compute_what_keras_does(key):
    assert_file_agrees(small_model(*key), small_file(*key, "float16"), FLOAT16_TOLERANCE)


def test_what_takes_long_to_practise_is_a_file_that_computes_what_keras_does():
    model = fresh_model(*LONG_TO_PRACTISE)
    # Larger weights alone amplify the rounding of half precision.
    practise(model, steps=0)
    content = convert(model, precision="float32")
    assert_file_agrees(model, content, FLOAT32_TOLERANCE)
    first, second = (predict(model, random_inputs(model, seed=seed)) for seed in (0, 1))
    assert np.abs(first["rendered"] - second["rendered"]).max() > FLOAT32_TOLERANCE
    for target in TARGETS:
        assert lint(inspect(content), target).verdict is TargetVerdict.COMPATIBLE


@each_quick_file
def test_the_output_depends_on_the_image(key):
    model = small_model(*key)
    first, second = (predict(model, random_inputs(model, seed=seed)) for seed in (0, 1))
    name = model.output_names[0]
    assert np.abs(first[name] - second[name]).max() > FLOAT32_TOLERANCE


@pytest.mark.parametrize(
    "key", [("dbsi_mobile", "base"), ("unet", "tiny"), ("wavelet_cnn", "tiny")], ids=key_id
)
def test_full_precision_is_kept(key):
    assert_file_agrees(small_model(*key), small_file(*key, "float32"), FLOAT32_TOLERANCE)


@pytest.mark.slow
@each_quick_file
def test_every_small_file_keeps_full_precision(key):
    assert_file_agrees(
        small_model(*key), convert(small_model(*key), precision="float32"), FLOAT32_TOLERANCE
    )


@pytest.mark.slow
@each_precision
@each_slow_file
def test_large_files_compute_what_keras_does(key, precision, tolerance):
    model = typical_model(*key)
    content = convert(model, precision=precision)
    if precision == "float16" and key[0] in FLAT_WHEN_FRESH:
        # How much rounding alone changes depends on where each machine's practice leads.
        model.set_weights([weight.astype(np.float16) for weight in model.get_weights()])
        tolerance = FLOAT32_TOLERANCE
    assert_file_agrees(model, content, tolerance)


def test_a_file_with_other_weights_is_seen():
    keras.utils.set_random_seed(99)
    other = models.build("unet", variant="tiny", image_shape=catalogue.entry("unet").check_size_px)
    with pytest.raises(AssertionError):
        assert_file_agrees(other, small_file("unet", "tiny", "float16"), FLOAT16_TOLERANCE)


@pytest.mark.parametrize("target", TARGETS)
@each_quick_file
def test_both_delegates_take_small_files_whole(key, target):
    report = lint(inspect(small_file(*key, "float16")), target)
    assert report.verdict is TargetVerdict.COMPATIBLE, report.findings[:3]


@each_quick_file
def test_the_rules_about_opengl_say_what_the_classic_engine_said(key):
    said = measured.read()[key]["classic_gl"]["verdict"]
    assert said in ("full", "refused", "wrong"), "ask it: python -m export.zoo"
    against = lint(inspect(small_file(*key, "float16")), "v2").without_opencl
    assert bool(against) is (said != "full"), against[:3]


@pytest.mark.slow
@pytest.mark.parametrize("key", SMALL, ids=key_id)
def test_the_classic_engine_says_of_small_files_what_the_catalogue_does(key):
    python = classic_gl.default_python()
    if python is None:
        pytest.skip(f"{classic_gl.VARIABLE} names no Python that has the classic engine")
    said = classic_gl.run(subject_of(small_file(*key, "float16"), label=key_id(key)), python=python)
    assert str(said.verdict) == measured.read()[key]["classic_gl"]["verdict"], said.reasons


@pytest.mark.slow
@pytest.mark.parametrize("key", ALL, ids=key_id)
def test_both_delegates_take_every_file_whole_at_its_reference_size(key):
    gc.collect()
    name, variant = key
    model = models.build(name, variant=variant, image_shape=catalogue.entry(name).reference_size_px)
    file = inspect(convert(model, precision="float16"))
    for target in TARGETS:
        report = lint(file, target)
        assert report.verdict is TargetVerdict.COMPATIBLE, report.findings[:3]


def assert_delegate_computes(content, folder):
    path = folder / "model.tflite"
    path.write_bytes(content)
    report = probe(path, timeout_s=PROBE_TIMEOUT_S)
    assert report.verdict is Verdict.FULL, [part.reasons for part in report.precisions]
    assert [part.precision for part in report.precisions] == ["float32", "default"]


@pytest.mark.gpu
@each_quick_file
def test_the_delegate_computes_small_files_right(gpu, key, tmp_path):
    assert_delegate_computes(small_file(*key, "float16"), tmp_path)


@pytest.mark.slow
@pytest.mark.gpu
@each_slow_file
def test_the_delegate_computes_large_files_right(gpu, key, tmp_path):
    gc.collect()
    assert_delegate_computes(convert(typical_model(*key), precision="float16"), tmp_path)
