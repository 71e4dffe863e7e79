"""Writing check results in the formats of `bokeh-tf check`.

`write(judged, policy, format=…)` gives the text of a whole run; each format is a module of
`writers`. Cheap to import, so that the command line can name the formats.
"""

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bokeh_tf.delegate.judging.policy import Judged, Policy

FORMATS = ("text", "json", "markdown", "junit", "sarif", "github", "gitlab")
_MODULES = {"json": "document"}


def write(judged: "Iterable[Judged]", policy: "Policy", *, format: str) -> str:
    """A run of judged files as text; `format` is one of `FORMATS`."""
    if format not in FORMATS:
        raise ValueError(
            f"format must be a known one. Received: {format!r}. Known: {', '.join(FORMATS)}."
        )
    # Each format loads what it needs only: a lint that writes JSON has no use for rich.
    writer = importlib.import_module(f"bokeh_tf.delegate.writers.{_MODULES.get(format, format)}")
    return writer.write(list(judged), policy)
