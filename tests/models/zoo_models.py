"""Models of the catalogue for table tests: built and converted once per test
run, and what to feed them.

Images and maps are float32 NHWC in [0, 1]; the small variant of a model is "tiny", or
"base" where there is no other.
"""

import functools

import keras
import numpy as np
from PIL import Image, ImageOps

from bokeh_tf import models
from bokeh_tf.models import catalogue
from bokeh_tf.models.variation import vary_constant_weights
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running.feeding import PACKAGED_PHOTO
from bokeh_tf.tflite.running.runtime import load
from export.zoo.practice import FLAT_WHEN_FRESH, practise

SEED = 3
# Enough for a picture that shows the photo; each takes a second.
_PRACTICE_STEPS = 25
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

ALL = tuple((entry.name, variant.name) for entry in catalogue.ENTRIES for variant in entry.variants)
SMALL = tuple((entry.name, entry.variants[-1].name) for entry in catalogue.ENTRIES)
# To practise takes a minute.
LONG_TO_PRACTISE = ("pynet", "tiny")
# As a file, the small saliency blend is the small SCRN once more.
ONE_OF_EACH_NETWORK = tuple(
    ("saliency_blend", "from_map") if name == "saliency_blend" else (name, variant)
    for name, variant in SMALL
)
QUICK_FILES = tuple(key for key in ONE_OF_EACH_NETWORK if key != LONG_TO_PRACTISE)
SLOW_FILES = tuple(key for key in ALL if key not in QUICK_FILES)


def key_id(key):
    """A test's id for (model, variant)."""
    return ".".join(key)


@functools.cache
def small_model(name, variant):
    """A small variant at its check size, see `typical_model`."""
    return typical_model(name, variant)


def fresh_model(name, variant):
    """Any variant at its check size, the same each time; the caller keeps
    it no longer than needed.
    """
    keras.utils.set_random_seed(SEED)
    model = models.build(name, variant=variant, image_shape=catalogue.entry(name).check_size_px)
    vary_constant_weights(model)
    return model


@functools.cache
def small_fresh_model(name, variant):
    """A small variant at its check size that has learned nothing; its picture may be flat."""
    return fresh_model(name, variant)


def typical_model(name, variant):
    """A fresh model whose picture shows the photo."""
    model = fresh_model(name, variant)
    if name in FLAT_WHEN_FRESH:
        practise(model, steps=_PRACTICE_STEPS)
    return model


@functools.cache
def small_file(name, variant, precision):
    """The bytes of a small variant's `.tflite`."""
    return convert(small_model(name, variant), precision=precision)


def random_inputs(model, *, seed=0):
    """One array per input, by name: uniform random numbers in [0, 1]."""
    generator = np.random.default_rng(seed)
    return {
        tensor.name: generator.random((1, *tensor.shape[1:]), np.float32) for tensor in model.inputs
    }


def photo_inputs(model):
    """The packaged photograph, and its luminance for every map, by name; of what tells a model
    where to focus, -1, which leaves that to it.
    """
    height_px, width_px = model.inputs[0].shape[1:3]
    with Image.open(PACKAGED_PHOTO) as picture:
        fitted = ImageOps.fit(picture.convert("RGB"), (width_px, height_px), Image.LANCZOS)
    pixels = np.asarray(fitted, np.float32)[None] / 255
    maps = (pixels @ _LUMA)[..., None]
    by_channels = {3: pixels, 1: maps, 4: np.full((1, 1, 1, 4), -1, np.float32)}
    return {tensor.name: by_channels[tensor.shape[-1]] for tensor in model.inputs}


def predict(model, inputs):
    """The Keras model's outputs by name."""
    arrays = [keras.ops.convert_to_tensor(inputs[tensor.name]) for tensor in model.inputs]
    outputs = model(keras.tree.pack_sequence_as(model.input, arrays), training=False)
    return dict(zip(model.output_names, map(np.asarray, keras.tree.flatten(outputs)), strict=True))


def run_file(content, inputs):
    """The `.tflite`'s outputs by name, on the CPU."""
    described = inspect(content).metadata
    outputs = load(content).run(*(inputs[entry["name"]] for entry in described["inputs"]))
    return dict(zip([entry["name"] for entry in described["outputs"]], outputs, strict=True))
