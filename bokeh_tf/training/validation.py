"""A phase watched on held-out pairs: scores every few batches, the best
weights, and when to stop early.

Everything is kept in the run's folder, so that a resumed run goes on as if nothing had happened:

    validation.json                                    the scores of every time, by phase
    validation.png                                     their curves
    best/PHASE/<model>_<variant>.weights.h5            the weights that scored best by the chosen metric

A held-out pair is seen whole, at the size that the phase trains at. Where a phase averages its
weights, those of the moment are scored, not the average.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bokeh_tf import documents
from bokeh_tf.data.pairs.layouts import find_pairs
from bokeh_tf.data.pairs.pair import Pair
from bokeh_tf.data.pairs.reading import PairReader
from bokeh_tf.data.pairs.transforms import resized
from bokeh_tf.errors import DataError, TrainingError
from bokeh_tf.files import make_folder, write_text
from bokeh_tf.metrics import match_exposure, psnr, ssim
from bokeh_tf.models.weights import save_weights
from bokeh_tf.paths import is_dir, is_file, resolved
from bokeh_tf.training.curves import write_curves
from bokeh_tf.training.supervised import pair_settings, require_inputs

METRICS = ("psnr_db", "ssim", "psnr_matched_db")
SPLITS = ("val294", "validation", "test")
_NAME = "validation.json"
_SCHEMA_VERSION = 1
_CACHE_BYTES = 2**30


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a run is watched.

    Attributes:
        pairs: held out.
        every: batches between two times.
        metric: one of `METRICS`; more of it is better.
        patience: so many times without a better one end a phase; None runs it to its end.
    """

    pairs: Sequence[Pair]
    every: int
    metric: str = "psnr_db"
    patience: int | None = None

    def __post_init__(self):
        if self.metric not in METRICS:
            raise ValueError(
                f"metric must be known. Received: {self.metric!r}. Known: {', '.join(METRICS)}."
            )

    def conditions(self) -> dict:
        """What a resumed run must share, as JSON values."""
        return {
            "pairs": [pair.id for pair in self.pairs],
            "every": self.every,
            "metric": self.metric,
            "patience": self.patience,
        }


