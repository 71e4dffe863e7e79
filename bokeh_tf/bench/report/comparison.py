"""A comparison of two results for people."""

from rich.console import Group
from rich.table import Table

from bokeh_tf.bench.report.facts import format_ms
from bokeh_tf.bench.report.terminal import harmless
from bokeh_tf.bench.results.comparison import Comparison


def render(comparison: Comparison) -> Group:
    """The comparison as something `rich` prints."""
    table = Table()
    table.add_column("", overflow="fold")
    for heading in ("first, ms", "second, ms", "second / first", "95 % interval", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    lines = []
    for pair in comparison.pairs:
        verdict = (
            f"{pair.outcome.value}, beyond the budget"
            if pair.exceeds_budget
            else pair.outcome.value
        )
        verdict += " *" if pair.doubts else ""
        # Text, not str: a file name may contain what rich would read as markup.
        table.add_row(harmless(_name(pair)), *_cells(pair), verdict)
        lines += [f"* {_name(pair)}: {doubt}" for doubt in pair.doubts]
    lines += [f"only in the first: {name}" for name in comparison.only_in_first]
    lines += [f"only in the second: {name}" for name in comparison.only_in_second]
    return Group(table, *map(harmless, lines))


def _name(pair):
    if pair.first.name == pair.second.name:
        return pair.first.name
    return f"{pair.first.name} -> {pair.second.name}"


def _cells(pair):
    marks = [" !" if side.stamp else "" for side in (pair.first, pair.second)]
    medians = [format_ms(side.summary.median_ms.value) for side in (pair.first, pair.second)]
    interval = f"{pair.ratio.low:.3f} … {pair.ratio.high:.3f}"
    return medians[0] + marks[0], medians[1] + marks[1], f"{pair.ratio.value:.3f}", interval
