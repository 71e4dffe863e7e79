"""How far a long job over files is, shown to people."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bokeh_tf.paths import printable


def as_text(line):
    """A line about files, whose names may hold anything, that can be written and shown."""
    return printable(line)


def progress_bar():
    """A bar with count and remaining time, on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
