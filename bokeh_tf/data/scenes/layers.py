"""Things to paste before a photograph: subjects cut out of others, and made-up objects that
no encoder has a name for.

Each is a colour float32 `[h, w, 3]` in [0, 1] and a coverage float32 `[h, w]` of one frame. Made-up
objects are boxes, ovals and corners with the texture of some photograph, solid and shaded: what
keeps them apart from what is behind is only that they are one thing.
"""

import cv2
import numpy as np

# Coordinates of OpenCV's polygons are given in parts of this many.
_SUBPIXEL_BITS = 4


def cut_out(photo, shape, random, *, height):
    """A subject's colour and coverage, placed in a frame of `shape`; `height`
    is its share of the rows.
    """
    rows, columns = (
        np.nonzero(photo.label.max(axis=1) > 127)[0],
        np.nonzero(photo.label.max(axis=0) > 127)[0],
    )
    step = max(
        (rows[-1] - rows[0] + 1) / (height * shape[0]),
        (columns[-1] - columns[0] + 1) / (0.9 * shape[1]),
    )
    is_standing = rows[-1] >= photo.label.shape[0] - 3
    x = shape[1] * np.clip(random.normal(0.5, 0.22), 0.08, 0.92)
    y = shape[0] * (1.01 if is_standing else np.clip(random.normal(0.85, 0.12), 0.35, 1.1))
    origin = ((columns[0] + columns[-1]) / 2 - x * step, rows[-1] - y * step)
    transform = np.float32([[step, 0, origin[0]], [0, step, origin[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    picture, label = photo.photo, photo.label
    if step > 1.5:
        picture, label = (
            cv2.GaussianBlur(plane, (0, 0), 0.35 * step) for plane in (picture, label)
        )
    colour = cv2.warpAffine(
        picture, transform, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    alpha = cv2.warpAffine(
        label, transform, shape[::-1], flags=flags, borderMode=cv2.BORDER_CONSTANT
    )
    colour = (
        colour.astype(np.float32) / 255 * random.uniform(0.8, 1.2) * random.uniform(0.94, 1.06, 3)
    )
    return np.clip(colour, 0, 1).astype(np.float32), alpha.astype(np.float32) / 255


def made_up(texture, shape, random, *, height):
    """A made-up object of the texture of a uint8 photo `[h, w, 3]`,
    placed in a frame of `shape`.
    """
    size = np.float64([height * shape[0], height * shape[0] * np.exp(random.normal(0, 0.45))])
    size[1] = min(size[1], 0.9 * shape[1])
    middle = np.float64(shape) * [
        np.clip(random.normal(0.6, 0.15), 0.2, 0.9),
        random.uniform(0.15, 0.85),
    ]
    corners = middle + _outline(random) * size / 2
    coverage = np.zeros(shape, np.uint8)
    points = np.rint(corners[:, ::-1] * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(coverage, [points], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return _surface(texture, shape, random, middle, size), coverage.astype(np.float32) / 255


def _outline(random):
    """Points `[n, 2]` within [-1, 1] around the origin: a box seen askew,
    an oval, or a few corners.
    """
    kind = random.choice(["box", "oval", "corners"], p=[0.5, 0.25, 0.25])
    if kind == "box":
        points = np.float64([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * random.uniform(0.75, 1, (4, 2))
    else:
        count = 40 if kind == "oval" else random.integers(5, 10)
        angles = 2 * np.pi * (np.arange(count) + random.uniform(0, 1)) / count
        reach = 1.0 if kind == "oval" else random.uniform(0.6, 1.0, (count, 1))
        points = np.stack([np.sin(angles), np.cos(angles)], axis=1) * reach
    turn = random.normal(0, 0.2)
    cosine, sine = np.cos(turn), np.sin(turn)
    return points @ np.float64([[cosine, -sine], [sine, cosine]])


def _surface(texture, shape, random, middle, size):
    """Colours of an object: a piece of the texture over a colour of its own, lit from one side."""
    rows = max(8, round(texture.shape[0] * random.uniform(0.15, 0.5)))
    columns = max(8, round(texture.shape[1] * random.uniform(0.15, 0.5)))
    top = random.integers(max(1, texture.shape[0] - rows))
    left = random.integers(max(1, texture.shape[1] - columns))
    piece = texture[top : top + rows, left : left + columns]
    piece = cv2.resize(piece, shape[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    own = random.uniform(0.05, 0.95, 3).astype(np.float32)
    piece = own + random.uniform(0.15, 1.0) * (piece - piece.mean(axis=(0, 1)))
    y, x = np.ogrid[: shape[0], : shape[1]]
    slope = random.normal(0, 0.25, 2)
    light = 1 + slope[0] * (y - middle[0]) / size[0] + slope[1] * (x - middle[1]) / size[1]
    return np.clip(piece * light[..., None], 0, 1).astype(np.float32)


def softened(colour, coverage, sigma_px):
    """Colour and coverage as out of focus as a Gaussian of `sigma_px` makes them."""
    coverage_soft = cv2.GaussianBlur(coverage, (0, 0), sigma_px)
    colour = cv2.GaussianBlur(colour * coverage[..., None], (0, 0), sigma_px)
    return np.clip(colour / np.maximum(coverage_soft, 1e-3)[..., None], 0, 1), coverage_soft
