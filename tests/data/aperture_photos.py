"""Photographs that a camera could have taken of one scene with two apertures, and with a
known movement between them.

Made from the photographs in `tests/pictures`. Pictures are uint8 `[H, W, 3]` RGB;
positions (x, y) in pixels.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

PHOTOS = ("casa_mila.jpg", "kitten_on_lawn.jpg", "roman_colosseum.jpg")
_PICTURES = Path(__file__).resolve().parents[1] / "pictures"


def photo(name):
    return np.asarray(Image.open(_PICTURES / name).convert("RGB"))


def small_photo(name):
    return cv2.resize(photo(name), (576, 384), interpolation=cv2.INTER_AREA)


def defocused(picture, *, sigma_px, in_focus=0.28):
    """`picture` out of focus, in linear light, but for a disc whose radius is the share
    `in_focus` of the height.
    """
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    focus = (np.hypot(x - 0.45 * width, y - 0.55 * height) < in_focus * height).astype(np.float32)
    focus = cv2.GaussianBlur(focus, (0, 0), 3)[..., None]
    linear = (picture / np.float32(255)) ** 2.2
    blurred = linear * focus + cv2.GaussianBlur(linear, (0, 0), sigma_px) * (1 - focus)
    return np.rint(blurred ** (1 / 2.2) * 255).astype(np.uint8)


def corners_of(picture):
    right, bottom = picture.shape[1] - 1, picture.shape[0] - 1
    return np.float32([[0, 0], [right, 0], [right, bottom], [0, bottom]])


def moved_camera(picture, *, seed, share=0.02):
    """`picture` through a camera whose corners moved by up to `share` of the height.

    Returns:
        The picture, and the homography that takes positions in it back to positions in `picture`.
    """
    corners = corners_of(picture)
    movement = np.random.default_rng(seed).uniform(-share, share, (4, 2)) * picture.shape[0]
    back = cv2.getPerspectiveTransform(corners + movement.astype(np.float32), corners)
    size = picture.shape[1::-1]
    return cv2.warpPerspective(picture, np.linalg.inv(back), size, flags=cv2.INTER_CUBIC), back


def through(positions, homography):
    """`positions` `[N, 2]` under `homography`, by OpenCV."""
    return cv2.perspectiveTransform(np.float64(positions)[None], homography)[0]


def save(path, picture, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **options)
    return path
