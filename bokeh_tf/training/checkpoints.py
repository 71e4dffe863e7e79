"""Checkpoints: all variables of a job (`jobs.Job`) after some batches of a
phase, one verified file each.

A file appears in one step, so that a run killed while writing leaves the older ones as they were.
The newest intact one is restored; a damaged one is left out with a warning. The last `KEPT` stay.
"""

import hashlib
import json
import re
from dataclasses import dataclass

import numpy as np
from absl import logging

from bokeh_tf import documents
from bokeh_tf.data.archives import read_archive, write_archive
from bokeh_tf.errors import DataError, TrainingError
from bokeh_tf.files import make_folder

KEPT = 3
_SCHEMA_VERSION = 2
_NAME = re.compile(r"phase(\d+)_batch(\d+)\.npz")


@dataclass(frozen=True)
class Checkpoint:
    """A state to go on from: after `batch` batches of the phase number `phase`, counted from 1."""

    phase: int
    batch: int
    arrays: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class _Header:
    """What a checkpoint says of itself."""

    schema_version: int
    phase: int
    batch: int
    sha256: str


def save(variables, folder, *, phase, batch):
    """Writes `variables` as they are after `batch` batches, then removes all but the last
    few checkpoints up to it.
    """
    arrays = {f"{index:05d}": np.asarray(variable) for index, variable in enumerate(variables)}
    header = {
        "schema_version": _SCHEMA_VERSION,
        "phase": phase,
        "batch": batch,
        "sha256": _digest(arrays),
    }
    make_folder(folder)
    path = folder / f"phase{phase:02d}_batch{batch:08d}.npz"
    write_archive(path, {"header": np.array(json.dumps(header)), **arrays})
    for old in _files(folder, up_to_phase=phase)[:-KEPT]:
        old.unlink(missing_ok=True)


def newest(folder, *, up_to_phase=None):
    """The newest intact `Checkpoint` in `folder`, or None where there never was one.

    Args:
        up_to_phase: number of the last phase to look at (default: all).

    Raises:
        TrainingError: there are checkpoints, and every one is damaged.
    """
    files = _files(folder, up_to_phase=up_to_phase)
    for path in reversed(files):
        try:
            return _read(path)
        except DataError as error:
            logging.warning("%s Going back to the checkpoint before it.", error)
    if files:
        raise TrainingError(
            f"{folder}: every checkpoint is damaged. Delete this folder to start the phase anew."
        )
    return None


def remove_later(folder, *, phase):
    """Removes the checkpoints of the phases after the number `phase`."""
    for path in set(_files(folder)) - set(_files(folder, up_to_phase=phase)):
        path.unlink(missing_ok=True)


def restore(variables, checkpoint):
    """Gives `variables` the values in `checkpoint`; `TrainingError` where it
    belongs to another model.
    """
    wanted = [(tuple(variable.shape), np.dtype(variable.dtype)) for variable in variables]
    if [(array.shape, array.dtype) for array in checkpoint.arrays] != wanted:
        raise TrainingError(
            "The checkpoint belongs to another model or optimiser. Choose another --out."
        )
    for variable, array in zip(variables, checkpoint.arrays, strict=True):
        variable.assign(array)


def _files(folder, *, up_to_phase=None):
    """Checkpoints, oldest first."""
    found = {path: _NAME.fullmatch(path.name) for path in folder.glob("*.npz")}
    return sorted(
        path
        for path, name in found.items()
        if name and (not up_to_phase or int(name[1]) <= up_to_phase)
    )


def _read(path):
    arrays = read_archive(path)
    try:
        header = documents.typed(documents.parse(str(arrays.pop("header"))), _Header)
    except (KeyError, documents.DocumentError) as error:
        raise DataError(f"{path}: damaged, its header cannot be read.") from error
    if header.schema_version != _SCHEMA_VERSION:
        raise TrainingError(
            f"{path}: written by another version of this package. Choose another --out."
        )
    if _digest(arrays) != header.sha256:
        raise DataError(f"{path}: damaged, its checksum is wrong.")
    return Checkpoint(header.phase, header.batch, tuple(arrays[name] for name in sorted(arrays)))


def _digest(arrays):
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
