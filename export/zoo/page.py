"""`docs/models.md` and its drawings, from the catalogue, what was measured, and the
descriptions of the diagrams.
"""

from pathlib import Path

from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.files import make_folder, write_text
from bokeh_tf.models import catalogue, listing, measured
from bokeh_tf.models.reported import ROWS
from export.zoo import diagrams, diagrams_dense
from export.zoo.drawing import to_svg
from export.zoo.measuring import COMMON_SIZE_PX
from export.zoo.practice import FLAT_WHEN_FRESH, STEPS

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs"
NAME = "models.md"
DRAWINGS_FOLDER = "models"
DRAWINGS = diagrams.DIAGRAMS | diagrams_dense.DIAGRAMS

_AT_COMMON_SIZE = f"GMAC at {listing.size_text(COMMON_SIZE_PX)}"
_HEADINGS = (
    *(
        "model",
        "variant",
        "parameters",
        "reference size",
        "GMAC there",
        _AT_COMMON_SIZE,
        "float16",
        "GPU memory",
    ),
    *(*TARGETS, "real GPU", "classic GL", "error, float32", "error, float16"),
)
_INTRODUCTION = f"""# Models

This page is written by `python -m export.zoo --docs` from `bokeh_tf/models/catalogue.py`, `bokeh_tf/models/reported.py`
and `bokeh_tf/models/measured.json`; a test fails when it is stale. `bokeh-tf models` prints the same on a terminal.

## Measured here

Every variant was built with fresh weights, varied where they are constant, and converted to float16. Parameters are
the trainable ones. GMAC are billions of multiply-accumulates in convolutions and matrix products, at the reference size
and at {listing.size_text(COMMON_SIZE_PX)}. GPU memory is an estimate of the tensors alive at once at the reference
size, in half precision, weights not counted. v2 and mldrift are the rules of the classic TFLite delegate and of
LiteRT's ML Drift at the reference size. "real GPU" is ML Drift itself on Vulkan at a small size; the errors are the
largest against the CPU, relative to the range of the output. "classic GL" is the classic delegate's engine on OpenGL,
which it turns to where a phone has no OpenCL, on the same file; what is against it stands below. For these,
{" and ".join(FLAT_WHEN_FRESH)} learnt for {STEPS} steps to blur a photo: with fresh weights their pictures are flat.
"""
_REPORTED = """## Reported by the authors

All rows of the result tables of the AIM 2020 report and of the DBSI paper, with their numbers for their own weights.
MOS: in AIM 2020 5 is best, in AIM 2019 (DBSI's table 5) lower is better. A row without a model is of a system that
neither paper describes.
"""


def write(folder=FOLDER) -> list[Path]:
    """Writes the page and the drawings; returns what was written."""
    paths = []
    for name, text in files().items():
        path = Path(folder) / name
        make_folder(path.parent)
        write_text(path, text)
        paths.append(path)
    return paths


def files(rows=None) -> dict[str, str]:
    """The texts of all files by their path in the folder.

    Args:
        rows: measured rows by key; those of the package if None.
    """
    rows = measured.read() if rows is None else rows
    drawings = {
        f"{DRAWINGS_FOLDER}/{name}.svg": to_svg(drawing) for name, drawing in DRAWINGS.items()
    }
    return {NAME: _page(rows), **drawings}


def _page(rows):
    parts = [
        _INTRODUCTION,
        _table(_HEADINGS, _measured_cells(rows)),
        *_remarks(rows),
        _REPORTED,
        _table(("model", *listing.REPORTED_HEADINGS), _reported_cells()),
        *(_section(entry) for entry in catalogue.ENTRIES),
    ]
    return "\n".join(parts)


def _measured_cells(rows):
    for entry in catalogue.ENTRIES:
        for variant in entry.variants:
            row = rows.get((entry.name, variant.name))
            _, _, _, parameters, gmac, size, size_mb, memory, *verdicts = listing.cells(
                entry, variant, row
            )
            common = listing.gmac_text(row, COMMON_SIZE_PX)
            errors = [_error(row, precision) for precision in ("float32", "default")]
            yield (
                entry.name,
                variant.name,
                parameters,
                size,
                gmac,
                common,
                size_mb,
                memory,
                *verdicts,
                *errors,
            )


def _error(row, precision):
    error = row and row["probe"]["errors"].get(precision, {}).get("max_error")
    return listing.UNKNOWN if error is None else f"{error:.1g}"


def _remarks(rows):
    """Why rows are not green, and their warnings."""
    keys = [(entry.name, variant.name) for entry in catalogue.ENTRIES for variant in entry.variants]
    lines = [
        f"- {'.'.join(key)}: {_escaped(text)}"
        for key in keys
        if key in rows
        for text in _texts(rows[key])
    ]
    return [f"{line}\n" for line in ("\n".join(lines),) if line]


def _texts(row):
    engine = [f"classic engine on OpenGL: {reason}" for reason in row["classic_gl"]["reasons"]]
    return (*row["reasons"], *engine, *row["warnings"])


def _reported_cells():
    for row in ROWS:
        yield (", ".join(row.models) or listing.UNKNOWN, *listing.reported_cells(row))


def _section(entry):
    drawing = DRAWINGS[entry.name]
    sources = "\n".join(f"- {_escaped(source)}" for source in entry.sources)
    variants = "\n".join(
        f"- `{variant.name}`: {_escaped(_variant_text(variant))}" for variant in entry.variants
    )
    return f"""## {entry.name}

{_escaped(entry.title)}. {_escaped(entry.team)}. Structure: {_escaped(entry.fidelity)}.

![{_escaped(drawing.title)}]({DRAWINGS_FOLDER}/{entry.name}.svg)

{_escaped(drawing.caption)}

{variants}

Sources:

{sources}
"""


def _variant_text(variant):
    return variant.summary + (f"; also takes {' and '.join(variant.maps)}" if variant.maps else "")


def _table(headings, lines):
    rows = [headings, ["---"] * len(headings), *lines]
    return (
        "\n".join("| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows) + "\n"
    )


def _escaped(text):
    return text.replace("|", "\\|").replace("<", "&lt;")
