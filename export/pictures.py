"""`python -m export.pictures`: the pictures of the README, each the photo beside its rendering.

The photographs in `docs/pictures/photos` may be shipped (see NOTICE); what is done to each is what
the command beside it in `PICTURES` does with the flagship, or the model named there.
"""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import bokeh_tf.quiet_start  # noqa: F401 (before what takes time to import)
from bokeh_tf import photos
from bokeh_tf.files import make_folder, replacing
from bokeh_tf.models.weights import GUIDED_NAME
from bokeh_tf.program import DONE, guarded, run_program
from bokeh_tf.rendering import load_model, render

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
_PHOTOS = FOLDER / "photos"
_PANEL_PX, _GAP_PX = 500, 6
_QUALITY = 80


@dataclass(frozen=True)
class Picture:
    """One picture: `docs/pictures/<name>.jpg`, of `photos/<photo>.jpg`.

    `wishes` are arguments of `bokeh_tf.rendering.render`; `mask` and `depth` name grey pictures
    beside the photo; `model` is the flagship if None.
    """

    name: str
    photo: str
    wishes: dict = field(default_factory=dict)
    mask: str | None = None
    depth: str | None = None
    model: str | None = None


PICTURES = (
    Picture("before_after", "otters"),
    Picture("portrait", "astronaut", {"aperture": 0.3}),
    Picture("night", "fire"),
    Picture("no_subject", "lake", {"if_unsure": "grade"}),
    Picture("dog", "dog"),
    Picture("focus", "astronaut", {"focus": (0.85, 0.85), "aperture": 0.2}),
    Picture("aperture", "otters", {"aperture": 0.5}),
    Picture("shape", "city", {"shape": "6", "aperture": 0.3}, mask="city_mask.png"),
    Picture("mask", "city", mask="city_mask.png"),
    Picture("depth", "otters", {"aperture": 0.4}, depth="otters_depth.png"),
    Picture("guided", "city", {"aperture": 0.4}, mask="city_mask.png", model=GUIDED_NAME),
)


def main(arguments=None) -> int:
    """Writes the pictures; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.pictures", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=FOLDER, help="folder for them (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    return guarded("export.pictures", lambda: _write_all(options.out))


def _write_all(folder):
    models = {name: load_model(name) for name in {picture.model for picture in PICTURES}}
    make_folder(folder)
    for picture in PICTURES:
        path = folder / f"{picture.name}.jpg"
        with replacing(path) as temporary:
            Image.fromarray(draw(picture, models[picture.model])).save(
                temporary, "JPEG", quality=_QUALITY
            )
        print(path)
    return DONE


def draw(picture, model):
    """The photo and its rendering side by side, uint8 `[H, W, 3]`."""
    photo = photos.read(_PHOTOS / f"{picture.photo}.jpg").pixels
    brought = {
        name: _grey(_PHOTOS / file)
        for name, file in (("mask", picture.mask), ("depth", picture.depth))
        if file
    }
    rendered = render(photo, model, **picture.wishes, **brought).image
    size = _PANEL_PX, round(_PANEL_PX * len(photo) / photo.shape[1])
    before, after = (
        cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (photo, rendered)
    )
    return cv2.hconcat([before, np.full((size[1], _GAP_PX, 3), 255, np.uint8), after])


def _grey(path):
    return photos.read(path).pixels[..., 0].astype(np.float32) / 255


if __name__ == "__main__":
    sys.exit(run_program("export.pictures", lambda: main))
