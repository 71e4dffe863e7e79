"""Renderings looked at by somebody who does not know whose they are.

First step, `python -m benchmarks blind --photos LIST --contenders A B`: a sheet for each photo, the
photo first and then the contenders as "A", "B", … in an order drawn for each photo, an empty
`scores.csv` beside them, and the key, which nobody opens yet. Then somebody looks at every sheet
and grades each letter from 1 (thrown away) to 5 (kept). Last step,
`python -m benchmarks blind --key KEY --scores FILE`: means, histograms, and who was preferred.

A contender is a `.tflite` file or a model's name, with an aperture after "@" if not its own:
`dbsi_mobile_focus@0.25`.
"""

import csv
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from benchmarks.contact_sheet import write_sheet
from benchmarks.contenders import load_contenders
from benchmarks.photo_lists import read_list, read_photo
from benchmarks.quality import make_sheets_folder
from bokeh_tf import documents, files
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.result import utc_now
from bokeh_tf.documents import DocumentError
from bokeh_tf.errors import DataError
from bokeh_tf.paths import names_apart, printable

SCHEMA_VERSION = 1
GRADES = (1, 2, 3, 4, 5)
_SHEET_SHORT_SIDE_PX = 780
# More letters than this nobody keeps apart on a sheet.
_LETTERS = "ABCDE"


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    parser.add_argument(
        "--photos", type=Path, help="text file: a photo's path on each line, relative to the file"
    )
    parser.add_argument(
        "--contenders", nargs="+", metavar="MODEL[@APERTURE]", help="two to five of them"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the orders (default: 0)")
    parser.add_argument("--key", type=Path, help="JSON of the first step, for the last one")
    parser.add_argument("--scores", type=Path, help="the sheets' scores.csv, filled in")


def run(options):
    """Runs one of the two steps; returns the path of the key or of the result."""
    is_first = options.photos is not None and options.contenders is not None
    is_last = options.key is not None and options.scores is not None
    if is_first == is_last:
        raise DataError("Give either --photos and --contenders, or --key and --scores.")
    if is_first:
        return make_sheets(options)
    result = unblinded(_read_key(options.key), read_scores(options.scores))
    Console().print(_table(result["contenders"]), result["preferred"])
    path = options.key.with_name(f"{options.key.stem}_scored.json")
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    if not files.write_new(path, text.encode()):
        raise DataError(f"{path}: exists already. Move it, or score another key.")
    return path


def make_sheets(options):
    """Writes the sheets, the empty scores and the key, whose path it returns."""
    if not 2 <= len(options.contenders) <= len(_LETTERS) or len(set(options.contenders)) < len(
        options.contenders
    ):
        raise DataError(f"Give two to {len(_LETTERS)} different contenders.")
    contenders = load_contenders(options.contenders)
    listed = read_list(options.photos)
    created_utc = utc_now()
    folder = make_sheets_folder(options.out, created_utc, "blind")
    orders = draw_orders(len(listed), list(contenders), options.seed)
    progress = track(listed, "blind", console=Console(stderr=True), transient=True)
    for number, path in enumerate(progress):
        photo = read_photo(path)
        pictures = [contenders[name].render(photo).image for name in orders[number]]
        tiles = [("photo", photo), *zip(_LETTERS, pictures, strict=False)]
        _write_sheet(folder / f"{number:02d}.jpg", tiles)
    letters = _LETTERS[: len(contenders)]
    rows = [
        ",".join(["sheet", *letters]),
        *(f"{n:02d}" + "," * len(letters) for n in range(len(listed))),
    ]
    files.write_bytes(folder / "scores.csv", ("\n".join(rows) + "\n").encode())
    key = {
        "schema_version": SCHEMA_VERSION,
        "suite": "blind",
        "created_utc": created_utc,
        "environment": asdict(read_environment()),
        "seed": options.seed,
        "photos": names_apart(listed),
        "orders": orders,
        "models": {name: contender.sha256 for name, contender in contenders.items()},
    }
    path = folder.with_suffix(".json")
    files.write_bytes(path, (json.dumps(key, indent=1) + "\n").encode())
    return path


def draw_orders(count, names, seed):
    """For each of `count` photos the `names` in an order of its own, the same for a seed."""
    draw = np.random.default_rng(seed)
    return [[names[index] for index in draw.permutation(len(names))] for _ in range(count)]


def read_scores(path):
    """`{sheet: [grade of A, grade of B, …]}` from a filled-in scores.csv."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as scores ({error}).") from error
    scores = {}
    for row in filter(None, rows):
        sheet, *grades = row
        if not sheet.strip().isdecimal() or int(sheet) in scores:
            raise DataError(f"{path}: {printable(sheet)!r} is no sheet, or one given twice.")
        if not all(grade.strip() in map(str, GRADES) for grade in grades):
            raise DataError(f"{path}: sheet {sheet} has no grade from 1 to 5 for each letter.")
        scores[int(sheet)] = [int(grade) for grade in grades]
    return scores


def unblinded(key, scores):
    """Whose the grades were.

    Returns:
        A dict for JSON: for each contender the mean, the histogram (how many photos had 1, 2, … 5)
        and its grade of each photo; and "preferred", how many photos had which best, "none" where
        several were.
    """
    if sorted(scores) != list(range(len(key["orders"]))):
        raise DataError(f"The key has {len(key['orders'])} sheets, the scores {len(scores)}.")
    names = sorted(key["orders"][0])
    # Older keys have bare file names, which photos of two folders may share.
    photos = names_apart(key["photos"])
    grades = {name: [] for name in names}
    preferred = Counter()
    for number, order in enumerate(key["orders"]):
        if len(scores[number]) != len(order):
            raise DataError(f"Sheet {number} needs {len(order)} grades.")
        given = dict(zip(order, scores[number], strict=True))
        for name in names:
            grades[name].append(given[name])
        best = [name for name in names if given[name] == max(given.values())]
        preferred[best[0] if len(best) == 1 else "none"] += 1
    contenders = {
        name: {
            "mean": float(np.mean(own)),
            "histogram": [own.count(grade) for grade in GRADES],
            "grades": dict(zip(photos, own, strict=True)),
        }
        for name, own in grades.items()
    }
    return {**key, "photos": photos, "contenders": contenders, "preferred": dict(preferred)}


def _write_sheet(path, tiles):
    """Four tiles of a lying photo in two rows, all others side by side."""
    height, width, _ = tiles[0][1].shape
    columns = 2 if width > height and len(tiles) > 3 else len(tiles)
    tile_width_px = round(_SHEET_SHORT_SIDE_PX * min(1, width / height))
    write_sheet(path, tiles, columns=columns, tile_width_px=tile_width_px)


@dataclass(frozen=True)
class _Key:
    """What of a key the grades need. Older keys have no models."""

    photos: list[str]
    orders: list[list[str]]

    def __post_init__(self):
        names = sorted(self.orders[0]) if self.orders else []
        if len(self.photos) != len(self.orders) or not names:
            raise ValueError("it needs an order for each photo, and one photo at least")
        if len(set(names)) < len(names) or any(sorted(order) != names for order in self.orders):
            raise ValueError("the orders are not of the same contenders")


def _read_key(path):
    """What a run of this suite wrote; `DataError` for any other file."""
    try:
        key = documents.parse(documents.read(path))
        documents.typed(key, _Key)
    except DocumentError as error:
        raise DataError(
            f"{printable(path)}: is not the key of a blind run ({error}). Name the JSON beside the"
            " sheets."
        ) from error
    return key


def _table(contenders):
    table = Table()
    for heading in ("", "mean", *map(str, GRADES)):
        table.add_column(heading, justify="right" if heading else "left")
    for name, own in contenders.items():
        table.add_row(Text(name), f"{own['mean']:.2f}", *map(str, own["histogram"]))
    return table
