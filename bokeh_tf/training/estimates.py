"""What a plan will cost before it is run: steps, memory and time of every phase, for a dry run."""

import time
from dataclasses import dataclass
from math import prod

import keras
import numpy as np

from bokeh_tf.training.supervised import build_model

_FLOAT_BYTES = 4
# Weights, gradients and Adam's two moments.
_COPIES_OF_WEIGHTS = 4
# A forward pass, and one each for the gradients by inputs and by weights.
_PASSES = 3
_PROBE_SHAPE = (2, 96, 96, 32)
_PROBE_RUNS = 3


@dataclass(frozen=True)
class Estimate:
    """One phase: batches, bytes for weights, optimiser and kept activations,
    and seconds on this machine.
    """

    phase: str
    steps: int
    parameters: int
    memory_bytes: int
    duration_s: float


def estimate(plan, *, pairs):
    """An `Estimate` per phase for `pairs` pairs. Memory counts every layer's output
    once; time, convolutions only.
    """
    rate = convolution_rate()
    return [_estimate(plan, phase, pairs, rate) for phase in plan.phases]


def _estimate(plan, phase, pairs, rate):
    model = build_model(plan, phase)
    steps = phase.total_steps(pairs)
    activations = sum(_elements(layer.output) for layer in model.layers) * phase.batch_size
    multiply_accumulates = sum(layer_macs(layer) for layer in model.layers) * phase.batch_size
    memory = _FLOAT_BYTES * (_COPIES_OF_WEIGHTS * model.count_params() + activations)
    duration_s = _PASSES * multiply_accumulates * steps / rate
    return Estimate(phase.name, steps, model.count_params(), memory, duration_s)


def layer_macs(layer):
    """Multiply-accumulates of one convolution layer for one image; 0 for any other layer."""
    if isinstance(layer, keras.layers.Conv2DTranspose):
        kernel_height, kernel_width, filters, _ = layer.kernel.shape
        return prod(layer.input.shape[1:]) * kernel_height * kernel_width * filters
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return prod(layer.output.shape[1:]) * prod(layer.kernel.shape[:2])
    if isinstance(layer, keras.layers.Conv2D):
        return prod(layer.output.shape[1:]) * prod(layer.kernel.shape[:3])
    return 0


def convolution_rate():
    """Multiply-accumulates a second of this machine's Keras backend, by running one
    convolution for a moment.
    """
    images = np.zeros(_PROBE_SHAPE, np.float32)
    inputs = keras.Input(_PROBE_SHAPE[1:])
    model = keras.Model(inputs, keras.layers.Conv2D(_PROBE_SHAPE[3], 3, padding="same")(inputs))
    model.predict_on_batch(images)
    start_ns = time.perf_counter_ns()
    for _ in range(_PROBE_RUNS):
        model.predict_on_batch(images)
    duration_s = (time.perf_counter_ns() - start_ns) / 1e9 / _PROBE_RUNS
    return _PROBE_SHAPE[0] * layer_macs(model.layers[-1]) / duration_s


def _elements(outputs):
    return sum(prod(output.shape[1:]) for output in keras.tree.flatten(outputs))
