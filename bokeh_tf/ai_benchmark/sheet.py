"""The result sheet: a CSV with one row for each run in the app, whose number a
person copies from the screen.

The columns are named as in our own results, times are in milliseconds. A row without a time is
one that nobody ran. Spreadsheet programs may have saved the sheet with semicolons or tabs,
decimal commas, in UTF-8, UTF-16 or Windows-1252. Rows are counted as such a program shows
them: the header is row 1.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf import paths
from bokeh_tf.ai_benchmark import sheet_cells
from bokeh_tf.ai_benchmark.card import ACCELERATIONS, CPU_THREADS, INFERENCE_MODE, Card
from bokeh_tf.errors import CheckError

SHEET_NAME = "results.csv"
BACKENDS = ("gpu", "cpu", "nnapi", "neuron", "qnn", "hexagon", "eden")
PRECISIONS = ("fp16", "fp32", "int8")
_READERS = {
    "model": sheet_cells.short_text,
    "model_sha256": sheet_cells.sha256,
    "backend": sheet_cells.one_of(BACKENDS),
    "precision": sheet_cells.one_of(PRECISIONS),
    "threads": sheet_cells.count,
    "iterations": sheet_cells.count,
    "mean_ms": sheet_cells.positive_number,
    "phone": sheet_cells.short_text,
    "soc": sheet_cells.short_text,
    "android_release": sheet_cells.short_text,
    "app_version": sheet_cells.short_text,
    "measured_on": sheet_cells.short_text,
    "screenshot": sheet_cells.short_text,
    "notes": sheet_cells.short_text,
}
COLUMNS = tuple(_READERS)
# Without these a time says nothing; the first four are filled in already.
_REQUIRED = ("model_sha256", "backend", "precision", "phone")
_DELIMITERS = ",;\t"
_MOST_BYTES = 1_000_000
# With these in front a spreadsheet program takes a cell for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@")


@dataclass(frozen=True)
class SheetRow:
    """One run in the app: `mean_ms` is the time that it showed. None for cells left empty."""

    row: int
    model: str | None
    model_sha256: str
    backend: str
    precision: str
    threads: int | None
    iterations: int | None
    mean_ms: float
    phone: str
    soc: str | None
    android_release: str | None
    app_version: str | None
    measured_on: str | None
    screenshot: str | None
    notes: str | None


def blank_sheet(card: Card) -> str:
    """The sheet to fill in: a row for each acceleration that the card names, all
    but the results filled in.
    """
    name = f"'{card.source}" if card.source.startswith(_FORMULA_STARTS) else card.source
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(_blank_rows(name, card.sha256, str(card.iterations)))
    return file.getvalue()


def _blank_rows(name, sha256, iterations):
    rows = []
    for backend, _ in ACCELERATIONS:
        row = {
            "model": name,
            "model_sha256": sha256,
            "backend": backend,
            "precision": INFERENCE_MODE,
        }
        threads = str(CPU_THREADS) if backend == "cpu" else ""
        rows.append({**row, "threads": threads, "iterations": iterations})
    return rows


def is_blank(path) -> bool:
    """Whether the sheet holds nothing but what `blank_sheet` wrote, for whatever card.

    Raises:
        CheckError: the file cannot be read or is no such sheet.
    """
    path = Path(path)
    records = _records(path, _decoded(path))
    header = [name.strip().lower() for name in records[0]] if records else []
    _check_header(path, header)
    rows = [
        {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
        for cells in records[1:]
    ]
    filled = [{name: cell for name, cell in row.items() if cell} for row in rows]
    if any(len(cells) > len(header) for cells in records) or not filled:
        return False
    first = (filled[0].get(name, "") for name in ("model", "model_sha256", "iterations"))
    return filled == [
        {name: cell for name, cell in row.items() if cell} for row in _blank_rows(*first)
    ]


def read_sheet(path) -> tuple[SheetRow, ...]:
    """The rows that have a time.

    Raises:
        CheckError: the file cannot be read, is no such sheet, or a cell is wrong;
            names its row and column.
    """
    path = Path(path)
    records = _records(path, _decoded(path))
    header = [name.strip().lower() for name in records[0]] if records else []
    _check_header(path, header)
    rows = (_row(path, header, number, cells) for number, cells in enumerate(records[1:], start=2))
    return tuple(row for row in rows if row is not None)


def _decoded(path):
    try:
        content = paths.read_bytes(path, limit_bytes=_MOST_BYTES)
    except OSError as error:
        raise CheckError(
            f"{path}: cannot read this sheet ({error.strerror}). Check the path and its rights."
        ) from error
    if content.startswith(b"PK\x03\x04"):
        raise CheckError(f"{path}: a workbook of a spreadsheet program, not a CSV. Save it as CSV.")
    encodings = (
        ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1252")
    )
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CheckError(f"{path}: not text. Save the sheet as CSV in UTF-8.")


def _records(path, text):
    """The cells of each record, the header first."""
    start = text.split("\n", 1)
    if start[0].strip().strip('"').lower() in {f"sep={mark}" for mark in _DELIMITERS}:
        text = start[1] if len(start) > 1 else ""
    first = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        raise CheckError(
            f"{path}: line {reader.line_num} is not CSV ({error}). Save the sheet as CSV again."
        ) from error


def _check_header(path, header):
    names = [name for name in header if name]
    missing = [name for name in COLUMNS if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    twice = sorted({name for name in names if names.count(name) > 1})
    for problem, found in (("lacks the columns", missing), ("has the columns twice", twice)):
        if found:
            raise CheckError(
                f"{path}: row 1 {problem} {', '.join(found)}. Start again from the pack's"
                f" {SHEET_NAME}."
            )
    if unknown:
        raise CheckError(
            f"{path}: row 1 has unknown columns: {', '.join(map(repr, unknown))}. Known:"
            f" {', '.join(COLUMNS)}."
        )


def _row(path, header, number, cells):
    """The `SheetRow` of a record, or None where it has no time."""
    values = {}
    for index, cell in enumerate(map(str.strip, cells)):
        name = header[index] if index < len(header) else ""
        if cell and not name:
            raise CheckError(
                f"{path}: row {number} has {cell[:40]!r} in column {index + 1}, which has no name."
            )
        if cell:
            values[name] = _value(path, number, name, cell)
    if "mean_ms" not in values:
        return None
    for name in _REQUIRED:
        if name not in values:
            raise CheckError(
                f"{path}: row {number}, column {name}: is empty, and the row has a time. Fill it"
                " in."
            )
    return SheetRow(row=number, **{name: values.get(name) for name in COLUMNS})


def _value(path, number, name, cell):
    try:
        return _READERS[name](cell)
    except ValueError as error:
        raise CheckError(f"{path}: row {number}, column {name}: {cell[:40]!r} {error}.") from error
