"""A timing run in the terminal: a progress bar while it lasts, then tables and
the reasons to doubt them.

What is said of a measurement is formed in `page/`, for every writer alike; here it
is laid out for a terminal.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator

from rich.console import Console, Group
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from bokeh_tf.bench.report import columns, facts
from bokeh_tf.bench.results.measurement import Measurement
from bokeh_tf.bench.results.result import Result
from bokeh_tf.paths import LONGEST_LINE, printable

_WIDE_COLUMNS = 120


@contextlib.contextmanager
def progress(rounds: int) -> Iterator[Callable[[], object]]:
    """Shows a bar on a terminal's stderr while its block runs; yields what to call
    after each of the `rounds`.
    """
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("timing", total=rounds)
        yield lambda: bar.advance(task)


def render(result: Result) -> Group:
    """The result as something `rich` prints."""
    environment = result.environment
    lines = [
        f"{environment.cpu}, {environment.usable_cores} cores; {_runtimes(result)}; times in"
        " milliseconds"
    ]
    lines += [f"* unstable: {reason}" for reason in result.doubts]
    lines += _warm_starts(result.measurements)
    for one in result.measurements:
        warned = facts.warnings(one)
        lines += [f"! {one.name}: {text}" for severity, text in warned if severity == "bad"]
        lines += _about(one)
        lines += [f"* {one.name}: {text}" for severity, text in warned if severity == "doubt"]
    # Text, not str: a file name may contain what rich would read as markup.
    return Group(_Tables(result), *map(harmless, lines))


def harmless(text) -> Text:
    """Text from wherever, in one line that is not too long and does nothing to a terminal."""
    return Text(printable(text, most_characters=LONGEST_LINE))


class _Tables:
    """The steady times, their spread, the start-up: in fewer tables where there
    is room for more columns.
    """

    def __init__(self, result: Result):
        self._result = result

    def __rich_console__(self, console, options):
        steady = [column for column in columns.STEADY if column.short]
        first = [column for column in steady if column.is_first]
        spread = [column for column in steady if not column.is_first]
        parts = [first + spread] if options.max_width >= _WIDE_COLUMNS else [first, spread]
        parts.append([column for column in columns.STARTUP if column.short])
        for shown in parts:
            yield _table(self._result, shown)


def _runtimes(result):
    named = [measurement.runtime for measurement in result.measurements if measurement.runtime]
    return ", ".join(dict.fromkeys(named)) or result.environment.runtime


def _warm_starts(measurements: Iterable[Measurement]) -> Iterator[str]:
    """How the warm starts were measured, each way once."""
    is_paired: dict[str, bool] = {}
    for one in measurements:
        for line in facts.startup_lines(one):
            is_paired[line] = is_paired.get(line, False) or bool(facts.written_ns(one.startup))
    for line, has_writer in is_paired.items():
        yield (
            f"{line}; after 'of' stands the start that wrote it, which alone compares with it"
            if has_writer
            else line
        )


def _about(one: Measurement) -> list[str]:
    """Lines on the verdict of a delegate, what it computed and what was predicted;
    nothing on an ordinary CPU run.
    """
    lines = []
    verdict = one.verdict
    # A verdict that did not pass has been said as a warning.
    if verdict is not None and verdict.outcome.passed and one.prediction is not None:
        lines += [f"{one.name}: {line}" for line in facts.verdict_lines(one)]
    if verdict is not None and (not verdict.outcome.passed or one.prediction is not None):
        lines += [f"    {line}" for line in verdict.evidence]
    if one.prediction is not None:
        lines += [f"    output against the CPU's: {line}" for line in facts.output_lines(one)]
    lines += [f"    predicted by {line}" for line in facts.prediction_lines(one)]
    lines += [f"        {reason}" for reason in facts.prediction_reasons(one)]
    return lines + [f"    {line}" for line in facts.difference_lines(one)]


def _table(result: Result, shown: list[columns.Column]) -> Table:
    table = Table()
    table.add_column("", overflow="fold")
    for column in shown:
        table.add_column(column.short or "", justify="right", no_wrap=True)
    for one in result.measurements:
        cells = [column.short_cell(one, result) for column in shown]
        if shown[0] is columns.STEADY[0]:
            cells[0] += facts.flags(one)
        table.add_row(harmless(one.name), *map(harmless, cells))
    return table
