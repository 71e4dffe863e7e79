"""Masks, depth and openings for the photos of a command, and names and maps of the results."""

import json

import cv2
import numpy as np
import pytest

from bokeh_tf import photos
from bokeh_tf.cli import main
from bokeh_tf.errors import ModelFileError, OutputError, PhotoError
from bokeh_tf.rendering import load_model, render, render_files
from bokeh_tf.rendering.destinations import check_naming
from bokeh_tf.rendering.focus import Wishes
from bokeh_tf.rendering.maps import Brought, notes_on
from tests.rendering.test_wishes import Told


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(1, 255, (64, 96, 3), np.uint8)


@pytest.fixture
def left_half():
    mask = np.zeros((32, 48), np.float32)
    mask[:, :24] = 1
    return mask


def test_a_mask_keeps_what_it_says_and_asks_no_model(photo, left_half):
    model = Told()
    rendering = render(photo, model, mask=left_half, aperture=1.0)
    assert (rendering.decision, rendering.subject_confidence, model.numbers) == ("mask", None, [])
    np.testing.assert_array_equal(rendering.image[:, :40], photo[:, :40])
    assert rendering.image[:, 56:].std() < 0.8 * photo[:, 56:].std()


def test_a_mask_and_a_tap_contradict_each_other(photo, left_half):
    with pytest.raises(ValueError, match="a mask says by itself"):
        render(photo, Told(), mask=left_half, focus=(0.5, 0.5))
    with pytest.raises(ValueError, match="not both"):
        Brought("a.png", "b.png")


def test_depth_and_a_tap_ask_no_model(photo, left_half):
    model = Told()
    rendering = render(photo, model, depth=left_half, focus=(0.9, 0.5), aperture=1.0)
    assert (rendering.decision, model.numbers) == ("tap", [])
    np.testing.assert_array_equal(rendering.image[:, 80:], photo[:, 80:])


def test_depth_alone_asks_the_model_for_its_subject(photo, left_half):
    model = Told()
    rendering = render(photo, model, depth=left_half, aperture=0.5)
    assert (rendering.decision, rendering.subject_confidence) == ("depth", 0.9)
    # Wide open, so that the weight is that of the subject alone.
    assert model.numbers == [[-1, -1, 1, 0]]


class Guided(Told):
    """A model that must be told how near everything is; remembers that too."""

    name = "guided.tflite"
    takes_guide = True

    def run(self, canvas, focus, guide):
        self.guide = guide
        return super().run(canvas, focus)


@pytest.mark.parametrize(
    ("brought", "focus", "decision"),
    [("mask", None, "mask"), ("depth", None, "depth"), ("depth", (0.5, 0.25), "tap")],
)
def test_a_guided_model_blurs_by_itself(photo, left_half, brought, focus, decision):
    model = Guided()
    rendering = render(photo, model, focus=focus, aperture=0.5, **{brought: left_half})
    assert rendering.decision == decision
    row, column, *others = model.numbers[0]
    assert others == [0.5, 0] and (row, column) == ((0.25, 0.5) if focus else (-1, -1))
    np.testing.assert_array_equal(model.guide, left_half)


def test_a_guide_lies_in_the_canvas_as_the_photo_does(left_half):
    model = Guided()
    standing = np.full((96, 32, 3), 128, np.uint8)
    render(standing, model, mask=np.ascontiguousarray(left_half.T))
    # A canvas of 32x48: the photo is 11 wide in its middle, and mirrored beside it.
    assert model.guide.shape == (32, 48)
    assert model.guide[:15, 18:29].min() == 1 and model.guide[17:, 18:29].max() == 0
    assert model.guide[:15].min() == 1


@pytest.mark.parametrize("wishes", [{}, {"shape": "disc", "mask": np.ones((2, 2), np.float32)}])
def test_a_guided_model_without_a_guide_or_with_a_shape_is_refused(photo, wishes):
    with pytest.raises(ModelFileError, match=r"guided.tflite: .*mask or depth"):
        render(photo, Guided(), **wishes)


def test_the_packaged_guided_file_keeps_what_the_mask_marks(photo, left_half):
    model = load_model("dbsi_mobile_guided")
    rendering = render(photo, model, mask=left_half, aperture=1.0)
    np.testing.assert_array_equal(rendering.image[:, :40], photo[:, :40])
    assert rendering.image[:, 56:].std() < 0.3 * photo[:, 56:].std()


def test_a_shape_leaves_only_the_subject_to_the_model(photo):
    model = Told()
    rendering = render(photo, model, shape="7", aperture=0.25)
    assert (rendering.decision, model.numbers) == ("subject", [[-1, -1, 1, 0]])
    # The model's own picture is dark where it blurs.
    assert rendering.image.mean() == pytest.approx(photo.mean(), rel=0.15)
    assert render(photo, Told(0.1), shape="disc", if_unsure="grade").decision == "graded"
    np.testing.assert_array_equal(
        render(photo, Told(0.1), shape="disc", if_unsure="keep").image, photo
    )


def test_maps_come_at_the_photos_size_where_asked(photo, left_half):
    big = cv2.resize(photo, (192, 128))
    assert render(big, Told(), full_size_map=True).in_focus_weight.shape == (128, 192)
    assert render(big, Told(0.1), if_unsure="keep", full_size_map=True).in_focus_weight.shape == (
        128,
        192,
    )
    weight = render(big, Told(), mask=left_half, aperture=1.0, full_size_map=True).in_focus_weight
    assert weight[:, :80].min() > 0.99
    assert weight[:, 112:].max() < 0.01


