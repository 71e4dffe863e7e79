"""Rendered photos against real pairs of a sharp and a shallow-focus photo of one scene.

Scores are those of `bokeh-tf evaluate` by its protocol "plain", averaged over the pictures of a
set; sets are never mixed. "matched" are the same with exposure matched: per channel, the gain and
offset that bring the low-passed rendering nearest to the low-passed truth. A model wins a pair
whose matched PSNR is above that of every trivial method. `benchmarks.seen` adds medians of what an
eye sees first, and `--faces` whether faces stay sharp. The sheets are for the eye: numbers do not
rank bokeh as people do.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from benchmarks.contact_sheet import write_sheet
from benchmarks.contenders import load_contenders
from benchmarks.faces import score_faces
from benchmarks.photo_lists import read_list, read_photo
from benchmarks.seen import SEEN, seen
from bokeh_tf import files
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.result import possible_paths, utc_now
from bokeh_tf.data.pairs import layouts
from bokeh_tf.errors import DataError, OutputError
from bokeh_tf.evaluation.baselines import BASELINES
from bokeh_tf.evaluation.protocols import PROTOCOLS
from bokeh_tf.evaluation.run import read_pair
from bokeh_tf.evaluation.scores import METRICS, score
from bokeh_tf.evaluation.summary import set_name
from bokeh_tf.paths import names_apart

SCHEMA_VERSION = 2
_METRICS = ("psnr_db", "ssim", "ssim_gaussian")
_MATCHED = ("psnr_matched_db", "ssim_matched")
_COLUMNS = (*_METRICS, *_MATCHED)


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    parser.add_argument(
        "--pairs", type=Path, required=True, help="folder of pairs (see: bokeh-tf data inspect)"
    )
    parser.add_argument(
        "--model",
        nargs="+",
        default=[None],
        metavar="MODEL[@APERTURE]",
        help=".tflite files or model names, with an aperture from 0 to 1 if not the model's own"
        " (default: the shipped flagship)",
    )
    parser.add_argument(
        "--faces",
        type=Path,
        metavar="LIST",
        help="text file: a photo's path on each line, whose faces are looked for",
    )
    parser.add_argument(
        "--input-range",
        nargs=2,
        type=float,
        metavar=("MIN", "MAX"),
        help="values of the pictures that the .tflite files take (default: what each says of"
        " itself)",
    )


def run(options):
    """Runs the suite, prints its table, writes sheets and JSON, and
    returns the path of the JSON.
    """
    pairs = find_pairs(options.pairs)
    models = load_contenders(options.model, input_range=options.input_range)
    created_utc = utc_now()
    sheets = make_sheets_folder(options.out, created_utc)
    path = sheets.with_suffix(".json")
    scores = {
        pair.id: score_pair(pair, models, sheets / f"{pair.id}.jpg")
        for pair in track(
            pairs, description="quality", console=Console(stderr=True), transient=True
        )
    }
    means = average(pairs, scores)
    for name, rows in means.items():
        Console().print(_table(name, rows, _METRICS))
        Console().print(_table(f"{name}, exposure matched", rows, _MATCHED))
    wins = {name: count_wins(scores.values(), name) for name in models}
    medians = {name: seen_medians([row[name] for row in scores.values()]) for name in models}
    Console().print(_models_table(wins, medians))
    faces = None
    if options.faces:
        listed = read_list(options.faces)
        names = names_apart(listed)
        photos = [(name, read_photo(photo)) for name, photo in zip(names, listed, strict=True)]
        faces = score_faces(photos, models)
        Console().print(_faces_table(faces))
    content = {
        "schema_version": SCHEMA_VERSION,
        "suite": "quality",
        "created_utc": created_utc,
        "environment": asdict(read_environment()),
        "models": {name: one.sha256 for name, one in models.items()},
        "means": means,
        "wins_over_best_trivial": wins,
        "seen": medians,
        "faces": faces,
        "pairs": scores,
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    if not files.write_new(path, text.encode()):
        raise OutputError(f"{path}: was written by something else meanwhile. Run the suite again.")
    return path


def make_sheets_folder(out, created_utc, suite="quality"):
    """A new folder for this run's sheets; its name is claimed, for the JSON beside it too."""
    paths = possible_paths(files.make_folder(out), suite, created_utc)
    return next(path for path in (path.with_suffix("") for path in paths) if _is_made(path))


def _is_made(folder):
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot create this folder ({error.strerror}). Choose another one."
        ) from error
    return True


