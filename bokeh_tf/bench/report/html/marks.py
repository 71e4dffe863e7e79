"""Pieces of plots: rows of an inline SVG track beside its label, which keep
their text size on any screen.

Across, tracks are drawn in percent of whatever width the screen gives; down, in
pixels. So no script is needed.
"""

from bokeh_tf.bench.report.html.markup import Html, breakable, escaped, joined, tag
from bokeh_tf.bench.report.html.scale import Scale, tick_text

_AXIS_HEIGHT_PX = 20
_MARK_RADIUS_PX = 5


def figure(caption, rows, *, legend=(), note=None) -> Html:
    """A plot: what it shows, its legend of (CSS classes, text), its rows."""
    keys = [
        tag("span", {"class": "key"}, _track(dot(50, 8, f"mark {classes}"), 16, "key-mark"), text)
        for classes, text in legend
    ]
    return tag(
        "figure",
        {"class": "plot"},
        tag("figcaption", {}, caption),
        tag("p", {"class": "legend"}, *keys) if keys else "",
        *rows,
        tag("p", {"class": "note"}, note) if note else "",
    )


def row(label, about, content, *, height_px, value, describe, scale: Scale | None = None) -> Html:
    """One line of a plot: its label, lines about it (each a CSS class and text), its
    track, a value at its end.
    """
    grid = (
        [line(at, 0, at, height_px, "grid") for at in map(scale.percent, scale.ticks())]
        if scale
        else []
    )
    lines = [tag("span", {"class": kind}, text) for kind, text in about if text]
    return tag(
        "div",
        {"class": "row"},
        tag("div", {"class": "label"}, tag("b", {}, breakable(label)), *lines),
        _track(joined([*grid, *content]), height_px, "track", describe=describe),
        tag("div", {"class": "value"}, value),
    )


def axis(scale: Scale, unit) -> Html:
    """The last line of a plot: the ticks' labels and the unit."""
    texts = []
    for value in scale.ticks():
        place = {
            "x": f"{scale.percent(value)}%",
            "y": "14",
            "text-anchor": "middle",
            "class": "tick",
        }
        texts.append(tag("text", place, tick_text(value)))
    title = f"{unit}, logarithmic" if scale.is_log else unit
    return tag(
        "div",
        {"class": "row axis"},
        tag("div", {"class": "label"}),
        _track(joined(texts), _AXIS_HEIGHT_PX, "track"),
        tag("div", {"class": "value unit"}, title),
    )


def _track(content, height_px, classes, *, describe=None):
    role = {"role": "img", "aria-label": describe} if describe else {"aria-hidden": "true"}
    return tag(
        "svg", {"class": classes, "width": "100%", "height": str(height_px), **role}, content
    )


def line(x1_percent, y1_px, x2_percent, y2_px, classes) -> Html:
    """A straight line."""
    ends = {"x1": f"{x1_percent}%", "y1": f"{y1_px:g}", "x2": f"{x2_percent}%", "y2": f"{y2_px:g}"}
    return tag("line", {**ends, "class": classes})


def dot(x_percent, y_px, classes, *, title=None, radius_px=_MARK_RADIUS_PX) -> Html:
    """A disc; its title shows under a pointer."""
    place = {"cx": f"{x_percent}%", "cy": f"{y_px:g}", "r": f"{radius_px:g}", "class": classes}
    return _titled("circle", place, title)


def square(x_percent, y_px, classes, *, title=None) -> Html:
    """A mark as large as a disc."""
    size, half = 2 * _MARK_RADIUS_PX - 1, _MARK_RADIUS_PX - 0.5
    place = {
        "x": f"{-half:g}",
        "y": f"{-half:g}",
        "width": f"{size:g}",
        "height": f"{size:g}",
        "class": classes,
    }
    # A rectangle around a place in percent needs an origin there.
    origin = {"x": f"{x_percent}%", "y": f"{y_px:g}", "class": "origin"}
    return tag("svg", origin, _titled("rect", place, title))


def bar(from_percent, to_percent, y_px, height_px, classes) -> Html:
    """A horizontal bar."""
    place = {
        "x": f"{from_percent}%",
        "y": f"{y_px:g}",
        "width": f"{round(to_percent - from_percent, 3)}%",
    }
    return tag("rect", {**place, "height": f"{height_px:g}", "class": classes})


def _titled(name, place, title):
    if title is None:
        return tag(name, place)
    given = "".join(f' {key}="{escaped(value)}"' for key, value in place.items())
    return Html(f"<{name}{given}>{tag('title', {}, title)}</{name}>")
