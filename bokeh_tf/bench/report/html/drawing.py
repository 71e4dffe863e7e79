"""How a measurement looks in every plot: its colour and shape, the lines
under its label, its samples.
"""

from collections.abc import Sequence
from typing import TypeVar

from bokeh_tf.bench.report import facts
from bokeh_tf.bench.results.measurement import HOST, Measurement

Entry = TypeVar("Entry")
_NS_PER_MS = 1e6
# More dots than this per measurement nobody can tell apart, and they make a page heavy.
MOST_DOTS = 300
_LEGEND_TEXTS = (("cpu", "CPU"), ("gpu", "GPU"), ("nnapi", "NNAPI"), ("other", "other"))


def classes_of(one: Measurement) -> str:
    """The CSS classes of its marks."""
    severities = {severity for severity, _ in facts.warnings(one)}
    flags = (" hollow" if "bad" in severities else "") + (
        " unstable" if "doubt" in severities else ""
    )
    return facts.family(one).lower() + flags


def about_lines(one: Measurement, text: str) -> list[tuple[str, str]]:
    """The lines under a row's label: a reason not to take the number for what
    it seems stands there too.
    """
    return [
        ("about", text),
        *(("about stamp", why) for severity, why in facts.warnings(one) if severity == "bad"),
    ]


def flagged(text: str, one: Measurement) -> str:
    """A number with the marks that lead to its warnings."""
    return text + facts.flags(one)


def legend(measurements: Sequence[Measurement]) -> list[tuple[str, str]]:
    """(CSS classes, text) of what occurs among the measurements."""
    families = {facts.family(one).lower() for one in measurements}
    keys = [(name, text) for name, text in _LEGEND_TEXTS if name in families]
    classes = " ".join(map(classes_of, measurements)).split()
    keys += (
        [("other hollow", "! hollow: not what was asked for, see below")]
        if "hollow" in classes
        else []
    )
    keys += [("none", "* dashed: unstable, see below")] if "unstable" in classes else []
    phones = any(one.device != HOST for one in measurements)
    return [*keys, ("none", "round: this host, square: a phone")] if phones else keys


def times_ms_of(one: Measurement) -> list[float]:
    """All steady samples."""
    return (
        [time / _NS_PER_MS for round_ns in one.samples.rounds_ns for time in round_ns]
        if one.samples
        else []
    )


def thinned(values: Sequence[Entry]) -> Sequence[Entry]:
    """At most `MOST_DOTS` of the values, evenly chosen."""
    step = max(1, -(-len(values) // MOST_DOTS))
    return values[::step]


def is_thinned(measurements: Sequence[Measurement]) -> bool:
    """Whether not every sample is drawn."""
    return any(len(times_ms_of(one)) > MOST_DOTS for one in measurements)
