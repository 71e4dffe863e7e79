"""`python -m export` from trained weights to checked files and their manifest, on tiny models."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running.runtime import load
from export import manifest, summary
from export.__main__ import main
from export.recipes import RECIPES, Recipe

GOOD = Recipe("good", "base", "float16", 16, 24, is_packaged=True)
OTHER = Recipe("other", "base", "float16", 16, 24)
WRONG = Recipe("wrong", "base", "float16", 16, 24)
REFUSED = Recipe("refused", "base", "float16", 16, 24)
# Weights are rounded to half precision, sums over 27 of them stay in [0, 1].
FLOAT16_WEIGHTS_TOLERANCE = 2e-3


def build_tiny(name, *, variant, image_shape):
    """Stands in for the real networks.

    "good" and "other" are right on both delegates, "wrong" has groups that ML Drift gets wrong, and
    the rounding of "refused" is known to ML Drift only.
    """
    keras.utils.set_random_seed(11)
    image = keras.Input((*image_shape, 3), name="image")
    hidden = keras.layers.Conv2D(8, 3, padding="same", name="hidden")(image)
    if name == "wrong":
        hidden = keras.layers.Conv2D(8, 3, groups=4, padding="same", name="groups")(hidden)
    if name == "refused":
        hidden = keras.ops.round(hidden)
    rendered = keras.layers.Conv2D(3, 1, activation="sigmoid", name="rendered")(hidden)
    return keras.Model(image, {"rendered": rendered}, name=f"{name}.{variant}")


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    for recipe in (GOOD, OTHER, WRONG, REFUSED):
        model = build_tiny(recipe.model, variant="base", image_shape=(16, 24))
        model.layers[-1].bias.assign([0.5, -0.5, 1.0])
        model.save_weights(folder / recipe.weights_name)
    return folder


def _run(tmp_path, weights, *arguments, recipes=(GOOD, OTHER, WRONG, REFUSED)):
    out = tmp_path / "out"
    status = main(
        arguments, recipes=recipes, weights_folder=weights, assets_folder=out, build=build_tiny
    )
    return status, out


def _entries(out):
    document = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert document["schema_version"] == 1
    return document["files"]


@pytest.mark.gpu
def test_writes_what_passes_and_only_that(gpu, tmp_path, weights, capsys):
    status, out = _run(tmp_path, weights, recipes=(GOOD, WRONG))
    assert status == 3
    assert sorted(path.name for path in out.iterdir()) == [f"{GOOD.name}.tflite", "manifest.json"]
    assert f"{WRONG.name}: not written, it failed its check" in capsys.readouterr().err
    content = (out / f"{GOOD.name}.tflite").read_bytes()
    assert (weights / f"{GOOD.name}.tflite").read_bytes() == content
    (entry,) = _entries(out)
    assert entry["sha256"] == hashlib.sha256(content).hexdigest() and entry["bytes"] == len(content)
    assert (
        entry["inputs"][0]["shape"] == [1, 16, 24, 3] and entry["outputs"][0]["name"] == "rendered"
    )
    assert (
        entry["macs"] == 16 * 24 * (27 * 8 + 8 * 3)
        and entry["parameters"] == 27 * 8 + 8 + 8 * 3 + 3
    )
    assert entry["check"]["verdict"] == "full" and entry["check"]["adapter"] == gpu
    assert [part["precision"] for part in entry["check"]["precisions"]] == ["float32", "default"]
    _assert_has_the_trained_weights(content)


def _assert_has_the_trained_weights(content):
    model = build_tiny("good", variant="base", image_shape=(16, 24))
    model.layers[-1].bias.assign([0.5, -0.5, 1.0])
    image = np.random.default_rng(2).random((1, 16, 24, 3), np.float32)
    (rendered,) = load(content).run(image)
    np.testing.assert_allclose(
        rendered, model.predict(image, verbose=0)["rendered"], atol=FLOAT16_WEIGHTS_TOLERANCE
    )


@pytest.fixture
def no_adapter(monkeypatch, tmp_path):
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.setenv(name, str(tmp_path / "no_driver.json"))


def test_without_an_adapter_nothing_is_written(no_adapter, tmp_path, weights, capsys):
    status, out = _run(tmp_path, weights, "--only", GOOD.name)
    assert status == 1 and list(out.iterdir()) == []
    output = capsys.readouterr()
    assert "make software-gpu" in output.out and "--allow-unchecked" in output.err


@pytest.mark.parametrize("recipe", [WRONG, REFUSED])
def test_what_the_rules_refuse_is_not_written_even_unchecked(
    no_adapter, tmp_path, weights, capsys, recipe
):
    status, out = _run(tmp_path, weights, "--allow-unchecked", "--only", recipe.name)
    assert status == 3 and list(out.iterdir()) == []
    output = capsys.readouterr()
    assert (
        f"{recipe.name}: not written, it failed its check" in output.err
        and "instead: " in output.out
    )


@pytest.mark.gpu
def test_what_one_delegate_refuses_is_not_written_though_the_real_one_takes_it(
    gpu, tmp_path, weights, capsys
):
    status, out = _run(tmp_path, weights, "--only", REFUSED.name)
    assert status == 3 and list(out.iterdir()) == []
    assert "real delegate: full" in capsys.readouterr().out


def test_unchecked_files_are_stamped_and_others_keep_their_entries(no_adapter, tmp_path, weights):
    for recipe in (GOOD, OTHER):
        status, out = _run(tmp_path, weights, "--allow-unchecked", "--only", recipe.name)
        assert status == 0
    entries = _entries(out)
    assert [entry["file"] for entry in entries] == [f"{GOOD.name}.tflite", f"{OTHER.name}.tflite"]
    assert all(
        entry["check"]["verdict"] == "unchecked" and "adapter" in entry["check"]["reason"]
        for entry in entries
    )
    assert inspect(out / f"{GOOD.name}.tflite").macs == entries[0]["macs"]


def test_missing_or_foreign_weights_are_one_line_and_others_still_done(
    no_adapter, tmp_path, weights, capsys
):
    (weights / GOOD.weights_name).write_bytes(b"not HDF5")
    absent = Recipe("absent", "base", "float16", 16, 24)
    status, out = _run(tmp_path, weights, "--allow-unchecked", recipes=(absent, GOOD, OTHER))
    assert status == 1
    assert [entry["model"] for entry in _entries(out)] == ["other"]
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 2
    assert "no trained weights" in complaints[0]
    assert f"{GOOD.weights_name}: no HDF5 file" in complaints[1]


@pytest.mark.parametrize("place", ["out", "weights"])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_run_that_was_killed_is_whole_after_the_next(
    no_adapter, tmp_path, weights, place, is_new
):
    """The state that SIGKILL leaves: a file of the new run beside the
    manifest of the one before.
    """
    if not is_new:
        assert _run(tmp_path, weights, "--allow-unchecked", "--only", GOOD.name)[0] == 0
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / f"{GOOD.name}.tflite").write_bytes(b"another file")
    status, out = _run(tmp_path, weights, "--allow-unchecked", "--only", OTHER.name)
    assert status == 0
    digests = {entry["model"]: entry["sha256"] for entry in _entries(out)}
    for copy in (out, weights):
        content = (copy / f"{GOOD.name}.tflite").read_bytes()
        assert hashlib.sha256(content).hexdigest() == digests["good"]
    # A whole export is left alone.
    assert manifest.halfway(out, (GOOD, OTHER), package=weights) == []


def test_a_damaged_manifest_is_not_overwritten(no_adapter, tmp_path, weights, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text("{}", encoding="utf-8")
    status, _ = _run(tmp_path, weights, "--allow-unchecked", "--only", GOOD.name)
    assert status == 1 and "not a manifest" in capsys.readouterr().err
    assert (out / "manifest.json").read_text(encoding="utf-8") == "{}"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, weights, capsys):
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    status, _ = _run(tmp_path, weights)
    assert status == 1 and "cannot create this folder" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--only", "nonsense"], ["--timeout", "0"]])
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and "Received" in capsys.readouterr().err


def test_recipes_name_known_models_and_do_not_collide():
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)
    assert "dbsi_mobile_base_float16_1024x1536" in {recipe.name for recipe in RECIPES}
    for recipe in RECIPES:
        assert recipe.variant in models.variants(recipe.model)


def test_help_does_not_import_keras():
    code = (
        "import sys; sys.argv = ['export', '--help']; import runpy; runpy.run_module('export',"
        " run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "--allow-unchecked" in done.stdout
    assert "tensorflow" not in done.stderr and " keras" not in done.stderr


def test_another_folder_leaves_the_package_as_it_is(no_adapter, tmp_path, weights):
    out = tmp_path / "elsewhere"
    arguments = ["--out", str(out), "--allow-unchecked", "--only", GOOD.name]
    assert main(arguments, recipes=(GOOD,), weights_folder=weights, build=build_tiny) == 0
    assert (out / f"{GOOD.name}.tflite").is_file() and not (
        weights / f"{GOOD.name}.tflite"
    ).exists()


def test_summary_shows_what_the_demo_made(no_adapter, tmp_path, weights, capsys):
    arguments = ["--out", str(tmp_path / "models"), "--allow-unchecked", "--only", GOOD.name]
    main(arguments, recipes=(GOOD,), weights_folder=weights, build=build_tiny)
    for folder, name in (
        ("pictures", "photo.jpg"),
        ("pictures", "photo_compare.jpg"),
        ("timings", "cpu_1.json"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).touch()
    timing = {"measurements": [{"threads": 2, "summary": {"median_ms": {"value": 41.6}}}]}
    (tmp_path / "timings" / "cpu_1.json").write_text(json.dumps(timing))
    capsys.readouterr()
    assert summary.main([str(tmp_path)]) == 0
    shown = "".join(capsys.readouterr().out.replace("│", "").split())
    for part in (
        f"{GOOD.name}.tflite",
        "UNCHECKED",
        "42mson2threads",
        "photo.jpg",
        "photo_compare.jpg",
    ):
        assert part in shown
