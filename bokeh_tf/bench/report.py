"""A timing run for people: a progress bar while it lasts, then one table and the reasons to doubt it."""

import contextlib

from rich.console import Console, Group
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

_NS_PER_MS = 1e6
_UNSTABLE = "* unstable: "


@contextlib.contextmanager
def progress(rounds):
    """Shows a bar on a terminal's stderr while its block runs; yields what to call after each of the `rounds`."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("timing", total=rounds)
        yield lambda: bar.advance(task)


def render(result):
    """The result as something `rich` prints."""
    environment = result.environment
    lines = [f"{environment.cpu}, {environment.usable_cores} cores; {environment.runtime}; times in milliseconds"]
    lines += [f"{_UNSTABLE}{reason}" for reason in result.doubts]
    lines += [
        f"{_UNSTABLE}{measurement.name}: {'; '.join(measurement.doubts)}"
        for measurement in result.measurements
        if measurement.doubts
    ]
    # Text, not str: a file name may contain what rich would read as markup.
    return Group(_table(result.measurements), *map(Text, lines))


def _table(measurements):
    table = Table()
    table.add_column("", overflow="fold")
    for heading in ("load", "first", "median", "95 % interval", "p95"):
        table.add_column(heading, justify="right", no_wrap=True)
    for measurement in measurements:
        table.add_row(Text(measurement.name), *_cells(measurement))
    return table


def _cells(measurement):
    median = measurement.summary.median_ms
    return (
        "" if measurement.load_ns is None else format_ms(measurement.load_ns / _NS_PER_MS),
        format_ms(measurement.samples.first_ns / _NS_PER_MS),
        format_ms(median.value) + (" *" if measurement.doubts else ""),
        f"{format_ms(median.low)} … {format_ms(median.high)}",
        format_ms(measurement.summary.p95_ms),
    )


def format_ms(value_ms):
    """Milliseconds with three significant digits, at most three decimals."""
    decimals = 0 if value_ms >= 100 else 1 if value_ms >= 10 else 2 if value_ms >= 1 else 3
    return f"{value_ms:.{decimals}f}"
