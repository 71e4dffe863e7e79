"""Trained weights: what their files are called, where the packaged ones are, and how one is written.

Imports no Keras: the command line and the rendering of `.tflite` files ask for names alone.
"""

import io
from pathlib import Path

from bokeh_tf.files import write_bytes

# Keras insists on it.
SUFFIX = ".weights.h5"
# What comes with the package: weights with their model cards, and the flagship as a `.tflite`.
WEIGHTS_FOLDER = Path(__file__).resolve().parents[1] / "weights"
FLAGSHIP_FILE = WEIGHTS_FOLDER / "dbsi_mobile_base_float16_1024x1536.tflite"


def weights_name(model: str, variant: str) -> str:
    """The name of the weights file that all sizes and precisions of a variant share."""
    return f"{model}_{variant}{SUFFIX}"


def packaged_weights(model: str, variant: str) -> Path | None:
    """The trained weights that come with the package, None where there are none."""
    path = WEIGHTS_FOLDER / weights_name(model, variant)
    return path if path.is_file() else None


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