def find_pairs(folder):
    """The pairs in `folder`, in any layout, sorted; `DataError` where there are
    none or one is incomplete.
    """
    found = layouts.find_pairs(folder)
    # A missing partner must not silently change the mean.
    if found.report.missing:
        raise DataError(f"{found.report.missing[0]}. Complete the pairs, or move these elsewhere.")
    return list(found.pairs)


def score_pair(pair, models, sheet_path):
    """Scores of every baseline and contender on one pair, by name; writes the
    pair's sheet to `sheet_path`.
    """
    photo, truth = read_pair(pair)
    renderings = {name: contender.render(photo) for name, contender in models.items()}
    images = {name: rendering.image for name, rendering in renderings.items()}
    images |= {name: baseline(photo) for name, baseline in BASELINES.items()}
    scores = {
        name: score(image, truth, PROTOCOLS["plain"], metrics=_COLUMNS)
        for name, image in images.items()
    }
    for name, rendering in renderings.items():
        scores[name] |= seen(photo, truth, rendering)
    tiles = [(f"{pair.id}: input", photo), ("ground truth", truth)]
    for name, rendering in renderings.items():
        tiles.append((_caption(name, scores[name]), rendering.image))
        tiles.append((f"{name}: in-focus weight", rendering.in_focus_weight))
    tiles += [
        (_caption(name, scores[name]), images[name]) for name in BASELINES if name != "untouched"
    ]
    write_sheet(sheet_path, tiles)
    return scores


def average(pairs, scores):
    """Mean scores by set and contender, with the number of pairs, `n`."""
    means = {}
    for name in dict.fromkeys(set_name(pair) for pair in pairs):
        in_set = [scores[pair.id] for pair in pairs if set_name(pair) == name]
        means[name] = {
            contender: {
                **{
                    metric: float(np.mean([by_name[contender][metric] for by_name in in_set]))
                    for metric in _COLUMNS
                },
                "n": len(in_set),
            }
            for contender in in_set[0]
        }
    return means


def _caption(name, scores):
    return f"{name}: {scores['psnr_db']:.2f} dB, SSIM {scores['ssim']:.3f}"


def _table(set_name, means, columns):
    """Some of the means of one set; the best of each column is bold."""
    pairs = next(iter(means.values()))["n"]
    table = Table(title=f"{set_name}: mean of {pairs} pairs")
    table.add_column("")
    for column in columns:
        table.add_column(METRICS[column].heading, justify="right")
    best = {column: max(scores[column] for scores in means.values()) for column in columns}
    for name, scores in means.items():
        styles = ["bold" if scores[column] == best[column] else "" for column in columns]
        cells = [f"{scores[column]:.{METRICS[column].digits}f}" for column in columns]
        table.add_row(Text(name), *map(Text, cells, styles))
    return table


def count_wins(scores, name):
    """`{"won", "of"}`: pairs whose matched PSNR by one model is above every trivial method's."""
    won = [
        row[name]["psnr_matched_db"]
        > max(row[baseline]["psnr_matched_db"] for baseline in BASELINES)
        for row in scores
    ]
    return {"won": sum(won), "of": len(won)}


def seen_medians(rows):
    """Medians of what is seen, None where no pair has it.

    A subject that the truth blurs gives ratios without end, which would be all that a mean tells.
    """
    values = {name: [row[name] for row in rows if row[name] is not None] for name in SEEN}
    return {name: float(np.median(known)) if known else None for name, known in values.items()}


def _models_table(wins, medians):
    table = Table(title="over all pairs")
    headings = ("wins over the best trivial method", "background off, octaves", "subject sharpness")
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, count in wins.items():
        values = [medians[name][measure] for measure in SEEN]
        cells = ["-" if value is None else f"{value:.2f}" for value in values]
        table.add_row(Text(name), f"{count['won']} of {count['of']}", *cells)
    return table


def _faces_table(faces):
    """Means over faces, and the face that each model keeps least."""
    table = Table(title="W0 inside faces")
    for heading in ("", "faces", "mean", "lowest", "below 0.8", "lowest in"):
        table.add_column(heading, justify="right" if heading not in ("", "lowest in") else "left")
    for name, row in faces["means"].items():
        least = min(faces["faces"], key=lambda face: face["focus"][name])
        cells = [f"{row['mean']:.3f}", f"{row['lowest']:.3f}", str(row["below_0.8"])]
        table.add_row(Text(name), str(row["n"]), *cells, Text(least["photo"]))
    return table
