"""Training from a folder of photographs to a weights file, and what it refuses; interruptions lose nothing."""

import dataclasses
import json
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from photographs import write_folder

from bokeh_tf import models
from bokeh_tf.data.archives import read_archive, write_archive
from bokeh_tf.errors import DataError, TrainingError
from bokeh_tf.training import checkpoint
from bokeh_tf.training.plan import Plan
from bokeh_tf.training.progress import RichProgress
from bokeh_tf.training.trainer import (
    TRAINING_SHAPE,
    build_trainer,
    picture_error,
    save_weights,
    train,
    weight_map_cross_entropy,
)

PLAN = Plan(steps=4, steps_per_checkpoint=2, batch_size=2)
# Long enough to be interrupted after its first checkpoint.
LONG_PLAN = dataclasses.replace(PLAN, steps=40)
WEIGHTS = "dbsi_mobile_base.weights.h5"
# Threads add up float32 sums in any order; a step changes a weight by 1e-5 and more.
SAME_RUN_TOLERANCE = 1e-6
FLOAT32_TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("training") / "фото")


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """The output folder of a whole tiny run."""
    out = tmp_path_factory.mktemp("training") / "größe" / "run"
    assert train("base", photos=photos, out=out, plan=PLAN) == out / WEIGHTS
    return out


@pytest.fixture(scope="module")
def trainer():
    return build_trainer(flagship(), PLAN)


def flagship(*, seed=PLAN.seed):
    keras.utils.set_random_seed(seed)
    return models.build("dbsi_mobile", image_shape=TRAINING_SHAPE)


def trained_weights(path):
    model = flagship(seed=99)
    model.load_weights(path)
    return model.get_weights()


def test_a_run_leaves_weights_checkpoint_logs_and_prepared_photos(finished):
    assert {path.name for path in finished.iterdir()} == {WEIGHTS, "checkpoint.npz", "logs", "prepared"}
    assert len(list((finished / "prepared").iterdir())) == 3
    assert list((finished / "logs").rglob("events.out.tfevents.*"))


def test_the_weights_have_changed_and_are_finite(finished):
    changes = [
        np.abs(after - before).max()
        for after, before in zip(trained_weights(finished / WEIGHTS), flagship().get_weights(), strict=True)
    ]
    assert np.isfinite(changes).all()
    assert np.mean(np.array(changes) > 0) > 0.9


def test_resuming_a_finished_run_writes_the_same_weights(finished, photos):
    before = trained_weights(finished / WEIGHTS)
    (finished / WEIGHTS).unlink()
    train("base", photos=photos, out=finished, plan=PLAN, resume=True)
    for actual, expected in zip(trained_weights(finished / WEIGHTS), before, strict=True):
        np.testing.assert_array_equal(actual, expected)


INTERRUPTED_PROGRAM = """
import sys
from bokeh_tf.training.plan import Plan
from bokeh_tf.training.trainer import train
train("base", photos=sys.argv[1], out=sys.argv[2], plan=Plan(steps=40, steps_per_checkpoint=2, batch_size=2))
"""


def interrupt_after_first_checkpoint(photos, out, with_signal):
    command = [sys.executable, "-c", INTERRUPTED_PROGRAM, str(photos), str(out)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline_s = time.monotonic() + 240
    while not (out / "checkpoint.npz").exists() and child.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.01)
    child.send_signal(with_signal)
    output, _ = child.communicate(timeout=60)
    assert child.returncode not in (0, None), f"the run ended before it was interrupted: {output}"
    return output


@pytest.fixture(scope="module")
def uninterrupted(photos, tmp_path_factory):
    """The weights of a whole run of the long plan."""
    return trained_weights(train("base", photos=photos, out=tmp_path_factory.mktemp("whole"), plan=LONG_PLAN))


@pytest.mark.slow
@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(photos, tmp_path, with_signal, uninterrupted):
    output = interrupt_after_first_checkpoint(photos, tmp_path, with_signal)
    if with_signal == signal.SIGINT:
        assert "Go on with --resume" in output
    assert not (tmp_path / WEIGHTS).exists()
    resumed = trained_weights(train("base", photos=photos, out=tmp_path, plan=LONG_PLAN, resume=True))
    for actual, expected in zip(resumed, uninterrupted, strict=True):
        np.testing.assert_allclose(actual, expected, atol=SAME_RUN_TOLERANCE)


def test_a_folder_with_a_run_needs_resume(finished, photos):
    with pytest.raises(TrainingError, match=r"there is a run in this folder. Add --resume"):
        train("base", photos=photos, out=finished, plan=PLAN)


def test_resume_needs_a_checkpoint(photos, tmp_path):
    with pytest.raises(TrainingError, match="no checkpoint to resume"):
        train("base", photos=photos, out=tmp_path, plan=PLAN, resume=True)


def test_resume_needs_the_same_plan(finished, trainer):
    for change in ({"seed": 1}, {"steps": 8}, {"learning_rate": 1e-3}):
        with pytest.raises(TrainingError, match="made with another plan") as error:
            checkpoint.restore(trainer, finished, plan=dataclasses.replace(PLAN, **change), resume=True)
        assert "\n" not in str(error.value)


