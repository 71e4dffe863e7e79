"""`bokeh-tf train`: what its options do, what it prints, and what it refuses
before it has done anything.
"""

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from bokeh_tf.cli import main
from bokeh_tf.data.archives import read_archive
from bokeh_tf.training import dry_run
from bokeh_tf.training.checkpoints import newest
from bokeh_tf.training.estimates import estimate
from bokeh_tf.training.plans import PLANS
from bokeh_tf.training.plans.schedule import LearningRate, Phase, Plan, Term
from bokeh_tf.training.run import RunOptions
from bokeh_tf.training.session import Settings, train
from bokeh_tf.training.supervised import build_model, trainer_of
from tests.photographs import write_folder
from tests.training.learning import LEAST_DESCENT, along, assert_falls
from tests.training.smallest_networks import CHANGES
from tests.training_pairs import write_pairs

TIME_LIMIT_S = 600
# A network of a few layers, at a size that a picture of 200 px holds.
QUICK = ("--scale", "small", "--steps", "4", "--checkpoint-every", "2", "--allow-refused")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(
        tmp_path_factory.mktemp("command") / "пары – 写真", count=5, shape=(200, 210)
    )


@pytest.fixture
def float32_afterwards():
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def wide(monkeypatch):
    """A terminal that a table fits into."""
    monkeypatch.setenv("COLUMNS", "200")


def command(plan, data, out, *options):
    return main(["train", plan, "--data", str(data), "--out", str(out), *options])


def one_line_of(capsys):
    [line] = capsys.readouterr().err.splitlines()
    return line


def usage_complaint(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        command(*arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.once
def test_a_dry_run_prints_the_schedule_and_writes_nothing(pairs, tmp_path, capsys, wide):
    assert command("bgnet", pairs, tmp_path / "out", "--dry-run") == 0
    assert list(tmp_path.iterdir()) == []
    text = capsys.readouterr().out
    # Five pairs in batches of one, 60 times, in each of three phases; none of
    # these numbers are published.
    for name in ("first_unet", "second_unet", "wgan_gp"):
        [row] = [line for line in text.splitlines() if line.strip(" │┃").startswith(name)]
        assert "300*" in row and "1024x1024 crop*" in row and " GB" in row
    assert (
        "0.0001 to 1e-05, linear*" in text and "0.5 l1 + 1 ssim" in text and "fresh weights" in text
    )
    assert "* not published: our value" in text
    assert "5 training pairs; about" in text and "on this machine" in text


@pytest.mark.once
def test_weights_in_the_output_folder_are_replaced_only_on_demand(pairs, tmp_path, capsys):
    kept = tmp_path / "dddf_tiny.weights.h5"
    kept.write_bytes(b"trained for weeks")
    assert command("dddf", pairs, tmp_path, *QUICK) == 1
    assert "--overwrite" in one_line_of(capsys)
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    assert command("dddf", pairs, tmp_path, *QUICK, "--overwrite", "--only", str(kept)) == 1
    assert "this run reads that file" in one_line_of(capsys)
    assert kept.read_bytes() == b"trained for weeks"


@pytest.mark.once
def test_a_dry_run_in_a_narrow_terminal_breaks_no_word(pairs, capsys, monkeypatch):
    def narrow(**options):
        return Console(width=70, force_terminal=True, color_system=None)

    monkeypatch.setattr(dry_run, "Console", narrow)
    dry_run.print_schedule(PLANS["bgnet"], data=pairs)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "phase first_unet",
        "size 1024x1024 crop*",
        "learning rate 0.0001 to 1e-05, linear*",
    ):
        assert line in lines


@pytest.mark.once
def test_a_dry_run_of_published_values_has_no_star(pairs, tmp_path, capsys, wide):
    assert (
        command("dddf", pairs, tmp_path / "out", "--dry-run", "--scale", "small", "--steps", "7")
        == 0
    )
    [row] = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.strip(" │┃").startswith("whole")
    ]
    assert "1 l1 " in row and "l1*" not in row and "times 0.5 every 200 epochs " in row


def test_steps_and_memory_are_multiplied_out(pairs):
    # 23 pairs in batches of 8 are two batches, a third is incomplete; 200 epochs.
    [cost] = estimate(PLANS["unet"].small(image_shape=(64, 64), steps=3), pairs=23)
    assert cost.steps == 3
    assert PLANS["unet"].phases[0].total_steps(23) == 200 * (23 // 8)
    model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(4, 3, padding="same")])
    assert cost.memory_bytes > 4 * 4 * cost.parameters
    assert cost.duration_s > 0 and model.count_params() < cost.parameters


@pytest.mark.once
def test_a_dry_run_of_scenes_needs_no_pairs(tmp_path, capsys, wide):
    assert (
        command("dbsi_mobile", write_folder(tmp_path / "photos"), tmp_path / "out", "--dry-run")
        == 0
    )
    text = capsys.readouterr().out
    assert "10,000" in text and "Scenes, made on the fly" in text
    assert not (tmp_path / "out").exists()


