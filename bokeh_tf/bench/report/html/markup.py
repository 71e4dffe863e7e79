"""HTML and SVG in which plain text cannot be anything but text: it is escaped
unless it is `Html` already.
"""

import html

from bokeh_tf.escaping import printable

# Elements without an end: HTML writes the first kind plainly, SVG closes the second.
_VOID_HTML, _VOID_SVG = {"img", "input", "meta"}, {"circle", "line", "rect"}


class Html(str):
    """Text that is markup. Only this module makes it, and the page from its own constants."""

    __slots__ = ()


def escaped(text) -> Html:
    """Text as HTML, fit for attributes too; control characters and halves of
    characters become question marks.
    """
    return text if isinstance(text, Html) else Html(html.escape(printable(text)))


def breakable(text) -> Html:
    """Text that may be broken after an underscore, so that long file names fit."""
    return Html(escaped(text).replace("_", "_<wbr>"))


def joined(parts, *, separator="") -> Html:
    """Several pieces one after the other."""
    return Html(escaped(separator).join(map(escaped, parts)))


def tag(name, attributes, *children) -> Html:
    """An element; attributes that are None are left out."""
    given = "".join(
        f' {key}="{escaped(value)}"' for key, value in attributes.items() if value is not None
    )
    if name in _VOID_HTML:
        return Html(f"<{name}{given}>")
    if name in _VOID_SVG:
        return Html(f"<{name}{given}/>")
    return Html(f"<{name}{given}>{joined(children)}</{name}>")