def damaged_checkpoints(good, arrays):
    """(content of the checkpoint, what is said of it)."""
    header = json.loads(str(arrays["header"]))
    older = {**header, "schema_version": 0}
    return [
        (b"", "damaged checkpoint"),
        (good[: len(good) // 2], "damaged checkpoint"),
        ({"0000": arrays["0000"]}, "damaged checkpoint"),
        ({**arrays, "header": np.array("{")}, "damaged checkpoint"),
        ({**arrays, "header": np.array("[]")}, "damaged checkpoint"),
        ({**arrays, "header": np.array(json.dumps(older))}, "another version"),
        ({name: arrays[name] for name in ("header", "0000")}, "another model"),
        ({**arrays, "0000": arrays["0000"].astype(np.float64)}, "another model"),
    ]


def test_checkpoints_that_cannot_be_used_are_refused_in_one_line(finished, trainer, tmp_path):
    path = tmp_path / "checkpoint.npz"
    before = trainer.get_weights()
    good = finished / "checkpoint.npz"
    for content, complaint in damaged_checkpoints(good.read_bytes(), read_archive(good)):
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            write_archive(path, content)
        with pytest.raises(TrainingError, match=complaint) as error:
            checkpoint.restore(trainer, tmp_path, plan=PLAN, resume=True)
        assert "\n" not in str(error.value) and str(error.value).startswith(f"{path}: ")
    for actual, expected in zip(trainer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_checkpoint_brings_back_weights_and_optimiser(finished, tmp_path):
    restored = build_trainer(flagship(seed=5), PLAN)
    assert checkpoint.restore(restored, finished, plan=PLAN, resume=True) == PLAN.steps
    checkpoint.save(restored, tmp_path, plan=PLAN)
    expected, actual = (read_archive(folder / "checkpoint.npz") for folder in (finished, tmp_path))
    assert actual.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name])


def test_unusable_photos_stop_before_the_first_step(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="no photographs here"):
        train("base", photos=tmp_path / "photos", out=tmp_path / "out", plan=PLAN)
    assert not (tmp_path / "out" / "checkpoint.npz").exists()


def test_the_trainer_trains_the_models_own_weights(trainer):
    model = flagship()
    network = build_trainer(model, PLAN)
    assert {id(v) for v in network.trainable_variables} == {id(v) for v in model.trainable_variables}
    assert network.output["weights"].shape == (None, 128, 192, 4)


def test_the_picture_is_the_blend_of_image_and_blurs(trainer):
    random = np.random.default_rng(0)
    image = random.random((1, 128, 192, 3), dtype=np.float32)
    blurs = random.random((1, 128, 192, 9), dtype=np.float32)
    outputs = {name: np.asarray(value) for name, value in trainer({"image": image, "blurs": blurs}).items()}
    weights = outputs["weights"]
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=FLOAT32_TOLERANCE)
    stacked = np.concatenate([image, blurs], axis=-1).reshape(1, 128, 192, 4, 3)
    expected = np.einsum("bhwn,bhwnc->bhwc", weights, stacked)
    np.testing.assert_allclose(outputs["rendered"], expected, atol=FLOAT32_TOLERANCE)


def test_losses_by_hand():
    expected = np.float32([[[[1.0, 0.0], [0.5, 0.5]]]])
    actual = np.float32([[[[0.25, 0.75], [0.5, 0.5]]]])
    # (ln 4 + ln 2) / 2, and where the network is certain and wrong, the floor of 1e-4: ln 10^4.
    np.testing.assert_allclose(weight_map_cross_entropy(expected, actual), [1.0397208], rtol=1e-6)
    wrong = np.float32([[[[0.0, 1.0]]]])
    np.testing.assert_allclose(weight_map_cross_entropy(expected[:, :, :1], wrong), [9.2103404], rtol=1e-6)
    np.testing.assert_allclose(picture_error(expected, actual), [(0.75 + 0.75) / 4], rtol=1e-6)


def test_a_loss_that_is_not_finite_stops_the_run(capsys):
    progress = RichProgress(first_step=7, steps=10)
    progress.on_train_begin()
    try:
        progress.on_train_batch_end(0, {"loss": 1.0})
        with pytest.raises(TrainingError, match=r"step 9: loss, weights_loss is not finite"):
            progress.on_train_batch_end(1, {"loss": float("nan"), "weights_loss": float("inf"), "rendered_loss": 0.1})
    finally:
        progress.stop()


def test_weights_appear_in_one_step(tmp_path):
    path = tmp_path / "größe" / WEIGHTS
    path.parent.mkdir()
    model = flagship(seed=3)
    save_weights(model, path)
    assert list(path.parent.iterdir()) == [path]
    for actual, expected in zip(trained_weights(path), model.get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0},
        {"batch_size": 0},
        {"steps": 4, "steps_per_checkpoint": 0},
        {"steps": 5, "steps_per_checkpoint": 2},
        {"seed": -1},
        {"seed": 2**32},
    ],
)
def test_impossible_plans_are_refused(options):
    with pytest.raises(ValueError, match="Received"):
        Plan(**options)
