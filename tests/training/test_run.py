"""A plan's run in its folder: what it leaves, how it goes on, and what stops it.

By day steps run layer by layer here, but for one test; killed and resumed as graphs, networks are
trained in `test_interruptions.py`, and all tests here by night.
"""

import csv
import dataclasses
import json
import resource
import shutil
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from absl import logging
from PIL import Image

from bokeh_tf.data.archives import read_archive, write_archive
from bokeh_tf.errors import DataError, OutputError, TrainingError
from bokeh_tf.training import checkpoints
from bokeh_tf.training.callbacks import CsvLog
from bokeh_tf.training.plans.schedule import LearningRate, Phase, Plan, Term
from bokeh_tf.training.run import RunOptions
from bokeh_tf.training.session import Settings, train
from tests.training_pairs import write_pairs

pytestmark = [
    pytest.mark.usefixtures("module_steps"),
    pytest.mark.filterwarnings(
        "ignore:Even though the `tf.config.experimental_run_functions_eagerly`"
    ),
]
FIRST = Phase(
    "first",
    losses=(Term("l1"),),
    learning_rate=LearningRate(1e-3),
    image_shape=(32, 32),
    batch_size=2,
    steps=6,
    augmentations=("horizontal", "vertical", "rotate"),
)
SECOND = dataclasses.replace(
    FIRST, name="second", starts_from="first", learning_layers=("final*", "*up1*"), steps=4
)
PLAN = Plan("toy", "unet", "a test", (FIRST, SECOND), variant="tiny")
ONE_PHASE = dataclasses.replace(PLAN, phases=(FIRST,))
# Two micro-batches are averaged in another order than one batch.
ACCUMULATION_TOLERANCE = 1e-5


def settings(**options):
    options = {"batches_per_checkpoint": 2, **options}
    return Settings(is_deterministic=True, allow_refused=True, run=RunOptions(**options))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("run") / "пары")


@pytest.fixture(scope="module")
def finished(pairs, tmp_path_factory, module_steps):
    """The output folder of a whole run of two phases."""
    out = tmp_path_factory.mktemp("run") / "größe" / "run"
    assert train(PLAN, data=pairs, out=out, settings=settings()) == out / "unet_tiny.weights.h5"
    return out


def weights_after(out, phase="second"):
    return read_archive(out / "phases" / f"{phase}.npz")


def assert_same_bits(actual, expected):
    assert actual.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)


def test_a_run_leaves_weights_checkpoints_log_pictures_and_manifest(finished):
    names = {
        "checkpoints",
        "log.csv",
        "logs",
        "manifest.json",
        "phases",
        "pictures",
        "unet_tiny.weights.h5",
    }
    assert {path.name for path in finished.iterdir()} == names
    assert len(list((finished / "checkpoints").iterdir())) == checkpoints.KEPT
    rows = list(csv.DictReader((finished / "log.csv").read_text(encoding="utf-8").splitlines()))
    expected = [("first", "2"), ("first", "4"), ("first", "6"), ("second", "2"), ("second", "4")]
    assert [(row["phase"], row["batch"]) for row in rows] == expected
    assert all(0 < float(row["loss"]) < 1 and float(row["learning_rate"]) > 0 for row in rows)
    assert {path.name for path in (finished / "logs").iterdir()} == {"first", "second"}
    with Image.open(finished / "pictures" / "second_00000004.png") as picture:
        assert picture.size == (3 * 32 + 2 * 4, 32)


