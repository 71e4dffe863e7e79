"""Every way to write a Keras model becomes one functional form, with names, sizes and float32."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from bokeh_tf.errors import ConversionError
from bokeh_tf.testing import assert_runs_on_gpu
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.keras_models import computes_in_half, computing_in_float32, functional

SHAPE = (8, 12, 3)
TOLERANCE = 1e-5


def picture(batch=1):
    return np.random.default_rng(4).random((batch, *SHAPE), np.float32)


def convolution(filters=3, **options):
    return keras.layers.Conv2D(filters, 3, padding="same", **options)


class Subclassed(keras.Model):
    """Two outputs by key, in an order that is not the alphabet's."""

    def __init__(self, **options):
        super().__init__(**options)
        self.first = convolution(4, activation="relu")
        self.last = convolution(1)

    def call(self, image):
        hidden = self.first(image)
        return {"near": self.last(hidden), "far": hidden * 0.5}


class OfTwo(keras.Model):
    """Takes its inputs one by one."""

    def call(self, left, right):
        return [left + right, left - right]


def sequential():
    return keras.Sequential([keras.Input(SHAPE, name="image"), convolution(name="rendered")])


def late():
    model = keras.Sequential([convolution(name="rendered")])
    model(picture(batch=2))
    return model


def subclassed():
    model = Subclassed()
    model(picture(batch=2))
    return model


def by_keys():
    inputs = {"right": keras.Input(SHAPE, name="right"), "left": keras.Input(SHAPE, name="left")}
    return keras.Model(inputs, {"sum": inputs["left"] + 2 * inputs["right"]})


def mixed(policy):
    image = keras.Input(SHAPE, name="image")
    hidden = keras.layers.BatchNormalization(dtype=policy)(convolution(4, dtype=policy)(image))
    return keras.Model(image, convolution(dtype="float32", name="rendered")(hidden * 2.0))


MODELS = {
    "sequential": (sequential, ["image"], ["rendered"]),
    "sequential built by a call": (late, None, ["rendered"]),
    "subclassed": (subclassed, ["input"], ["far", "near"]),
    "inputs and outputs by key": (by_keys, ["left", "right"], ["sum"]),
    "mixed_float16": (lambda: mixed("mixed_float16"), ["image"], ["rendered"]),
    "mixed_bfloat16": (lambda: mixed("mixed_bfloat16"), ["image"], ["rendered"]),
    "float16 layers": (lambda: mixed("float16"), ["image"], ["rendered"]),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_file_computes_what_the_model_does_in_float32(name):
    build, inputs, outputs = MODELS[name]
    keras.utils.set_random_seed(3)
    model = build()
    interpreter = Interpreter(model_content=convert(model, precision="float32"))
    runner = interpreter.get_signature_runner("serving_default")
    assert sorted(runner.get_output_details()) == sorted(outputs)
    assert inputs is None or sorted(runner.get_input_details()) == inputs
    fed = {input_name: picture() for input_name in runner.get_input_details()}
    actual = runner(**fed)
    with computing_in_float32(model):
        expected = model(fed if len(fed) > 1 else picture())
    if not isinstance(expected, dict):
        expected = {outputs[0]: expected}
    for output, value in expected.items():
        np.testing.assert_allclose(actual[output], np.asarray(value), atol=TOLERANCE)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_a_model_is_as_it_was_after_it_computed_in_float32(policy):
    model = mixed(policy)
    before = np.asarray(model(picture()))
    with computing_in_float32(model):
        assert not computes_in_half(model)
        wide = np.asarray(model(picture()))
    assert computes_in_half(model) and (before != wide).any()
    np.testing.assert_array_equal(np.asarray(model(picture())), before)
    np.testing.assert_allclose(before, wide, atol=0.1)


def test_inputs_that_call_takes_one_by_one_need_their_shapes():
    model = OfTwo()
    model(picture(), picture())
    with pytest.raises(ConversionError, match="--input-shape"):
        functional(model)
    whole = functional(model, shapes=[(1, *SHAPE)] * 2)
    assert [tensor.name for tensor in whole.inputs] == ["left", "right"] and len(whole.outputs) == 2


def test_free_sizes_are_fixed_and_fixed_ones_are_not_changed():
    image = keras.Input((None, None, 3), name="image")
    free = keras.Model(image, convolution(name="rendered")(image))
    whole = functional(free, image_size=(8, 12), batch=2)
    assert whole.inputs[0].shape == (2, 8, 12, 3) and whole.outputs[0].shape == (2, 8, 12, 3)
    with pytest.raises(ConversionError, match=r"input image is \(8, 12\) .* cannot be \(16, 24\)"):
        functional(whole, image_size=(16, 24))
    assert functional(whole) is whole


def test_a_model_of_unknown_shape_says_what_to_give():
    with pytest.raises(ConversionError, match="nothing says what shape"):
        convert(Subclassed(), precision="float16")


@pytest.mark.parametrize("build", [sequential, subclassed, lambda: mixed("mixed_float16")])
def test_the_assertion_takes_every_kind(build):
    assert assert_runs_on_gpu(build()).error is None


def test_the_assertion_hides_its_own_traceback():
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.UpSampling2D(2)])
    with pytest.raises(AssertionError, match="UpSampling2D") as caught:
        assert_runs_on_gpu(model)
    assert [entry.frame.code.name for entry in caught.traceback.filter(caught)][1:] == []


def test_an_output_that_is_an_input_leaves_the_input_its_name():
    image = keras.Input(SHAPE, name="image")
    model = keras.Model(image, [image, convolution(name="rendered")(image)])
    runner = Interpreter(model_content=convert(model, precision="float32")).get_signature_runner(
        "serving_default"
    )
    assert list(runner.get_input_details()) == ["image"]
