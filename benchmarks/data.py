"""Training batches from JPEG pairs: images a second of our pipeline against a bare decoding
loop and a plain generator.

All of them work on the same generated files, in one interleaved run, with nothing
kept in memory between runs:

    bare decoding           the files read and decoded by as many threads, and nothing else: the limit
    <framing>, pipeline     `bokeh_tf.data.pairs.pipeline.pair_batches`
    <framing>, generator    a Python generator with one thread that makes the same kind of batches in the plain way

"crop" takes a window at random and flips it, "resize" shrinks the whole picture. A source has the
detail of a sharp photo, a target that of a blurred one. The ratios are paired by round.
"""

import argparse
import functools
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.pictures import natural_noise
from bokeh_tf import files
from bokeh_tf.bench.host.sampling import Contender, sample_interleaved
from bokeh_tf.bench.report import terminal
from bokeh_tf.bench.results.environment import find_environment_doubts, read_environment
from bokeh_tf.bench.results.measurement import make_measurement
from bokeh_tf.bench.results.result import Result, as_json, utc_now, write_document
from bokeh_tf.bench.results.statistics import paired_ratio

SCHEMA_VERSION = 1
TARGET = 0.8
BARE = "bare decoding"
# What the network sees: a square window, or the whole picture as DBSI's first phase takes it.
FRAMINGS = {"crop": (512, 512), "resize": (384, 512)}
_SIZE_PX = (1024, 1536)
_JPEG_QUALITY = 90
_SOURCE_SIGMA_PX, _TARGET_SIGMA_PX = 1.0, 6.0
_BATCH_SIZE = 4
_SEED = 0


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    parser.add_argument(
        "--rounds", type=_at_least_one, default=8, help="turns of each (default: %(default)s)"
    )
    parser.add_argument(
        "--pairs", type=_at_least_one, default=12, help="pairs of files (default: %(default)s)"
    )
    parser.add_argument(
        "--batches", type=_at_least_one, default=96, help="batches a run (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=_at_least_one, default=2, help="decoding threads (default: %(default)s)"
    )


