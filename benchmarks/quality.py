"""Rendered photos against real pairs of a sharp and a shallow-focus photo of one scene.

Every metric is taken on uint8 at the size of the ground truth and averaged over the pictures of a
set; sets are never mixed. PSNR pools all pixels and channels; both SSIM of `bokeh_tf.metrics` are
given, because papers use either. The sheets are for the eye: numbers do not rank bokeh as people do.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from benchmarks.baselines import BASELINES
from benchmarks.contact_sheet import write_sheet
from bokeh_tf import files, photos
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.result import possible_paths, utc_now
from bokeh_tf.errors import DataError, ModelFileError, OutputError
from bokeh_tf.metrics import psnr, ssim
from bokeh_tf.models.weights import FLAGSHIP_FILE
from bokeh_tf.paths import is_dir, is_file
from bokeh_tf.rendering import load_model, render

SCHEMA_VERSION = 1
_INPUT, _TRUTH = "_Input", "_GT"
_METRICS = {"psnr_db": "PSNR, dB", "ssim": "SSIM 7x7", "ssim_gaussian": "SSIM Gaussian"}


@dataclass(frozen=True)
class Pair:
    """Paths of one scene's sharp input and its ground truth; the set is the name up to its first `_`."""

    name: str
    input_path: Path
    truth_path: Path

    @property
    def set_name(self):
        """Name of the set the pair is averaged in."""
        return self.name.partition("_")[0]


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    parser.add_argument("--pairs", type=Path, required=True, help="folder with <name>_Input.* and <name>_GT.*")
    parser.add_argument(
        "--model", nargs="+", default=[None], help=".tflite files or model names (default: the shipped flagship)"
    )
    parser.add_argument(
        "--input-range",
        nargs=2,
        type=float,
        metavar=("MIN", "MAX"),
        help="values of the pictures that the .tflite files take (default: what each says of itself)",
    )


def run(options):
    """Runs the suite, prints its table, writes sheets and JSON, and returns the path of the JSON."""
    pairs = find_pairs(options.pairs)
    models = load_models(options.model, input_range=options.input_range)
    created_utc = utc_now()
    sheets = make_sheets_folder(options.out, created_utc)
    path = sheets.with_suffix(".json")
    scores = {
        pair.name: score_pair(pair, models, sheets / f"{pair.name}.jpg")
        for pair in track(pairs, description="quality", console=Console(stderr=True), transient=True)
    }
    means = average(pairs, scores)
    Console().print(*map(_table, means, means.values()))
    content = {
        "schema_version": SCHEMA_VERSION,
        "suite": "quality",
        "created_utc": created_utc,
        "environment": asdict(read_environment()),
        "models": {name: _sha256(source) for name, source in zip(models, options.model, strict=True)},
        "means": means,
        "pairs": scores,
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    if not files.write_new(path, text.encode()):
        raise OutputError(f"{path}: was written by something else meanwhile. Run the suite again.")
    return path


def make_sheets_folder(out, created_utc):
    """A new folder for this run's sheets; its name is claimed, for the JSON beside it too."""
    paths = possible_paths(files.make_folder(out), "quality", created_utc)
    return next(path for path in (path.with_suffix("") for path in paths) if _is_made(path))


def _is_made(folder):
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise OutputError(f"{folder}: cannot create this folder ({error.strerror}). Choose another one.") from error
    return True


def load_models(sources, *, input_range=None):
    """The models that `sources` say, by their names; for both arguments see `bokeh_tf.rendering.load_model`."""
    models = {}
    for source in sources:
        model = load_model(source, input_range=input_range)
        if model.name in models:
            raise ModelFileError(f"{source}: a model called {model.name} is already given. Rename one of them.")
        models[model.name] = model
    return models


def find_pairs(folder):
    """The pairs in `folder`, sorted by name; `DataError` where there are none or one is incomplete."""
    folder = Path(folder)
    if not is_dir(folder):
        raise DataError(f"{folder}: no such folder. Give one with <name>{_INPUT}.* and <name>{_TRUTH}.*")
    pictures = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in photos.SUFFIXES]
    inputs = {path.stem.removesuffix(_INPUT): path for path in pictures if path.stem.endswith(_INPUT)}
    truths = {path.stem.removesuffix(_TRUTH): path for path in pictures if path.stem.endswith(_TRUTH)}
    # A missing partner must not silently change the mean.
    alone = sorted(inputs.keys() ^ truths.keys())
    if alone:
        raise DataError(f"{folder}: {alone[0]} has no {_TRUTH if alone[0] in inputs else _INPUT} picture.")
    if not inputs:
        raise DataError(f"{folder}: no pairs here. They are called <name>{_INPUT}.* and <name>{_TRUTH}.*")
    return [Pair(name, path, truths[name]) for name, path in inputs.items()]


