"""What the times in a log of benchmark_model are worth as samples."""

from bokeh_tf.bench.benchmark_model.log import BenchmarkLog
from bokeh_tf.bench.results.measurement import ROUND_MEAN, ROUND_MEDIAN


def steady_us(log: BenchmarkLog) -> tuple[str, float | None]:
    """(what it is, time) of a round: the median where the program prints one, else the
    mean; None where neither.
    """
    if log.inference is not None and log.inference.median_us is not None:
        return ROUND_MEDIAN, log.inference.median_us
    return ROUND_MEAN, log.inference_us


def was_flat(log: BenchmarkLog, *, tolerance: float = 0.1) -> bool:
    """Whether the warm-up runs after the first one took as long as the measured
    ones, as far as the log tells.
    """
    warmup, (_, time_us) = log.warmup, steady_us(log)
    if warmup is None or warmup.count < 2 or not time_us:
        return True
    if warmup.first_us is None or warmup.mean_us is None:
        return True
    rest_us = (warmup.mean_us * warmup.count - warmup.first_us) / (warmup.count - 1)
    return abs(rest_us / time_us - 1) <= tolerance


def to_ns(time_us: float) -> int:
    """Microseconds as whole nanoseconds."""
    return round(time_us * 1000)
