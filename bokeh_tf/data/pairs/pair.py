"""A training pair: what the records of a data folder hold, and lists that choose among them.

A list is a text file that names one pair a line, or a CSV file with a column `id`. A name is an id,
a path below the data folder, or a file name.
"""

import csv
import dataclasses
import io
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from bokeh_tf.errors import DataError
from bokeh_tf.files import write_text
from bokeh_tf.paths import printable, read_bytes
from bokeh_tf.photos import format_of_suffix

# EBB!: the 4694 published training pairs, of which the last 294 are everybody's validation set.
TRAIN_IDS = range(0, 4400)
VAL294_IDS = range(4400, 4694)
# A list of a million pairs is smaller than this.
_MAX_LIST_BYTES = 50_000_000
_PLACES_SHOWN = 4


@dataclasses.dataclass(frozen=True)
class Pair:
    """One scene taken twice.

    Attributes:
        id: unique in its data folder; for EBB! the published number.
        split: "train", to train on; "val294", EBB! pairs 4400 to 4693, on which papers compare;
            "validation" or "test", a folder of its own for that; "extra", EBB! pairs numbered
            beyond 4693, in no official split.
        source: file with everything in focus.
        target: file with shallow depth of field.
        maps: further pictures of the source by kind: depth, disparity, saliency, focus,
            mask. Their sizes may differ.
        conditions: how the pair was taken, by name. Known are source_f_number, target_f_number,
            focal_length_mm, focus_distance_m and disparity; further numeric columns of the folder's
            tables keep their own names.
    """

    id: str
    split: str
    source: Path
    target: Path
    maps: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    conditions: Mapping[str, float] = dataclasses.field(default_factory=dict)


def official_split(number):
    """`"train"`, `"val294"` or `"extra"` for the number of an EBB! training pair."""
    if number in TRAIN_IDS:
        return "train"
    return "val294" if number in VAL294_IDS else "extra"


def relative_name(path, folder):
    """`path` below `folder` with forward slashes; a path elsewhere as it is."""
    path, folder = Path(path), Path(folder)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def places_of(pairs, folder):
    """Where below the data folder `folder` the photos of the pairs lie, and how many: one line."""
    counts = Counter(relative_name(pair.source.parent, folder) for pair in pairs)
    shown = [f"{count} in {place}" for place, count in list(counts.items())[:_PLACES_SHOWN]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more folders" if more else "")


def write_list(path, pairs, *, folder):
    """Writes a CSV list of `pairs` of the data folder `folder`, in one step."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "split", "source", "target"])
    for pair in pairs:
        writer.writerow(
            [
                pair.id,
                pair.split,
                relative_name(pair.source, folder),
                relative_name(pair.target, folder),
            ]
        )
    write_text(path, text.getvalue())


def read_list(path):
    """The names in the list `path`, in order.

    Raises:
        DataError: it cannot be read, or is empty.
    """
    path = Path(path)
    text = read_text(path)
    first_line = next(iter(text.splitlines()), "")
    columns = [column.strip().lower() for column in first_line.split(",")]
    if "id" in columns:
        rows = csv.DictReader(
            io.StringIO(text.replace(first_line, ",".join(columns), 1), newline="")
        )
        try:
            names = [row["id"].strip() for row in rows if row["id"] and row["id"].strip()]
        except csv.Error as error:
            raise DataError(f"{path}: not a CSV table ({error}). Write it anew.") from error
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise DataError(
            f"{path}: names no pair. Write one id or file name a line, or a CSV table with a"
            " column id."
        )
    return names


def read_text(path):
    """The text of the UTF-8 file `path`; `DataError` where there is none."""
    path = Path(path)
    try:
        return read_bytes(path, limit_bytes=_MAX_LIST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(path)}: cannot be read as UTF-8 text. Save it so.") from error
    except OSError as error:
        raise DataError(
            f"{printable(path)}: cannot be read ({error.strerror}). Check the path."
        ) from error


def chosen(pairs, names, *, folder):
    """The pairs that `names` mean, in the order of `pairs`, and the names that mean none.

    Raises:
        DataError: a file name stands for several pairs.
    """
    by_id = {pair.id: pair for pair in pairs}
    by_name = defaultdict(list)
    for pair in pairs:
        for path in (pair.source, pair.target):
            # A source and a target of one name are one pair, named once.
            for name in {relative_name(path, folder), path.name, path.stem}:
                if pair not in by_name[name]:
                    by_name[name].append(pair)
    found, unknown = set(), []
    for name in names:
        stem = name[: -len(Path(name).suffix)] if format_of_suffix(Path(name).suffix) else name
        meant = [by_id[key] for key in (name, stem) if key in by_id][:1] or by_name.get(
            name.removeprefix("./"), []
        )
        if len(meant) > 1:
            raise DataError(
                f"{name}: stands for several pairs ({meant[0].id}, {meant[1].id}). List their ids"
                " instead."
            )
        found.update(pair.id for pair in meant)
        if not meant:
            unknown.append(name)
    return [pair for pair in pairs if pair.id in found], unknown
