"""A run watched on held-out pairs: scores, the best weights beside the last, early
stopping, exact after a crash.

By day steps run layer by layer here, by night as graphs too.
"""

import csv
import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from bokeh_tf.cli import main
from bokeh_tf.commands.train import _VALIDATION_METRICS
from bokeh_tf.data.pairs.layouts import find_pairs
from bokeh_tf.errors import DataError, TrainingError
from bokeh_tf.models.weights import load_weights
from bokeh_tf.training import validation
from bokeh_tf.training.plans.schedule import LearningRate, Phase, Plan, Term
from bokeh_tf.training.run import RunOptions
from bokeh_tf.training.session import Settings, Watch, train
from bokeh_tf.training.supervised import build_model
from tests.training_pairs import write_pairs

pytestmark = [
    pytest.mark.usefixtures("module_steps"),
    pytest.mark.filterwarnings(
        "ignore:Even though the `tf.config.experimental_run_functions_eagerly`"
    ),
]
SIZE = (32, 48)
PHASE = Phase(
    "only",
    losses=(Term("l1"),),
    learning_rate=LearningRate(1e-3),
    image_shape=SIZE,
    batch_size=2,
    steps=6,
    framing="resize",
)
PLAN = Plan("toy", "unet", "a test", (PHASE,), variant="tiny")


class Stop(Exception):
    """The crash."""


def settings(held_out, *, resume=False, patience=None, metric="psnr_db"):
    run = RunOptions(batches_per_checkpoint=4, resume=resume)
    watch = Watch(held_out, every=2, metric=metric, patience=patience)
    return Settings(is_deterministic=True, allow_refused=True, watch=watch, run=run)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"), count=4, shape=SIZE)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """Pairs at the phase's own size, so that nothing is resized on the way."""
    return write_pairs(tmp_path_factory.mktemp("held_out") / "ausgewählt", count=2, shape=SIZE)


@pytest.fixture(scope="module")
def watched(pairs, held_out, tmp_path_factory, module_steps):
    out = tmp_path_factory.mktemp("run") / "watched"
    train(PLAN, data=pairs, out=out, settings=settings(held_out))
    return out


def records(out):
    return json.loads((out / "validation.json").read_text(encoding="utf-8"))["phases"]["only"]


def test_scores_are_scikit_images_and_stand_in_log_and_curves(watched, held_out):
    found = records(watched)
    assert [entry["batch"] for entry in found] == [2, 4, 6]
    rows = list(csv.DictReader((watched / "log.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["batch"] for row in rows] == ["2", "4", "6"]
    assert [float(row["val_psnr_db"]) for row in rows] == [entry["psnr_db"] for entry in found]
    model = build_model(PLAN, PHASE)
    load_weights(model, watched / "unet_tiny.weights.h5")
    values = []
    for pair in find_pairs(held_out).pairs:
        photo, truth = (
            np.asarray(Image.open(path)).astype(np.float32) / 255
            for path in (pair.source, pair.target)
        )
        rendered = np.clip(np.asarray(model(photo[None]))[0], 0, 1)
        values.append(peak_signal_noise_ratio(truth, rendered, data_range=1))
    assert found[-1]["psnr_db"] == pytest.approx(np.mean(values), abs=0.02)
    with Image.open(watched / "validation.png") as curves:
        assert curves.width > 1000 and len(curves.convert("RGB").getcolors(100_000)) > 3


def test_a_crashed_run_ends_with_the_same_scores_and_weights(
    watched, pairs, held_out, tmp_path, monkeypatch
):
    measure = validation.Validation.measure

    def crashing(self, batch):
        scores = measure(self, batch)
        if batch == 6:
            raise Stop
        return scores

    monkeypatch.setattr(validation.Validation, "measure", crashing)
    with pytest.raises(Stop):
        train(PLAN, data=pairs, out=tmp_path / "run", settings=settings(held_out))
    monkeypatch.undo()
    path = train(PLAN, data=pairs, out=tmp_path / "run", settings=settings(held_out, resume=True))
    assert records(tmp_path / "run") == records(watched)
    assert (tmp_path / "run" / "log.csv").read_bytes() == (watched / "log.csv").read_bytes()
    for name in ("unet_tiny.weights.h5", "best/only/unet_tiny.weights.h5"):
        models = [build_model(PLAN, PHASE) for _ in range(2)]
        load_weights(models[0], watched / name)
        load_weights(models[1], tmp_path / "run" / name)
        for ours, theirs in zip(models[0].weights, models[1].weights, strict=True):
            np.testing.assert_array_equal(
                keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs)
            )
    assert path.is_file()


def test_patience_ends_a_phase_and_the_best_weights_are_kept(pairs, held_out, tmp_path):
    # Against black truths a network that learns how bright photos are gets worse and worse.
    dark = tmp_path / "dark"
    shutil.copytree(held_out, dark)
    for path in dark.glob("*/bokeh/*"):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(path)
    plan = dataclasses.replace(PLAN, phases=(dataclasses.replace(PHASE, steps=40),))
    out = tmp_path / "out"
    train(plan, data=pairs, out=out, settings=settings(dark, patience=2))
    assert [entry["batch"] for entry in records(out)] == [2, 4, 6]
    best, last = (build_model(PLAN, PHASE) for _ in range(2))
    load_weights(best, out / "best" / "only" / "unet_tiny.weights.h5")
    load_weights(last, out / "unet_tiny.weights.h5")
    photo = np.asarray(Image.open(find_pairs(dark).pairs[0].source))[None].astype(np.float32) / 255
    assert np.mean(best(photo)) < np.mean(last(photo))


def test_what_is_trained_on_is_not_held_out(pairs, tmp_path):
    with pytest.raises(DataError, match="pair 0 is trained on"):
        train(PLAN, data=pairs, out=tmp_path / "run", settings=settings(pairs))
    with pytest.raises(DataError, match="no pairs of the split test"):
        train(PLAN, data=pairs, out=tmp_path / "run", settings=settings("test"))
    assert not (tmp_path / "run").exists()


def test_a_held_out_pair_that_cannot_be_read_stops_the_run_before_its_first_batch(
    pairs, held_out, tmp_path
):
    damaged = tmp_path / "damaged"
    shutil.copytree(held_out, damaged)
    next(damaged.glob("*/bokeh/1.*")).write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1\.jpg: not a picture that can be decoded"):
        train(PLAN, data=pairs, out=tmp_path / "run", settings=settings(damaged))
    assert not (tmp_path / "run" / "log.csv").exists()


def test_a_resumed_run_is_watched_in_the_same_way(watched, pairs, held_out):
    changed = settings(held_out, resume=True, patience=3)
    with pytest.raises(TrainingError, match="began with another validation"):
        train(PLAN, data=pairs, out=watched, settings=changed)


def test_a_foreign_record_is_one_line(pairs, held_out, tmp_path):
    (tmp_path / "validation.json").write_text("[]", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"validation\.json: not the scores of a run"):
        train(PLAN, data=pairs, out=tmp_path, settings=settings(held_out))


def test_the_command_knows_the_metrics(capsys):
    assert _VALIDATION_METRICS == validation.METRICS
    with pytest.raises(SystemExit) as stop:
        main(["train", "unet", "--data", "x", "--out", "y", "--patience", "2"])
    assert stop.value.code == 2
    assert "--patience needs --val" in capsys.readouterr().err
