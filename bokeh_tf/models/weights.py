"""Trained weights: what their files are called, where the packaged ones are,
how one is read and written.

Imports no Keras: the command line and the rendering of `.tflite` files ask for names alone.
"""

import io
import warnings
from pathlib import Path

from bokeh_tf.errors import ModelFileError
from bokeh_tf.files import write_bytes
from bokeh_tf.paths import is_file, is_lfs_pointer, open_file, printable, why_no_file

# Keras insists on it.
SUFFIX = ".weights.h5"
# What h5py and Keras raise for content that is no HDF5, is damaged, or belongs to another model.
_DAMAGE = (OSError, ValueError, LookupError, RuntimeError, MemoryError, UserWarning)
_HEAD_BYTES = 100
# What compresses further is made up: weights are noise to a compressor. A layout
# alone may take this much.
_MOST_EXPANSION, _SMALL_BYTES = 4, 1_000_000
_SHOWN_REASON_CHARACTERS = 200
# What comes with the package: weights with their model cards, and two of them as a
# `.tflite`, the flagship first.
WEIGHTS_FOLDER = Path(__file__).resolve().parents[1] / "weights"
FLAGSHIP_FILE = WEIGHTS_FOLDER / "dbsi_mobile_base_float16_1024x1536.tflite"
# The one that can be told where to focus, and the name that rendering knows it by.
FOCUS_NAME = "dbsi_mobile_focus"
FOCUS_FILE = WEIGHTS_FOLDER / f"{FOCUS_NAME}_float16_1024x1536.tflite"


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
            if is_lfs_pointer(file.read(_HEAD_BYTES)):
                raise ModelFileError(
                    f"{shown}: a Git LFS pointer, not the weights themselves. Run: git lfs pull"
                )
        _refuse_what_lies_elsewhere(path)
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


def _refuse_what_lies_elsewhere(path):
    """Raises `ValueError` where an HDF5 file leads to other files, or to far more
    numbers than it can hold.
    """
    # Keras's own reader of weights; whoever has Keras has it.
    import h5py

    stored_bytes = Path(path).stat().st_size
    with h5py.File(path, "r") as file:
        expanded_bytes = sum(dataset.nbytes for dataset in _own_datasets(file, h5py))
    if expanded_bytes > _MOST_EXPANSION * stored_bytes + _SMALL_BYTES:
        raise ValueError(f"{stored_bytes:,} bytes that would take {expanded_bytes:,}")


def _own_datasets(file, h5py):
    """The datasets of an HDF5 file, under each of their names; `ValueError`
    for what another file holds.
    """
    waiting, seen = [file], set()
    while waiting:
        group = waiting.pop()
        # Links may lead in circles.
        if group.id in seen:
            continue
        seen.add(group.id)
        for name in group:
            is_elsewhere = isinstance(group.get(name, getlink=True), h5py.ExternalLink)
            entry = None if is_elsewhere else group.get(name)
            if is_elsewhere or (
                isinstance(entry, h5py.Dataset) and (entry.external or entry.is_virtual)
            ):
                raise ValueError("a part of it lies in another file")
            if isinstance(entry, h5py.Dataset):
                yield entry
            elif isinstance(entry, h5py.Group):
                waiting.append(entry)


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
