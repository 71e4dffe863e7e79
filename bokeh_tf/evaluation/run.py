"""An evaluation: every pair by every predictor, resumable, and nothing
left out without being named.

In the output folder `scores.jsonl` keeps each score as it comes, so that another run, or one after
Ctrl-C, computes only what is new or has changed.
"""

import dataclasses
import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numpy as np

from bokeh_tf import photos
from bokeh_tf.data.journal import Journal, version_of
from bokeh_tf.data.pairs.pair import Pair
from bokeh_tf.data.progress import as_text, progress_bar
from bokeh_tf.errors import DataError, ModelFileError, PhotoError
from bokeh_tf.evaluation.protocols import Protocol, truth_in_window
from bokeh_tf.evaluation.scores import LPIPS, score
from bokeh_tf.paths import resolved

JOURNAL_NAME = "scores.jsonl"
# Part of the journal's settings: scores that are computed in another way get another number.
_SCORES_VERSION = 1
# Metrics are computed of one pair while the network renders the next.
_THREADS = 2
_SAID_EVERY_S = 30.0
# Worst cases are those of this metric.
WORST_BY = "psnr_db"


@dataclasses.dataclass(frozen=True)
class Problem:
    """A pair without a score, and why, in one line; `model` is None where
    it is the pair's own fault.
    """

    pair: str
    model: str | None
    reason: str


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What came out.

    Attributes:
        protocol: by which.
        pairs: all that were to be scored, in order.
        scores: by model, by pair's id, by metric; None where a picture is too small for one.
        problems: what has no score.
        notes: by model, where it could not be run as the protocol says; empty where it was.
        metric_names: what each picture was scored by, in order.
    """

    protocol: Protocol
    pairs: Sequence[Pair]
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]]
    problems: Sequence[Problem]
    notes: Mapping[str, str]
    metric_names: tuple[str, ...]

    @property
    def models(self) -> list[str]:
        """The models' labels, in the order given."""
        return list(self.scores)

    def common_pairs(self, pairs=None) -> list[Pair]:
        """Those of `pairs`, or of all, that every model has a score of: means of
        others would not compare.
        """
        chosen = self.pairs if pairs is None else pairs
        return [
            pair for pair in chosen if all(pair.id in scores for scores in self.scores.values())
        ]

    @property
    def metrics(self) -> list[str]:
        """The metrics that all common pairs have, in order."""
        common = self.common_pairs()
        records = [scores[pair.id] for scores in self.scores.values() for pair in common]
        return [
            name
            for name in self.metric_names
            if all(record[name] is not None for record in records)
        ]

    def values(self, model, metric, pairs=None) -> list[float]:
        """The values of `metric` over the common pairs, in their order."""
        return [self.scores[model][pair.id][metric] for pair in self.common_pairs(pairs)]

    def worst(self, model, count) -> list[Pair]:
        """The pairs of which the model has the lowest PSNR, the worst first."""
        scored = [pair for pair in self.pairs if pair.id in self.scores[model]]
        return sorted(scored, key=lambda pair: self.scores[model][pair.id][WORST_BY])[:count]


def evaluate(pairs, predictors, protocol, *, further=(), lpips=None, out=None) -> Evaluation:
    """Scores `pairs` by each of `predictors`, with a progress bar on a terminal's stderr.

    Args:
        pairs: `Pair`s.
        predictors: see `predictors.predictors_of`.
        protocol: one of `protocols.PROTOCOLS`.
        further: names of `scores.PERCEPTUAL`, besides the protocol's metrics.
        lpips: the metric with its weights, see `lpips.read_lpips`; None leaves it out.
        out: an existing folder for the journal; None keeps nothing.

    Raises:
        DataError: another run is at work in the folder.
        OutputError: it cannot be written.
    """
    brought = {} if lpips is None else {LPIPS: lpips.distance}
    metrics = (*protocol.metrics, *further, *brought)
    with Journal(
        None if out is None else out / JOURNAL_NAME, {"scores": _SCORES_VERSION}
    ) as journal:
        scoring = _Scoring(predictors, protocol, metrics, brought, journal)
        scoring.run(pairs)
    problems = [problem for pair in pairs for problem in scoring.problems.get(pair.id, ())]
    notes = {predictor.label: predictor.note for predictor in predictors if predictor.note}
    return Evaluation(protocol, pairs, scoring.scores, problems, notes, metrics)


def with_lonely(evaluation: Evaluation, lonely: Sequence[tuple[str, str]]) -> Evaluation:
    """`evaluation` with pictures that lack their partner among its problems.

    Args:
        lonely: (name, "source" or "target", whichever is missing) of each.
    """
    more = [Problem(name, None, f"its {kind} is missing") for name, kind in lonely]
    return dataclasses.replace(evaluation, problems=(*more, *evaluation.problems))


