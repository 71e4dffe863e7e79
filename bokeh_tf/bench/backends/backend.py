"""What the table of backends says of each."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bokeh_tf.bench.contestant import Setting
    from bokeh_tf.bench.results.result import Result

# How the command line reads a whole number from 1.
Count = Callable[[str], int]


@dataclass(frozen=True)
class Watch:
    """Who is told how a run goes: after each round, where an interrupted run is
    continued, and in a sentence.
    """

    on_round: Callable[[], object]
    on_continue: Callable[[], object]
    say: Callable[[str], object]


class Done(Protocol):
    """What a run on devices left: its result, where it was written, and a sentence
    for each device that failed.
    """

    @property
    def result(self) -> "Result":
        """All that was timed."""

    @property
    def path(self) -> Path | None:
        """The result's file; None without a folder."""

    @property
    def failures(self) -> Sequence[str]:
        """Why devices did not finish."""


@dataclass(frozen=True)
class Backend:
    """One target of `bokeh-tf bench --on`. Exactly one of `settings` and `time_devices` is there.

    Attributes:
        name: as people write it.
        says: what it is, for the help.
        add_options: adds a group of options to a parser; the second argument reads a whole number.
        settings: for what takes turns with everything else on this machine: the settings
            that the options ask for.
        time_devices: for devices with runs of their own: times on those called so, on the
            only one where none is named.
    """

    name: str
    says: str
    add_options: Callable[[ArgumentParser, Count], None]
    settings: Callable[[Namespace], "tuple[Setting, ...]"] | None = None
    time_devices: Callable[[Namespace, Sequence[str], Watch], Done] | None = None

    @property
    def usage(self) -> str:
        """How it is written, for the help."""
        return self.name if self.time_devices is None else f"{self.name}[:SERIAL]"

    @property
    def forms(self) -> tuple[str, ...]:
        """All ways to write it, for messages."""
        if self.time_devices is None:
            return (self.name,)
        return self.name, f"{self.name}:SERIAL", f"{self.name}:all"

    def is_meant_by(self, target: str) -> bool:
        """Whether a target of `--on` is this backend, or a device of it."""
        name, colon, device = target.partition(":")
        if name != self.name or not colon:
            return target == self.name
        return self.time_devices is not None and bool(device)
