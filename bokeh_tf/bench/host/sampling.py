"""Timing several contenders in one interleaved run, so that whatever disturbs the
machine disturbs all of them.

The order is: every contender's first run; every contender's warm-up; then rounds A B C, A B C, … A
turn (one contender in one round) is an untimed settling run, since the contender before it left the
caches and thread pools in its own state, followed by the timed runs. All timed samples are kept, in
integer nanoseconds of a monotonic clock.
"""

import functools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bokeh_tf.bench.host.timing_worker import timed_runs
from bokeh_tf.bench.results.samples import Samples

# Warm-up is flat once the medians of two successive windows of runs agree within the tolerance.
_WARMUP_WINDOW_RUNS = 3
_WARMUP_TOLERANCE = 0.05
_WARMUP_LIMIT_RUNS = 60
_WARMUP_LIMIT_NS = 20_000_000_000

# A turn is long enough to be timed well and short enough that a round sees all contenders in
# the same weather: short runs repeat up to the first time, and beyond the second one slow
# runs get fewer repetitions.
_TURN_NS = 100_000_000
_TURN_LIMIT_NS = 1_000_000_000
_TURN_RUNS = (3, 30)


def ignore():
    """Does nothing, for callers who have nothing to prepare and no progress to show."""


@dataclass(frozen=True)
class Contender:
    """Something to time: `run` is timed, `prepare` sets global state (a thread
    count) before it, untimed.
    """

    name: str
    run: Callable[[], object]
    prepare: Callable[[], object] = ignore

    def take(self, runs, *, settle=False, clock_ns=time.perf_counter_ns):
        """Times of `runs` runs in nanoseconds, after an untimed one if `settle`."""
        self.prepare()
        if settle:
            self.run()
        return tuple(timed_runs(self.run, runs, clock_ns=clock_ns))


def sample_interleaved(
    contenders: Sequence[Contender],
    *,
    rounds: int = 10,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
    on_round: Callable[[], object] = ignore,
) -> tuple[Samples, ...]:
    """Times the `contenders` against each other and returns a tuple of `Samples` in their order.

    Args:
        contenders: sequence of `Contender` with distinct names.
        rounds: how often each contender has its turn.
        clock_ns: the clock, in integer nanoseconds.
        on_round: called after each round, to show progress.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1. Received: {rounds}")
    names = [contender.name for contender in contenders]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"Contenders must have distinct names, and there must be some. Received: {names}"
        )
    takes = [functools.partial(contender.take, clock_ns=clock_ns) for contender in contenders]
    first_ns = [take(1)[0] for take in takes]
    warmups = [warm_up(take) for take in takes]
    runs_per_turn = [plan_turn(times_ns) for times_ns, _ in warmups]
    turns: list[list[tuple[int, ...]]] = [[] for _ in contenders]
    for _ in range(rounds):
        for take, runs, done in zip(takes, runs_per_turn, turns, strict=True):
            done.append(take(runs, settle=True))
        on_round()
    return tuple(
        Samples(first, times_ns, was_flat, tuple(done))
        for first, (times_ns, was_flat), done in zip(first_ns, warmups, turns, strict=True)
    )


def warm_up(take: Callable[[int], Sequence[int]]) -> tuple[tuple[int, ...], bool]:
    """Runs until the times are flat or a limit is reached; returns the times and
    whether they became flat.

    Args:
        take: called with a number of runs, returns their times in nanoseconds.
    """
    times_ns: list[int] = []
    while len(times_ns) < _WARMUP_LIMIT_RUNS and sum(times_ns) < _WARMUP_LIMIT_NS:
        times_ns.extend(take(1))
        if _is_flat(times_ns):
            return tuple(times_ns), True
    return tuple(times_ns), False


def _is_flat(times_ns):
    if len(times_ns) < 2 * _WARMUP_WINDOW_RUNS:
        return False
    earlier = statistics.median(times_ns[-2 * _WARMUP_WINDOW_RUNS : -_WARMUP_WINDOW_RUNS])
    later = statistics.median(times_ns[-_WARMUP_WINDOW_RUNS:])
    return abs(later - earlier) <= _WARMUP_TOLERANCE * earlier


def plan_turn(warmup_ns: Sequence[int]) -> int:
    """How many runs make a turn of something that warmed up with these times."""
    typical_ns = max(1, int(statistics.median(warmup_ns[-_WARMUP_WINDOW_RUNS:])))
    fewest, most = _TURN_RUNS
    fewest = max(1, min(fewest, _TURN_LIMIT_NS // typical_ns))
    return min(most, max(fewest, _TURN_NS // typical_ns))
