"""Quoting names from untrusted files, so that they stay text in every format."""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from bokeh_tf.paths import LONGEST_LINE, printable

_PLAIN_IN_CODE = re.compile(r"[^`|\\]+")
# Whatever Markdown could take for markup, a mention, or a link.
_MARKUP = re.compile(r"[\\`*{}\[\]<>#|~!&]|(?<!\w)_|_(?!\w)|(?<=:)//|(?<=www)\.")


def json_text(document) -> str:
    """A document as JSON for people: letters as they are, control and
    format characters as escapes.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # What is not ASCII can only stand inside a JSON string, where the escape means the same.
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def markdown_code(text) -> str:
    """Text as inline code for Markdown, safe in table cells too."""
    text = printable(text)
    if not text:
        return ""
    if _PLAIN_IN_CODE.fullmatch(text) and text.strip():
        return f"`{text}`"
    entities = (c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in text)
    return f"<code>{''.join(entities)}</code>"


def markdown_text(text) -> str:
    """Text as prose for Markdown: no markup, no HTML, no links, nobody mentioned."""
    text = _MARKUP.sub(lambda match: "".join(f"&#{ord(c)};" for c in match[0]), printable(text))
    return text.replace("@", "@&#8203;")


def command_data(text) -> str:
    """The message of a workflow command of GitHub Actions."""
    return printable_lines(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text) -> str:
    """A property's value in a workflow command of GitHub Actions."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def printable_lines(text) -> str:
    """Like `printable`, but keeps the line ends."""
    return "\n".join(map(printable, str(text).split("\n")))


def line_by_line(lines: Iterable[object]) -> str:
    """Lines that quote files as a text of so many lines, whatever they quote: each is `printable`,
    and cut where nobody reads on.
    """
    return "".join(f"{printable(line, most_characters=LONGEST_LINE)}\n" for line in lines)


def file_uri(path) -> str:
    """A path as a URI: relative paths stay relative, as code scanning wants them."""
    path = Path(path)
    if path.is_absolute():
        with_root = _relative_to_cwd(path)
        return (
            quote(with_root.as_posix(), safe="/")
            if with_root
            else f"file://{quote(path.as_posix(), safe='/')}"
        )
    text = quote(Path(os.path.normpath(path)).as_posix(), safe="/")
    return text


def _relative_to_cwd(path):
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return None