def held_out_pairs(source, *, data, training_pairs, most=None) -> list[Pair]:
    """The pairs that `source` says: a folder, or one of `SPLITS` of the folder `data`; at
    most so many, evenly spread.

    Raises:
        DataError: there are none, or some are trained on.
    """
    if source in SPLITS and not is_dir(source):
        pairs = [pair for pair in find_pairs(data).pairs if pair.split == source]
    else:
        pairs = list(find_pairs(source).pairs)
    if not pairs:
        raise DataError(
            f"{data}: no pairs of the split {source} to validate on. Name a folder of pairs"
            " instead."
        )
    learnt = {resolved(path) for pair in training_pairs for path in (pair.source, pair.target)}
    shared = [pair.id for pair in pairs if learnt & {resolved(pair.source), resolved(pair.target)}]
    if shared:
        raise DataError(
            f"{source}: pair {shared[0]} is trained on ({len(shared)} are). Hold out other ones."
        )
    if most and len(pairs) > most:
        pairs = [pairs[index * len(pairs) // most] for index in range(most)]
    return pairs


class Validation:
    """The watch over one phase.

    Args:
        plan: `Plan`.
        out: the run's folder.
        phase: a `plans.schedule.Phase`.
        job: its `jobs.Job`.
        first: batches that are done; what was recorded of later ones is taken back.

    Raises:
        TrainingError: `validation.json` is no record of a run.
        DataError: a held-out pair cannot be read, or lacks a map or a
            condition that the network takes.
    """

    def __init__(self, plan, *, out, phase, job, first):
        self._plan, self._out, self._phase, self._job = plan, Path(out), phase.name, job
        self._settings = pair_settings(phase, job.trainer)
        require_inputs(plan.pairs, self._settings)
        self._readers = [self._reader_of(pair) for pair in plan.pairs]
        # What cannot be read stops the run before its first batch, not after hours.
        for reader in self._readers:
            reader.read(0)
        self._records = _read(self._out / _NAME)
        entries = [entry for entry in self._records.get(self._phase, ()) if entry["batch"] <= first]
        self._records[self._phase] = entries

    @property
    def every(self):
        """Batches between two times."""
        return self._plan.every

    def is_due(self, batch) -> bool:
        """Whether it is time after `batch` batches."""
        return batch % self._plan.every == 0 or batch == self._job.total_steps

    def measure(self, batch) -> dict[str, float]:
        """Scores the held-out pairs, keeps the weights where they are the best so
        far; the scores, by `val_…`.
        """
        totals = dict.fromkeys(METRICS, 0.0)
        for reader in self._readers:
            for name, value in self._scores(reader.read(0)).items():
                totals[name] += value / len(self._plan.pairs)
        entries = self._records[self._phase]
        is_best = all(totals[self._plan.metric] > entry[self._plan.metric] for entry in entries)
        entries.append({"batch": batch, **totals})
        if is_best:
            # Weights first: a run that is killed in between measures once more and finds the same.
            folder = make_folder(self._out / "best" / self._phase)
            model = self._job.model
            save_weights(model, folder / f"{model.name.replace('.', '_')}.weights.h5")
        document = {
            "schema_version": _SCHEMA_VERSION,
            "metric": self._plan.metric,
            "phases": self._records,
        }
        write_text(self._out / _NAME, json.dumps(document, indent=1) + "\n")
        write_curves(self._out / "validation.png", self._records, METRICS)
        return {f"val_{name}": value for name, value in totals.items()}

    @property
    def is_over(self) -> bool:
        """Whether the phase should end early: nothing better for as long as there is patience."""
        values = [entry[self._plan.metric] for entry in self._records[self._phase]]
        if self._plan.patience is None or not values:
            return False
        return len(values) - 1 - int(np.argmax(values)) >= self._plan.patience

    def _reader_of(self, pair):
        """A reader of one pair: no other may take its place, which would change the mean."""
        return PairReader(
            [pair],
            maps=self._settings.maps,
            conditions=self._settings.conditions,
            target=self._settings.target,
            shape=self._settings.image_shape,
            cache_bytes=_CACHE_BYTES // len(self._plan.pairs),
        )

    def _scores(self, example):
        names = ("image", *self._settings.maps, *self._settings.conditions)
        inputs = {name: _in_unit_range(example[name])[None] for name in names}
        rendered = np.asarray(self._job.trainer(inputs, training=False))[0].astype(np.float64)
        truth = _in_unit_range(resized(example["target"], rendered.shape[:2])).astype(np.float64)
        rendered = np.clip(rendered, 0, 1)
        if not np.isfinite(rendered).all():
            raise TrainingError(
                f"{self._phase}: the network computes NaN or infinity for a held-out pair."
            )
        matched = match_exposure(rendered, truth)
        return {
            "psnr_db": _finite(psnr(rendered, truth)),
            "ssim": ssim(rendered, truth),
            "psnr_matched_db": _finite(psnr(*matched)),
        }


def _in_unit_range(values):
    return values / np.float32(255) if values.dtype == np.uint8 else values


def _finite(value_db):
    # Of a picture that equals its truth, a value that a mean survives.
    return min(value_db, 100.0)


@dataclasses.dataclass(frozen=True)
class _Document:
    schema_version: int
    phases: dict[str, list[dict[str, float]]]


def _read(path):
    if not is_file(path):
        return {}
    read = documents.read_typed(
        path,
        _Document,
        error=TrainingError,
        what="not the scores of a run",
        advice="Move it elsewhere, or choose another --out.",
    )
    lacking = [
        entry
        for entries in read.phases.values()
        for entry in entries
        if not {"batch", *METRICS} <= entry.keys()
    ]
    if lacking or read.schema_version != _SCHEMA_VERSION:
        raise TrainingError(f"{path}: not the scores of a run of this version. Move it elsewhere.")
    return {
        phase: [{**entry, "batch": int(entry["batch"])} for entry in entries]
        for phase, entries in read.phases.items()
    }
