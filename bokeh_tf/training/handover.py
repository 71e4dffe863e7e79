"""Weights that one phase leaves to the next: by layer and variable, where name and shape agree."""

import fnmatch

import keras
import numpy as np
from absl import logging

from bokeh_tf.data.archives import read_archive, write_archive
from bokeh_tf.errors import DataError, TrainingError


def write_weights(model, path):
    """Writes all weights of `model` to the archive `path`, under their paths."""
    write_archive(path, {variable.path: np.asarray(variable) for variable in model.weights})


def take_weights(model, path, *, prefixes=("",)):
    """Gives `model` the weights in `path` whose names and shapes it has; logs what starts anew.

    Args:
        prefixes: what stands before the names in `path` where `model` has
            these weights, once for each.

    Raises:
        TrainingError: nothing fits, or the archive cannot be read.
    """
    try:
        arrays = {
            prefix + name: array
            for name, array in read_archive(path).items()
            for prefix in prefixes
        }
    except DataError as error:
        raise TrainingError(
            f"{path}: these weights cannot be read. Run the phase before again."
        ) from error
    fitting = [
        v for v in model.weights if v.path in arrays and arrays[v.path].shape == tuple(v.shape)
    ]
    if not fitting:
        raise TrainingError(f"{path}: none of these weights fits {model.name}.")
    for variable in fitting:
        variable.assign(arrays[variable.path])
    if len(fitting) < len(model.weights):
        taken = {id(variable) for variable in fitting}
        fresh = sorted({v.path.rsplit("/", 1)[0] for v in model.weights if id(v) not in taken})
        shown = ", ".join(fresh[:5]) + (f" and {len(fresh) - 5} more" if len(fresh) > 5 else "")
        logging.info(
            "%s: %d of %d weights taken over; these layers start anew: %s",
            path,
            len(fitting),
            len(model.weights),
            shown,
        )


def freeze_all_but(model, patterns):
    """Lets only the layers learn whose names match one of `patterns`;
    `ValueError` where none does.
    """
    learning = [
        layer for layer in model.layers if any(fnmatch.fnmatchcase(layer.name, p) for p in patterns)
    ]
    if not any(layer.trainable_weights for layer in learning):
        raise ValueError(
            f"learning_layers must match layers with weights. Received: {', '.join(patterns)}"
        )
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            layer.trainable = layer in learning
