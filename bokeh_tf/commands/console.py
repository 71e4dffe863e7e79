"""What the commands share: the console that tables go to, and the kinds of
numbers that options take.

A kind of number is a function that argparse calls with what was typed; its `__name__` is what
argparse calls the kind where it refuses the text ("invalid positive number value: '0'").
"""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING

from bokeh_tf.errors import BokehError
from bokeh_tf.paths import printable

if TYPE_CHECKING:
    from rich.console import Console

# Where no terminal says how wide it is, tables are not squeezed into rich's 80 columns.
_WIDTH_WITHOUT_TERMINAL = 200
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


def open_console() -> Console:
    """A rich console on stdout, as wide as the terminal, or 200 columns where there is none."""
    # rich takes longer to import than `--help` may take.
    from rich.console import Console

    # Python started without a stdout has None there.
    has_terminal = sys.stdout is not None and sys.stdout.isatty()
    return Console() if has_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)


def say(text: object, *, is_error: bool = False) -> None:
    """Prints a line that may name files, phones and what they say; it
    does nothing to the terminal.
    """
    print(printable(text), file=sys.stderr if is_error else sys.stdout)


class Refusals:
    """What of several inputs could not be used: each named on stderr, the others spared."""

    def __init__(self) -> None:
        self.count = 0

    def say(self, error: BokehError) -> None:
        """Names one."""
        self.count += 1
        say(f"bokeh-tf: {error}", is_error=True)

    @property
    def status(self) -> int:
        """The exit status that they alone ask for."""
        return 1 if self.count else 0

    @property
    def left_out(self) -> str:
        """What a line about the result says of them."""
        return f", without {self.count} that could not be read" if self.count else ""


def finite(text: str) -> float:
    """A finite number; `ValueError` for anything else."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def positive(text: str) -> float:
    """A finite number above 0; `ValueError` for anything else."""
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise ValueError
    return value


def count(text: str) -> int:
    """A whole number from 1; `ValueError` for anything else."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def size_px(text: str) -> tuple[int, int]:
    """(height, width) in pixels of a text such as 512x768; `ValueError` for anything else."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError
    return int(match[1]), int(match[2])


finite.__name__ = "number"
positive.__name__ = "positive number"
count.__name__ = "whole number from 1"
size_px.__name__ = "HEIGHTxWIDTH"
