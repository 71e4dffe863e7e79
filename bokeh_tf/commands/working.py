"""Says on stderr that slow work goes on: what it is at, and for how many seconds.

On a terminal that is one line which goes again; elsewhere a line now and then,
none where the work is quick.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from bokeh_tf.paths import printable
from bokeh_tf.stages import current

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

# On a terminal; what is done sooner shows nothing.
_QUIET_S = 1.0
# In a log: when it first says so, and how often after that.
FIRST_LINE_S, NEXT_LINES_S = 20.0, 60.0
_MOST_CHARACTERS = 200
T = TypeVar("T")


def has_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def working(*, first_s: float = FIRST_LINE_S, next_s: float = NEXT_LINES_S) -> Iterator[None]:
    """Shows the stage of the work in its block.

    Args:
        first_s: seconds until the first line where stderr is no terminal.
        next_s: seconds between further ones.
    """
    if has_terminal():
        with _line():
            yield
        return
    is_done = threading.Event()
    start_s = time.monotonic()
    thread = threading.Thread(target=_tell, args=(is_done, start_s, first_s, next_s), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()


def each(items: Iterable[T]) -> Iterator[T]:
    """The `items`, with the stage shown while the next one is made, and nothing while it is used.

    Nothing is shown in the way of what the caller prints of one item.
    """
    iterator = iter(items)
    while True:
        with working():
            item = next(iterator, _END)
        if item is _END:
            return
        yield item  # type: ignore[misc]


_END = object()


def counted(items: Iterable[T], total: int) -> Iterator[T]:
    """The `items`, with a bar of how many of `total` are done and the stage
    beside it; for a terminal.
    """
    from rich.progress import BarColumn, MofNCompleteColumn

    with _line(BarColumn(), MofNCompleteColumn(), total=total) as advance:
        for item in items:
            yield item
            advance()


def _tell(is_done, start_s, first_s, next_s):
    wait_s = first_s
    while not is_done.wait(wait_s):
        print(f"bokeh-tf: {_text(time.monotonic() - start_s)}", file=sys.stderr, flush=True)
        wait_s = next_s


def _text(seconds):
    what = current() or "at work"
    return f"{printable(what, most_characters=_MOST_CHARACTERS)}, {seconds:.0f} s"


@contextmanager
def _line(*columns: ProgressColumn, total: int | None = None):
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn
    from rich.text import Text

    class Stage(ProgressColumn):
        def render(self, task):
            elapsed_s = task.elapsed or 0.0
            return Text(_text(elapsed_s) if elapsed_s > _QUIET_S else "")

    with Progress(*columns, Stage(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)
