"""Tables that lie beside training pairs: CSV files with a header, and the `meta.txt` of
the NTIRE lens challenges.

A CSV row names a pair by paths (columns such as `original,bokeh`) or by its `id`.
Every other column that holds a number in each of its filled cells is a condition under
which the pair was taken.
"""

import csv
import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path

from bokeh_tf.data.pairs.pair import read_text
from bokeh_tf.errors import DataError

_SOURCE_COLUMNS = ("original", "source", "src", "input", "in", "narrow")
_TARGET_COLUMNS = ("bokeh", "target", "tgt", "gt", "wide")
_ID_COLUMNS = ("id", "name", "file")
# Columns that say nothing of how a pair was taken.
_OTHER_COLUMNS = ("split", "")
# "Canon50mmf1.4BS": focal length in millimetres, then the f-number.
_LENS = re.compile(r"(?:(?P<focal>\d+(?:\.\d+)?)mm)?f(?P<f_number>\d+(?:\.\d+)?)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: the paths as written (None where it has none), the id, and the conditions."""

    source: str | None
    target: str | None
    id: str | None
    conditions: Mapping[str, float]


def read_table(path):
    """The rows of the table `path`; none where it is not a table of pairs.

    Raises:
        DataError: unreadable.
    """
    path = Path(path)
    text = read_text(path)
    try:
        lines = list(csv.reader(text.splitlines(), skipinitialspace=True))
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV table ({error}). Write it anew.") from error
    lines = [[cell.strip() for cell in line] for line in lines if any(line)]
    if path.name.lower() == "meta.txt":
        return [row for line in lines if (row := _lens_row(line))]
    if not lines:
        return []
    header = [name.lower() for name in lines[0]]
    return _rows(header, [line for line in lines[1:] if len(line) == len(header)])


def _rows(header, lines):
    source, target, name = (
        next((header.index(column) for column in columns if column in header), None)
        for columns in (_SOURCE_COLUMNS, _TARGET_COLUMNS, _ID_COLUMNS)
    )
    if source is None and name is None:
        return []
    used = {source, target, name}
    columns = {
        index: column
        for index, column in enumerate(header)
        if index not in used
        and column not in _OTHER_COLUMNS
        and _is_numeric([line[index] for line in lines])
    }

    def cell(line, index):
        return line[index] or None if index is not None else None

    return [
        Row(
            cell(line, source),
            cell(line, target),
            cell(line, name),
            {column: float(line[index]) for index, column in columns.items() if line[index]},
        )
        for line in lines
    ]


def _is_numeric(cells):
    return any(cells) and all(_number(cell) is not None for cell in cells if cell)


def _number(cell):
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _lens_row(line):
    """A line of `meta.txt`: id, source lens, target lens, disparity."""
    if len(line) < 3:
        return None
    lenses = [_LENS.search(name) for name in line[1:3]]
    if not all(lenses):
        return None
    conditions = {
        "source_f_number": float(lenses[0]["f_number"]),
        "target_f_number": float(lenses[1]["f_number"]),
    }
    if lenses[1]["focal"]:
        conditions["focal_length_mm"] = float(lenses[1]["focal"])
    if len(line) > 3 and _number(line[3]) is not None:
        conditions["disparity"] = _number(line[3])
    return Row(None, None, line[0], conditions)