def test_the_manifest_says_what_ran(finished):
    manifest = json.loads((finished / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["schema_version"] == 1
    assert manifest["plan"]["phases"][0]["losses"] == [{"loss": "l1", "weight": 1.0}]
    assert manifest["conditions"]["seed"] == 0 and manifest["conditions"]["data"]["examples"] == 6
    assert (
        manifest["versions"]["backend"] == "tensorflow"
        and manifest["versions"]["keras"] == keras.__version__
    )
    assert manifest["phases"]["second"] == {"is_finished": True, "skipped": []}


def test_a_phase_hands_over_and_only_its_layers_learn(finished):
    first, second = weights_after(finished, "first"), weights_after(finished)
    changed = {
        name.split("/")[0] for name in second if not np.array_equal(first[name], second[name])
    }
    learning = {name.split("/")[0] for name in second if name.startswith("final") or "up1" in name}
    assert changed == learning
    assert len(changed) < len({name.split("/")[0] for name in second})


@pytest.mark.parametrize("rounds_before_the_crash", [1, 4])
def test_a_crashed_run_ends_with_the_same_bits(
    finished, pairs, tmp_path, monkeypatch, rounds_before_the_crash
):
    rounds, add = [], CsvLog.add

    def crash(self, batch, values):
        rounds.append(batch)
        if len(rounds) > rounds_before_the_crash:
            raise MemoryError("between a checkpoint and its row in the log")
        add(self, batch, values)

    with monkeypatch.context() as patch:
        patch.setattr(CsvLog, "add", crash)
        with pytest.raises(MemoryError):
            train(PLAN, data=pairs, out=tmp_path, settings=settings())
    assert not list(tmp_path.glob("*.weights.h5"))
    train(PLAN, data=pairs, out=tmp_path, settings=settings(resume=True))
    assert_same_bits(weights_after(tmp_path), weights_after(finished))


@pytest.mark.once
def test_a_single_phase_can_be_run_and_needs_the_one_before(finished, pairs, tmp_path):
    with pytest.raises(
        TrainingError, match=r"second starts from these weights. Run that phase first"
    ):
        train(PLAN, data=pairs, out=tmp_path / "alone", settings=settings(), only_phase=2)
    shutil.copytree(finished / "phases", tmp_path / "phases")
    (tmp_path / "phases" / "second.npz").unlink()
    train(PLAN, data=pairs, out=tmp_path, settings=settings(), only_phase=2)
    assert_same_bits(weights_after(tmp_path), weights_after(finished))
    with pytest.raises(ValueError, match=r"Received: 3. Known: 1 first, 2 second"):
        train(PLAN, data=pairs, out=tmp_path, settings=settings(), only_phase=3)


def test_a_folder_with_a_run_needs_resume_and_resume_a_run(finished, pairs, tmp_path):
    with pytest.raises(TrainingError, match=r"there is a run in this folder. Add --resume"):
        train(PLAN, data=pairs, out=finished, settings=settings())
    with pytest.raises(TrainingError, match="no run to resume"):
        train(PLAN, data=pairs, out=tmp_path, settings=settings(resume=True))


def test_a_resumed_run_must_be_the_same_run(finished, pairs, tmp_path):
    fewer = write_pairs(tmp_path / "fewer", count=4)
    changes = {
        "phases": {"plan": dataclasses.replace(PLAN, phases=(FIRST,))},
        "seed": {"settings": settings(resume=True, seed=1)},
        "data": {"data": fewer},
        "precision": {
            "settings": dataclasses.replace(settings(resume=True), precision="mixed_bfloat16")
        },
    }
    for what, change in changes.items():
        arguments = {"plan": PLAN, "data": pairs, "settings": settings(resume=True), **change}
        try:
            with pytest.raises(TrainingError, match=f"began with another {what}") as error:
                train(arguments.pop("plan"), out=finished, **arguments)
        finally:
            keras.config.set_dtype_policy("float32")
        assert "\n" not in str(error.value)


@pytest.mark.once
def test_a_damaged_manifest_is_said(finished, pairs, tmp_path):
    whole = json.loads((finished / "manifest.json").read_text(encoding="utf-8"))
    skipped = {"first": {"is_finished": False, "skipped": [{"batch": "many", "ids": []}]}}
    contents = [
        *(
            b"",
            b"[]",
            b"{",
            b'{"schema_version": 1}',
            b'{"schema_version": 9}',
            b"[" * 100_000,
            b"\xff\x00",
        ),
        *(
            json.dumps({**whole, **change}).encode()
            for change in ({"phases": {}}, {"plan": []}, {"phases": skipped})
        ),
        json.dumps({**whole, "schema_version": 9}).encode(),
        json.dumps(whole).encode().replace(b'"seed": 0', b'"seed": ' + b"7" * 5000),
    ]
    for content in contents:
        (tmp_path / "manifest.json").write_bytes(content)
        with pytest.raises(TrainingError, match=r"manifest|another version") as error:
            train(PLAN, data=pairs, out=tmp_path, settings=settings(resume=True))
        assert "\n" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.once
def test_a_checkpoint_whose_header_is_nonsense_is_passed_over(tmp_path):
    variables = [np.arange(3, dtype=np.float32)]
    checkpoints.save(variables, tmp_path, phase=1, batch=2)
    good = read_archive(tmp_path / "phase01_batch00000002.npz")
    headers = [
        "[" * 100_000,
        "[]",
        "{}",
        '{"schema_version": 2, "phase": 1, "batch": "x", "sha256": ""}',
        "\ud800",
    ]
    for number, header in enumerate(headers):
        write_archive(
            tmp_path / f"phase01_batch{number + 10:08d}.npz", {**good, "header": np.array(header)}
        )
    assert checkpoints.newest(tmp_path).batch == 2


@pytest.mark.once
def test_a_second_run_in_one_folder_says_that_one_is_at_work(pairs, tmp_path):
    code = (
        "import sys, time; from bokeh_tf.files import lock_folder; claim ="
        " lock_folder(sys.argv[1]); "
    )
    code += "print('claimed', flush=True); time.sleep(60)"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "claimed\n"
        for resume in (False, True):
            with pytest.raises(OutputError, match="another run is at work"):
                train(ONE_PHASE, data=pairs, out=tmp_path, settings=settings(resume=resume))
    finally:
        other.kill()
        other.communicate()
    assert list(tmp_path.iterdir()) == []


# Whether a batch is a step's last is a branch of the graph.
@pytest.mark.usefixtures("as_graphs")
def test_accumulated_batches_are_one_large_batch(pairs, tmp_path):
    whole = dataclasses.replace(ONE_PHASE, phases=(dataclasses.replace(FIRST, steps=2),))
    halves = dataclasses.replace(FIRST, batch_size=1, accumulated_batches=2, steps=4)
    train(whole, data=pairs, out=tmp_path / "whole", settings=settings())
    train(
        dataclasses.replace(whole, phases=(halves,)),
        data=pairs,
        out=tmp_path / "halves",
        settings=settings(),
    )
    expected = weights_after(tmp_path / "whole", "first")
    for name, actual in weights_after(tmp_path / "halves", "first").items():
        np.testing.assert_allclose(
            actual, expected[name], atol=ACCUMULATION_TOLERANCE, err_msg=name
        )


def poisoned_maps(folder, *, number):
    """Pairs whose targets are maps; one of them holds a NaN, which no 8-bit picture can."""
    write_pairs(folder)
    for name in range(6):
        target = folder / "Training" / "bokeh" / f"{name}.jpg"
        target.unlink()
        values = np.full((48, 64), np.nan if name == number else 0.5, np.float32)
        cv2.imwrite(str(target.with_suffix(".tiff")), values)
    return folder


@pytest.mark.once
def test_a_loss_that_is_not_finite_stops_with_the_batch_and_can_be_left_out(tmp_path, monkeypatch):
    data = poisoned_maps(tmp_path / "data", number=3)
    plan = dataclasses.replace(
        PLAN, phases=(dataclasses.replace(FIRST, target="saliency", steps=3),)
    )
    with pytest.raises(
        TrainingError, match=r"first, batch \d \(.*\b3\b.*\): loss is not finite"
    ) as error:
        train(plan, data=data, out=tmp_path / "out", settings=settings())
    assert "--skip-nonfinite" in str(error.value) and "\n" not in str(error.value)
    kept = checkpoints.newest(tmp_path / "out" / "checkpoints")
    assert all(np.isfinite(array).all() for array in kept.arrays)
    warnings = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *arguments: warnings.append(text % arguments)
    )
    train(
        plan, data=data, out=tmp_path / "out", settings=settings(resume=True, skip_nonfinite=True)
    )
    assert all(
        np.isfinite(array).all() for array in weights_after(tmp_path / "out", "first").values()
    )
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    [skipped] = manifest["phases"]["first"]["skipped"]
    assert "3" in skipped["ids"] and len(skipped["ids"]) == 2
    assert any("It is left out" in warning for warning in warnings)


@pytest.mark.once
def test_unreadable_pairs_are_named_and_replaced(pairs, tmp_path, monkeypatch):
    warnings = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *arguments: warnings.append(text % arguments)
    )
    data = shutil.copytree(pairs, tmp_path / "data")
    broken = data / "Training" / "original" / "2.jpg"
    broken.write_bytes(b"no JPEG")
    train(ONE_PHASE, data=data, out=tmp_path / "out", settings=settings())
    assert [
        warning
        for warning in warnings
        if str(broken) in warning and "Another pair takes its place" in warning
    ]
    for path in (data / "Training" / "original").iterdir():
        path.write_bytes(b"no JPEG")
    with pytest.raises(DataError, match="not a picture that can be decoded") as error:
        train(ONE_PHASE, data=data, out=tmp_path / "none", settings=settings())
    assert "\n" not in str(error.value)


@pytest.mark.once
def test_a_network_that_a_phone_refuses_is_not_trained(pairs, tmp_path, monkeypatch):
    from bokeh_tf.models import unet

    original = unet.build

    def with_refused_operation(config, *, image_shape):
        model = original(config, image_shape=image_shape)
        larger = keras.layers.UpSampling2D(2)(model.output)
        return keras.Model(model.input, keras.layers.AveragePooling2D(2)(larger))

    monkeypatch.setattr(unet, "build", with_refused_operation)
    strict = dataclasses.replace(settings(), allow_refused=False)
    with pytest.raises(TrainingError, match="Training not started"):
        train(ONE_PHASE, data=pairs, out=tmp_path, settings=strict)
    assert not (tmp_path / "checkpoints").exists()


def test_a_full_disk_keeps_the_last_state(tmp_path):
    values = [keras.Variable(np.ones((100, 100), np.float32))]
    checkpoints.save(values, tmp_path, phase=1, batch=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            checkpoints.save(values, tmp_path, phase=1, batch=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["phase01_batch00000001.npz"]
    assert checkpoints.newest(tmp_path).batch == 1
