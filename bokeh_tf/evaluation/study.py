"""A study in which people grade pictures: a page for the raters, a key for whoever
asks, and what came of it.

As the AIM 2020 challenge asked: each picture beside the photo taken with a wide aperture, in
five grades. A rater's order and sides are random, by the study's seed and the rater's name;
some pictures come twice, to see whether a rater means what they say. The page knows no model's
name: `study_key.json` does.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from bokeh_tf import documents
from bokeh_tf.errors import DataError, ModelFileError, PhotoError, Refuse, spared
from bokeh_tf.evaluation.intervals import Interval, mean_interval
from bokeh_tf.evaluation.protocols import to_8_bits
from bokeh_tf.evaluation.run import Problem, read_pair
from bokeh_tf.paths import printable

SCHEMA_VERSION = 1
GRADES = {
    5: "as good as the reference",
    4: "slightly worse",
    3: "clearly worse",
    2: "poor",
    1: "broken",
}
_ID_CHARACTERS = 12


@dataclasses.dataclass(frozen=True)
class Item:
    """One picture of the study: of which pair, by which model."""

    pair: str
    model: str


@dataclasses.dataclass(frozen=True)
class Key:
    """What the page does not tell: the items by their numbers, and which of them come twice."""

    schema_version: int
    study: str
    seed: int
    items: dict[str, Item]
    repeats: list[str]


@dataclasses.dataclass(frozen=True)
class Answer:
    """One grade from 1 to 5."""

    item: str
    grade: int
    is_repeat: bool = False

    def __post_init__(self):
        if self.grade not in GRADES:
            raise ValueError(f"a grade must be from 1 to 5. Received: {self.grade}")


@dataclasses.dataclass(frozen=True)
class Ratings:
    """What one rater answered."""

    schema_version: int
    study: str
    rater: str
    answers: list[Answer]


def make_key(pairs, models, *, seed, repeats) -> Key:
    """The key of a study of every pair by every model; `repeats` of its pictures,
    drawn at random, come twice.
    """
    items = {
        hashlib.sha256(f"{seed}\n{pair.id}\n{model}".encode()).hexdigest()[:_ID_CHARACTERS]: Item(
            pair.id, model
        )
        for pair in pairs
        for model in models
    }
    numbers = sorted(items)
    random = np.random.default_rng(seed)
    chosen = random.choice(len(numbers), size=min(repeats, len(numbers)), replace=False)
    study = hashlib.sha256("\n".join([str(seed), *numbers]).encode()).hexdigest()[:_ID_CHARACTERS]
    return Key(SCHEMA_VERSION, study, seed, items, sorted(numbers[index] for index in chosen))


def pictures_of(pairs, predictors, protocol):
    """The pictures of a study, and what is left out of it.

    Returns:
        `{pair's id: (truth, {model: picture})}`, uint8; and `Problem`s: such a pair
        is left out for all models.
    """
    found, problems = {}, []
    for pair in pairs:
        made, model = {}, None
        try:
            photo, truth = read_pair(pair)
            window = protocol.window(*truth.shape[:2])
            for predictor in predictors:
                model = predictor.label
                made[model] = to_8_bits(predictor.picture(pair, photo, window, protocol))
        except (PhotoError, DataError, ModelFileError) as error:
            problems.append(Problem(pair.id, model, printable(error)))
            continue
        found[pair.id] = window.of(truth), made
    return found, problems


@dataclasses.dataclass(frozen=True)
class StudyRow:
    """One model: its mean opinion score, with the interval over pairs of photos."""

    model: str
    score: Interval


@dataclasses.dataclass(frozen=True)
class StudyResults:
    """What a study says.

    Attributes:
        rows: by model, best first.
        raters: their names.
        grades: how many grades count; repeats do not.
        agreement: Krippendorff's alpha over intervals: 1 for raters who agree, 0 for
            those who guess; None of one.
        inconsistency: by rater, the mean difference between two grades of one
            picture; None without repeats.
    """

    rows: Sequence[StudyRow]
    raters: Sequence[str]
    grades: int
    agreement: float | None
    inconsistency: Mapping[str, float | None]


def read_key(path) -> Key:
    """The key in the file `path`; `DataError` where it is none."""
    return documents.read_typed(
        path, Key, error=DataError, what="not the key of a study", advice="Name its study_key.json."
    )


def read_ratings(paths, key, *, refuse: Refuse | None = None) -> list[Ratings]:
    """What the raters saved.

    Args:
        refuse: gets the error of each file that is passed over; None raises the first.

    Raises:
        DataError: a file is no such record, is of another study, or a rater comes twice.
    """
    found: dict[str, Ratings] = {}

    def read(path):
        ratings = _ratings_in(path, key)
        if ratings.rater in found:
            raise DataError(
                f"{printable(path)}: {printable(ratings.rater)} is already counted. Leave one out."
            )
        found[ratings.rater] = ratings
        return ratings

    return list(spared(paths, read, refuse=refuse))


def _ratings_in(path, key):
    ratings = documents.read_typed(
        path,
        Ratings,
        error=DataError,
        what="not the answers of a rater",
        advice="Name what the page saved.",
    )
    if ratings.study != key.study or any(
        answer.item not in key.items for answer in ratings.answers
    ):
        raise DataError(
            f"{printable(path)}: the answers to another study. Name those to {key.study}."
        )
    return ratings


def summarise_ratings(key, ratings) -> StudyResults:
    """What the answers of all raters come to; `DataError` where there are none."""
    first: dict[str, dict[str, int]] = {
        one.rater: {answer.item: answer.grade for answer in one.answers if not answer.is_repeat}
        for one in ratings
    }
    graded = sorted({item for grades in first.values() for item in grades})
    if not graded:
        raise DataError("The raters graded nothing. Ask them to save once they are done.")
    by_item = {
        item: [grades[item] for grades in first.values() if item in grades] for item in graded
    }
    rows = []
    for model in dict.fromkeys(item.model for item in key.items.values()):
        means = [
            np.mean(grades) for item, grades in by_item.items() if key.items[item].model == model
        ]
        if means:
            rows.append(StudyRow(model, mean_interval(means)))
    rows.sort(key=lambda row: -row.score.value)
    return StudyResults(
        rows,
        list(first),
        sum(map(len, by_item.values())),
        agreement(list(by_item.values())),
        {one.rater: _inconsistency(one) for one in ratings},
    )


def agreement(units) -> float | None:
    """Krippendorff's alpha for grades on a scale of equal steps.

    Args:
        units: for each picture, the grades that it got.

    Returns:
        None where no picture has two grades, or all grades are the same.
    """
    units = [grades for grades in units if len(grades) > 1]
    every = [grade for grades in units for grade in grades]
    expected = _squares(every) / (len(every) * (len(every) - 1)) if every else 0
    if not expected:
        return None
    observed = sum(_squares(grades) / (len(grades) - 1) for grades in units) / len(every)
    return 1 - observed / expected


def _squares(grades):
    """The sum of squared differences over all ordered pairs."""
    return 2 * sum((one - other) ** 2 for one, other in itertools.combinations(grades, 2))


def _inconsistency(ratings):
    first = {answer.item: answer.grade for answer in ratings.answers if not answer.is_repeat}
    again = [answer for answer in ratings.answers if answer.is_repeat and answer.item in first]
    return (
        float(np.mean([abs(answer.grade - first[answer.item]) for answer in again]))
        if again
        else None
    )
