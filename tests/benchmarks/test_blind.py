"""Grades given without knowing whose a picture is, and faces that must stay sharp."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import blind
from benchmarks.__main__ import main as run_suite
from benchmarks.contenders import Contender
from benchmarks.faces import find_faces, focus_inside, score_faces
from benchmarks.photo_lists import read_list, read_photo
from bokeh_tf.errors import DataError
from bokeh_tf.rendering import ModelOutput

ASTRONAUT = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "photos" / "astronaut.jpg"
KEY = {"photos": ["a.jpg", "b.jpg", "c.jpg"], "orders": [["x", "y"], ["y", "x"], ["y", "x"]]}
FILLED = "sheet,A,B\n00,5,1\n01, 2,4\n"


class LeftSharp:
    """Keeps the left half of a canvas."""

    name = "left sharp"

    def canvas_size(self, photo_height, photo_width):
        return 64, 64

    def run(self, canvas):
        weight = np.zeros((64, 64), np.float32)
        weight[:, :32] = 1
        return ModelOutput(canvas, weight)


def test_grades_go_to_whom_they_belong():
    result = blind.unblinded(KEY, {0: [5, 1], 1: [2, 4], 2: [3, 3]})
    assert result["contenders"]["x"]["grades"] == {"a.jpg": 5, "b.jpg": 4, "c.jpg": 3}
    assert result["contenders"]["y"]["histogram"] == [1, 1, 1, 0, 0]
    assert result["contenders"]["x"]["mean"] == 4
    assert result["preferred"] == {"x": 2, "none": 1}


def test_photos_of_one_name_keep_a_grade_each():
    # As in a key from before folders were kept.
    key = {**KEY, "photos": ["a.jpg", "a.jpg", "c.jpg"]}
    result = blind.unblinded(key, {0: [5, 1], 1: [2, 4], 2: [3, 3]})
    assert result["contenders"]["x"]["grades"] == {"a.jpg": 5, "a.jpg #2": 4, "c.jpg": 3}
    assert result["photos"] == ["a.jpg", "a.jpg #2", "c.jpg"]


def test_from_photos_of_one_name_to_a_grade_for_each(tmp_path):
    for folder in ("day", "night"):
        (tmp_path / folder).mkdir()
        picture = np.random.default_rng(len(folder)).integers(0, 255, (64, 96, 3), np.uint8)
        cv2.imwrite(str(tmp_path / folder / "a.png"), picture)
    listed, out = tmp_path / "list.txt", tmp_path / "out"
    listed.write_text("day/a.png\nnight/a.png\n", encoding="utf-8")
    models = ["dbsi_mobile_focus@0.2", "dbsi_mobile_focus@0.8"]
    options = ["--photos", str(listed), "--contenders", *models, "--out", str(out)]
    assert run_suite(["blind", *options]) == 0
    (key,) = out.glob("blind_*.json")
    (scores,) = out.glob("blind_*/scores.csv")
    scores.write_text(scores.read_text().replace(",,", ",4,2"), encoding="utf-8")
    assert run_suite(["blind", "--key", str(key), "--scores", str(scores)]) == 0
    scored = json.loads(key.with_name(f"{key.stem}_scored.json").read_bytes())
    for own in scored["contenders"].values():
        assert list(own["grades"]) == ["day/a.png", "night/a.png"]


@pytest.mark.parametrize("scores", [{0: [5, 1]}, {0: [5], 1: [2], 2: [3]}])
def test_grades_that_do_not_fit_the_key_are_refused(scores):
    with pytest.raises(DataError, match=r"[Ss]heet"):
        blind.unblinded(KEY, {number: list(row) for number, row in scores.items()})


def test_orders_differ_by_photo_and_come_again():
    orders = blind.draw_orders(40, ["x", "y"], seed=3)
    assert orders == blind.draw_orders(40, ["x", "y"], seed=3)
    assert 10 < orders.count(["x", "y"]) < 30
    assert orders != blind.draw_orders(40, ["x", "y"], seed=4)


@pytest.mark.parametrize("row", ["00,5,", "00,6,1", "00,x,1"])
def test_scores_that_are_no_grades_are_refused(tmp_path, row):
    path = tmp_path / "scores.csv"
    path.write_text(f"sheet,A,B\n{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match="no grade from 1 to 5"):
        blind.read_scores(path)
    path.write_text(FILLED, encoding="utf-8")
    assert blind.read_scores(path) == {0: [5, 1], 1: [2, 4]}


@pytest.mark.parametrize("row", ["x,5,1", "-1,5,1", "01,5,1", ",5,1"])
def test_sheets_that_are_none_or_come_twice_are_refused(tmp_path, row):
    path = tmp_path / "scores.csv"
    path.write_text(f"{FILLED}{row}\n", encoding="utf-8")
    with pytest.raises(DataError, match="no sheet, or one given twice"):
        blind.read_scores(path)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"orders": []}',
        '{"orders": [], "photos": []}',
        '{"orders": [[], []], "photos": ["a.jpg", "b.jpg"]}',
        '{"orders": [["x", "y"], ["x"]], "photos": ["a.jpg", "b.jpg"]}',
        '{"orders": [["x", "x"], ["x", "x"]], "photos": ["a.jpg", "b.jpg"]}',
        '{"orders": [["x", "y"], ["y", "x"]], "photos": ["a.jpg"]}',
        '{"orders": [[1, 2], [2, 1]], "photos": ["a.jpg", "b.jpg"]}',
    ],
)
def test_another_file_is_no_key(tmp_path, content, capsys):
    (tmp_path / "scores.csv").write_text(FILLED, encoding="utf-8")
    (tmp_path / "key.json").write_text(content, encoding="utf-8")
    arguments = ["blind", "--key", "key.json", "--scores", "scores.csv"]
    options = [str(tmp_path / one) if "." in one else one for one in arguments]
    assert run_suite(options) == 1
    assert "key.json: is not the key of a blind run" in capsys.readouterr().err


def test_a_key_from_before_models_were_kept_is_scored(tmp_path):
    (tmp_path / "scores.csv").write_text(f"{FILLED}02,3,3\n", encoding="utf-8")
    (tmp_path / "key.json").write_text(json.dumps(KEY), encoding="utf-8")
    options = ["--key", str(tmp_path / "key.json"), "--scores", str(tmp_path / "scores.csv")]
    assert run_suite(["blind", *options]) == 0
    scored = json.loads((tmp_path / "key_scored.json").read_bytes())
    assert scored["preferred"] == {"x": 2, "none": 1}


def test_lists_name_photos_beside_them(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("a.jpg\n\n/b/c.jpg\n", encoding="utf-8")
    assert read_list(path) == [tmp_path / "a.jpg", Path("/b/c.jpg")]
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="names no photo"):
        read_list(path)


def test_the_middle_of_a_box_counts():
    weight = np.zeros((8, 8), np.float32)
    weight[3:5, 3:5] = 1
    assert focus_inside(weight, (0.25, 0.25, 0.75, 0.75)) == 1
    assert focus_inside(weight, (0.0, 0.0, 1.0, 1.0)) == pytest.approx(4 / 16)


def test_a_face_is_found_and_judged():
    # The head and shoulders alone, at half the size, are quicker to search.
    head = cv2.resize(
        read_photo(ASTRONAUT)[40:240, 120:320], (120, 120), interpolation=cv2.INTER_AREA
    )
    [(top, left, bottom, right)] = find_faces(head)
    assert 0.1 < top < bottom < 0.95 and 0.1 < left < right < 0.95
    assert find_faces(np.full((120, 120, 3), 128, np.uint8)) == []
    pair = np.hstack([head, np.full_like(head, 128)])
    contenders = {"left sharp": Contender("left sharp", LeftSharp(), None, None)}
    result = score_faces([("astronaut", pair)], contenders)
    assert result["means"]["left sharp"]["mean"] == pytest.approx(1, abs=0.05)
    mirrored = score_faces([("astronaut", pair[:, ::-1].copy())], contenders)
    assert mirrored["means"]["left sharp"]["below_0.8"] == mirrored["means"]["left sharp"]["n"] == 1
