"""Several labelled pictures of one scene on one sheet, to be looked at."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bokeh_tf import files

_TILE_WIDTH_PX = 640
_LABEL_HEIGHT_PX = 28
_COLUMNS = 3
_JPEG_QUALITY = 92


def write_sheet(path, tiles, *, columns=_COLUMNS, tile_width_px=_TILE_WIDTH_PX):
    """Writes `tiles`, pairs of a label and a picture, as one JPEG at `path`, so many to a row.

    A picture is uint8 `[H, W, 3]`, or a weight map float `[H, W]` in [0, 1]; all
    have the shape of the first.
    """
    size = tile_width_px, round(tile_width_px * tiles[0][1].shape[0] / tiles[0][1].shape[1])
    drawn = [_tile(label, picture, size) for label, picture in tiles]
    drawn += [np.zeros_like(drawn[0])] * (-len(drawn) % columns)
    rows = [np.hstack(drawn[start : start + columns]) for start in range(0, len(drawn), columns)]
    with files.replacing(path) as temporary:
        Image.fromarray(np.vstack(rows)).save(temporary, quality=_JPEG_QUALITY)


def _tile(label, picture, size):
    """The picture at `size` (width, height) under a bar with its label, uint8
    `[height + bar, width, 3]`.
    """
    if picture.ndim == 2:
        picture = np.repeat(
            np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)[..., None], 3, axis=2
        )
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    bar = Image.new("RGB", (size[0], _LABEL_HEIGHT_PX))
    ImageDraw.Draw(bar).text(
        (8, 4), label, fill="white", font=ImageFont.load_default(_LABEL_HEIGHT_PX - 10)
    )
    return np.vstack([np.asarray(bar), scaled])