class _Scoring:
    """The scores so far, of the journal and new ones."""

    def __init__(self, predictors, protocol, metrics, brought, journal):
        self._predictors, self._protocol, self._journal = predictors, protocol, journal
        self._metrics, self._brought = metrics, brought
        self._one_at_a_time = threading.Lock()
        self.scores: dict[str, dict] = {predictor.label: {} for predictor in predictors}
        self.problems: dict[str, list[Problem]] = {}

    def run(self, pairs):
        """Scores what the journal does not hold."""
        waiting = {pair.id: (pair, lacking) for pair in pairs if (lacking := self._lacking(pair))}
        with ThreadPoolExecutor(_THREADS) as pool, progress_bar() as progress:
            task = progress.add_task(
                "Evaluating", total=len(pairs), completed=len(pairs) - len(waiting)
            )
            pace = _Pace(len(waiting))
            jobs = {pool.submit(self._score_pair, *entry): entry[0] for entry in waiting.values()}
            try:
                for done, job in enumerate(as_completed(jobs), 1):
                    self._keep(jobs[job], job.result())
                    progress.advance(task)
                    if progress.disable:
                        pace.say(done)
            finally:
                # After an interruption, what has not begun is left to the next run.
                pool.shutdown(wait=False, cancel_futures=True)

    def _lacking(self, pair):
        """The predictors that the journal has no score of; the scores that it has are taken."""
        lacking = []
        for predictor in self._predictors:
            record = self._journal.get(self._key(pair, predictor), self._version(pair, predictor))
            if record is None:
                lacking.append(predictor)
            else:
                predictor.note = record.get("note", predictor.note)
                self.scores[predictor.label][pair.id] = record
        return lacking

    def _key(self, pair, predictor):
        names = [self._protocol.name, list(self._metrics), predictor.label, predictor.identity]
        return json.dumps([*names, str(resolved(pair.source)), str(resolved(pair.target))])

    def _version(self, pair, predictor):
        return [version_of(pair.source, pair.target), predictor.version(pair)]

    def _score_pair(self, pair, predictors):
        """What each predictor got, a dict of scores or a reason why not; or why the
        pair has no scores at all.
        """
        try:
            photo, truth = read_pair(pair)
        except (PhotoError, DataError) as error:
            return as_text(str(error))
        window = self._protocol.window(*truth.shape[:2])
        truth = truth_in_window(truth, self._protocol)
        outcomes = []
        for predictor in predictors:
            try:
                with self._one_at_a_time:
                    picture = predictor.picture(pair, photo, window, self._protocol)
                outcome = score(
                    picture, truth, self._protocol, metrics=self._metrics, brought=self._brought
                )
            except (PhotoError, DataError, ModelFileError) as error:
                outcome = as_text(str(error))
            outcomes.append((predictor, outcome))
        return outcomes

    def _keep(self, pair, outcomes):
        if isinstance(outcomes, str):
            self.problems[pair.id] = [Problem(pair.id, None, outcomes)]
            return
        for predictor, outcome in outcomes:
            if isinstance(outcome, str):
                self.problems.setdefault(pair.id, []).append(
                    Problem(pair.id, predictor.label, outcome)
                )
                continue
            self.scores[predictor.label][pair.id] = outcome
            record = {**outcome, "note": predictor.note} if predictor.note else outcome
            self._journal.add(self._key(pair, predictor), self._version(pair, predictor), record)


class _Pace:
    """Says on stderr, twice a minute, how far a run is; for where no terminal shows a bar."""

    def __init__(self, total):
        self._total, self._start_s = total, time.monotonic()
        self._said_s = self._start_s

    def say(self, done):
        now_s = time.monotonic()
        if now_s - self._said_s < _SAID_EVERY_S:
            return
        self._said_s = now_s
        left_min = (now_s - self._start_s) / done * (self._total - done) / 60
        print(
            f"evaluated {done} of {self._total} pairs, about {left_min:.0f} min left",
            file=sys.stderr,
            flush=True,
        )


def read_pair(pair):
    """Photo and truth of a pair, uint8 `[H, W, 3]`.

    Raises:
        PhotoError: one cannot be read.
        DataError: they are no pair to be scored.
    """
    photo, truth = (
        photos.reduced_to_8_bits(photos.read(path).pixels) for path in (pair.source, pair.target)
    )
    if photo.shape != truth.shape:
        raise DataError(
            f"{pair.target}: has another size than {pair.source.name}. Pairs must be aligned."
        )
    if np.array_equal(photo, truth):
        raise DataError(
            f"{pair.target}: is the same picture as {pair.source.name}. There is nothing to score."
        )
    return photo, truth
