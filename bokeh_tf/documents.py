"""JSON that comes from outside: read with a limit, parsed, compared with its
type, and only then used.

A type is a dataclass of plain types; whatever differs from it is one line that says where. Numbers
are finite: JSON knows neither NaN nor infinity, and what a Python program wrote as such is refused.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bokeh_tf.errors import BokehError
from bokeh_tf.paths import printable, read_bytes

LIMIT_BYTES = 256_000_000
_SHOWN_CHARACTERS = 200
T = TypeVar("T")


class DocumentError(ValueError):
    """Text is no JSON, or not of the type that was asked for; the message says
    where, in one short line.
    """


def read(path: Path | str, *, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """The content of a file, for `parse`.

    Raises:
        DocumentError: it cannot be read; the message says why, without the path.
    """
    try:
        return read_bytes(path, limit_bytes=limit_bytes)
    except OSError as error:
        raise DocumentError(error.strerror or str(error)) from error


def parse(content: bytes | str) -> Any:
    """The plain objects in a JSON text.

    Raises:
        DocumentError: it is no JSON, is not UTF-8, or nests too deep.
    """
    return _guarded(lambda: msgspec.json.decode(content))


def typed(document: Any, kind: type[T]) -> T:
    """Plain objects as an object of the dataclass `kind`; fields that it does
    not have are passed over.

    Raises:
        DocumentError: a field is missing or of another type; the message says which.
    """
    return _guarded(lambda: msgspec.convert(document, kind))


def _guarded(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except RecursionError as error:
        raise DocumentError("nests too deep") from error
    # A dataclass that checks its own values raises ValueError; msgspec's errors are
    # ValueErrors too, but for one.
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise DocumentError(printable(" ".join(str(error).split()))[:_SHOWN_CHARACTERS]) from error


def read_typed(
    path: Path | str, kind: type[T], *, error: type[BokehError], what: str, advice: str
) -> T:
    """The document in the file `path` as an object of the dataclass `kind`.

    Args:
        error: the class to raise.
        what: what the file should be, as in "not a benchmark result".
        advice: what to do, one sentence.
    """
    try:
        return typed(parse(read(path)), kind)
    except DocumentError as reason:
        raise error(f"{printable(path)}: {what} ({reason}). {advice}") from reason