def run(options):
    """Runs the suite, prints its tables and returns the path of the JSON it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = write_pairs(Path(folder), options.pairs)
        sizes_bytes = {
            kind: _mean_bytes(getattr(pair, kind) for pair in pairs)
            for kind in ("source", "target")
        }
        timing = time_loaders(
            pairs, batches=options.batches, threads=options.threads, rounds=options.rounds
        )
    images = 2 * _BATCH_SIZE * options.batches
    rates = {one.name: 1000 * images / one.summary.median_ms.value for one in timing.measurements}
    ratios = find_ratios(timing)
    _print(timing, rates, ratios)
    content = {
        "schema_version": SCHEMA_VERSION,
        "suite": "data",
        "opencv": cv2.__version__,
        "size_px": _SIZE_PX,
        "framings_px": FRAMINGS,
        "jpeg_quality": _JPEG_QUALITY,
        "mean_file_bytes": sizes_bytes,
        "batch_size": _BATCH_SIZE,
        "images_a_run": images,
        "images_per_second": rates,
        "target": TARGET,
        "rate_ratios": {name: asdict(ratio) for name, ratio in ratios.items()},
        "timing": as_json(timing),
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_document(text, options.out, "data", timing.created_utc)


def write_pairs(folder, count):
    """Writes `count` pairs of JPEGs into `folder` and returns them."""
    from bokeh_tf.data.pairs.pair import Pair

    pairs = []
    for number in range(count):
        noise = np.round(255 * natural_noise(*_SIZE_PX, seed=number)).astype(np.uint8)
        paths = [folder / f"{number}.{kind}.jpg" for kind in ("source", "target")]
        for path, sigma_px in zip(paths, (_SOURCE_SIGMA_PX, _TARGET_SIGMA_PX), strict=True):
            picture = cv2.GaussianBlur(noise, (0, 0), sigma_px)
            _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            files.write_bytes(path, content.tobytes())
        pairs.append(Pair(str(number), "train", *paths))
    return pairs


def time_loaders(pairs, *, batches, threads, rounds):
    """The interleaved run; a run of any contender takes as many pictures as `batches` hold."""
    environment, created_utc = read_environment(), utc_now()
    with ThreadPoolExecutor(threads) as pool:
        contenders = [
            Contender(
                BARE, functools.partial(decode_only, pool, _paths(pairs, batches * _BATCH_SIZE))
            )
        ]
        for framing in FRAMINGS:
            contenders.append(
                Contender(f"{framing}, pipeline", _pipeline(pairs, framing, batches, threads))
            )
            plain = functools.partial(_drain_plain, pairs, framing, batches)
            contenders.append(Contender(f"{framing}, generator", plain))
        with terminal.progress(rounds) as on_round:
            samples = sample_interleaved(contenders, rounds=rounds, on_round=on_round)
    measurements = tuple(
        make_measurement(
            contender.name,
            times,
            backend=f"opencv {cv2.__version__}",
            threads=1 if contender.name.endswith("generator") else threads,
        )
        for contender, times in zip(contenders, samples, strict=True)
    )
    return Result(
        created_utc,
        environment,
        find_environment_doubts(environment, threads=threads),
        measurements,
    )


def decode_only(pool, paths):
    """Reads and decodes the pictures `paths` and drops them."""
    for _ in pool.map(_decode, paths):
        pass


def _decode(path):
    if cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) is None:
        raise RuntimeError(f"{path} does not decode.")


def _pipeline(pairs, framing, batches, threads):
    """A function that draws `batches` batches from our pipeline, which
    keeps no picture in memory.
    """
    from bokeh_tf.data.pairs.pipeline import PairSettings, pair_batches, pair_reader

    settings = PairSettings(
        image_shape=FRAMINGS[framing],
        framing=framing,
        batch_size=_BATCH_SIZE,
        augmentations=("horizontal",),
    )
    reader = pair_reader(pairs, settings, cache_bytes=0)
    dataset = pair_batches(pairs, settings, seed=_SEED, reader=reader, parallel_calls=threads).take(
        batches
    )

    def drain():
        for _ in dataset:
            pass

    return drain


def plain_batches(pairs, framing):
    """Endless batches as a script without a pipeline makes them: (images,
    targets), float32 `[B, H, W, 3]`.
    """
    random = np.random.default_rng(_SEED)
    while True:
        chosen = [pairs[number] for number in random.choice(len(pairs), _BATCH_SIZE)]
        examples = [_plain_example(pair, framing, random) for pair in chosen]
        yield tuple(np.stack(pictures) for pictures in zip(*examples, strict=True))


def _plain_example(pair, framing, random):
    height, width = FRAMINGS[framing]
    both = [
        cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        for path in (pair.source, pair.target)
    ]
    if framing == "crop":
        top, left = (
            random.integers(_SIZE_PX[0] - height + 1),
            random.integers(_SIZE_PX[1] - width + 1),
        )
        both = [picture[top : top + height, left : left + width] for picture in both]
    else:
        both = [
            cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in both
        ]
    if random.random() < 0.5:
        both = [picture[:, ::-1] for picture in both]
    return [picture.astype(np.float32) / 255 for picture in both]


def _drain_plain(pairs, framing, batches):
    generator = plain_batches(pairs, framing)
    for _ in range(batches):
        next(generator)


def _paths(pairs, count):
    """The files of `count` pairs, from the first again after the last."""
    chosen = (pairs[number % len(pairs)] for number in range(count))
    return [path for pair in chosen for path in (pair.source, pair.target)]


def find_ratios(timing):
    """Rates of the pipeline over the others', paired by round, by
    `"<framing>: pipeline / <other>"`.
    """
    rounds_ns = {
        measurement.name: measurement.samples.rounds_ns for measurement in timing.measurements
    }
    return {
        f"{framing}: pipeline / {other}": paired_ratio(
            rounds_ns[name], rounds_ns[f"{framing}, pipeline"]
        )
        for framing in FRAMINGS
        for other, name in ((BARE, BARE), ("generator", f"{framing}, generator"))
    }


def _print(timing, rates, ratios):
    rate_table = Table("images a second", "median")
    for name, rate in rates.items():
        rate_table.add_row(name, f"{rate:.1f}")
    ratio_table = Table("rate of the pipeline over the other's", "median", "95 % interval")
    for name, ratio in ratios.items():
        ratio_table.add_row(name, f"{ratio.value:.3f}", f"{ratio.low:.3f} … {ratio.high:.3f}")
    console = Console()
    console.print(terminal.render(timing), rate_table, ratio_table)
    console.print(f"wanted: at least {TARGET:g} of {BARE}")


def _mean_bytes(paths):
    return float(np.mean([path.stat().st_size for path in paths]))


def _at_least_one(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return int(text)
