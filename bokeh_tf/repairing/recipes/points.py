"""Convolutions of one pixel that other recipes write: each channel a sum of channels of the same pixel."""

import numpy as np


def mixed(writer, tensor, weights) -> int:
    """The tensor of four dimensions with the channels that `weights` (out, in) make of its own.

    Bit-equal where each row has a single one among zeros, for finite numbers.
    """
    outputs, inputs = np.shape(weights)
    kernel = np.asarray(weights, np.float32).reshape(outputs, 1, 1, inputs)
    shape = (*writer.graph.shape(tensor)[:3], outputs)
    biases = np.zeros(outputs, np.float32)
    return writer.add("CONV_2D", [tensor, kernel, biases], shape, padding=1, strideH=1, strideW=1)


def negated(writer, tensor) -> int:
    """The tensor times -1."""
    return writer.add("MUL", [tensor, np.array(-1, np.float32)], writer.graph.shape(tensor))
