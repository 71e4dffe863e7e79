"""Block diagrams as SVG: boxes on a grid of columns (order) and rows (scale), joined by
straight and bent arrows.

A drawing lies on a light card of its own with dark ink, so that it reads the same on a light and on
a dark page. Every text is escaped; `problems` says what a reader would stumble over: texts that do
not fit, boxes or arrows in the way.
"""

import itertools
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

_CELL_PX = (118, 66)
_BOX_PX = (104, 42)
_MARGIN_PX = 18
_SCALE_PX = 44
_TITLE_PX = 34
_LABEL_PX, _NOTE_PX, _HEADING_PX = 12, 11, 15
# The average letter of a sans-serif face, in units of its size.
_LETTER = 0.56
_INK, _SOFT_INK, _CARD, _RULE = "#1c2430", "#4d5866", "#fbfaf7", "#d6d3cb"
FILLS = {"data": "#fff3cf", "network": "#dbe8fb", "fixed": "#dff0df", "blend": "#f6dfe6"}


@dataclass(frozen=True)
class Box:
    """A box of one of the kinds of `FILLS`, at a column and a row, which may be
    fractions; `note` is a second line.
    """

    column: float
    row: float
    label: str
    note: str = ""
    kind: str = "network"


@dataclass(frozen=True)
class Arrow:
    """An arrow between two boxes by name; a `skip` is dashed. A bent one leaves
    sideways unless `down_first`.
    """

    start: str
    end: str
    is_skip: bool = False
    down_first: bool = False


@dataclass(frozen=True)
class Drawing:
    """A diagram: its title, what to know besides, the scale that each row stands for,
    boxes by name, and arrows.
    """

    title: str
    caption: str
    scales: tuple[str, ...]
    boxes: dict[str, Box]
    arrows: tuple[Arrow, ...]


def chain(text) -> tuple[Arrow, ...]:
    """Arrows from text such as "photo > encoder > decoder; photo ~ decoder": ~ for a skip,
    ^ to go up or down first.
    """
    arrows = []
    for line in filter(None, (part.strip() for part in text.split(";"))):
        words = line.split()
        for start, sign, end in zip(words[::2], words[1::2], words[2::2], strict=False):
            if not set(sign) <= set(">~^") or len(sign) > 2:
                raise ValueError(f"arrows are >, ~, >^ or ~^. Received: {sign!r}.")
            arrows.append(Arrow(start, end, is_skip="~" in sign, down_first="^" in sign))
    return tuple(arrows)


def to_svg(drawing) -> str:
    """The drawing as the text of an SVG file."""
    width_px, height_px = _size_px(drawing)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_px:g}" height="{height_px:g}"'
        f' viewBox="0 0 {width_px:g} {height_px:g}" role="img"'
        f" aria-label={quoteattr(drawing.title)}"
        ' font-family="Helvetica, Arial, sans-serif">',
        f"<title>{escape(drawing.title)}</title>",
        f"<desc>{escape(drawing.caption)}</desc>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto">'
        f'<path d="M0 0.8 L7.4 4 L0 7.2 z" fill="{_SOFT_INK}"/></marker></defs>',
        f'<rect x="0.5" y="0.5" width="{width_px - 1:g}" height="{height_px - 1:g}" rx="8"'
        f' fill="{_CARD}"'
        f' stroke="{_RULE}"/>',
        _text(
            _MARGIN_PX, _MARGIN_PX + 10, drawing.title, _HEADING_PX, anchor="start", weight="bold"
        ),
        *(_scale(row, text) for row, text in enumerate(drawing.scales)),
        *(_arrow(drawing, arrow) for arrow in drawing.arrows),
        *(_box(box) for box in drawing.boxes.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def problems(drawing) -> list[str]:
    """What is wrong with a drawing, in words."""
    found = [
        f"{text!r} does not fit its box"
        for box in drawing.boxes.values()
        for text, size_px in ((box.label, _LABEL_PX), (box.note, _NOTE_PX))
        if len(text) * size_px * _LETTER > _BOX_PX[0] - 6
    ]
    boxes = list(drawing.boxes.items())
    for index, (name, box) in enumerate(boxes):
        for other_name, other in boxes[index + 1 :]:
            if _overlap(_bounds(box), _bounds(other)):
                found.append(f"{name} and {other_name} overlap")
    for arrow in drawing.arrows:
        for start, end in _segments(_points(drawing, arrow)):
            crossed = [
                name
                for name, box in boxes
                if name not in (arrow.start, arrow.end)
                and _overlap(_bounds(box), (*map(min, start, end), *map(max, start, end)))
            ]
            found += [
                f"the arrow from {arrow.start} to {arrow.end} runs through {name}"
                for name in crossed
            ]
    return found


def _size_px(drawing):
    columns = max(box.column for box in drawing.boxes.values()) + 1
    rows = max(max(box.row for box in drawing.boxes.values()) + 1, len(drawing.scales))
    title_px = len(drawing.title) * _HEADING_PX * _LETTER + 2 * _MARGIN_PX
    width_px = 2 * _MARGIN_PX + _SCALE_PX + columns * _CELL_PX[0]
    return max(width_px, title_px), 2 * _MARGIN_PX + _TITLE_PX + rows * _CELL_PX[1]


def _centre(box):
    x_px = _MARGIN_PX + _SCALE_PX + (box.column + 0.5) * _CELL_PX[0]
    return x_px, _MARGIN_PX + _TITLE_PX + (box.row + 0.5) * _CELL_PX[1]


def _bounds(box):
    """(left, top, right, bottom)."""
    x_px, y_px = _centre(box)
    return (
        x_px - _BOX_PX[0] / 2,
        y_px - _BOX_PX[1] / 2,
        x_px + _BOX_PX[0] / 2,
        y_px + _BOX_PX[1] / 2,
    )


def _overlap(first, second):
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3]
        and second[1] < first[3]
    )