@pytest.mark.once
def test_wrong_usage_is_status_2_and_leaves_nothing(pairs, tmp_path, capsys):
    out = tmp_path / "out"
    complaint = usage_complaint(capsys, "bgnet", pairs, out, "--phase", "4")
    assert "--phase must be one of the plan's: 1 first_unet, 2 second_unet, 3 wgan_gp" in complaint
    assert "invalid choice: 'nope'" in usage_complaint(capsys, "nope", pairs, out)
    assert "--seed" in usage_complaint(capsys, "unet", pairs, out, "--seed", "one")
    assert "seed must be from 0" in usage_complaint(capsys, "unet", pairs, out, "--seed", "-1")
    assert "invalid whole number from 1" in usage_complaint(
        capsys, "unet", pairs, out, "--accumulate", "0"
    )
    assert not out.exists()


def test_data_that_is_not_there_is_said_in_one_line(pairs, tmp_path, capsys):
    assert command("unet", tmp_path / "none", tmp_path / "out", *QUICK) == 1
    assert one_line_of(capsys) == f"bokeh-tf: {tmp_path / 'none'}: no such folder. Check the path."
    (tmp_path / "empty").mkdir()
    assert command("unet", tmp_path / "empty", tmp_path / "out", *QUICK, "--dry-run") == 1
    assert "no pairs of pictures found" in one_line_of(capsys)
    assert (
        command("unet", pairs, tmp_path / "out", *QUICK, "--only", str(tmp_path / "none.txt")) == 1
    )
    assert str(tmp_path / "none.txt") in one_line_of(capsys)


