"""A folder of labelled subjects as `bokeh_tf.data.scenes.subjects` reads it: discs on
textures, and empty views.
"""

import csv

import cv2
import numpy as np

from tests.photographs import disc, texture

SHAPE = (96, 144)
ROWS = (
    ("person", "people", "real:coco_person", "train"),
    ("cat", "animals", "real:oxford_trimap", "train"),
    ("vase", "objects", "focus", "train"),
    ("view", "none", "prior", "train"),
    ("sea", "unlabelled", "prior", "train"),
    ("guest", "people", "selfie+deeplab", "dev"),
    ("hill", "none", "teachers empty", "dev"),
)


def write_subjects(folder):
    """Writes the folder and returns it."""
    for part in ("photos", "labels", "conf"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["stem", "group", "label_source", "split"])
        rows.writerows(ROWS)
    for number, (stem, group, source, _) in enumerate(ROWS):
        ground = texture(SHAPE, (90, 140, 110), seed=number)
        mask = disc(SHAPE, radius=0.25)
        has_subject = group in ("people", "animals", "objects")
        photo = np.where(mask[..., None], texture(SHAPE, (200, 60, 50), seed=50 + number), ground)
        write(folder / "photos" / f"{stem}.jpg", (photo if has_subject else ground)[..., ::-1])
        write(
            folder / "labels" / f"{stem}.png", mask.astype(np.uint8) * (255 if has_subject else 0)
        )
        if source != "prior":
            trust = np.full(SHAPE, 255, np.uint8)
            trust[:8] = 10
            write(folder / "conf" / f"{stem}.png", trust)
    return folder


def write(path, picture):
    assert cv2.imwrite(str(path), picture)
