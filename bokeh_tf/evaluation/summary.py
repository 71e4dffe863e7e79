"""What an evaluation comes to: means with intervals, paired
differences, sets apart, worst cases.
"""

from dataclasses import dataclass

from bokeh_tf.evaluation.intervals import Interval, difference_interval, mean_interval

WORST_COUNT = 10


@dataclass(frozen=True)
class Row:
    """One model on one set of pairs: means by metric, and by how much they
    differ from the first model's.
    """

    model: str
    means: dict[str, Interval]
    differences: dict[str, Interval]


@dataclass(frozen=True)
class SetSummary:
    """One set: its name ("" for all pairs together), how many pairs count, how many
    there are, a row a model.
    """

    name: str
    counted: int
    pairs: int
    rows: tuple[Row, ...]


def set_name(pair) -> str:
    """The set that a pair belongs to: its folder, or what its name has before the first `_`."""
    folder, _, name = pair.id.rpartition("/")
    return folder or name.partition("_")[0]


def summarise(evaluation, *, by_set=False) -> tuple[SetSummary, ...]:
    """The summaries of an evaluation, one for all pairs, or one for each set."""
    if not by_set:
        return (_summary("", evaluation, evaluation.pairs),)
    names = dict.fromkeys(map(set_name, evaluation.pairs))
    sets = {name: [pair for pair in evaluation.pairs if set_name(pair) == name] for name in names}
    return tuple(_summary(name, evaluation, pairs) for name, pairs in sets.items())


def _summary(name, evaluation, pairs):
    common = evaluation.common_pairs(pairs)
    if not common:
        return SetSummary(name, 0, len(pairs), ())
    first = evaluation.models[0]
    rows = []
    for model in evaluation.models:
        means, differences = {}, {}
        for metric in evaluation.metrics:
            values = evaluation.values(model, metric, pairs)
            means[metric] = mean_interval(values)
            if model != first:
                differences[metric] = difference_interval(
                    values, evaluation.values(first, metric, pairs)
                )
        rows.append(Row(model, means, differences))
    return SetSummary(name, len(common), len(pairs), tuple(rows))
