"""What the raw times say: summaries with intervals, ratios paired by round,
and reasons to doubt them.

Medians, because a machine's disturbances only ever add time. The intervals are percentile
bootstraps that resample whole rounds: runs within a round share whatever disturbed it, so taking
them for independent would make the interval too narrow. The same samples and seed give the same
interval.
"""

from dataclasses import dataclass

import numpy as np

_NS_PER_MS = 1e6
_RESAMPLES = 2000
_LEVEL_PERCENT = 95

# Above these, two runs of the same thing on the same machine may disagree visibly.
_FEW_ROUNDS = 5
_SPREAD_LIMIT = 0.05
_DRIFT_LIMIT = 0.10
_INTERVAL_LIMIT = 0.10

_MORE = "measure more rounds"
_QUIET = "end other work on the machine and measure again"
_COOL = "let the machine cool down, end other work on it and measure again"


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """Steady-state times over all rounds; `mad_ms` is the median absolute
    deviation from the median.
    """

    n: int
    median_ms: Interval
    min_ms: float
    p5_ms: float
    p90_ms: float
    p95_ms: float
    mad_ms: float

    @property
    def fps(self) -> float:
        """Runs a second at the median time."""
        return 1000 / self.median_ms.value


def summarise(rounds_ns, *, seed=0):
    """The `Summary` of `rounds_ns`, a sequence of rounds with equally many times in nanoseconds."""
    rounds_ms = np.asarray(rounds_ns, np.float64) / _NS_PER_MS
    times_ms = rounds_ms.ravel()
    p5_ms, p90_ms, p95_ms = (float(value) for value in np.percentile(times_ms, [5, 90, 95]))
    return Summary(
        n=times_ms.size,
        median_ms=_median_over_rounds(rounds_ms, seed),
        min_ms=float(times_ms.min()),
        p5_ms=p5_ms,
        p90_ms=p90_ms,
        p95_ms=p95_ms,
        mad_ms=float(np.median(np.abs(times_ms - np.median(times_ms)))),
    )


def paired_ratio(numerator_rounds_ns, denominator_rounds_ns, *, seed=0):
    """`Interval` of the median, over rounds, of the two contenders' ratio of
    medians within the round.
    """
    if len(numerator_rounds_ns) != len(denominator_rounds_ns):
        raise ValueError(
            "A paired ratio needs two contenders of one run, with equally many rounds. "
            f"Received: {len(numerator_rounds_ns)} and {len(denominator_rounds_ns)}"
        )
    ratios = np.median(numerator_rounds_ns, axis=1) / np.median(denominator_rounds_ns, axis=1)
    return _median_over_rounds(ratios[:, None], seed)


def unpaired_ratio(numerator_rounds_ns, denominator_rounds_ns, *, seed=0):
    """`Interval` of the ratio of the medians of two different runs, the rounds of
    each resampled by themselves.
    """
    generator = np.random.default_rng(seed)
    sides = [
        np.asarray(rounds_ns, np.float64)
        for rounds_ns in (numerator_rounds_ns, denominator_rounds_ns)
    ]
    resampled = [_resampled_medians(rounds_ns, generator) for rounds_ns in sides]
    value = np.median(sides[0]) / np.median(sides[1])
    return Interval(float(value), *_limits(resampled[0] / resampled[1]))


def _median_over_rounds(rounds, seed):
    """Median of all values of `rounds [round, run]`, with the interval from resampled rounds."""
    return Interval(
        float(np.median(rounds)), *_limits(_resampled_medians(rounds, np.random.default_rng(seed)))
    )


def _resampled_medians(rounds, generator):
    picks = generator.integers(0, len(rounds), (_RESAMPLES, len(rounds)))
    return np.median(rounds[picks].reshape(_RESAMPLES, -1), axis=1)


def _limits(values):
    """(low, high) of the central 95 % of some values."""
    tail = (100 - _LEVEL_PERCENT) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def find_doubts(samples, summary):
    """Reasons to call a measurement unstable, each with what to do about it;
    empty when there are none.
    """
    median_ms = summary.median_ms.value
    interval = (summary.median_ms.high - summary.median_ms.low) / median_ms
    spread, drift = summary.mad_ms / median_ms, _drift(samples.rounds_ns)
    return tuple(
        reason
        for is_doubtful, reason in (
            (
                not samples.warmup_was_flat,
                f"not flat after {len(samples.warmup_ns)} warm-up runs: {_QUIET}",
            ),
            (len(samples.rounds_ns) < _FEW_ROUNDS, f"fewer than {_FEW_ROUNDS} rounds: {_MORE}"),
            (spread > _SPREAD_LIMIT, f"the spread (MAD) is {spread:.0%} of the median: {_QUIET}"),
            (
                drift > _DRIFT_LIMIT,
                f"the second half of the rounds took {drift:.0%} longer than the first: {_COOL}",
            ),
            (
                drift < -_DRIFT_LIMIT,
                f"the second half of the rounds took {-drift:.0%} less than the first: {_QUIET}",
            ),
            (interval > _INTERVAL_LIMIT, f"the median is only known to {interval:.0%}: {_MORE}"),
        )
        if is_doubtful
    )


def _drift(rounds_ns):
    """Relative change of the median from the first half of the rounds to the second."""
    half = len(rounds_ns) // 2
    if half == 0:
        return 0.0
    first, second = np.median(rounds_ns[:half]), np.median(rounds_ns[-half:])
    return float(second / first - 1)
