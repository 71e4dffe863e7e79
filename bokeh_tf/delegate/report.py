"""Writing check results in the formats of `bokeh-tf check`, and single results of the real delegate.

`write(judged, policy, format=…)` gives the text of a whole run; each format is a module of `writers`. `print_report`
and `to_dict` are for results of `check.check_file`, the real delegate alone.
"""

import importlib

from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers.escaping import printable

FORMATS = ("text", "json", "markdown", "junit", "sarif", "github")
_MODULES = {"json": "document"}

__all__ = ["FORMATS", "print_report", "printable", "to_dict", "write"]


def write(judged, policy, *, format) -> str:
    """A run of `policy.Judged` files as text."""
    if format not in FORMATS:
        raise ValueError(f"format must be a known one. Received: {format!r}. Known: {', '.join(FORMATS)}.")
    # Each format loads what it needs only: a lint that writes JSON has no use for rich.
    writer = importlib.import_module(f"bokeh_tf.delegate.writers.{_MODULES.get(format, format)}")
    return writer.write(list(judged), policy)


def to_dict(result) -> dict:
    """A result of `check_file` as plain JSON types; `verdict` is null where it could not be checked."""
    from bokeh_tf.delegate.writers.document import plain

    if isinstance(result, Unchecked):
        return {"path": result.path, "verdict": None, "reason": result.reason}
    return plain(result)


def print_report(result, console):
    """Prints a result of `check_file` to a `rich` console."""
    from rich.text import Text

    from bokeh_tf.delegate.writers.probe_text import STYLES, print_precisions

    if isinstance(result, Unchecked):
        console.print(Text.assemble(("NOT CHECKED", STYLES[1]), "  ", printable(result.reason)), soft_wrap=True)
        return
    where = result.adapter or "adapter unknown"
    heading = f"  {result.path}  ({where}, {result.wall_s:.1f} s)"
    style = STYLES[result.verdict.exit_code]
    console.print(Text.assemble((result.verdict.upper(), style), printable(heading)), soft_wrap=True)
    print_precisions(result, console)
    for doubt in result.doubts:
        console.print(Text(printable(f"  note: {doubt}"), "yellow"), soft_wrap=True)
