"""Models that a phone cannot run are not converted: each offender is named."""

import keras
import pytest

from bokeh_tf.errors import ConversionError
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.converter import file_offenders
from bokeh_tf.tflite.inspection import inspect


def network(outputs_of, *, shape=(16, 16, 8), batch_size=None, dtype="float32"):
    image = keras.Input(shape, batch_size=batch_size, dtype=dtype, name="image")
    return keras.Model(image, outputs_of(image), name="refused")


@keras.saving.register_keras_serializable(package="bokeh_tf_tests")
class Counting(keras.layers.Layer):
    """Adds how often it ran: a variable that inference changes cannot be frozen."""

    def build(self, input_shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, inputs):
        self.count.assign(self.count + 1)
        return inputs + self.count


def channels_first_convolution(name):
    return keras.layers.Conv2D(4, 1, data_format="channels_first", name=name)


REFUSED = {
    "flex operator": (lambda: network(keras.ops.erf), r"FlexErf, not a builtin operator"),
    "argmax": (
        lambda: network(lambda image: keras.ops.argmax(image, axis=-1)),
        r"FlexBitwiseAnd, .*take the largest in the app\)\.$",
    ),
    "rank 5": (lambda: network(keras.layers.UpSampling2D(2)), r"5 dimensions \[1, 16"),
    "dynamic input": (
        lambda: network(keras.layers.ReLU(), shape=(None, None, 3)),
        r"input image .*dynamic dimensions",
    ),
    "channels first": (
        lambda: network(channels_first_convolution("first")),
        r"layer first: channels first \(NCHW\)",
    ),
    "channels-first input": (
        lambda: network(keras.layers.ReLU(), shape=(3, 64, 96)),
        r"input image .*\(NCHW\)",
    ),
    "batch of two": (lambda: network(keras.layers.ReLU(), batch_size=2), r"batch size is not 1"),
    "integer input": (
        lambda: network(keras.layers.Rescaling(1.0), dtype="uint8"),
        r"uint8 instead of float32",
    ),
    "changing variable": (lambda: network(Counting()), r"Assign.*: inference changes a variable"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_phone_cannot_run_is_refused_by_name(case):
    build, offender = REFUSED[case]
    with pytest.raises(ConversionError, match=offender) as refusal:
        convert(build(), precision="float32")
    assert refusal.value.offenders
    assert "\n" not in str(refusal.value)


def test_layers_of_inner_models_are_looked_at_too():
    inner = network(channels_first_convolution("inside"))
    with pytest.raises(ConversionError, match="layer inside: channels first"):
        convert(network(inner), precision="float32")


def test_variable_handles_in_a_file_are_offenders():
    import tensorflow as tf

    # What TensorFlow's converter makes of a Keras 3 model that was not frozen.
    model = network(keras.layers.Conv2D(4, 1))
    infer = tf.function(
        lambda image: model(image), input_signature=[tf.TensorSpec((1, 16, 16, 8), name="image")]
    )
    content = tf.lite.TFLiteConverter.from_concrete_functions(
        [infer.get_concrete_function()], model
    ).convert()
    offenders = file_offenders(inspect(content))
    assert any("VAR_HANDLE, a variable that is not frozen" in offender for offender in offenders)
