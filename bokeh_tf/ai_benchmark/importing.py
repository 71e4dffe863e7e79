"""Merging a filled-in result sheet into a folder of benchmark results: one JSON file
beside ours, never over one.

The file holds for each row what the app showed, the nearest measurement of ours, their ratio and
the reasons for the difference. A row that the folder has already, held against the same
measurement, is not written again.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import bokeh_tf
from bokeh_tf.ai_benchmark.comparison import ALWAYS_DIFFERENT, Comparison, compare
from bokeh_tf.ai_benchmark.own_runs import find_own_runs
from bokeh_tf.ai_benchmark.sheet import read_sheet
from bokeh_tf.bench.results.result import utc_now, write_document
from bokeh_tf.documents import DocumentError, parse, read
from bokeh_tf.errors import CheckError
from bokeh_tf.files import make_folder

SCHEMA_VERSION = 1
KIND = "ai_benchmark"


@dataclass(frozen=True)
class Imported:
    """What an import did. `path` is None where the folder had every row already."""

    path: Path | None
    comparisons: tuple[Comparison, ...]
    new_count: int


def import_sheet(sheet, folder) -> Imported:
    """Reads the CSV `sheet`, holds it against our results in `folder` and writes
    `ai_benchmark_<UTC time>.json` there.

    Raises:
        CheckError: the sheet cannot be read, a cell is wrong, or no row has a time.
        OutputError: the folder cannot be written.
    """
    rows = read_sheet(sheet)
    if not rows:
        raise CheckError(
            f"{sheet}: no row has a time. Write the app's average into the column mean_ms."
        )
    folder = make_folder(folder)
    own_runs = find_own_runs(folder)
    comparisons = tuple(compare(row, own_runs) for row in rows)
    known = _known_entries(folder)
    new = [entry for entry in map(_entry, comparisons) if _key(entry) not in known]
    path = _write(folder, Path(sheet).name, new) if new else None
    return Imported(path, comparisons, len(new))


def _entry(comparison):
    app = asdict(comparison.row)
    # Where a row stood does not matter once it has left the sheet.
    del app["row"]
    ours = None
    if comparison.own is not None:
        ours = asdict(comparison.own)
        # The raw times stay in the file that is named.
        del ours["runs_ms"]
    return {
        "app": app,
        "ours": ours,
        "ratio": comparison.ratio,
        "explanation": list(comparison.explanation),
    }


def _known_entries(folder):
    documents = map(_read_json, sorted(folder.glob(f"{KIND}_*.json")))
    return {
        _key(entry)
        for document in documents
        if isinstance(document, dict) and isinstance(document.get("entries"), list)
        for entry in document["entries"]
        if isinstance(entry, dict)
    }


def _read_json(path):
    """The content of a JSON file, None where it is no readable JSON."""
    try:
        return parse(read(path))
    except DocumentError:
        return None


def _key(entry):
    return json.dumps([entry.get("app"), entry.get("ours")], sort_keys=True)


def _write(folder, sheet_name, entries):
    created_utc = utc_now()
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "created_utc": created_utc,
        "package_version": bokeh_tf.__version__,
        "sheet": sheet_name,
        "note": ALWAYS_DIFFERENT,
        "entries": entries,
    }
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    return write_document(text, folder, KIND, created_utc)
