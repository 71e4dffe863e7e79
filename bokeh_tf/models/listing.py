"""The list of models for people and for programs: the catalogue, what was
measured, what papers report.

The JSON has schema version 1: `{"schema_version": 1, "package_version", "models": [..]}`; a model
has the fields of `catalogue.Entry`, its `reported` rows, and `measured` rows as in `measured.json`.
"""

import dataclasses
import json

from rich.table import Table
from rich.text import Text

from bokeh_tf import __version__

SCHEMA_VERSION = 1
UNKNOWN = "-"
# The delegates by whose rules `measured.json` has verdicts; this room knows no more of them.
LINTED = ("v2", "mldrift")
HEADINGS = (
    "model",
    "variant",
    "team",
    "parameters",
    "GMAC",
    "at",
    "float16",
    "memory",
    *LINTED,
    "real GPU",
    "classic GL",
)
REPORTED_HEADINGS = (
    "reported for",
    "source",
    "PSNR",
    "SSIM",
    "LPIPS",
    "MOS",
    "runtime",
    "measured on",
)
_LINT_WORDS = {"compatible": "full", "incompatible": "refused", "accepted_but_wrong": "wrong"}


def to_json(entries, rows) -> str:
    """The entries and all that is known of them as a JSON document."""
    models = [
        {
            **dataclasses.asdict(entry),
            "reported": [dataclasses.asdict(row) for row in entry.reported],
            "measured": [
                row
                for row in (rows.get((entry.name, variant.name)) for variant in entry.variants)
                if row
            ],
        }
        for entry in entries
    ]
    document = {"schema_version": SCHEMA_VERSION, "package_version": __version__, "models": models}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def table(entries, rows) -> Table:
    """One line per variant."""
    found = Table(*HEADINGS, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for entry in entries:
        for variant in entry.variants:
            found.add_row(*map(Text, cells(entry, variant, rows.get((entry.name, variant.name)))))
    return found


def cells(entry, variant, row) -> tuple[str, ...]:
    """A variant's cells under `HEADINGS`; `row` is None where it was not measured."""
    about = (entry.name, variant.name, entry.team)
    size = size_text(entry.reference_size_px)
    if row is None or row["parameters"] is None:
        return (*about, UNKNOWN, UNKNOWN, size, *[UNKNOWN] * (len(HEADINGS) - 6))
    return (
        *about,
        f"{row['parameters']:,}",
        gmac_text(row, entry.reference_size_px),
        size,
        f"{row['float16_bytes'] / 1e6:.1f} MB",
        f"{row['memory']['peak_bytes'] / 1e6:.0f} MB",
        *(_LINT_WORDS[row["lint"][target]["verdict"]] for target in LINTED),
        row["probe"]["verdict"],
        row["classic_gl"]["verdict"],
    )


def details(entry, rows):
    """What there is to say of one model besides its line: texts, and the
    table of reported numbers.
    """
    yield Text(f"\n{entry.title}: {entry.fidelity}")
    for source in entry.sources:
        yield Text(f"  {source}")
    for variant in entry.variants:
        maps = f" (also takes: {', '.join(variant.maps)})" if variant.maps else ""
        yield Text(f"  {variant.name}: {variant.summary}{maps}")
        for reason in (rows.get((entry.name, variant.name)) or {"reasons": ()})["reasons"]:
            yield Text(f"    {reason}", "yellow")
    if entry.reported:
        yield Text("\nReported by the authors, with their weights:")
        yield _reported_table(entry)


def reported_cells(row) -> tuple[str, ...]:
    """A reported row's cells under `REPORTED_HEADINGS`."""
    conditions = row.conditions
    numbers = ((row.psnr_db, ".2f"), (row.ssim, ".4f"), (row.lpips, ".4f"), (row.mos, "g"))
    where = "; ".join(
        filter(
            None, (conditions.data, row.runtime_s and conditions.runtime_on, row.note, row.doubt)
        )
    )
    return (
        row.subject,
        f"{conditions.paper}, {conditions.table}",
        *(UNKNOWN if value is None else format(value, form) for value, form in numbers),
        UNKNOWN if row.runtime_s is None else f"{row.runtime_s:g} s",
        where,
    )


def size_text(size_px) -> str:
    """(height, width) as the command line takes it."""
    return f"{size_px[0]}x{size_px[1]}"


def gmac_text(row, size_px) -> str:
    """A measured row's billions of multiply-accumulates at a size, where they are known."""
    macs = row and row["macs"].get(size_text(size_px))
    return UNKNOWN if macs is None else f"{macs / 1e9:.1f}"


def _reported_table(entry):
    found = Table(*REPORTED_HEADINGS, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in entry.reported:
        found.add_row(*map(Text, reported_cells(row)))
    return found
