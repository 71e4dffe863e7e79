"""`bokeh-tf evaluate` from pairs to tables and files, on pictures of a few pixels
that nobody has to render.
"""

import csv
import json
import re
import shutil
import sys

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from bokeh_tf.cli import main
from bokeh_tf.data.pairs.pair import VAL294_IDS, Pair
from bokeh_tf.evaluation import run as evaluation_run
from bokeh_tf.evaluation.intervals import difference_interval, mean_interval
from bokeh_tf.evaluation.protocols import PROTOCOLS
from bokeh_tf.evaluation.published import published_beside
from tests.photographs import texture

SHAPE = (30, 44)
NUMBERS = (3, 4, 5)


def write(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture
def pairs(tmp_path):
    """Pairs in EBB!'s layout, and pictures of them by two systems: `near` is nearer
    to the truths than `far`.
    """
    random = np.random.default_rng(1)
    for number in NUMBERS:
        sharp = texture(SHAPE, (120, 110, 100), seed=number)
        truth = cv2.GaussianBlur(sharp, (0, 0), 2.0)
        write(tmp_path / "pairs" / "original" / f"{number}.png", sharp)
        write(tmp_path / "pairs" / "bokeh" / f"{number}.png", truth)
        for name, spread in (("near", 2), ("far", 9)):
            noise = random.normal(0, spread, truth.shape)
            write(
                tmp_path / name / f"000{number}.png",
                np.clip(truth + noise, 0, 255).astype(np.uint8),
            )
    return tmp_path


def evaluate(pairs, *arguments, out="out"):
    given = [
        "evaluate",
        pairs / "pairs",
        "--model",
        pairs / "near",
        pairs / "far",
        "-o",
        pairs / out,
        *arguments,
    ]
    return main(list(map(str, given)))


def document_of(pairs):
    return json.loads((pairs / "out" / "evaluation.json").read_text(encoding="utf-8"))


def test_pictures_of_other_systems_are_scored_as_scikit_image_does(pairs, capsys):
    assert evaluate(pairs) == 0
    shown = capsys.readouterr().out
    assert "pairs: 3 in original\n" in shown
    assert "3 pairs by the protocol plain" in shown and "near" in shown and "over near" in shown
    rows = list(
        csv.DictReader((pairs / "out" / "scores.csv").read_text(encoding="utf-8").splitlines())
    )
    assert [(row["pair"], row["model"]) for row in rows[:3]] == [
        ("3", "near"),
        ("3", "far"),
        ("4", "near"),
    ]
    for row in rows:
        truth = np.asarray(Image.open(pairs / "pairs" / "bokeh" / f"{row['pair']}.png"))
        picture = np.asarray(Image.open(pairs / row["model"] / f"000{row['pair']}.png"))
        assert float(row["psnr_db"]) == pytest.approx(
            peak_signal_noise_ratio(truth, picture), abs=1e-9
        )
    document = document_of(pairs)
    (summary,) = document["sets"]
    near, far = summary["rows"]
    mean = np.mean([float(row["psnr_db"]) for row in rows if row["model"] == "near"])
    assert near["means"]["psnr_db"]["value"] == pytest.approx(mean)
    assert far["differences"]["psnr_db"]["high"] < 0
    assert document["schema_version"] == 1 and document["problems"] == []
    assert (
        document["worst"]["far"][0]
        == min(
            (row for row in rows if row["model"] == "far"), key=lambda row: float(row["psnr_db"])
        )["pair"]
    )


def test_what_is_missing_or_damaged_is_named_and_never_averaged_away(pairs, capsys):
    (pairs / "far" / "0003.png").unlink()
    (pairs / "pairs" / "bokeh" / "4.png").write_bytes(b"no picture")
    assert evaluate(pairs) == 1
    shown = capsys.readouterr().out
    assert "no score: 3, far: no picture of it" in shown
    assert "no score: 4, any model: " in shown
    assert "mean of 1 of 3 pairs" in shown
    (summary,) = document_of(pairs)["sets"]
    assert (summary["counted"], summary["pairs"]) == (1, 3)
    # The mean is over what both have, not over what each has.
    near = document_of(pairs)["scores"]["near"]
    assert summary["rows"][0]["means"]["psnr_db"]["value"] == near["5"]["psnr_db"]
    assert evaluate(pairs, "--allow-missing") == 0


def test_a_second_run_scores_only_what_has_changed(pairs, monkeypatch):
    scored = []
    score = evaluation_run.score

    def counted(*arguments, **options):
        scored.append(arguments)
        return score(*arguments, **options)

    monkeypatch.setattr(evaluation_run, "score", counted)
    assert evaluate(pairs) == 0
    first = document_of(pairs)["scores"]
    assert len(scored) == 6
    assert evaluate(pairs) == 0
    assert len(scored) == 6 and document_of(pairs)["scores"] == first
    changed = np.asarray(Image.open(pairs / "near" / "0003.png")).copy()
    changed[0] = 255
    write(pairs / "near" / "0003.png", changed)
    assert evaluate(pairs) == 0
    assert len(scored) == 7
    assert evaluate(pairs, "--protocol", "bokehlicious") == 0
    assert len(scored) == 13, "scores of one protocol are not another's"


def test_an_interrupted_run_keeps_what_is_done(pairs, monkeypatch):
    score = evaluation_run.score
    asked = []

    def interrupted(*arguments, **options):
        asked.append(arguments)
        if len(asked) > 2:
            raise KeyboardInterrupt
        return score(*arguments, **options)

    monkeypatch.setattr(evaluation_run, "_THREADS", 1)
    monkeypatch.setattr(evaluation_run, "score", interrupted)
    assert evaluate(pairs) == 130
    kept = (pairs / "out" / evaluation_run.JOURNAL_NAME).read_text(encoding="utf-8").splitlines()
    assert len(kept) == 1 + 2


def test_pictures_may_say_more_than_the_number(pairs, capsys):
    for number in NUMBERS:
        (pairs / "near" / f"000{number}.png").rename(pairs / "near" / f"{number}_bokeh.png")
    assert evaluate(pairs) == 0
    write(pairs / "near" / "3-again.png", texture(SHAPE, (10, 10, 10), seed=1))
    assert evaluate(pairs) == 1
    assert (
        "no score: 3, near: several pictures of it: 3-again.png and 3_bokeh.png"
        in capsys.readouterr().out
    )


def test_without_a_terminal_a_line_says_how_far_it_is(pairs, capsys, monkeypatch):
    monkeypatch.setattr(evaluation_run, "_SAID_EVERY_S", 0.0)
    assert evaluate(pairs) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"evaluated {done} of 3 pairs" for done in (1, 2, 3)
    ]


