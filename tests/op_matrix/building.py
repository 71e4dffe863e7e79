"""Makes the `.tflite` bytes of one variant with TensorFlow's own converter,
builtins only: `build(verdict)`.

A family's `KERAS` maps variants to a layer or a function of Keras tensors, its
`TENSORFLOW` to a function of tensors. The bytes depend neither on what was built before
nor on the machine's random state.
"""

import warnings

import keras
import numpy as np
import tensorflow as tf

from tests.op_matrix import (
    arithmetic,
    convolutions,
    layout,
    networks,
    reductions,
    resampling,
    unconvertible,
)
from tests.op_matrix.constants import SEED

_FAMILIES = (arithmetic, convolutions, layout, networks, reductions, resampling)
KERAS = {name: graph for family in _FAMILIES for name, graph in family.KERAS.items()}
TENSORFLOW = {
    name: graph
    for family in (*_FAMILIES, unconvertible)
    for name, graph in family.TENSORFLOW.items()
}
QUANTISED = convolutions.QUANTISED
NAMES = {*KERAS, *TENSORFLOW, *QUANTISED}
UNCONVERTIBLE_NAMES = set(unconvertible.TENSORFLOW)

_BATCH_SIZES = {"batch2_conv": 2}
# What a normalisation starts with: the converter leaves an addition of zero out.
_PLAIN_WEIGHTS = ("gamma", "beta")
_BYTE_INPUTS = frozenset({"u8_input_cast", "u8_input_rescaling_conv"})


def build(verdict, *, weights="float32"):
    """Returns the bytes of the variant's `.tflite` file; `weights` is "float32" or "float16"."""
    name = verdict.variant
    batch_size = _BATCH_SIZES.get(name, 1)
    shapes = [(batch_size, *shape) for shape in verdict.input_shapes]
    dtype = "uint8" if name in _BYTE_INPUTS else "float32"
    graph, configure = QUANTISED.get(name, (KERAS.get(name), None))
    inference = _network(graph, shapes, dtype) if graph else TENSORFLOW[name]
    converter = _converter(inference, shapes, dtype)
    if configure:
        configure(converter, shapes)
    elif weights == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    with warnings.catch_warnings():
        # The converter says so of every quantised graph that is not from the
        # days of fake quantisation.
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
        return converter.convert()


def _network(graph, shapes, dtype):
    """The inference pass of a graph's functional Keras model, with random weights of both signs."""
    keras.backend.clear_session()
    inputs = [keras.Input(batch_shape=shape, dtype=dtype) for shape in shapes]
    network = keras.Model(inputs, graph(*inputs), name="network")
    random = np.random.default_rng(SEED)
    for weight in network.weights:
        if weight.path.endswith(_PLAIN_WEIGHTS):
            continue
        values = random.normal(scale=0.3, size=weight.shape)
        weight.assign(np.abs(values) + 0.1 if "variance" in weight.path else values)
    return lambda *tensors: network(list(tensors), training=False)


def _converter(graph, shapes, dtype):
    specs = [tf.TensorSpec(shape, dtype) for shape in shapes]
    function = tf.function(graph, input_signature=specs, autograph=False).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter
