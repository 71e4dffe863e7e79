"""Folders that a command fills with files and may fill again: which of the files there are its own.

A record beside the files names each with its SHA-256. What is still as it was written is replaced
by the next run, and removed by one that is told to leave nothing of an earlier one; a file that
somebody has changed, or that is in no record, is kept unless told otherwise.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bokeh_tf import documents
from bokeh_tf.errors import OutputError
from bokeh_tf.files import make_folder, require_folder, require_writable, write_bytes, write_text
from bokeh_tf.paths import exists, is_link, printable, resolved, sha256_of

RECORD_NAME = "written_by_bokeh_tf.json"
_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class _Record:
    """The files by their name in the folder, with "/" between parts: the digests that
    each may have. There are two where a run was ended before all was written.
    """

    schema_version: int = _SCHEMA_VERSION
    files: dict[str, list[str]] = field(default_factory=dict)


def write_files(
    folder: Path | str,
    content: Mapping[str, bytes],
    *,
    overwrite: bool = False,
    removes_older: bool = False,
) -> tuple[Path, ...]:
    """Writes files into a folder, which is made where it does not exist; returns their paths.

    Args:
        content: the files' bytes, by their name in the folder with "/" between parts.
        overwrite: whether files may be replaced that are not known as an earlier run's.
        removes_older: whether what an earlier run wrote, and this one does not, is removed where
            it is as it was written.

    Raises:
        OutputError: such a file is there, or the folder cannot be written; then nothing was. Or
            what is older cannot be removed.
    """
    folder = Path(folder)
    before = _claimed(folder, content, overwrite=overwrite)
    make_folder(folder)
    digests = {name: hashlib.sha256(body).hexdigest() for name, body in content.items()}
    # What is written when the run is ended is ours as well.
    both = {name: [*before.get(name, ()), digest] for name, digest in digests.items()}
    _write_record(folder, before | both)
    for name, body in content.items():
        make_folder((folder / name).parent)
        write_bytes(folder / name, body)
    if removes_older:
        before = _without_older(folder, before, content)
    _write_record(folder, before | {name: [digest] for name, digest in digests.items()})
    return tuple(folder / name for name in content)


def _without_older(folder, before, content):
    """Removes the files of the record that are as written and not of `content`; returns the record
    of the others.
    """
    older = [name for name in before if name not in content]
    gone = {name for name in older if _is_own(folder, name, before[name])}
    for name in gone:
        _remove(folder, name)
    return {name: digests for name, digests in before.items() if name not in gone}


def _is_own(folder, name, digests):
    """Whether a file of the record lies in `folder` itself, as it was written: a record that
    somebody else made may name any place.
    """
    path = folder / name
    is_inside = resolved(path).is_relative_to(resolved(folder))
    return is_inside and exists(path) and not is_link(path) and _is_free(path, digests)


def _remove(folder, name):
    path = folder / name
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(
            f"{printable(path)}: is an earlier run's and cannot be removed ({error.strerror})."
            " Remove it."
        ) from error
    for parent in path.relative_to(folder).parents[:-1]:
        # Only an empty folder can be removed so.
        with contextlib.suppress(OSError):
            (folder / parent).rmdir()


def _claimed(folder, names, *, overwrite):
    """The record that is there; raises where something else stands in the way."""
    require_folder(folder)
    record = _read_record(folder)
    for name in (*names, RECORD_NAME):
        require_writable(folder / name, makes_folders=True)
    if overwrite:
        return record
    foreign = [name for name in names if not _is_free(folder / name, record.get(name, ()))]
    if exists(folder / RECORD_NAME) and not record:
        foreign.append(RECORD_NAME)
    if foreign:
        raise OutputError(
            f"{printable(folder / foreign[0])}: exists already, and is not as bokeh-tf wrote it."
            " Choose another folder, or give --overwrite."
        )
    return record


def _is_free(path, digests):
    if not exists(path):
        return True
    try:
        return sha256_of(path) in digests
    except OSError:
        return False


def _read_record(folder):
    """The files of the record in `folder`; none where there is no record of ours."""
    try:
        document = documents.parse(documents.read(folder / RECORD_NAME))
        return documents.typed(document, _Record).files
    except documents.DocumentError:
        return {}


def _write_record(folder, files):
    document = {"schema_version": _SCHEMA_VERSION, "files": files}
    write_text(folder / RECORD_NAME, json.dumps(document, indent=1) + "\n")
