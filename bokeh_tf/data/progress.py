"""How far a long job over files is, shown to people."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def as_text(line):
    """`line` with file names that are no UTF-8 text made writable."""
    return line.encode("utf-8", "backslashreplace").decode()


def progress_bar():
    """A bar with count and remaining time, on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
