"""What people wish of a rendering: options, numbers for the model, and what
is done without a subject.
"""

import json

import numpy as np
import pytest

from bokeh_tf.cli import main
from bokeh_tf.errors import ModelFileError
from bokeh_tf.models.asking import aperture_of
from bokeh_tf.rendering import ModelOutput, render, render_files
from bokeh_tf.rendering.focus import Wishes
from bokeh_tf.rendering.geometry import place


class Told:
    """A model that can be told: dark where it blurs, with a confidence of its own;
    remembers what it was told.
    """

    name = "told"
    takes_focus = True

    def __init__(self, confidence=0.9):
        self.confidence = confidence
        self.numbers = []

    def canvas_size(self, photo_height, photo_width):
        return 32, 48

    def run(self, canvas, focus):
        self.numbers.append(focus.reshape(4).tolist())
        weight = np.full(canvas.shape[:2], 0.5, np.float32)
        return ModelOutput(canvas * 0.5, weight, self.confidence)


class Simple(Told):
    name = "simple.tflite"
    takes_focus = False

    def run(self, canvas):
        return ModelOutput(canvas, np.ones(canvas.shape[:2], np.float32))


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(1, 255, (64, 96, 3), np.uint8)


@pytest.mark.parametrize(
    ("number", "aperture"), [(0, 0), (0.3, 0.3), (1, 1), (1.4, 1), (2.8, 0.5), (14, 0.1)]
)
def test_an_aperture_is_a_share_or_an_f_number(number, aperture):
    assert aperture_of(number) == pytest.approx(aperture)


@pytest.mark.parametrize("number", [-1, float("nan")])
def test_apertures_that_are_none(number):
    with pytest.raises(ValueError, match="aperture must not be negative"):
        aperture_of(number)


def test_a_tap_lies_where_it_is_in_the_canvas():
    # A standing photo in the middle of a lying canvas: 32 of 48 columns by 32 rows would be
    # square, this is 16 by 32.
    placement = place(200, 100, 32, 48)
    assert (placement.left, placement.width) == (16, 16)
    numbers = Wishes(focus=(0.5, 0.25)).numbers(placement).reshape(4)
    assert numbers.tolist() == [0.25, 0.5, -1, 0]
    assert Wishes(focus=(0.0, 1.0), aperture=0.5).numbers(placement).reshape(4) == pytest.approx(
        [1, 1 / 3, 0.5, 0]
    )


@pytest.mark.parametrize(
    "wishes", [{"focus": (0.5, 1.2)}, {"focus": (0.1,)}, {"aperture": 1.5}, {"if_unsure": "guess"}]
)
def test_impossible_wishes_are_refused(wishes):
    with pytest.raises(ValueError, match="Received"):
        Wishes(**wishes)


def test_a_sure_model_keeps_its_subject(photo):
    model = Told()
    rendering = render(photo, model)
    assert (rendering.decision, rendering.subject_confidence) == ("subject", 0.9)
    assert model.numbers == [[-1, -1, -1, 0]]


def test_without_a_subject_the_photo_is_graded_kept_or_forced(photo):
    model = Told(confidence=0.1)
    assert render(photo, model, if_unsure="grade").decision == "graded"
    assert model.numbers == [[-1, -1, -1, 0], [-1, -1, -1, 1]]
    kept = render(photo, model)
    assert kept.decision == "kept"
    np.testing.assert_array_equal(kept.image, photo)
    np.testing.assert_array_equal(kept.in_focus_weight, 1)
    assert render(photo, model, if_unsure="force").decision == "subject"


def test_a_tap_needs_no_subject(photo):
    model = Told(confidence=0.1)
    assert render(photo, model, focus=(0.75, 0.5), aperture=0.25).decision == "tap"
    assert model.numbers == [[0.5, 0.75, 0.25, 0]]


@pytest.mark.parametrize("wishes", [{"focus": (0.5, 0.5)}, {"aperture": 0.5}])
def test_a_model_that_cannot_be_told_says_so(photo, wishes):
    with pytest.raises(ModelFileError, match=r"simple.tflite: cannot be told"):
        render(photo, Simple(), **wishes)
    assert render(photo, Simple()).decision is None


def test_json_says_what_was_decided(photo, tmp_path, capsys):
    from bokeh_tf import photos

    photos.write(tmp_path / "a.png", photos.Photo(photo, "PNG"))
    failures = render_files(
        [tmp_path / "a.png"], output=tmp_path / "b.png", model=Told(0.25), as_json=True
    )
    assert failures == 0
    [line] = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["decision"], told["subject_confidence"], told["schema_version"]) == (
        "kept",
        0.25,
        1,
    )
    assert told["outputs"] == [str(tmp_path / "b.png")]


def test_people_are_told_too(photo, tmp_path, capsys):
    from bokeh_tf import photos

    photos.write(tmp_path / "a.png", photos.Photo(photo, "PNG"))
    wishes = Wishes(if_unsure="keep")
    assert (
        render_files(
            [tmp_path / "a.png"], output=tmp_path / "b.png", model=Told(0.25), wishes=wishes
        )
        == 0
    )
    assert "a.png: no clear subject: left as it was" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--focus", "0.5"], "two numbers like 0.5,0.4"),
        (["--focus", "0.5,2"], "two numbers from 0 to 1"),
        (["--aperture", "-1"], "a number from 0 to 1, or an f-number"),
        (["--if-unsure", "guess"], "invalid choice: 'guess'"),
    ],
)
def test_the_command_line_refuses_impossible_wishes(options, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["render", "a.jpg", "-o", "b.jpg", *options])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