def score_pair(pair, models, sheet_path):
    """Scores of every baseline and model on one pair, by name; writes the pair's sheet to `sheet_path`."""
    photo, truth = (photos.reduced_to_8_bits(photos.read(path).pixels) for path in (pair.input_path, pair.truth_path))
    if photo.shape != truth.shape:
        raise DataError(f"{pair.truth_path}: has another size than {pair.input_path.name}. Pairs must be aligned.")
    if np.array_equal(photo, truth):
        raise DataError(f"{pair.truth_path}: is the same picture as {pair.input_path.name}. There is nothing to score.")
    renderings = {name: render(photo, model) for name, model in models.items()}
    images = {name: rendering.image for name, rendering in renderings.items()}
    images |= {name: baseline(photo) for name, baseline in BASELINES.items()}
    scores = {name: score(image, truth) for name, image in images.items()}
    tiles = [(f"{pair.name}: input", photo), ("ground truth", truth)]
    for name, rendering in renderings.items():
        tiles.append((_caption(name, scores[name]), rendering.image))
        tiles.append((f"{name}: in-focus weight", rendering.in_focus_weight))
    tiles += [(_caption(name, scores[name]), images[name]) for name in BASELINES if name != "untouched"]
    write_sheet(sheet_path, tiles)
    return scores


def score(image, truth):
    """The metrics of one rendering."""
    return {
        "psnr_db": psnr(image, truth),
        "ssim": ssim(image, truth),
        "ssim_gaussian": ssim(image, truth, window="gaussian"),
    }


def average(pairs, scores):
    """Mean scores by set and contender, with the number of pairs, `n`."""
    means = {}
    for set_name in dict.fromkeys(pair.set_name for pair in pairs):
        in_set = [scores[pair.name] for pair in pairs if pair.set_name == set_name]
        means[set_name] = {
            contender: {
                **{metric: float(np.mean([by_name[contender][metric] for by_name in in_set])) for metric in _METRICS},
                "n": len(in_set),
            }
            for contender in in_set[0]
        }
    return means


def _caption(name, scores):
    return f"{name}: {scores['psnr_db']:.2f} dB, SSIM {scores['ssim']:.3f}"


def _table(set_name, means):
    """The means of one set; the best of each column is bold."""
    pairs = next(iter(means.values()))["n"]
    table = Table(title=f"{set_name}: mean of {pairs} pairs")
    table.add_column("")
    for heading in _METRICS.values():
        table.add_column(heading, justify="right")
    best = {metric: max(scores[metric] for scores in means.values()) for metric in _METRICS}
    for name, scores in means.items():
        styles = ["bold" if scores[metric] == best[metric] else "" for metric in _METRICS]
        cells = [f"{scores['psnr_db']:.2f}", f"{scores['ssim']:.4f}", f"{scores['ssim_gaussian']:.4f}"]
        table.add_row(Text(name), *map(Text, cells, styles))
    return table


def _sha256(source):
    """Digest of the model file, `None` for a model that is built from its name."""
    path = FLAGSHIP_FILE if source is None else Path(source)
    return hashlib.sha256(path.read_bytes()).hexdigest() if is_file(path) else None
