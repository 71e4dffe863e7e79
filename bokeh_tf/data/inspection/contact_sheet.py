"""A contact sheet of inspected pairs: source beside target, with the
complaints below; dirty ones first.
"""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bokeh_tf.errors import PhotoError
from bokeh_tf.photos import Photo, read, reduced_to_8_bits, write

_MOST_DIRTY, _MOST_CLEAN = 36, 12
_COLUMNS = 3
_PICTURE_PX = (240, 160)
_GAP_PX = 8
_LINE_PX = 18
_FONT_PX = 13
_CHARACTERS_IN_LINE = 72
_BACKGROUND, _DIRTY, _CLEAN, _EMPTY = (250, 250, 250), (176, 0, 32), (0, 100, 50), (200, 200, 200)


def write_contact_sheet(path, findings):
    """Writes the sheet of `findings` (see `inspection.Finding`): at most 36 dirty
    pairs, then 12 clean ones.
    """
    dirty = _spread([finding for finding in findings if finding.complaints], _MOST_DIRTY)
    clean = _spread([finding for finding in findings if not finding.complaints], _MOST_CLEAN)
    cells = [_cell(finding) for finding in (*dirty, *clean)]
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    blank = np.full_like(cells[0], _BACKGROUND)
    sheet = np.vstack([np.hstack([*row, *[blank] * (_COLUMNS - len(row))]) for row in rows])
    write(path, Photo(sheet, "JPEG"))


def _spread(findings, most):
    """At most so many of `findings`, evenly spread over them."""
    if len(findings) <= most:
        return findings
    return [findings[index * len(findings) // most] for index in range(most)]


def _cell(finding):
    width, height = _PICTURE_PX
    size = 2 * width + 3 * _GAP_PX, height + 2 * _GAP_PX + 3 * _LINE_PX
    cell = Image.new("RGB", size, _BACKGROUND)
    colour = _DIRTY if finding.complaints else _CLEAN
    draw = ImageDraw.Draw(cell)
    for number, path in enumerate((finding.pair.source, finding.pair.target)):
        left = _GAP_PX + number * (width + _GAP_PX)
        draw.rectangle(
            [left - 2, _GAP_PX - 2, left + width + 1, _GAP_PX + height + 1], outline=colour, width=2
        )
        cell.paste(Image.fromarray(_thumbnail(path, finding)), (left, _GAP_PX))
    font = ImageFont.load_default(_FONT_PX)
    lines = [finding.pair.id, *(finding.complaints or ("clean",))]
    if len(lines) > 3:
        lines[2] = f"{lines[2]}; {'; '.join(lines[3:])}"
    for number, line in enumerate(lines[:3]):
        text = " ".join(line.split())[:_CHARACTERS_IN_LINE]
        draw.text((_GAP_PX, height + 2 * _GAP_PX + number * _LINE_PX), text, fill=colour, font=font)
    return np.asarray(cell)


def _thumbnail(path, finding):
    """The picture within a grey frame of the thumbnail's size; grey all
    over where it cannot be read.
    """
    width, height = _PICTURE_PX
    frame = np.full((height, width, 3), _EMPTY, np.uint8)
    # What crashed a child process is not opened here.
    if finding.measures is None:
        return frame
    try:
        photo = reduced_to_8_bits(read(path).pixels)
    except PhotoError:
        return frame
    scale = min(width / photo.shape[1], height / photo.shape[0])
    size = max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    frame[top : top + size[1], left : left + size[0]] = cv2.resize(
        photo, size, interpolation=cv2.INTER_AREA
    )
    return frame
