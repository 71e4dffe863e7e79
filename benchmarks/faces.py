"""Faces: how sharp a rendering keeps them, for the detector that scikit-image brings along.

The detector, a cascade of local binary patterns, knows frontal faces and also finds a few that are
none, so the lowest are named to be looked at. A face counts by the mean W0 inside its box, of which
a face fills the middle: a quarter of each side is left out.
"""

import cv2
import numpy as np
from skimage.data import lbp_frontal_face_cascade_filename
from skimage.feature import Cascade

# Faces are looked for in copies of this long side.
_LONG_SIDE_PX = 640
_SMALLEST_FACE_PX, _LARGEST_SHARE = 32, 0.9
_AGREEING_WINDOWS = 6
_MARGIN = 0.25


def find_faces(photo):
    """Boxes of faces in uint8 `[H, W, 3]`, as shares of its height and width:
    (top, left, bottom, right), largest first.
    """
    scale = min(1.0, _LONG_SIDE_PX / max(photo.shape[:2]))
    size = tuple(max(1, round(side_px * scale)) for side_px in photo.shape[1::-1])
    grey = cv2.cvtColor(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    largest_px = int(_LARGEST_SHARE * min(grey.shape))
    if largest_px <= _SMALLEST_FACE_PX:
        return []
    found = Cascade(lbp_frontal_face_cascade_filename()).detect_multi_scale(
        img=grey,
        scale_factor=1.2,
        step_ratio=1,
        min_size=(_SMALLEST_FACE_PX, _SMALLEST_FACE_PX),
        max_size=(largest_px, largest_px),
        min_neighbor_number=_AGREEING_WINDOWS,
    )
    rows, columns = grey.shape
    boxes = [
        (
            box["r"] / rows,
            box["c"] / columns,
            (box["r"] + box["height"]) / rows,
            (box["c"] + box["width"]) / columns,
        )
        for box in found
    ]
    return sorted(boxes, key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))


def focus_inside(weight, box):
    """Mean of a map `[h, w]` in the middle of a box of shares."""
    top, left, bottom, right = box
    down, across = _MARGIN * (bottom - top), _MARGIN * (right - left)
    height, width = weight.shape
    rows = slice(int((top + down) * height), max(1, int(np.ceil((bottom - down) * height))))
    columns = slice(int((left + across) * width), max(1, int(np.ceil((right - across) * width))))
    return float(weight[rows, columns].mean())


def score_faces(named_photos, contenders):
    """How sharp each model keeps each face.

    Args:
        named_photos: pairs of a name and a photo, uint8 `[H, W, 3]`.
        contenders: `Contender`s by name.

    Returns:
        `{"faces": [{"photo", "box", "focus": {model: W0}}], "means": {model: {"mean", "lowest",
        "below_0.8", "n"}}}`; no means where there is no face.
    """
    faces = []
    for name, photo in named_photos:
        boxes = find_faces(photo)
        if not boxes:
            continue
        weights = {key: one.render(photo).in_focus_weight for key, one in contenders.items()}
        faces += [
            {
                "photo": name,
                "box": [round(float(part), 4) for part in box],
                "focus": {key: focus_inside(weight, box) for key, weight in weights.items()},
            }
            for box in boxes
        ]
    means = {key: _summary([face["focus"][key] for face in faces]) for key in contenders if faces}
    return {"faces": faces, "means": means}


def _summary(values):
    return {
        "mean": float(np.mean(values)),
        "lowest": min(values),
        "below_0.8": sum(value < 0.8 for value in values),
        "n": len(values),
    }
