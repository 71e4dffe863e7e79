"""Results of a long job over files, kept line by line, so that another run does only what is new.

The file is JSON lines: `{"journal": 1, "settings": …}` first, then `{"key", "version", "record"}`
each time something is finished. A later line of one key replaces an earlier one; damaged lines are
as if they were not there; a file made with other settings is begun anew.
"""

import fcntl
import json
import os
from pathlib import Path

from bokeh_tf.documents import DocumentError, parse
from bokeh_tf.errors import DataError, OutputError

_VERSION = 1
_BEGINNING = b'{"journal": '


def version_of(*paths):
    """Size and time of change of each file: another or edited file differs in them.
    A missing one gives zeros.
    """
    versions = []
    for path in paths:
        try:
            status = Path(path).stat()
            versions.append([status.st_size, status.st_mtime_ns])
        except OSError:
            versions.append([0, 0])
    return versions


class Journal:
    """A context manager; `path` None keeps the records in memory only.

    Args:
        settings: anything that JSON holds; records made with other settings do not count.

    Attributes:
        is_new: whether no run has written there before, so that what lies
            beside it is nobody's of ours.

    Raises:
        OutputError: the file cannot be written, or is something else, which is left as it is.
        DataError: another run is at work on it.
    """

    def __init__(self, path, settings):
        self._path = None if path is None else Path(path)
        # As JSON gives it back: tuples become lists.
        self._settings = json.loads(json.dumps(settings))
        self._records: dict[str, tuple] = {}
        self._file = None
        self.is_new = True

    def __enter__(self):
        if self._path is None:
            return self
        try:
            self._file = os.fdopen(
                os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0
            )
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise DataError(f"{self._path}: another run is at work here. Wait for it.") from error
        except OSError as error:
            raise OutputError(
                f"{self._path}: cannot write here ({error.strerror}). Choose another folder."
            ) from error
        content = self._file.read()
        if not _may_be_ours(content):
            self._file.close()
            raise OutputError(f"{self._path}: is not a journal of ours. Choose another folder.")
        self.is_new = not content
        self._load(content)
        return self

    def __exit__(self, *_):
        if self._file is not None:
            self._file.close()

    def records(self):
        """All records, whatever their versions."""
        return [record for _, record in self._records.values()]

    def get(self, key, version):
        """The record of `key` if it was made of this `version`, else None."""
        known, record = self._records.get(key, (None, None))
        return record if known == version else None

    def add(self, key, version, record):
        """Keeps `record`, anything that JSON holds."""
        # In this order: what an interrupted run still tells is what the next one finds.
        self._write({"key": key, "version": version, "record": record})
        self._records[key] = (version, record)

    def remove(self):
        """Removes the file, whose records are worth nothing to another run; what
        is added later is not kept.
        """
        if self._file is not None:
            # Whoever has it open meanwhile was refused: it is claimed until the end.
            self._path.unlink(missing_ok=True)

    def _load(self, content):
        whole = content[: content.rfind(b"\n") + 1]
        lines = [line for line in map(_parsed, whole.split(b"\n")) if line]
        if not lines or lines[0] != {"journal": _VERSION, "settings": self._settings}:
            self._file.seek(0)
            self._file.truncate()
            self._write({"journal": _VERSION, "settings": self._settings})
            return
        for line in lines[1:]:
            if line.keys() >= {"key", "version", "record"} and isinstance(line["key"], str):
                self._records[line["key"]] = (line["version"], line["record"])
        self._file.truncate(len(whole))
        self._file.seek(len(whole))

    def _write(self, line):
        if self._file is None:
            return
        content = (json.dumps(line, allow_nan=False) + "\n").encode()
        try:
            # Unbuffered: nothing waits to be written when the disk is full, and each
            # call says how much it took.
            while content:
                content = content[self._file.write(content) :]
        except OSError as error:
            raise OutputError(
                f"{self._path}: cannot write ({error.strerror}). What it holds is kept."
            ) from error


def _may_be_ours(content):
    """Whether a file is empty, or has a line of a journal, the last of which may be
    cut and others be damaged.
    """
    lines = [line for line in map(_parsed, content.split(b"\n")) if line]
    is_cut = _BEGINNING.startswith(content) or content.startswith(_BEGINNING)
    return (
        is_cut
        or not content.strip(b"\0\n")
        or any({"journal"} <= line.keys() or "record" in line for line in lines)
    )


def _parsed(line):
    try:
        value = parse(line)
    except DocumentError:
        return {}
    return value if isinstance(value, dict) else {}
