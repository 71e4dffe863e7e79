"""A lens's blur computed here and not by a model: for masks and depth that
somebody brings, and any opening.

It follows `bokeh_tf.models.dbsi_focus`, whose graph knows one radius and discs: colours are squared
to light, highlights weigh more than they show and the weights are divided out again, and no colour
of what is sharp bleeds. What is nearer than the plane of focus is blurred over everything else.
"""

import cv2
import numpy as np

from bokeh_tf.rendering.apertures import CATS_EYE, kernel

# Discs smaller than this are no blur.
_LEAST_RADIUS_PX = 0.75
# From here on half the size does.
_HALF_SIZE_FROM_PX = 14.0
_LEVELS = 6
_LEAST_MASK = 0.02
_HIGHLIGHT_GAIN = 4.0
# Places for each of which a cat's eye has its own picture: rows and columns.
_PLACES = (5, 7)


def through_lens(image, in_focus, radius_px, shape):
    """What the lens makes of a picture, and the share of the picture itself in it.

    Args:
        image: float32 `[h, w, 3]` in [0, 1].
        in_focus: float32 `[h, w]` in [0, 1].
        radius_px: float32 `[h, w]`, the blur of what is not in focus: positive behind the plane of
            focus, negative before it.
        shape: one of `bokeh_tf.rendering.apertures.SHAPES`.

    Returns:
        `[h, w, 3]` and `[h, w]`, float32 in [0, 1].
    """
    behind = np.maximum(radius_px, 0)
    own = in_focus + (1 - in_focus) * _sharpness(radius_px)
    light = image * image * _highlights(image)
    rendered, weight = image.copy(), own.astype(np.float32)
    if _is_blurred(behind, own):
        rest = _banked(
            light, _highlights(image), np.where(radius_px < 0, 0, 1 - own), behind, shape
        )
        rendered = weight[..., None] * image + (1 - weight[..., None]) * rest
    before = np.maximum(-radius_px, 0)
    if _is_blurred(before, own):
        rendered, weight = _covered(
            rendered, weight, light, _highlights(image), (1 - own) * (radius_px < 0), before, shape
        )
    return np.clip(rendered, 0, 1).astype(np.float32), weight.astype(np.float32)


def _is_blurred(radius_px, own):
    return bool(((radius_px > _LEAST_RADIUS_PX) & (own < 1)).any())


def _sharpness(radius_px):
    return np.clip(2 - np.abs(radius_px) / _LEAST_RADIUS_PX, 0, 1)


def _highlights(image):
    bright = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    return 1 + _HIGHLIGHT_GAIN * bright**8


def _levels(radius_px):
    """Radii of a bank that reaches all of a map; one for a map of one value."""
    largest = float(radius_px.max())
    blurred = radius_px[radius_px > _LEAST_RADIUS_PX]
    if np.ptp(blurred) < _LEAST_RADIUS_PX:
        return [largest]
    return list(np.linspace(largest / _LEVELS, largest, _LEVELS))


def _banked(light, highlights, mask, radius_px, shape):
    """Colours `[h, w, 3]` of all that `mask` holds, at each place as blurred as the map says."""
    mask = np.maximum(mask, _LEAST_MASK)[..., None]
    premultiplied = np.dstack([light * mask, highlights * mask]).astype(np.float32)
    levels = _levels(radius_px)
    colours, below = None, None
    for level in levels:
        blurred = _blurred(premultiplied, level, shape)
        colour = np.sqrt(np.clip(blurred[..., :3] / np.maximum(blurred[..., 3:], 1e-4), 0, 1))
        if below is None:
            colours = colour
        else:
            share = np.clip((radius_px - below) / (level - below), 0, 1)[..., None]
            colours = colours + share * (colour - colours)
        below = level
    return colours


def _covered(rendered, weight, light, highlights, mask, radius_px, shape):
    """The picture with what is nearer blurred over it, the nearest last; and
    what is left of the weight.
    """
    levels, below = _levels(radius_px), 0.0
    for level in levels:
        inside = mask * ((radius_px > below) & (radius_px <= level))
        below = level
        if not inside.any():
            continue
        premultiplied = np.dstack(
            [light * inside[..., None], highlights * inside[..., None], inside]
        )
        blurred = _blurred(premultiplied.astype(np.float32), level, shape)
        coverage = np.clip(blurred[..., 4:], 0, 1)
        colour = np.sqrt(np.clip(blurred[..., :3] / np.maximum(blurred[..., 3:4], 1e-4), 0, 1))
        rendered = rendered * (1 - coverage) + colour * coverage
        weight = weight * (1 - coverage[..., 0])
    return rendered, weight


def _blurred(planes, radius_px, shape):
    """Planes `[h, w, C]` blurred with the opening; at half the size where that shows nowhere."""
    height, width, _ = planes.shape
    if radius_px >= _HALF_SIZE_FROM_PX and min(height, width) > 2:
        small = cv2.resize(
            planes, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA
        )
        blurred = _filtered(small, radius_px / 2, shape)
        return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)
    return _filtered(planes, radius_px, shape)


def _filtered(planes, radius_px, shape):
    if shape != CATS_EYE:
        return _correlated(planes, kernel(radius_px, shape=shape)[::-1, ::-1])
    height, width, _ = planes.shape
    rows, columns = (
        np.linspace(0, size - 1, count)
        for size, count in zip((height, width), _PLACES, strict=True)
    )
    across, down = (_hats(size, nodes) for size, nodes in ((width, columns), (height, rows)))
    result = np.zeros_like(planes)
    for row, row_share in zip(rows, down, strict=True):
        for column, column_share in zip(columns, across, strict=True):
            place = np.float64(
                [2 * row / max(1, height - 1) - 1, 2 * column / max(1, width - 1) - 1]
            ) / np.sqrt(2)
            picture = kernel(radius_px, shape=CATS_EYE, place=tuple(place))[::-1, ::-1]
            _add_part(result, planes, picture, row_share, column_share)
    return result


def _hats(size, nodes):
    """For each node the share `[size]` it has in every pixel: linear
    between neighbours, one in all.
    """
    return [
        np.interp(np.arange(size), nodes, unit).astype(np.float32) for unit in np.eye(len(nodes))
    ]


def _add_part(result, planes, picture, row_share, column_share):
    """Adds what one place's picture contributes, computed only where it does."""
    reach = len(picture) // 2
    (top, bottom), (left, right) = (
        np.nonzero(share)[0][[0, -1]] for share in (row_share, column_share)
    )
    outer_top, outer_left = max(0, top - reach), max(0, left - reach)
    part = _correlated(
        planes[outer_top : bottom + 1 + reach, outer_left : right + 1 + reach], picture
    )
    part = part[
        top - outer_top : bottom + 1 - outer_top, left - outer_left : right + 1 - outer_left
    ]
    shares = row_share[top : bottom + 1, None] * column_share[None, left : right + 1]
    result[top : bottom + 1, left : right + 1] += part * shares[..., None]


def _correlated(planes, picture):
    # Zeros beyond the border: premultiplied planes divide it out.
    return cv2.filter2D(
        planes, -1, np.ascontiguousarray(picture), borderType=cv2.BORDER_CONSTANT
    ).reshape(planes.shape)
