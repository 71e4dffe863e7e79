"""Fabricated photographs with a known subject: what the tests of data and training look at.

Photographs are uint8 `[H, W, 3]`, masks bool `[H, W]`.
"""

import cv2
import numpy as np
from PIL import Image


def disc(shape, *, centre=(0.5, 0.5), radius=0.25):
    """Mask of a disc; centre (x, y) and radius as shares of the width, height and height."""
    rows, columns = np.indices(shape)
    return np.hypot(columns - centre[0] * shape[1], rows - centre[1] * shape[0]) < radius * shape[0]


def texture(shape, colour, *, seed, contrast=60):
    """Sharp random texture around `colour`: blotches of a few pixels with hard edges."""
    random = np.random.default_rng(seed)
    coarse = random.normal(0, 1, (shape[0] // 4 + 1, shape[1] // 4 + 1, 1)).astype(np.float32)
    blotches = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_NEAREST)[..., None]
    return np.clip(np.asarray(colour) + contrast * np.sign(blotches), 0, 255).astype(np.uint8)


def with_subject(shape, mask, *, seed=0, blur_px=8.0):
    """A sharp reddish subject under `mask` before the same kind of texture,
    greenish and out of focus.
    """
    behind = cv2.GaussianBlur(texture(shape, (70, 130, 90), seed=seed), (0, 0), blur_px)
    front = texture(shape, (180, 90, 70), seed=seed + 1)
    return np.where(mask[..., None], front, behind)


def write_folder(folder, *, shape=(120, 180)):
    """Fills `folder` with two photos that show a subject in focus and
    one that is sharp all over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("disc.png", "größe – 写真.png")):
        mask = disc(shape, centre=(0.4 + 0.15 * number, 0.55), radius=0.3)
        Image.fromarray(with_subject(shape, mask, seed=10 * number)).save(folder / name)
    Image.fromarray(texture(shape, (120, 110, 100), seed=5)).save(folder / "sharp.png")
    return folder
