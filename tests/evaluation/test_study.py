"""`bokeh-tf evaluate study`: what raters see and save, and what their grades come to."""

import base64
import hashlib
import json
import re

import cv2
import pytest
from PIL import Image

from bokeh_tf.cli import main
from bokeh_tf.evaluation.study import agreement
from tests.photographs import texture

SHAPE = (30, 44)
# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section D: four
# observers, twelve units.
KRIPPENDORFF = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
KRIPPENDORFF_ALPHA = 0.849


@pytest.fixture
def study(tmp_path):
    for number in range(3):
        sharp = texture(SHAPE, (120, 110, 100), seed=number)
        for folder, picture in (
            ("original", sharp),
            ("bokeh", cv2.GaussianBlur(sharp, (0, 0), 2.0)),
        ):
            (tmp_path / "pairs" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(tmp_path / "pairs" / folder / f"scene {number}.png")
    models = ["--model", "untouched", "global blur"]
    arguments = ["study", tmp_path / "pairs", *models, "-o", tmp_path / "out", "--repeats", "2"]
    assert main(["evaluate", *map(str, arguments)]) == 0
    return tmp_path


def key_of(study):
    return json.loads((study / "out" / "study_key.json").read_text(encoding="utf-8"))


def write_answers(study, rater, grade_of, *, again=0):
    """What a rater saves who gives `grade_of(model)`, and `again` more to what comes twice."""
    key = key_of(study)
    models = {name: item["model"] for name, item in key["items"].items()}
    answers = [
        {"item": name, "grade": grade_of(model), "is_repeat": False}
        for name, model in models.items()
    ]
    answers += [
        {"item": name, "grade": grade_of(models[name]) + again, "is_repeat": True}
        for name in key["repeats"]
    ]
    path = study / f"ratings_{rater}.json"
    content = {"schema_version": 1, "study": key["study"], "rater": rater, "answers": answers}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_page_tells_no_names_and_its_policy_allows_its_script(study):
    page = (study / "out" / "study.html").read_text(encoding="utf-8")
    for name in ("untouched", "global blur", "scene"):
        assert name not in page
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in page
    content = json.loads(re.search(r'id="study">(.*?)</script>', page, re.DOTALL)[1])
    key = key_of(study)
    assert content["items"].keys() == key["items"].keys() and len(content["references"]) == 3
    assert len(key["items"]) == 6 and len(key["repeats"]) == 2


def test_results_are_means_over_pictures(study, capsys):
    grades = {"untouched": 2, "global blur": 4}
    paths = [
        write_answers(study, "Ann", grades.get),
        write_answers(study, "Bé <b>", lambda m: grades[m] + 1, again=-1),
    ]
    capsys.readouterr()
    assert (
        main(
            [
                "evaluate",
                "study",
                "results",
                *map(str, [study / "out" / "study_key.json", *paths]),
                "--json",
            ]
        )
        == 0
    )
    results = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["score"]["value"]) for row in results["rows"]] == [
        ("global blur", 4.5),
        ("untouched", 2.5),
    ]
    assert results["grades"] == 12 and results["inconsistency"] == {"Ann": 0.0, "Bé <b>": 1.0}
    assert 0 < results["agreement"] < 1
    assert (
        main(
            ["evaluate", "study", "results", *map(str, [study / "out" / "study_key.json", *paths])]
        )
        == 0
    )
    assert "4.50" in capsys.readouterr().out


def test_agreement_is_krippendorffs():
    rows = [line.split() for line in KRIPPENDORFF.strip().splitlines()]
    units = [[int(value) for value in unit if value != "."] for unit in zip(*rows, strict=True)]
    assert agreement(units) == pytest.approx(KRIPPENDORFF_ALPHA, abs=5e-4)
    assert agreement([[3, 3], [5, 5]]) == 1
    assert agreement([[3], [4]]) is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content | {"study": "other"}, "the answers to another study"),
        (
            lambda content: content | {"answers": [{"item": "x", "grade": 3}]},
            "the answers to another study",
        ),
        (
            lambda content: content | {"answers": [{"item": "x", "grade": 9}]},
            "a grade must be from 1 to 5",
        ),
        (lambda content: [content], "not the answers of a rater"),
    ],
)
def test_answers_that_are_none_are_one_line(study, capsys, damage, message):
    path = write_answers(study, "Ann", lambda model: 3)
    path.write_text(
        json.dumps(damage(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8"
    )
    assert (
        main(["evaluate", "study", "results", str(study / "out" / "study_key.json"), str(path)])
        == 1
    )
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_bad_answers_cost_themselves_alone(study, capsys):
    good = write_answers(study, "Ann", lambda model: 3)
    bad = study / "bad.json"
    bad.write_text("{", encoding="utf-8")
    key = study / "out" / "study_key.json"
    assert main(["evaluate", "study", "results", str(key), str(bad), str(good)]) == 1
    captured = capsys.readouterr()
    assert "bad.json: not the answers of a rater" in captured.err
    assert "3.00" in captured.out and "1 rater," in captured.out


def test_one_rater_counts_once(study, capsys):
    path = str(write_answers(study, "Ann", lambda model: 3))
    assert (
        main(["evaluate", "study", "results", str(study / "out" / "study_key.json"), path, path])
        == 1
    )
    assert "already counted" in capsys.readouterr().err


def test_wrong_usage(tmp_path, capsys):
    for words in (["study", "results", "key.json"], ["a", "b"], ["study", "pairs"]):
        with pytest.raises(SystemExit) as stop:
            main(["evaluate", *words])
        assert stop.value.code == 2
    assert "a study needs -o DIR" in capsys.readouterr().err
    for further in (["--perceptual"], ["--lpips", "alexnet.pth"]):
        with pytest.raises(SystemExit):
            main(["evaluate", "study", "pairs", "-o", "study", *further])
        assert "of no use there" in capsys.readouterr().err
