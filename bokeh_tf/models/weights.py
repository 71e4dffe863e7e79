"""Weights of a Keras model: written to a file, whole or not at all; and fresh ones that stand in for trained ones."""

import tempfile
from pathlib import Path

import numpy as np

from bokeh_tf.errors import OutputError
from bokeh_tf.files import write_bytes

# How far weights that all had one value are moved, at most.
_VARIATION = 0.05
# Keras insists on it.
SUFFIX = ".weights.h5"


def save_weights(model, path):
    """Writes the weights of `model` to `path` (`….weights.h5`) in one step."""
    path = Path(path)
    # The double suffix must end the temporary name too, which therefore needs a folder of its own.
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            temporary = Path(folder) / path.name
            model.save_weights(temporary)
            write_bytes(path, temporary.read_bytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot write ({error.strerror or error}). Free space or choose another.") from error


def vary_constant_weights(model):
    """Moves weights of `model` that all have one value, such as biases of 0 and scales of 1, by up to 0.05 at random.

    A converter folds such values away, and what it makes of the rest is not the graph that trained weights give: a
    transposed convolution without its bias, for example, is another version of the operator. The same every time;
    Keras's random state stays as it is.
    """
    generator = np.random.default_rng(0)
    for variable in model.weights:
        values = np.asarray(variable)
        is_constant = values.size and np.issubdtype(values.dtype, np.floating) and np.ptp(values) == 0
        if is_constant:
            variable.assign(values + generator.uniform(-_VARIATION, _VARIATION, values.shape).astype(values.dtype))
