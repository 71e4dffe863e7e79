"""Two results against each other: which measurement became faster or slower, by what
ratio, and how sure that is.

Only like is compared with like: the same model bytes, backend, threads, precision, machine and
runtime version, except for what the caller explicitly allows to differ. A ratio is the second
result's median over the first one's, with an interval from resampled rounds. That interval knows
what varies within a run; what varies from run to run, with the layout of memory and the weather of
the machine, is allowed for by a band around 1 in which nothing counts as a difference.
"""

import enum
from collections.abc import Collection
from dataclasses import dataclass

from bokeh_tf.bench.results.measurement import HOST, Measurement
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.results.result import Result
from bokeh_tf.bench.results.statistics import Interval, unpaired_ratio
from bokeh_tf.errors import CheckError
from bokeh_tf.paths import printable

# Medians of five runs of one file, one after the other and each called stable, differed by up to 1
# %, and of their intervals one in four did not hold 1. This is twice that.
NOISE = 0.02
FIELDS = ("model", "backend", "threads", "precision", "machine", "runtime")
_SHORT_SHA = 12
_SHOWN_CHARACTERS = 200


class Outcome(enum.StrEnum):
    """What a comparison says of the second result."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no difference"


@dataclass(frozen=True)
class Compared:
    """One pair. `doubts` are both sides' reasons for mistrust and stamps,
    each with the side it is of.
    """

    first: Measurement
    second: Measurement
    ratio: Interval
    outcome: Outcome
    exceeds_budget: bool
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """All pairs, and the names of measurements that have no like one on the other side."""

    pairs: tuple[Compared, ...]
    only_in_first: tuple[str, ...]
    only_in_second: tuple[str, ...]

    @property
    def exceeds_budget(self) -> bool:
        """Whether any pair does."""
        return any(pair.exceeds_budget for pair in self.pairs)


def compare_results(
    first: Result,
    second: Result,
    *,
    across: Collection[str] = (),
    budget: float | None = None,
    noise: float = NOISE,
) -> Comparison:
    """Compares what is alike in two results.

    Args:
        across: names of `FIELDS` that may differ.
        budget: by how much a pair may be slower, for example 0.05; a pair that is
            slower, and by more, exceeds it.
        noise: half the width of the band around 1 that counts as no difference.

    Raises:
        CheckError: nothing is alike; or with a budget, something in the first result has
            no like one in the second.
    """
    unknown = set(across) - set(FIELDS)
    if unknown:
        raise ValueError(
            f"across must name fields. Received: {', '.join(sorted(unknown))}. Known:"
            f" {', '.join(FIELDS)}"
        )
    pairs, lonely_first, lonely_second = _pair(first, second, frozenset(across))
    if not pairs or (budget is not None and lonely_first):
        raise CheckError(_refusal(first, second, lonely_first, lonely_second, frozenset(across)))
    return Comparison(
        pairs=tuple(
            _compare(one, other, first, second, budget=budget, noise=noise) for one, other in pairs
        ),
        only_in_first=tuple(measurement.name for measurement in lonely_first),
        only_in_second=tuple(measurement.name for measurement in lonely_second),
    )


def identity(measurement: Measurement, result: Result) -> dict[str, str]:
    """What makes a measurement comparable with another, by the names of `FIELDS`."""
    environment = result.environment
    if measurement.device == HOST:
        machine = f"{environment.cpu}, {environment.usable_cores} cores, {environment.architecture}"
    else:
        machine = measurement.device
    model = (
        measurement.model
        if measurement.model_sha256 is None
        else measurement.model_sha256[:_SHORT_SHA]
    )
    return {
        "model": str(model),
        "backend": measurement.backend,
        "threads": str(measurement.threads),
        "precision": str(measurement.precision),
        "machine": f"{machine}, {measurement.accelerator}" if measurement.accelerator else machine,
        "runtime": str(measurement.runtime),
    }


def _pair(first, second, across):
    """(pairs, rest of the first, rest of the second), of what was timed; a name
    decides where several are alike.
    """
    rest = [one for one in second.measurements if one.samples is not None]
    pairs, lonely = [], []
    for one in (
        measurement for measurement in first.measurements if measurement.samples is not None
    ):
        alike = [other for other in rest if not _differing(one, other, first, second) - across]
        named = [other for other in alike if other.name == one.name] or alike
        if len(named) > 1:
            closest = min(len(_differing(one, other, first, second)) for other in named)
            named = [
                other for other in named if len(_differing(one, other, first, second)) == closest
            ]
        if len(named) > 1:
            names = ", ".join(other.name for other in named)
            raise CheckError(
                f"{one.name}: several measurements of the second result are alike ({names})."
            )
        if named:
            pairs.append((one, named[0]))
            rest.remove(named[0])
        else:
            lonely.append(one)
    return pairs, lonely, rest


def _differing(one, other, first, second):
    """Names of the fields in which two measurements are unlike."""
    ours, theirs = identity(one, first), identity(other, second)
    return {name for name in FIELDS if ours[name] != theirs[name]}


def _refusal(first, second, lonely_first, lonely_second, across):
    if not lonely_first:
        return "The first result has nothing that was timed. Measure again."
    one = lonely_first[0]
    if not lonely_second:
        return f"{one.name}: the second result has nothing like it. Measure it again."
    other = min(
        lonely_second,
        key=lambda other: (
            len(_differing(one, other, first, second) - across),
            other.name != one.name,
        ),
    )
    ours, theirs = identity(one, first), identity(other, second)
    differing = [name for name in FIELDS if name in _differing(one, other, first, second) - across]
    listed = "; ".join(
        f"{name}: {_quoted(ours[name])} and {_quoted(theirs[name])}" for name in differing
    )
    allowed = " ".join(f"--across {name}" for name in differing)
    return f"{_quoted(one.name)}: not alike ({listed}). Measure alike, or allow it with {allowed}"


def _quoted(text):
    return printable(text, most_characters=_SHOWN_CHARACTERS)


def _compare(one, other, first, second, *, budget, noise):
    ratio = unpaired_ratio(other.samples.rounds_ns, one.samples.rounds_ns)
    outcome = Outcome.NO_DIFFERENCE
    if ratio.low > 1 + noise:
        outcome = Outcome.SLOWER
    elif ratio.high < 1 - noise:
        outcome = Outcome.FASTER
    exceeds = budget is not None and outcome is Outcome.SLOWER and ratio.value > 1 + budget
    doubts = [f"{side}: {doubt}" for side, doubt in _doubts(one, other, first, second)]
    if budget is not None and not exceeds and ratio.high > 1 + max(budget, noise):
        doubts.append(
            f"cannot rule out {ratio.high - 1:+.0%}, which is beyond the budget: measure more"
            " rounds"
        )
    return Compared(one, other, ratio, outcome, exceeds, tuple(dict.fromkeys(doubts)))


def _doubts(one, other, first, second):
    for side, measurement, result in (("first", one, first), ("second", other, second)):
        if measurement.stamp:
            yield side, measurement.stamp
        verdict = measurement.verdict
        if verdict is not None and verdict.outcome is DelegateOutcome.BAD_OUTPUT:
            yield side, f"{verdict.outcome}: {verdict.why}"
        for doubt in (*result.doubts, *measurement.doubts):
            yield side, f"unstable: {doubt}"
