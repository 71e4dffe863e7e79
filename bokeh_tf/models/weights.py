"""Weights of a Keras model, written to a file whole or not at all."""

import io

from bokeh_tf.files import write_bytes

# Keras insists on it.
SUFFIX = ".weights.h5"


class _WeightsBuffer(io.BytesIO):
    """Memory that Keras writes weights to; it asks where to for its name, as it would a path."""

    def __str__(self):
        return SUFFIX


def save_weights(model, path):
    """Writes the weights of `model` to `path` (`….weights.h5`) in one step.

    Raises:
        OutputError: the folder does not exist or cannot be written, or the disk is full.
    """
    # Through memory, because HDF5 itself answers a full disk with many lines.
    buffer = _WeightsBuffer()
    model.save_weights(buffer)
    write_bytes(path, buffer.getbuffer())
