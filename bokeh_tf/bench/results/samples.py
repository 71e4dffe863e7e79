"""The raw times of one contender."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Samples:
    """Raw times of one contender: the first run, the warm-up after it, and the
    timed runs of each round.

    `rounds_start_ns` says when each turn began, counted from the start of the whole run;
    empty where nobody noted it.
    """

    first_ns: int
    warmup_ns: tuple[int, ...]
    warmup_was_flat: bool
    rounds_ns: tuple[tuple[int, ...], ...]
    rounds_start_ns: tuple[int, ...] = ()
