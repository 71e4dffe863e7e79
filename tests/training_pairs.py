"""A folder of tiny pairs for tests of training: sharp textures and blurs
of them, in EBB!'s layout.
"""

import cv2
import numpy as np
from PIL import Image

from tests.photographs import texture


def write_pairs(folder, *, count=6, shape=(48, 64), maps=()):
    """Fills `folder` with `count` pairs, numbered from 0, and maps of the
    kinds given; returns `folder`.
    """
    for name in ("original", "bokeh", *maps):
        (folder / "Training" / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        sharp = texture(shape, (120, 110, 100), seed=number)
        pictures = {"original": sharp, "bokeh": cv2.GaussianBlur(sharp, (0, 0), 2.0)}
        for name, picture in pictures.items():
            Image.fromarray(picture).save(folder / "Training" / name / f"{number}.jpg", quality=95)
        for name in maps:
            ramp = np.linspace(0, 255, shape[1], dtype=np.uint8)
            Image.fromarray(np.tile(ramp, (shape[0], 1))).save(
                folder / "Training" / name / f"{number}.png"
            )
    return folder