def test_maps_that_are_missing_are_said_before_the_first_step(pairs, tmp_path, capsys):
    data = shutil.copytree(pairs, tmp_path / "data")
    assert command("dddf", data, tmp_path / "out", *QUICK) == 1
    line = one_line_of(capsys)
    assert "no depth map, which this network takes (5 of 5 pairs have none)" in line
    assert "Put them into a folder named depth beside the photos" in line
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_vgg_weights_that_are_missing_are_said_at_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    # Not even the data is looked at.
    assert command("defocus", tmp_path / "none", tmp_path / "out") == 1
    assert "no weights of VGG-19 (no such file). Fetch them with: python -c" in one_line_of(capsys)
    weights = tmp_path / "none.h5"
    assert command("pynet", tmp_path / "none", tmp_path / "out", "--vgg-weights", str(weights)) == 1
    assert one_line_of(capsys).startswith(f"bokeh-tf: {weights}: no weights of VGG-19")
    # Its first phase does without them.
    assert command("pynet", tmp_path / "none", tmp_path / "out", "--phase", "1") == 1
    assert "no such folder" in one_line_of(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.once
def test_a_run_is_resumed_and_not_repeated(pairs, tmp_path, capsys):
    out = tmp_path / "größe"
    assert command("unet", pairs, out, *QUICK, "--resume") == 1
    assert "no run to resume. Leave out --resume" in one_line_of(capsys)
    assert command("unet", pairs, out, *QUICK) == 0
    assert f"written: {out / 'unet_tiny.weights.h5'}" in capsys.readouterr().out
    assert command("unet", pairs, out, *QUICK) == 1
    assert "there is a run in this folder. Add --resume or choose another --out" in one_line_of(
        capsys
    )
    assert command("unet", pairs, out, *QUICK, "--resume") == 0
    capsys.readouterr()
    assert command("wide_activation", pairs, out, *QUICK, "--resume") == 1
    assert (
        "this run is of the plan unet, not of wide_activation. Choose another --out"
        in one_line_of(capsys)
    )


@pytest.mark.once
def test_phases_can_be_run_one_by_one(pairs, tmp_path, capsys):
    assert command("bgnet", pairs, tmp_path, *QUICK, "--phase", "1") == 0
    assert {path.name for path in (tmp_path / "phases").iterdir()} == {"first_unet.npz"}
    assert command("bgnet", pairs, tmp_path, *QUICK, "--phase", "2", "--resume") == 0
    first, second = (
        read_archive(tmp_path / "phases" / f"{name}.npz") for name in ("first_unet", "second_unet")
    )
    changed = {
        name.split("_")[0] for name in second if not np.array_equal(first[name], second[name])
    }
    assert changed == {"stage2"}
    capsys.readouterr()


def test_gradients_are_accumulated(pairs, tmp_path):
    assert command("unet", pairs, tmp_path, *QUICK, "--accumulate", "4") == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["plan"]["phases"][0]["accumulated_batches"] == 4
    header = json.loads(
        str(read_archive(tmp_path / "checkpoints" / "phase01_batch00000004.npz")["header"])
    )
    assert header["batch"] == 4


def steps_of(out):
    """What training made of the fresh weights, which depend on the seed alone."""
    plan = PLANS["unet"].small(image_shape=(64, 64))
    keras.utils.set_random_seed(RunOptions().seed)
    fresh = {
        variable.path: np.array(variable)
        for variable in build_model(plan, plan.phases[0]).trainable_weights
    }
    learned = read_archive(out / "phases" / "whole.npz")
    return {path: learned[path] - before for path, before in fresh.items()}


# A processor computes 16-bit floats of the older kind ten times slower.
@pytest.mark.parametrize(
    "precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
def test_mixed_precision_learns_what_float32_does(tmp_path, precision, float32_afterwards):
    data, out = write_pairs(tmp_path / "data", count=2, shape=(192, 192)), tmp_path / "out"
    assert command("unet", data, tmp_path / "float32", *QUICK) == 0
    assert command("unet", data, out, *QUICK, "--precision", precision) == 0
    rows = list(csv.DictReader((out / "log.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["batch"] for row in rows] == ["2", "4"]
    assert all(0 < float(row["loss"]) < 1 for row in rows)
    weights = read_archive(out / "phases" / "whole.npz")
    assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in weights.values())
    keras.config.set_dtype_policy("float32")
    assert along(steps_of(tmp_path / "float32"), steps_of(out)) > LEAST_DESCENT


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.once
def test_every_network_has_mixed_precision(name, float32_afterwards):
    is_flagship = PLANS[name].model == "dbsi_mobile"
    shape, variant = ((256, 384), PLANS[name].variant) if is_flagship else ((128, 192), "tiny")
    plan = PLANS[name].small(image_shape=shape, variant=variant)
    phase = plan.phases[-1]
    phase = dataclasses.replace(phase, changes=(*phase.changes, *CHANGES.get(name, ())))
    keras.config.set_dtype_policy("mixed_bfloat16")
    trainer = trainer_of(build_model(plan, phase), phase)
    # To trace it shows whether types fit, in seconds where computing takes minutes.
    inputs = {name: tf.TensorSpec((1, *tensor.shape[1:])) for name, tensor in trainer.input.items()}
    traced = tf.function(
        lambda tensors: trainer(tensors, training=True), autograph=False
    ).get_concrete_function(inputs)
    assert {output.dtype for output in traced.outputs} == {tf.bfloat16}


@pytest.mark.usefixtures("layer_by_layer")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_result_is_the_average_of_the_weights_where_a_plan_says_so(
    tmp_path, precision, float32_afterwards
):
    phase = Phase(
        *("whole", (Term("l1"),), LearningRate(1e-3), (32, 32)),
        batch_size=2,
        steps=2,
        average_steps=2,
    )
    plan = Plan("toy", "unet", "a test", (phase,), variant="tiny")
    data, out = write_pairs(tmp_path / "data", count=2), tmp_path / "out"
    train(plan, data=data, out=out, settings=Settings(precision=precision, allow_refused=True))
    result = [
        array for array in read_archive(out / "phases" / "whole.npz").values() if array.ndim == 4
    ]
    arrays = newest(out / "checkpoints").arrays
    # Ahead of what the optimiser keeps, averages among it, a checkpoint has the
    # weights after the last step.
    count = len(read_archive(out / "phases" / "whole.npz"))
    for kernel in result:
        assert any(np.array_equal(kernel, array) for array in arrays[count:])
        assert not any(np.array_equal(kernel, array) for array in arrays[:count])


BACKEND_PROGRAM = """
import sys
from bokeh_tf.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_plan_is_trained_on_jax(pairs, tmp_path):
    arguments = [
        "train",
        "unet",
        "--data",
        pairs,
        "--out",
        tmp_path / "out",
        *QUICK,
        "--steps",
        "24",
    ]
    done = subprocess.run(
        [sys.executable, "-c", BACKEND_PROGRAM, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = list(
        csv.DictReader((tmp_path / "out" / "log.csv").read_text(encoding="utf-8").splitlines())
    )
    assert_falls([float(row["loss"]) for row in rows])
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["versions"]["backend"] == "jax"


LOSSES_PROGRAM = """
import sys
import keras
import numpy as np
from bokeh_tf.losses import LOSSES
arrays = np.load(sys.argv[1])
values = {name: np.asarray(loss(arrays["expected"], arrays["actual"])) for name, loss in LOSSES.items()}
np.savez(sys.argv[2], backend=keras.backend.backend(), **values)
"""
# Sums in another order; SSIM's variances are differences of near numbers.
BACKENDS_TOLERANCE = 2e-5


@pytest.mark.slow
def test_losses_are_the_same_on_jax(tmp_path):
    random = np.random.default_rng(2)
    expected = random.random((2, 177, 181, 3), dtype=np.float32)
    actual = np.clip(expected + random.normal(0, 0.1, expected.shape), 0, 1).astype(np.float32)
    np.savez(tmp_path / "pictures.npz", expected=expected, actual=actual)
    results = {}
    for backend in ("tensorflow", "jax"):
        subprocess.run(
            [
                sys.executable,
                "-c",
                LOSSES_PROGRAM,
                tmp_path / "pictures.npz",
                tmp_path / f"{backend}.npz",
            ],
            env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
            timeout=TIME_LIMIT_S,
            check=True,
        )
        results[backend] = dict(np.load(tmp_path / f"{backend}.npz"))
        assert str(results[backend].pop("backend")) == backend
    assert len(results["jax"]) == 8
    for name, values in results["jax"].items():
        np.testing.assert_allclose(
            values, results["tensorflow"][name], atol=BACKENDS_TOLERANCE, err_msg=name
        )
