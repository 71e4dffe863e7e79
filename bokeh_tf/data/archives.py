"""Archives of NumPy arrays (`.npz`): written in one step, and read back with distrust."""

import os
import zipfile
from pathlib import Path

import numpy as np

from bokeh_tf import zips
from bokeh_tf.errors import DataError
from bokeh_tf.files import replacing
from bokeh_tf.paths import open_file

# NumPy asks for the memory that a damaged head names. A file that is an array, not an archive of
# them, is no context manager.
_DAMAGE = (*zips.DAMAGE, MemoryError, TypeError)


def write_archive(path, arrays):
    """Writes `arrays` (by name) to `path`: the old archive or the new one, never half of it."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def read_archive(path):
    """All arrays of the archive `path`, by name; `DataError` where it is missing or damaged."""
    path = Path(path)
    try:
        with open_file(path) as file:
            _refuse_expansion(file)
            # NumPy leaves a file open that it finds damaged, if it opened it.
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path}: missing or damaged ({reason}). Delete it to make it anew."
        ) from error


def _refuse_expansion(file):
    """Refuses what unpacks to more than the file holds: ours are stored as they are."""
    stored_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
    file.seek(0)
    if unpacked_bytes > stored_bytes:
        raise ValueError(f"{stored_bytes:,} bytes that would take {unpacked_bytes:,}")
