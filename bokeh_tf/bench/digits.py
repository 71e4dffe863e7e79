"""Whole numbers in the text of phones and of programs on them, which may be of any length."""

import re

# No time, size or count of a benchmark has more digits, and every 64-bit number has as many.
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def whole(text: str | None) -> int | None:
    """The number that `text` is, spaces around it aside; None for no text and for
    what is no plausible number.
    """
    text = (text or "").strip()
    return int(text) if _WHOLE.fullmatch(text) else None
