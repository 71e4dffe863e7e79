"""Means with their uncertainty: intervals by the bootstrap over pairs of photos.

Scores of single photos scatter by some 4 dB, those of two models on one photo move together: only
paired differences tell models 0.1 dB apart. The random numbers are always the same ones.
"""

from dataclasses import dataclass

import numpy as np

_SHARE = 0.95
_RESAMPLES = 10_000
# So many numbers at once are a few megabytes.
_AT_ONCE = 500


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its 95 % interval, None of fewer than two values."""

    value: float
    low: float | None
    high: float | None


def mean_interval(values) -> Interval:
    """The mean of `values` and its percentile bootstrap interval."""
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return Interval(float(values.mean()), None, None)
    random = np.random.default_rng(0)
    means = []
    for _ in range(_RESAMPLES // _AT_ONCE):
        chosen = random.integers(len(values), size=(_AT_ONCE, len(values)))
        means.append(values[chosen].mean(axis=1))
    tail = 100 * (1 - _SHARE) / 2
    low, high = np.percentile(np.concatenate(means), (tail, 100 - tail))
    return Interval(float(values.mean()), float(low), float(high))


def difference_interval(values, others) -> Interval:
    """How much higher `values` are than `others`, pair by pair, with its interval."""
    return mean_interval(np.subtract(values, others))
