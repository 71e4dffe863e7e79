"""Curves of a run as one PNG, a panel for each metric and a line for each phase, drawn
without a plotting library.
"""

import io

from PIL import Image, ImageDraw, ImageFont

from bokeh_tf.files import write_bytes

_PANEL_PX = (420, 260)
_MARGIN_PX = {"left": 62, "right": 16, "top": 30, "bottom": 40}
_COLOURS = ((31, 111, 235), (194, 87, 12), (130, 80, 223), (77, 124, 15))
_INK, _GRID, _PAGE = (60, 66, 74), (224, 228, 233), (255, 255, 255)
_FONT_PX = 12
_TICKS = 4
_DOT_PX = 3


def write_curves(path, records, metrics):
    """Writes `path`.

    Args:
        records: by phase, entries with "batch" and each of `metrics`.
    """
    width, height = _PANEL_PX
    sheet = Image.new("RGB", (width * len(metrics), height), _PAGE)
    for number, metric in enumerate(metrics):
        sheet.paste(_panel(records, metric), (number * width, 0))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    write_bytes(path, content.getvalue())


def _panel(records, metric):
    panel = Image.new("RGB", _PANEL_PX, _PAGE)
    draw, font = ImageDraw.Draw(panel), ImageFont.load_default(_FONT_PX)
    entries = [entry for phase in records.values() for entry in phase]
    draw.text((_MARGIN_PX["left"], 8), f"held-out {metric}", fill=_INK, font=font)
    if not entries:
        return panel
    scale = _Scale([entry["batch"] for entry in entries], [entry[metric] for entry in entries])
    for tick in range(_TICKS + 1):
        value = scale.low + (scale.high - scale.low) * tick / _TICKS
        y_px = scale.y_px(value)
        draw.line(
            [(_MARGIN_PX["left"], y_px), (_PANEL_PX[0] - _MARGIN_PX["right"], y_px)], fill=_GRID
        )
        draw.text((_MARGIN_PX["left"] - 6, y_px), f"{value:.4g}", fill=_INK, font=font, anchor="rm")
    bottom_px = _PANEL_PX[1] - _MARGIN_PX["bottom"] + 6
    draw.text((_MARGIN_PX["left"], bottom_px), f"{scale.first}", fill=_INK, font=font)
    draw.text(
        (_PANEL_PX[0] - _MARGIN_PX["right"], bottom_px),
        f"{scale.last} batches",
        fill=_INK,
        font=font,
        anchor="ra",
    )
    for number, (phase, found) in enumerate(records.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [(scale.x_px(entry["batch"]), scale.y_px(entry[metric])) for entry in found]
        if len(points) > 1:
            draw.line(points, fill=colour, width=2)
        for x_px, y_px in points:
            draw.ellipse(
                [x_px - _DOT_PX, y_px - _DOT_PX, x_px + _DOT_PX, y_px + _DOT_PX], fill=colour
            )
        left_px = _MARGIN_PX["left"] + number * 110
        draw.text((left_px, _PANEL_PX[1] - 18), phase[:16], fill=colour, font=font)
    return panel


class _Scale:
    """From batches and values to pixels of a panel."""

    def __init__(self, batches, values):
        self.first, self.last = min(batches), max(batches)
        spread = max(values) - min(values) or max(abs(max(values)), 1e-6) / 100
        self.low, self.high = min(values) - spread / 10, max(values) + spread / 10

    def x_px(self, batch):
        share = (batch - self.first) / max(1, self.last - self.first)
        return _MARGIN_PX["left"] + share * (
            _PANEL_PX[0] - _MARGIN_PX["left"] - _MARGIN_PX["right"]
        )

    def y_px(self, value):
        share = (value - self.low) / (self.high - self.low)
        return (
            _PANEL_PX[1]
            - _MARGIN_PX["bottom"]
            - share * (_PANEL_PX[1] - _MARGIN_PX["bottom"] - _MARGIN_PX["top"])
        )
