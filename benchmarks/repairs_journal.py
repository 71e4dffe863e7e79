"""What the suite "repairs" has finished so far: a line of JSON for each file, kept until the result
is written, so that an interrupted run goes on.

A line counts for a file of the same content and sizes only, and a journal for runs of the same
plan.
"""

import hashlib
import json

from bokeh_tf import files
from bokeh_tf.bench.results.journal import key_of
from bokeh_tf.documents import DocumentError, parse
from bokeh_tf.errors import ModelFileError, OutputError
from bokeh_tf.tflite.reading import read_file


class Journal:
    """The rows of one run, for a `with`; `plan` is what must be the same for a run to go on."""

    def __init__(self, folder, plan):
        self._path = files.make_folder(folder) / f"unfinished_repairs_{key_of(plan)}.jsonl"
        self._rows = {}
        self._file = None

    def __enter__(self):
        try:
            self._file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{self._path}: cannot write here ({error.strerror}).") from error
        self._file.seek(0)
        for line in self._file:
            self._take(line)
        return self

    def __exit__(self, *_):
        self._file.close()

    def row(self, path, shapes, make):
        """What `make(path, shapes)` said of a file, now or before the interruption, with its name
        and digest.
        """
        sha256 = _digest(path)
        key = key_of([path.name, sha256, shapes])
        if key not in self._rows:
            row = {"file": path.name, "sha256": sha256, **make(path, shapes)}
            # A line that was cut off must not spoil the next.
            self._file.write("\n" + json.dumps({"key": key, "row": row}, allow_nan=False) + "\n")
            self._file.flush()
            self._rows[key] = row
        return self._rows[key]

    def remove(self):
        """Removes the file, whose content is now in a result."""
        self._path.unlink(missing_ok=True)

    def _take(self, line):
        try:
            record = parse(line)
            self._rows[record["key"]] = record["row"]
        except (DocumentError, KeyError, TypeError):
            # It was cut off: that file is done again.
            return


def _digest(path):
    try:
        return hashlib.sha256(read_file(path)).hexdigest()
    except ModelFileError:
        return None


def as_json(content):
    """A result as the text of its file."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
