"""What a blur's strength is worth on real pairs: one for all photos, one a picture, or one a place.

All methods share the flagship's weight map, asked wide open, and the lens of this package: a bank
of discs in linear light without the subject, drawn at `_ROWS` rows. What differs is the radius:

* "default": that of the flagship's own aperture, in all pictures.
* "others": the one that is best on all other pairs, in the mean.
* "predicted": by a line through the other pairs' best ones, from what is known of the photo (how
  sure the network is, how large and how high the subject is, how much detail lies behind it).
* "single": the picture's own best one, which only the truth tells.
* "ground": the best along the ground as `render --if-unsure grade` knows it, one number.
* "rows": the best that changes evenly from the upper edge to the lower one, two numbers.
* "tiles": the best in each of 8 x 12 tiles, which no network can know: what a radius for each place
  could be worth at most.

Scores are PSNR with exposure matched (`bokeh_tf.metrics.match_exposure`). Radii are for 1024 rows.
"""

import itertools
import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from benchmarks.contenders import load_contenders
from benchmarks.quality import find_pairs
from bokeh_tf import files
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.result import possible_paths, utc_now
from bokeh_tf.errors import OutputError
from bokeh_tf.evaluation.run import read_pair
from bokeh_tf.evaluation.scores import METRICS
from bokeh_tf.evaluation.summary import set_name
from bokeh_tf.metrics import match_exposure
from bokeh_tf.models.lens_scale import (
    DEFAULT_APERTURE,
    LARGEST_RADIUS_PX,
    REFERENCE_ROWS,
    ground_nearness,
)
from bokeh_tf.rendering import render
from bokeh_tf.rendering.apertures import DISC
from bokeh_tf.rendering.lens import through_lens

SCHEMA_VERSION = 1
RADII_PX = (0.0, 4.0, 8.0, DEFAULT_APERTURE * LARGEST_RADIUS_PX, 20.0, 28.0, 40.0, 52.0, 80.0)
METHODS = ("default", "others", "predicted", "single", "ground", "rows", "tiles")
_ROWS = 512
_TILES = (8, 12)
# How much a line through so few points is held back, in standard deviations of its facts.
_RIDGE = 3.0


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    parser.add_argument(
        "--pairs", type=Path, required=True, help="folder of pairs (see: bokeh-tf data inspect)"
    )
    parser.add_argument(
        "--model",
        default=None,
        help="whose weight map: a .tflite file or a model's name (default: the shipped flagship)",
    )


