"""Folders of synthetic pairs in the layout of EBB!, made from a folder of photographs; resumable.

In the output folder: `Training/original/N.jpg`, `Training/bokeh/N.jpg` and `Training/depth/N.png`,
inverse depth in 16 bits with 1 nearest, N with six digits so that no pair passes for one of EBB!'s;
`Training/pairs.csv` with the conditions; `synthesis.json`, of what and how they were made;
`synthesis.jsonl`, by which another run makes only the pairs that are missing; and `prepared`, the
small copies of the photographs.
"""

import csv
import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bokeh_tf import documents
from bokeh_tf.data.journal import Journal
from bokeh_tf.data.lens.sensor import jpeg_bytes
from bokeh_tf.data.progress import progress_bar
from bokeh_tf.data.scenes.sources import load_sources
from bokeh_tf.data.scenes.synthetic_pairs import PairMaker, map_bytes
from bokeh_tf.documents import DocumentError
from bokeh_tf.errors import DataError
from bokeh_tf.files import make_folder, write_bytes, write_text
from bokeh_tf.paths import exists, files_below, is_dir

SCHEMA_VERSION = 1
# Pairs that are made in another way get another number.
_SYNTHESIS_VERSION = 1
_SOURCE_FOLDER, _TARGET_FOLDER, _DEPTH_FOLDER = "original", "bokeh", "depth"
_FOLDERS = {_SOURCE_FOLDER: ".jpg", _TARGET_FOLDER: ".jpg", _DEPTH_FOLDER: ".png"}


@dataclass(frozen=True)
class SynthesisRun:
    """How many pairs the folder holds now, and how many of them this run made."""

    folder: Path
    pairs: int
    made: int


def synthesise(photos, *, out, pairs, seed, options):
    """Makes `pairs` pairs from the photographs below `photos`, with a progress
    bar on a terminal's stderr.

    Args:
        out: folder for what the module's docstring names.
        seed: another seed gives other pairs.
        options: `synthetic_pairs.PairOptions`.

    Returns:
        A `SynthesisRun`.

    Raises:
        DataError: the photographs cannot be used, or `out` holds pairs made of
            others or in another way.
        OutputError: `out` cannot be written.
    """
    if pairs < 1:
        raise ValueError(f"pairs must be at least 1. Received: {pairs}")
    out = Path(out)
    sources = load_sources(photos, cache=out / "prepared", long_side_px=options.shape[1])
    settings = {
        "synthesis": _SYNTHESIS_VERSION,
        "seed": seed,
        **asdict(options),
        "photos": _digest_of(sources),
    }
    _claim(out, settings)
    training = out / "Training"
    with Journal(out / "synthesis.jsonl", settings) as journal:
        done = _conditions(training, journal)
        wanted = [name for name in (f"{number:06d}" for number in range(pairs)) if name not in done]
        maker = PairMaker(sources, options)
        try:
            with progress_bar() as progress:
                for name in progress.track(wanted, description="Rendering"):
                    example = maker.draw(np.random.default_rng([seed, int(name)]))
                    journal.add(name, None, _made(example, training, name))
        finally:
            done = _conditions(training, journal)
            _write_table(training / "pairs.csv", done)
    return SynthesisRun(out, len(done), len(wanted))


def _claim(out, settings):
    """Makes the folders and states the settings; refuses a folder that holds anything else."""
    path = out / "synthesis.json"
    document = {"schema_version": SCHEMA_VERSION, **settings}
    if exists(path):
        try:
            stated = documents.parse(documents.read(path))
        except DocumentError as error:
            raise DataError(f"{path}: cannot be read. Choose another folder.") from error
        different = [
            key
            for key in document
            if not isinstance(stated, dict) or stated.get(key) != document[key]
        ]
        if different:
            names = ", ".join(different)
            raise DataError(
                f"{out}: holds pairs made with other {names}. Choose another folder, or delete it."
            )
    elif is_dir(out / "Training") and any(path.suffix for path in files_below(out / "Training")):
        raise DataError(
            f"{out / 'Training'}: holds files that were not made here. Choose another folder."
        )
    for folder in _FOLDERS:
        make_folder(out / "Training" / folder)
    write_text(path, json.dumps(document, indent=1) + "\n")


def _conditions(training, journal):
    """Conditions by name of the pairs that are finished: there as a whole, and recorded."""
    files = [
        {path.stem for path in (training / folder).glob(f"*{suffix}")}
        for folder, suffix in _FOLDERS.items()
    ]
    records = {name: journal.get(name, None) for name in sorted(set.intersection(*files))}
    return {name: record for name, record in records.items() if record is not None}


def _digest_of(sources):
    digest = hashlib.sha256()
    for source in sources:
        digest.update(repr((source.name, source.photo.shape, source.matte is None)).encode())
        digest.update(source.photo.tobytes())
    return digest.hexdigest()


def _made(example, training, name):
    """Writes the files of a pair and returns its conditions."""
    contents = {
        _SOURCE_FOLDER: jpeg_bytes(example.all_in_focus, quality=example.quality),
        _TARGET_FOLDER: jpeg_bytes(example.bokeh, quality=example.quality),
        _DEPTH_FOLDER: map_bytes(example.disparity),
    }
    for folder, content in contents.items():
        write_bytes(training / folder / f"{name}{_FOLDERS[folder]}", content)
    return dict(example.conditions)


def _write_table(path, conditions):
    names = list(next(iter(conditions.values()), {}))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_SOURCE_FOLDER, _TARGET_FOLDER, *names])
    for name, values in sorted(conditions.items()):
        files = [
            f"{folder}/{name}{_FOLDERS[folder]}" for folder in (_SOURCE_FOLDER, _TARGET_FOLDER)
        ]
        writer.writerow([*files, *(f"{values[column]:.6g}" for column in names)])
    write_text(path, text.getvalue())
