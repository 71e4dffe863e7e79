"""HDF5 files, and Keras archives with one in them, read through in a child process before Keras
reads them in this one.

HDF5's library is native code. A damaged file can send it round for ever, where not even a signal
reaches it, or crash it; only another process can be given up. What the child has read to its end
in time, Keras's own reading ends with too.
"""

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bokeh_tf import zips
from bokeh_tf.errors import DependencyError, ModelFileError, of_missing_module
from bokeh_tf.paths import open_file, printable, resolved
from bokeh_tf.processes import DONE, Job, answer_job, ask_module

# A child starts in a second and reads 100 MB in another, also on a slow disk beside other work.
_LEAST_TIMEOUT_S, _BYTES_PER_S = 60.0, 5e6
_ZIP = b"PK\x03\x04"
_HDF5_SUFFIX = ".h5"
_CONFIGURATION = "config.json"
# What compresses further is made up: weights are noise to a compressor. A layout alone may take
# this much.
_MOST_EXPANSION, _SMALL_BYTES = 4, 1_000_000
_SHOWN_REASON_CHARACTERS = 200
_AGAIN = "Save or copy it again."
# How h5py and zipfile say that the end of a file is missing.
_CUT_SIGNS = ("truncated file", "not a zip file", "unable to read superblock")
_NO_HDF5 = "file signature not found"
# h5py adds two of its own.
_DAMAGE = (*zips.DAMAGE, MemoryError, TypeError)
_FILE, _DEPENDENCY = "file", "dependency"
# Files that were read through, as (path, size, time of change): once is enough in one process.
_read: set[tuple[Path, int, int]] = set()


def require_readable(path: Path | str, *, label: str | None = None, timeout_s: float | None = None):
    """Returns once a child has read all of the HDF5 file or Keras archive `path`.

    Args:
        label: what messages call it; None for `path`.
        timeout_s: how long that may take; None for a minute and what the size asks for.

    Raises:
        ModelFileError: it is cut off or damaged, leads to other files, expands beyond what it can
            hold, or is not read in time; in one line.
        DependencyError: h5py is not installed.
    """
    path, label = resolved(path), printable(path) if label is None else label
    status = path.stat()
    known = (path, status.st_size, status.st_mtime_ns)
    if known in _read:
        return
    limit_s = _LEAST_TIMEOUT_S + status.st_size / _BYTES_PER_S
    if timeout_s is not None:
        limit_s = min(limit_s, timeout_s)
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_") as folder:
        answer = ask_module(__name__, Path(folder), request={"path": str(path)}, timeout_s=limit_s)
    if answer.error_kind == _DEPENDENCY:
        raise DependencyError(answer.message)
    if answer.error_kind is not None:
        raise ModelFileError(f"{label}: {answer.message}")
    if answer.child.timed_out and limit_s == timeout_s:
        raise ModelFileError(f"{label}: not read to its end in {limit_s:.3g} s. Allow more time.")
    if answer.child.timed_out:
        raise ModelFileError(
            f"{label}: damaged, or made to do harm: it is not read to its end in"
            f" {answer.child.wall_s:.0f} s. {_AGAIN}"
        )
    if answer.stage != DONE:
        raise ModelFileError(
            f"{label}: damaged: reading it ends with {answer.child.ending}. {_AGAIN}"
        )
    _read.add(known)


def read_through(path: Path | str) -> None:
    """Reads every dataset and attribute; what the child does.

    Raises:
        ModelFileError: it cannot be; the message does not name the file.
    """
    path = Path(path)
    try:
        with open_file(path) as file:
            stored_bytes = os.fstat(file.fileno()).st_size
            if file.read(len(_ZIP)) == _ZIP:
                _read_archive(path, stored_bytes)
            else:
                _read_hdf5(path, stored_bytes)
    except _DAMAGE as error:
        raise ModelFileError(_reason(error, path)) from error


def _read_archive(path, stored_bytes):
    with zipfile.ZipFile(path) as archive:
        _refuse_expansion(stored_bytes, sum(entry.file_size for entry in archive.infolist()))
        # Keras reads weights without a look at their checksums, and damaged ones would be
        # anybody's.
        damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} has another checksum")
        names = archive.namelist()
        if _CONFIGURATION not in names:
            raise ValueError(f"no {_CONFIGURATION} in it")
        # Archives of the first releases, and weights in shards, have others.
        contents = [archive.read(name) for name in names if name.endswith(_HDF5_SUFFIX)]
    for content in contents:
        _read_hdf5(io.BytesIO(content), len(content))


def _read_hdf5(file, stored_bytes):
    # Keras's own reader of weights; whoever has Keras has it.
    import h5py

    with h5py.File(file, "r") as opened:
        datasets = list(_datasets(opened, h5py))
        _refuse_expansion(stored_bytes, sum(dataset.nbytes for dataset in datasets))
        for dataset in datasets:
            dataset[()]


def _refuse_expansion(stored_bytes, expanded_bytes):
    if expanded_bytes > _MOST_EXPANSION * stored_bytes + _SMALL_BYTES:
        raise ModelFileError(
            f"expands too far: {stored_bytes:,} bytes that would take {expanded_bytes:,}. Save it"
            " again without compression."
        )


def _datasets(file, h5py) -> Iterator:
    """The datasets of an HDF5 file, under each of their names; `ValueError` for what another
    file holds. Attributes are read on the way.
    """
    waiting, seen = [file], set()
    while waiting:
        group = waiting.pop()
        # Links may lead in circles.
        if group.id in seen:
            continue
        seen.add(group.id)
        dict(group.attrs)
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


def _reason(error, path):
    text = printable(" ".join(str(error).split()) or type(error).__name__)
    if any(sign in text.lower() for sign in _CUT_SIGNS):
        return f"cut off or damaged: its end is missing ({path.stat().st_size:,} bytes). {_AGAIN}"
    if _NO_HDF5 in text:
        return f"no HDF5 file and no Keras archive. {_AGAIN}"
    return f"damaged ({text[:_SHOWN_REASON_CHARACTERS]}). {_AGAIN}"


def _work(job: Job) -> dict:
    job.enter("reading")
    try:
        read_through(job.read_request()["path"])
    except ModuleNotFoundError as error:
        raise of_missing_module(error) or error from error
    return {}


if __name__ == "__main__":
    answer_job(_work, error_kinds={ModelFileError: _FILE, DependencyError: _DEPENDENCY})
