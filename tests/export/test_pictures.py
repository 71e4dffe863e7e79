"""README's pictures: each is made of photographs that are there, and shown."""

import re
import shlex

import numpy as np
import pytest

from bokeh_tf import cli, photos
from bokeh_tf.rendering import ModelOutput
from bokeh_tf.rendering.apertures import shape_of
from export.pictures import FOLDER, PICTURES, draw

README = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")


class Dark:
    """Makes everything black and keeps nothing."""

    name, takes_focus = "dark", True

    def canvas_size(self, photo_height, photo_width):
        return 64, 96

    def run(self, canvas, focus=None):
        return ModelOutput(np.zeros_like(canvas), np.zeros(canvas.shape[:2], np.float32), 1.0)


def test_every_picture_is_there_and_in_the_readme():
    names = {picture.name for picture in PICTURES}
    assert {path.stem for path in FOLDER.glob("*.jpg")} == names
    for name in names:
        assert f"(docs/pictures/{name}.jpg)" in README, name


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_the_options_beside_a_picture_are_those_that_made_it(picture):
    line = next(line for line in README.splitlines() if f"/{picture.name}.jpg)" in line)
    said = " ".join(re.findall(r"`(--[^`]*)`", line))
    options = cli.parser().parse_args(["render", "x.jpg", "-o", "y.jpg", *shlex.split(said)])
    shape = picture.wishes.get("shape")
    assert options.focus == picture.wishes.get("focus")
    assert options.aperture == picture.wishes.get("aperture")
    assert options.if_unsure == picture.wishes.get("if_unsure", "keep")
    assert options.shape == (shape and shape_of(shape))
    assert (options.mask and options.mask.name) == picture.mask
    assert options.depth == picture.depth


@pytest.mark.parametrize("picture", [PICTURES[0], PICTURES[5]], ids=lambda picture: picture.name)
def test_the_photo_stands_beside_its_rendering(picture):
    both = draw(picture, Dark())
    photo = photos.read(FOLDER / "photos" / f"{picture.photo}.jpg").pixels
    assert both.dtype == np.uint8
    assert both.shape[1] / len(both) == pytest.approx(2 * photo.shape[1] / len(photo), rel=0.02)
    middle = both.shape[1] // 2
    assert both[:, : middle - 4].mean() == pytest.approx(photo.mean(), rel=0.05)
    assert both[:, middle + 4 :].mean() < 2
