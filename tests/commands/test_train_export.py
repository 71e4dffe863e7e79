"""`bokeh-tf train --export`: a run's result in one folder."""

import csv
import json

import pytest
from ai_edge_litert.interpreter import Interpreter

from bokeh_tf.cli import main
from tests.training_pairs import write_pairs

TRIAL = ("--scale", "small", "--steps", "2", "--val-every", "2")


@pytest.fixture
def folders(tmp_path):
    for name, count in (("pairs", 3), ("held", 2)):
        write_pairs(tmp_path / name, count=count, shape=(200, 210))
    return tmp_path


def train(folders, *options):
    places = ("--data", str(folders / "pairs"), "--out", str(folders / "run"))
    return main(["train", "unet", *places, *TRIAL, *options])


@pytest.mark.slow
def test_weights_file_check_scores_and_card_lie_in_one_folder(folders, capsys):
    assert train(folders, "--val", str(folders / "held"), "--export") == 0
    exported = folders / "run" / "exported"
    name = "unet_tiny_float16_192x192.tflite"
    best = folders / "run" / "best" / "whole" / "unet_tiny.weights.h5"
    assert (exported / best.name).read_bytes() == best.read_bytes()
    [entry] = Interpreter(model_path=str(exported / name)).get_input_details()
    assert list(entry["shape"]) == [1, 192, 192, 3]
    [checked] = json.loads((exported / "check.json").read_text(encoding="utf-8"))["files"]
    assert checked["passed"] and checked["path"] == name
    with (exported / "scores.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == name]
    mean = sum(float(row["psnr_db"]) for row in rows) / len(rows)
    card = (exported / "card.md").read_text(encoding="utf-8")
    assert len(rows) == 2 and f"| {name} | {mean:.2f} |" in card
    assert "PASSED" in card and "3 examples of `pairs`" in card and "trial run" in card
    assert str(exported / "card.md") in capsys.readouterr().out


@pytest.mark.slow
def test_without_held_out_pairs_the_card_says_so(folders):
    assert train(folders, "--export", "64x96") == 0
    card = (folders / "run" / "exported" / "card.md").read_text(encoding="utf-8")
    assert "None: no pairs were held out" in card and "the last of the run." in card


def test_what_somebody_else_has_there_is_kept(folders, capsys):
    exported = folders / "run" / "exported"
    exported.mkdir(parents=True)
    (exported / "card.md").write_text("mine", encoding="utf-8")
    assert train(folders, "--export", "64x96") == 1
    said = capsys.readouterr()
    assert "card.md: exists already" in said.err and said.err.count("\n") == 1
    assert [path.name for path in (folders / "run").iterdir()] == ["exported"]
    with pytest.raises(SystemExit):
        train(folders, "--export", "64")
    assert "HEIGHTxWIDTH" in capsys.readouterr().err
