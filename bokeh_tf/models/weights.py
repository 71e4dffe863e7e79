"""Trained weights: what their files are called, where the packaged ones are,
how one is read and written.

Imports no Keras: the command line and the rendering of `.tflite` files ask for names alone.
"""

import io
import warnings
from pathlib import Path

from bokeh_tf.errors import ModelFileError
from bokeh_tf.files import write_bytes
from bokeh_tf.hdf5 import require_readable
from bokeh_tf.paths import is_file, is_lfs_pointer, open_file, printable, why_no_file

# Keras insists on it.
SUFFIX = ".weights.h5"
# What h5py and Keras raise for content that is no HDF5, is damaged, or belongs to another model.
_DAMAGE = (OSError, ValueError, LookupError, RuntimeError, MemoryError, UserWarning)
_HEAD_BYTES = 100
_SHOWN_REASON_CHARACTERS = 200
# What comes with the package: weights with their model cards, and some models as a
# `.tflite`, the flagship first.
WEIGHTS_FOLDER = Path(__file__).resolve().parents[1] / "weights"
FLAGSHIP_NAME = "dbsi_mobile_focus"
FLAGSHIP_FILE = WEIGHTS_FOLDER / f"{FLAGSHIP_NAME}_float16_1024x1536.tflite"
# The flagship before it, of one input; it stays for one release.
BASE_NAME = "dbsi_mobile_base"
BASE_FILE = WEIGHTS_FOLDER / f"{BASE_NAME}_float16_1024x1536.tflite"
# The one that a mask or depth guides; it has no weights.
GUIDED_NAME = "dbsi_mobile_guided"
GUIDED_FILE = WEIGHTS_FOLDER / f"{GUIDED_NAME}_float16_1024x1536.tflite"
# By the names that rendering knows them by; None asks for the flagship.
PACKAGED_FILES = {
    None: FLAGSHIP_FILE,
    FLAGSHIP_NAME: FLAGSHIP_FILE,
    BASE_NAME: BASE_FILE,
    GUIDED_NAME: GUIDED_FILE,
}


def weights_name(model: str, variant: str) -> str:
    """The name of the weights file that all sizes and precisions of a variant share."""
    return f"{model}_{variant}{SUFFIX}"


def packaged_weights(model: str, variant: str) -> Path | None:
    """The trained weights that come with the package, None where there are none."""
    path = WEIGHTS_FOLDER / weights_name(model, variant)
    return path if is_file(path) else None


def load_weights(model, path: Path | str) -> None:
    """Gives a Keras model the weights in the file `path`.

    Raises:
        ModelFileError: the file is missing, or holds no weights or those of another model.
    """
    label = model.name.replace(".", " ")
    shown = printable(path)
    reason = why_no_file(path)
    if reason:
        raise ModelFileError(
            f"{shown}: no trained weights for {label} ({reason}). Train the model or fetch the"
            " file."
        )
    try:
        with open_file(path) as file:
            is_pointer = is_lfs_pointer(file.read(_HEAD_BYTES))
    except OSError as error:
        raise ModelFileError(f"{shown}: cannot be read ({error.strerror}).") from error
    if is_pointer:
        raise ModelFileError(
            f"{shown}: a Git LFS pointer, not the weights themselves. Run: git lfs pull"
        )
    # Those of the package came with it.
    if Path(path).parent != WEIGHTS_FOLDER:
        require_readable(path)
    give_weights(model, path)


def give_weights(model, path: Path | str) -> None:
    """`load_weights` for a file that is known to be readable to its end."""
    label, shown = model.name.replace(".", " "), printable(path)
    try:
        with warnings.catch_warnings():
            # Of a file that lacks some of the layers Keras only warns, and
            # leaves those as they were.
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except _DAMAGE as error:
        reason = printable(" ".join(str(error).split()))[:_SHOWN_REASON_CHARACTERS]
        raise ModelFileError(
            f"{shown}: these are not the weights of {label} ({reason})."
        ) from error


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
