"""What the values of a result must be beyond their types, so that whoever reads
one may compute with them.
"""

import dataclasses
import math
from collections.abc import Iterator

from bokeh_tf.bench.results.measurement import Measurement
from bokeh_tf.bench.results.result import Result

# In nanoseconds: thirty years. No time, size or count of a benchmark is beyond it.
LARGEST = 1e18
_NEVER_NEGATIVE = ("_ns", "_ms", "_bytes", "nodes", "nodes_delegated")


def problem_of(result: Result) -> str | None:
    """What makes `result`, whose types are right, no result of a
    benchmark; None where nothing does.
    """
    names = [name for name, value in _numbers(result, "result") if not _is_plausible(name, value)]
    if names:
        return f"{names[0]} is not a plausible number"
    return next(filter(None, map(_broken_times, result.measurements)), None)


def _numbers(value, name) -> Iterator[tuple[str, int | float]]:
    """The numbers in dataclasses and tuples, each with the name of the field that it is in."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _numbers(getattr(value, field.name), field.name)
    elif isinstance(value, tuple):
        for entry in value:
            yield from _numbers(entry, name)
    elif isinstance(value, int | float):
        yield name, value


def _is_plausible(name, value):
    # An integer may be too large for a float, so the comparison comes first.
    if not (abs(value) < LARGEST and math.isfinite(value)):
        return False
    return value >= 0 or not name.endswith(_NEVER_NEGATIVE)


def _broken_times(measurement: Measurement) -> str | None:
    summary, samples = measurement.summary, measurement.samples
    if summary is not None:
        median_ms = summary.median_ms
        if not 0 < median_ms.low <= median_ms.value <= median_ms.high:
            return "median_ms is not inside its interval above 0"
        if summary.min_ms <= 0 or summary.n < 1:
            return "the summary is of nothing"
    if samples is None:
        return None
    if summary is None:
        return "samples have no summary"
    return _broken_rounds(samples)


def _broken_rounds(samples):
    lengths = {len(round_ns) for round_ns in samples.rounds_ns}
    if len(lengths) != 1 or 0 in lengths:
        return "rounds_ns holds no rounds of equally many times"
    if not all(time_ns > 0 for round_ns in samples.rounds_ns for time_ns in round_ns):
        return "rounds_ns holds what is no time"
    if len(samples.rounds_start_ns) not in (0, len(samples.rounds_ns)):
        return "rounds_start_ns is not of as many rounds as rounds_ns"
    return None
