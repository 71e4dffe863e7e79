"""Reading a cell of a table that went through a spreadsheet program: a value, or a
`ValueError` that says why not.

Spreadsheet programs write decimal commas where the computer's language has them, turn
100 into 100.0, and keep what was typed next to a number. Nothing is guessed: what can be
read in two ways is refused.
"""

import math
import re

_MOST_TEXT_CHARACTERS = 500
_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_WITH_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d{1,4})?", re.ASCII)
# 1,234 is one and a quarter in Berlin and twelve hundred in Boston.
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_NOT_FINITE = frozenset({"nan", "inf", "infinity", "#n/a", "#div/0!", "#value!", "#num!"})


def positive_number(text) -> float:
    """A finite number above 0, with a decimal point or comma."""
    if _AMBIGUOUS.fullmatch(text):
        raise ValueError(
            f"can be read as {text.replace(',', '.')} or {text.replace(',', '')}. Write it with a"
            " decimal point"
        )
    if _WITH_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not _PLAIN.fullmatch(text):
        is_not_finite = text.lower().lstrip("+-") in _NOT_FINITE
        raise ValueError(
            "is not a finite number"
            if is_not_finite
            else "is not a number. Write digits alone, as in 53.6"
        )
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("is not a finite number")
    if value <= 0:
        raise ValueError("must be above 0")
    return value


def count(text) -> int:
    """A whole number from 1."""
    value = positive_number(text)
    if value != int(value) or value > 1e9:
        raise ValueError("must be a whole number from 1")
    return int(value)


def short_text(text) -> str:
    """One line of text."""
    if len(text) > _MOST_TEXT_CHARACTERS:
        raise ValueError(f"is longer than {_MOST_TEXT_CHARACTERS} characters")
    line = " ".join(text.split())
    if not line.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return line


def sha256(text) -> str:
    """64 hexadecimal digits, in lower case."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError("is not a sha256 (64 digits 0-9 a-f). Copy it from the card")
    return text.lower()


def one_of(names):
    """A reader for cells that hold one of `names`, in any case."""

    def read(text):
        if text.lower() not in names:
            raise ValueError(f"is not known. Known: {', '.join(names)}")
        return text.lower()

    return read