def _points(drawing, arrow):
    """Corners of an arrow, from the edge of one box to the edge of the other."""
    start, end = drawing.boxes[arrow.start], drawing.boxes[arrow.end]
    (x1, y1), (x2, y2) = _centre(start), _centre(end)
    half_width_px, half_height_px = _BOX_PX[0] / 2, _BOX_PX[1] / 2
    right, down = (1 if x2 > x1 else -1), (1 if y2 > y1 else -1)
    if y1 == y2:
        return [(x1 + right * half_width_px, y1), (x2 - right * half_width_px, y2)]
    if x1 == x2:
        return [(x1, y1 + down * half_height_px), (x2, y2 - down * half_height_px)]
    if arrow.down_first:
        return [(x1, y1 + down * half_height_px), (x1, y2), (x2 - right * half_width_px, y2)]
    return [(x1 + right * half_width_px, y1), (x2, y1), (x2, y2 - down * half_height_px)]


def _segments(points):
    return itertools.pairwise(points)


def _arrow(drawing, arrow):
    path = " L".join(f"{x:g} {y:g}" for x, y in _points(drawing, arrow))
    dash = ' stroke-dasharray="5 4"' if arrow.is_skip else ""
    return (
        f'<path d="M{path}" fill="none" stroke="{_SOFT_INK}" stroke-width="1.4"{dash}'
        ' marker-end="url(#head)"/>'
    )


def _box(box):
    left, top, right, bottom = _bounds(box)
    x_px, y_px = _centre(box)
    rect = (
        f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{bottom - top:g}" rx="5"'
        f' fill="{FILLS[box.kind]}" stroke="{_SOFT_INK}" stroke-width="1"/>'
    )
    label = _text(x_px, y_px + (-3 if box.note else 4.5), box.label, _LABEL_PX)
    note = _text(x_px, y_px + 13, box.note, _NOTE_PX, colour=_SOFT_INK) if box.note else ""
    return f"<g>{rect}{label}{note}</g>"


def _scale(row, text):
    y_px = _MARGIN_PX + _TITLE_PX + (row + 0.5) * _CELL_PX[1]
    return _text(_MARGIN_PX, y_px + 4, text, _LABEL_PX, anchor="start", colour=_SOFT_INK)


def _text(x_px, y_px, text, size_px, *, anchor="middle", colour=_INK, weight="normal"):
    return (
        f'<text x="{x_px:g}" y="{y_px:g}" font-size="{size_px}" text-anchor="{anchor}"'
        f' fill="{colour}"'
        f' font-weight="{weight}">{escape(text)}</text>'
    )