def run(options):
    """Runs the suite, prints its table, and returns the path of the JSON."""
    pairs = find_pairs(options.pairs)
    [(name, contender)] = load_contenders([options.model]).items()
    created_utc = utc_now()
    path = next(possible_paths(files.make_folder(options.out), "strength", created_utc))
    console = Console(stderr=True)
    measured = {
        pair.id: measure(*read_pair(pair), contender.model)
        for pair in track(pairs, description="strength", console=console, transient=True)
    }
    add_guesses(measured)
    sets = {pair.id: set_name(pair) for pair in pairs}
    Console().print(_table(measured, sets))
    content = {
        "schema_version": SCHEMA_VERSION,
        "suite": "strength",
        "created_utc": created_utc,
        "environment": asdict(read_environment()),
        "model": {name: contender.sha256},
        "radii_px": RADII_PX,
        "pairs": measured,
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    if not files.write_new(path, text.encode()):
        raise OutputError(f"{path}: was written by something else meanwhile. Run the suite again.")
    return path


def measure(photo, truth, model):
    """Of one pair, uint8 `[H, W, 3]` each: `{"psnr_db": by method, "by_radius": the PSNR of each of
    `RADII_PX`, "best_px", "facts"}`.
    """
    takes_focus = getattr(model, "takes_focus", False)
    wishes = {"aperture": 1.0, "if_unsure": "force"} if takes_focus else {}
    rendering = render(photo, model, **wishes)
    size = round(_ROWS * photo.shape[1] / len(photo)), _ROWS
    in_focus = cv2.resize(rendering.in_focus_weight, size, interpolation=cv2.INTER_AREA)
    image, truth = (
        cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        for part in (photo, truth)
    )
    bank = draw_bank(image, in_focus)
    by_radius = [psnr_db(picture, truth) for picture in bank]
    ground = ground_nearness(_ROWS)
    places = (np.arange(_ROWS) + 0.5) / _ROWS
    psnr = {
        "default": by_radius[RADII_PX.index(DEFAULT_APERTURE * LARGEST_RADIUS_PX)],
        "single": max(by_radius),
        "ground": max(psnr_db(along(bank, far * (1 - ground)), truth) for far in RADII_PX),
        "rows": max(
            psnr_db(along(bank, top + (bottom - top) * places), truth)
            for top, bottom in itertools.product(RADII_PX, repeat=2)
        ),
        "tiles": psnr_db(by_tiles(bank, truth), truth),
    }
    return {
        "psnr_db": psnr,
        "by_radius": by_radius,
        "best_px": RADII_PX[int(np.argmax(by_radius))],
        "facts": facts_of(image, in_focus, rendering.subject_confidence),
    }


def draw_bank(image, in_focus):
    """The picture through each of `RADII_PX`, float32 `[n, h, w, 3]`."""
    scale = len(image) / REFERENCE_ROWS
    return np.stack(
        [
            through_lens(image, in_focus, np.full_like(in_focus, radius_px * scale), DISC)[0]
            for radius_px in RADII_PX
        ]
    )


def psnr_db(picture, truth):
    """PSNR with exposure matched."""
    return float(METRICS["psnr_matched_db"].compute(picture, truth))


def along(bank, radii_px):
    """The picture whose rows have radii `[h]` of their own, mixed from the two nearest."""
    positions = np.interp(radii_px, RADII_PX, np.arange(len(RADII_PX)))
    lower = np.minimum(positions.astype(int), len(RADII_PX) - 2)
    share = (positions - lower).astype(np.float32)[:, None, None]
    rows = np.arange(bank.shape[1])
    return bank[lower, rows] * (1 - share) + bank[lower + 1, rows] * share


def by_tiles(bank, truth):
    """The picture whose every tile is the bank's that comes nearest to the truth."""
    errors = np.stack(
        [((np.subtract(*match_exposure(picture, truth))) ** 2).sum(axis=2) for picture in bank]
    )
    result = bank[0].copy()
    for rows in np.array_split(np.arange(bank.shape[1]), _TILES[0]):
        for columns in np.array_split(np.arange(bank.shape[2]), _TILES[1]):
            tile = np.ix_(rows, columns)
            nearest = int(np.argmin(errors[:, rows[:, None], columns].sum(axis=(1, 2))))
            result[tile] = bank[nearest][tile]
    return result


def facts_of(image, in_focus, confidence):
    """What may tell the strength of a photo: `{name: number}`."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    detail = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    behind = 1 - in_focus
    height = (np.arange(len(grey)) + 0.5)[:, None] / len(grey)
    return {
        "confidence": 1.0 if confidence is None else float(confidence),
        "subject_share": float(in_focus.mean()),
        "subject_row": float((in_focus * height).sum() / max(in_focus.sum(), 1e-6)),
        "detail_behind": float(np.log((detail * behind).sum() / max(behind.sum(), 1e-6) + 1e-6)),
        "brightness": float(grey.mean()),
    }


def add_guesses(measured):
    """Adds "others" and "predicted" to the scores of each pair, from all others alone."""
    scores = np.array([one["by_radius"] for one in measured.values()])
    facts = np.array([list(one["facts"].values()) for one in measured.values()])
    best = np.log2(np.array([one["best_px"] for one in measured.values()]) + 4)
    for number, one in enumerate(measured.values()):
        others = np.arange(len(scores)) != number
        if not others.any():
            one["psnr_db"] |= {"others": one["psnr_db"]["default"], "predicted": None}
            continue
        common = int(np.argmax(scores[others].mean(axis=0)))
        radius_px = 2 ** predict(facts[others], best[others], facts[number]) - 4
        positions = np.interp(radius_px, RADII_PX, np.arange(len(RADII_PX)))
        one["predicted_px"] = float(np.clip(radius_px, RADII_PX[0], RADII_PX[-1]))
        one["psnr_db"]["others"] = float(scores[number][common])
        one["psnr_db"]["predicted"] = float(scores[number][round(float(positions))])


def predict(facts, values, wanted):
    """The value at the facts `wanted` `[k]` of a ridge regression through `facts` `[n, k]`."""
    mean, deviation = facts.mean(axis=0), facts.std(axis=0) + 1e-6
    known, asked = (facts - mean) / deviation, (wanted - mean) / deviation
    slopes = np.linalg.solve(
        known.T @ known + _RIDGE * np.eye(known.shape[1]), known.T @ (values - values.mean())
    )
    return float(values.mean() + asked @ slopes)


def _table(measured, sets):
    table = Table(title="PSNR with exposure matched, dB")
    for heading in ("", "pairs", *METHODS):
        table.add_column(heading, justify="right" if heading else "left")
    groups = {name: [] for name in dict.fromkeys(sets.values())} | {"all": []}
    for pair_id, one in measured.items():
        groups[sets[pair_id]].append(one["psnr_db"])
        groups["all"].append(one["psnr_db"])
    for name, rows in groups.items():
        means = [
            "-"
            if any(row[method] is None for row in rows)
            else f"{np.mean([row[method] for row in rows]):.2f}"
            for method in METHODS
        ]
        table.add_row(Text(name), str(len(rows)), *means)
    return table