def test_sets_are_averaged_apart_and_baselines_stand_beside(pairs, capsys):
    for name in ("original", "bokeh"):
        folder = pairs / "pairs" / "other" / name
        write(folder / "7.png", np.asarray(Image.open(pairs / "pairs" / name / "3.png")))
    assert (
        main(["evaluate", str(pairs / "pairs"), "--model", "untouched", "--by-set", "--json"]) == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert sum(summary["pairs"] for summary in document["sets"]) == 4
    assert len(document["sets"]) == 4, "numbers alone are sets of their own"


def test_the_page_shows_the_worst_and_escapes_what_it_quotes(pairs):
    (pairs / "far").rename(pairs / "<script>alert(1)<")
    given = [
        "evaluate",
        pairs / "pairs",
        "--model",
        pairs / "<script>alert(1)<",
        "-o",
        pairs / "out",
    ]
    assert main(list(map(str, given))) == 0
    page = (pairs / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1 and "alert(1)" in page and "&lt;script&gt;" in page
    assert page.count('class="slider"') == 3
    assert len(re.findall(r'src="data:image/jpeg;base64,', page)) == 9
    # The policy allows this one script: its hash is what a browser would compute.
    import base64
    import hashlib

    script = re.search(r"<script>(.*)</script>", page, re.DOTALL)[1]
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in page


def test_results_of_another_program_are_not_replaced(pairs, capsys):
    (pairs / "out").mkdir()
    (pairs / "out" / "scores.csv").write_text("mine,not,yours\n", encoding="utf-8")
    assert evaluate(pairs) == 1
    assert "not known as an earlier output" in capsys.readouterr().err
    assert evaluate(pairs, "--overwrite") == 0
    assert evaluate(pairs) == 0


def test_a_split_that_is_not_there_is_one_line(pairs, capsys):
    assert evaluate(pairs, "--split", "val294") == 1
    assert "no pairs of the split val294. It holds train." in capsys.readouterr().err


def test_published_rows_stand_beside_the_same_protocol_and_set_alone(tmp_path):
    whole = [Pair(str(number), "val294", tmp_path, tmp_path) for number in VAL294_IDS]
    rows, reason = published_beside(PROTOCOLS["dmshn"], whole)
    assert not reason and {"MPFNet", "Stacked DMSHN", "BRViT"} < {row.subject for row in rows}
    assert {row.conditions.protocol for row in rows} == {"dmshn"}
    rows, reason = published_beside(PROTOCOLS["dmshn"], whole[1:])
    assert not rows and "not all" in reason
    rows, reason = published_beside(PROTOCOLS["bokehlicious"], whole)
    assert not rows and "no published rows" in reason
    rows, _ = published_beside(PROTOCOLS["dbsi"], whole)
    assert len({(row.psnr_db, row.ssim) for row in rows}) == len(rows) == 6


def test_val294_stands_beside_the_published_table(tmp_path, capsys):
    for number in VAL294_IDS:
        sharp = texture((24, 30), (120, 110, 100), seed=number)
        write(tmp_path / "pairs" / "original" / f"{number}.png", sharp)
        write(tmp_path / "pairs" / "bokeh" / f"{number}.png", cv2.GaussianBlur(sharp, (0, 0), 2.0))
    arguments = [
        tmp_path / "pairs",
        "--split",
        "val294",
        "--protocol",
        "dmshn",
        "--model",
        "untouched",
    ]
    assert main(["evaluate", *map(str, arguments), "-o", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "mean of 294 of 294 pairs" in shown
    for text in (
        "Stacked DMSHN",
        "24.72",
        "0.8793",
        "MPFNet",
        "contaminated: the published weights were trained on",
    ):
        assert text in " ".join(shown.split())
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count('<tr class="contaminated">') == 1 and page.count('class="slider"') == 10


def test_intervals_are_those_of_the_bootstrap():
    values = np.random.default_rng(5).normal(20, 4, 300)
    interval = mean_interval(values)
    # For means of so many values the normal distribution says the same.
    margin = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - margin, abs=0.08)
    assert interval.high == pytest.approx(values.mean() + margin, abs=0.08)
    # Paired: 0.1 dB on every picture is certain, however the pictures scatter.
    difference = difference_interval(values + 0.1, values)
    assert (difference.low, difference.high) == pytest.approx((0.1, 0.1))
    assert mean_interval([3.0]).low is None


def test_a_perceptual_metric_that_is_not_installed_is_said_before_the_work(
    pairs, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    assert evaluate(pairs, "--perceptual") == 1
    assert 'pip install "bokeh-tf[perceptual]"' in capsys.readouterr().err
    assert not (pairs / "out").exists()


def test_less_is_better_for_flip(pairs):
    pytest.importorskip("flip_evaluator")
    assert evaluate(pairs, "--perceptual") == 0
    (summary,) = document_of(pairs)["sets"]
    near, far = (row["means"]["flip"]["value"] for row in summary["rows"])
    assert 0 < near < far


def test_a_picture_without_its_partner_has_no_score_and_is_told(pairs, tmp_path, capsys):
    folder = tmp_path / "lonely"
    shutil.copytree(pairs / "pairs", folder)
    taken = sorted((folder / "bokeh").iterdir())[0]
    taken.unlink()
    command = ["evaluate", str(folder), "--model", "untouched", "--json"]
    assert main(command) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [(one["pair"], one["reason"]) for one in problems] == [
        (taken.stem, "its target is missing")
    ]
    assert main([*command, "--allow-missing"]) == 0
