"""`python -m export.train_demo`: its photographs, its judgement, and a training killed
and resumed in a few steps.
"""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from bokeh_tf import exporting
from bokeh_tf.data.scenes.sources import load_sources
from bokeh_tf.data.scenes.subjects import load_subjects
from bokeh_tf.errors import TrainingError
from bokeh_tf.models.weights import load_weights, weights_name
from bokeh_tf.photos import read
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.training.plans import PLANS
from export.train_demo import held_out
from export.train_demo.__main__ import conclude, main
from export.train_demo.held_out import HeldOutScene, Score
from export.train_demo.interrupted_run import train_interrupted
from export.train_demo.photographs import PHOTO_SHAPE, draw_layers, write_photographs

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS, BACKDROPS, SEED = 6, 3, 3
# The automatic cut goes wrong in places; most of it is right.
LEAST_OVERLAP, LEAST_MEDIAN_OVERLAP = 0.6, 0.85
STEPS, BATCHES_PER_CHECKPOINT = 12, 2
# 8 bits on both sides.
ROUNDING = 2
START_LIMIT_S, END_LIMIT_S = 600, 600


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train_demo") / "größe"
    return write_photographs(folder, subjects=SUBJECTS, backdrops=BACKDROPS, seed=SEED)


@pytest.fixture(scope="module")
def sources(photographs, tmp_path_factory):
    return load_sources(photographs / "photos", cache=tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def scenes():
    return held_out.make_scenes(2, shape=(96, 144), seed=4)


def test_photographs_depend_on_the_seed_alone(photographs, tmp_path):
    again = write_photographs(tmp_path / "again", subjects=2, backdrops=1, seed=SEED)
    other = write_photographs(tmp_path / "other", subjects=2, backdrops=1, seed=SEED + 1)
    for path in again.glob("photos/*"):
        assert path.read_bytes() == (photographs / "photos" / path.name).read_bytes()
        assert path.read_bytes() != (other / "photos" / path.name).read_bytes()
    shapes = {read(path).pixels.shape for path in photographs.glob("photos/*")}
    assert shapes == {(*PHOTO_SHAPE, 3)}


def test_labels_say_what_is_in_focus(photographs):
    labelled = load_subjects(photographs, long_side_px=PHOTO_SHAPE[1])
    assert len(labelled) == SUBJECTS + BACKDROPS
    for number, photo in enumerate(labelled[:SUBJECTS]):
        alpha = draw_layers(np.random.default_rng([SEED, 0, number]), PHOTO_SHAPE)[1].alpha
        assert np.abs(photo.label / 255 - alpha).max() <= 0.5 / 255 + 1e-6
        assert photo.is_subject and photo.is_cut_out and photo.weight == 1
    for photo in labelled[SUBJECTS:]:
        assert photo.label.max() == 0 and photo.is_subject is False and not photo.is_cut_out


def test_focus_alone_finds_the_subjects(sources):
    found = [
        source
        for source in sources
        if source.name.startswith("subject") and source.matte is not None
    ]
    assert len(found) >= SUBJECTS / 2
    overlaps = []
    for source in found:
        random = np.random.default_rng([SEED, 0, int(source.name[8:11])])
        alpha = (
            cv2.resize(draw_layers(random, PHOTO_SHAPE)[1].alpha, source.matte.shape[::-1]) > 0.5
        )
        matte = source.matte > 0.5
        overlaps.append((alpha & matte).sum() / (alpha | matte).sum())
    assert min(overlaps) > LEAST_OVERLAP
    assert np.median(overlaps) > LEAST_MEDIAN_OVERLAP


def test_focus_alone_finds_the_backdrops(sources):
    assert [source.name for source in sources if source.is_backdrop] == [
        f"backdrop_{n:03d}.jpg" for n in range(3)
    ]


def test_the_truth_keeps_the_subject_and_blurs_the_rest(scenes):
    for number, scene in enumerate(scenes):
        alpha = draw_layers(np.random.default_rng([4, number]), (96, 144))[1].alpha
        inside = cv2.erode(alpha, np.ones((3, 3))) == 1
        outside = cv2.dilate(alpha, np.ones((9, 9))) == 0
        assert np.abs(scene.photo.astype(int) - scene.truth)[inside].max() <= ROUNDING
        photo, truth = (
            np.abs(cv2.Laplacian(p.astype(np.float32), cv2.CV_32F))[outside]
            for p in vars(scene).values()
        )
        assert truth.mean() < 0.5 * photo.mean()


def test_a_score_by_hand():
    truth = np.full((8, 8, 3), 100, np.uint8)
    scenes = [HeldOutScene(truth, truth), HeldOutScene(truth, truth)]
    # An error of 5 everywhere is 20 log10(255 / 5) dB, one of 10 is 6.02 dB less; the mean of both.
    score = held_out.score([truth + np.uint8(5), truth + np.uint8(10)], scenes)
    assert score.psnr_db == pytest.approx(20 * np.log10(255 / 5) - 10 * np.log10(4) / 2)
    # Of flat pictures only the means differ: (2 a b + c) / (a² + b² + c) with c = (0.01 * 255)².
    c = 2.55**2
    expected = [(2 * 100 * b + c) / (100**2 + b**2 + c) for b in (105, 110)]
    assert score.ssim == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(
    ("after", "code"),
    [(Score(25, 0.8), 0), (Score(25, 0.7), 1), (Score(24, 0.8), 1), (Score(float("nan"), 0.8), 1)],
)
def test_better_means_better_in_both(after, code, capsys):
    assert conclude(Score(24, 0.7), after) == code
    said = capsys.readouterr().err
    assert ("not better than before the training" in said) == bool(code)
    assert said.count("\n") == code


def test_the_picture_shows_before_after_truth(scenes, tmp_path):
    before, after = ([np.full_like(scene.photo, value) for scene in scenes] for value in (10, 20))
    path = held_out.write_pictures(tmp_path / "pictures", scenes, before=before, after=after)
    picture = read(path).pixels
    assert picture.shape == (2 * 96 + 8, 3 * 144 + 2 * 8, 3)
    assert (picture[:96, :144] == 10).all() and (picture[104:, 152:296] == 20).all()
    np.testing.assert_array_equal(picture[104:, 304:], scenes[1].truth)
    np.testing.assert_array_equal(
        read(tmp_path / "pictures" / "scene_2.png").pixels, scenes[1].photo
    )


@pytest.mark.slow
def test_a_training_is_killed_and_resumed(photographs, tmp_path, capfd):
    out = tmp_path / "run"
    out.mkdir()
    (out / "notes.txt").write_text("not of a run")
    run = train_interrupted(
        photographs,
        out,
        steps=STEPS,
        batches_per_checkpoint=BATCHES_PER_CHECKPOINT,
        console=Console(),
    )
    assert BATCHES_PER_CHECKPOINT < run.resumed_from < STEPS
    assert run.weights == out / weights_name("dbsi_mobile", "focus")
    model = exporting.build_model("dbsi_mobile", variant="focus", image_shape=(256, 384))
    fresh = model.get_weights()
    load_weights(model, run.weights)
    assert any(
        (before != after).any() for before, after in zip(fresh, model.get_weights(), strict=True)
    )
    with (out / "log.csv").open(encoding="utf-8") as file:
        rows = [(row["phase"], int(row["batch"])) for row in csv.DictReader(file)]
    phases = [phase.name for phase in PLANS["dbsi_mobile_focus"].phases]
    batches = range(BATCHES_PER_CHECKPOINT, STEPS + 1, BATCHES_PER_CHECKPOINT)
    expected = [(phase, batch) for phase in phases for batch in batches]
    # The kill may come after a checkpoint and before its row.
    optional = (phases[0], run.resumed_from)
    assert [row for row in rows if row != optional] == [row for row in expected if row != optional]
    assert rows.count(optional) <= 1
    assert (out / "notes.txt").exists()
    printed = capfd.readouterr().out
    assert "killed with SIGKILL" in printed and printed.count("$ bokeh-tf train") == 2


def test_a_training_that_fails_is_said_and_an_earlier_run_is_gone(tmp_path, capfd):
    (tmp_path / "photographs").mkdir()
    out = tmp_path / "run"
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    with pytest.raises(TrainingError, match="ended with status 1"):
        train_interrupted(
            tmp_path / "photographs", out, steps=6, batches_per_checkpoint=2, console=Console()
        )
    assert "index.csv: cannot be read" in capfd.readouterr().err
    assert not (out / "manifest.json").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["out", "--checkpoint-every", "0"], ["out", "--steps", "20"]]
)
def test_wrong_usage(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_an_unusable_folder_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "file" / "out")]) == 1
    assert "cannot create this folder" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_running(tmp_path, hears_ctrl_c):
    demo = subprocess.Popen(
        [sys.executable, "-m", "export.train_demo", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline_s = time.monotonic() + START_LIMIT_S
    while (
        not list(tmp_path.glob("interrupted_run/checkpoints/phase*.npz"))
        and time.monotonic() < deadline_s
    ):
        time.sleep(0.1)
    # A terminal sends it to all of the group.
    os.killpg(demo.pid, signal.SIGINT)
    _, said = demo.communicate(timeout=END_LIMIT_S)
    assert demo.returncode == 130
    assert "the same command begins anew" in said and "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, 0)


@pytest.mark.slow
def test_the_whole_demo(tmp_path, capfd):
    assert main([str(tmp_path)]) == 0
    printed = capfd.readouterr().out
    assert "PASSED" in printed and "killed and resumed" in printed
    (path,) = (tmp_path / "after").iterdir()
    # The flagship's own inputs: a photo, and where somebody tapped it.
    assert [tensor.shape for tensor in inspect(path).inputs] == [(1, 512, 768, 3), (1, 1, 1, 4)]
    assert (tmp_path / "pictures" / "before_after_truth.png").exists()