def test_grain_comes_back_where_it_was_blurred(left_half):
    noise = np.random.default_rng(0).normal(128, 8, (64, 96, 1))
    photo = np.repeat(np.clip(noise, 0, 255).astype(np.uint8), 3, axis=2)
    smooth, grainy = (
        render(photo, Told(), mask=left_half, aperture=1.0, grain=on).image for on in (False, True)
    )
    assert smooth[:, 56:].std() < 4 < grainy[:, 56:].std()
    np.testing.assert_array_equal(grainy[:, :40], photo[:, :40])


def test_a_command_with_a_mask_a_map_and_names(photo, left_half, tmp_path, capsys):
    photos.write(tmp_path / "a.png", photos.Photo(photo, "PNG"))
    cv2.imwrite(str(tmp_path / "mask.png"), (left_half * 255).astype(np.uint8))
    failures = render_files(
        [tmp_path / "a.png"],
        output=tmp_path / "out",
        model=Told(),
        brought=Brought(mask=tmp_path / "mask.png"),
        wishes=Wishes(aperture=1.0, shape="disc"),
        naming="{stem}_soft",
        with_map=True,
        as_json=True,
    )
    assert failures == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outputs"] == [
        str(tmp_path / "out" / name) for name in ("a_soft.png", "a_soft_map.png")
    ]
    written = cv2.imread(told["outputs"][1], cv2.IMREAD_GRAYSCALE)
    assert written.shape == (64, 96)
    assert (written[:, :40] == 255).all()
    assert (written[:, 56:] == 0).all()


def test_no_result_replaces_a_mask(photo, left_half, tmp_path):
    photos.write(tmp_path / "a.png", photos.Photo(photo, "PNG"))
    (tmp_path / "out").mkdir()
    mask = tmp_path / "out" / "a.png"
    cv2.imwrite(str(mask), (left_half * 255).astype(np.uint8))
    before = mask.read_bytes()
    failures = render_files(
        [tmp_path / "a.png"],
        output=tmp_path / "out",
        model=Told(),
        brought=Brought(mask=mask),
        overwrite=True,
    )
    assert failures == 0
    assert mask.read_bytes() == before


@pytest.mark.parametrize("naming", ["soft", "a/{stem}", "{stem}{suffix}", "..\\{stem}"])
def test_names_that_are_no_pattern(naming):
    with pytest.raises(OutputError, match="a name needs"):
        check_naming(naming)


def test_a_photo_without_depth_says_so(photo, tmp_path):
    photos.write(tmp_path / "a.jpg", photos.Photo(photo, "JPEG"))
    with pytest.raises(PhotoError, match=r"a\.jpg: no depth is stored"):
        Brought(depth="auto").maps_of(tmp_path / "a.jpg")


def test_a_map_that_is_no_picture(tmp_path):
    (tmp_path / "mask.png").write_text("no picture")
    with pytest.raises(PhotoError, match=r"mask\.png: no grey picture"):
        Brought(mask=tmp_path / "mask.png").maps_of(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    "options",
    [
        ["--shape", "heart"],
        ["--mask", "m.png", "--depth", "auto"],
        ["--mask", "m.png", "--focus", "0.5,0.5"],
    ],
)
def test_impossible_options(options, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        main(["render", "a.jpg", "-o", str(tmp_path), *options])
    assert stopped.value.code == 2


# What is brought for a photo of 96x64, and what is said of it.
MAPS = {
    "another shape": (
        {"mask": np.eye(50, dtype=np.float32)},
        ["the mask of 50x50 has another shape than the photo of 96x64, and is stretched over it"],
    ),
    "standing": (
        {"depth": np.tile(np.linspace(0, 1, 64, dtype=np.float32), (96, 1))},
        ["the depth of 64x96 has another shape than the photo of 96x64, and is stretched over it"],
    ),
    "black": (
        {"mask": np.zeros((32, 48), np.float32)},
        ["the mask is black all over: nothing is kept sharp"],
    ),
    "white": (
        {"mask": np.ones((32, 48), np.float32)},
        ["the mask is white all over: nothing is blurred"],
    ),
    "flat": (
        {"depth": np.full((64, 96), 0.4, np.float32)},
        ["the depth is the same all over: nothing is blurred"],
    ),
    # A third of 96x64 is 32x21, rounded.
    "reduced": ({"mask": np.tri(21, 32, dtype=np.float32)}, []),
    "none": ({}, []),
}


@pytest.mark.parametrize("kind", MAPS)
def test_what_is_odd_about_a_map_is_said(kind):
    maps, lines = MAPS[kind]
    assert list(notes_on(maps, 64, 96)) == lines


def test_odd_maps_are_said_beside_their_photo(photo, tmp_path, capsys):
    photos.write(tmp_path / "a.png", photos.Photo(photo, "PNG"))
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((40, 40), np.uint8))
    brought = Brought(mask=tmp_path / "mask.png")
    options = {"output": tmp_path / "out", "model": Told(), "brought": brought}
    assert render_files([tmp_path / "a.png"], **options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and "mask of 40x40" in lines[1] and "nothing is kept sharp" in lines[2]
