"""`bokeh-tf export` as a user meets it: what is written, what is refused,
and what is said about it.
"""

import keras
import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.cli import main
from bokeh_tf.delegate import check
from bokeh_tf.models.weights import packaged_weights
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running.runtime import load
from tests.models.zoo_models import predict, random_inputs

SIZE = ("--size", "32x48")
SHAPE = (32, 48)
NAME = "unet_tiny_float16_32x48.tflite"
# Weights are rounded to eleven bits.
FLOAT16_TOLERANCE = 5e-3


def export(*arguments, model="unet", variant="tiny"):
    return main(["export", model, "--variant", variant, *map(str, arguments)])


def other_model(seed=5):
    keras.utils.set_random_seed(seed)
    return models.build("unet", variant="tiny", image_shape=SHAPE)


def test_writes_a_checked_file_and_warns_of_untrained_weights(tmp_path, capsys):
    out = tmp_path / "größe – 写真" / "deeper"
    assert export(*SIZE, "--no-probe", "-o", out) == 0
    assert [path.name for path in out.iterdir()] == [NAME]
    printed = capsys.readouterr()
    assert "warning: no trained weights" in printed.err
    for part in (
        f"PASSED  {NAME}",
        "v2: compatible",
        "mldrift: compatible",
        "GPU memory: about ",
        f"written: {out}",
    ):
        assert part in printed.out
    assert inspect(out / NAME).inputs[0].shape == (1, *SHAPE, 3)


def test_loads_the_weights_it_is_given(tmp_path, capsys):
    model = other_model()
    weights = tmp_path / "trained.weights.h5"
    model.save_weights(weights)
    assert export(*SIZE, "--no-probe", "--weights", weights, "-o", tmp_path) == 0
    assert "warning" not in capsys.readouterr().err
    inputs = random_inputs(model)
    (rendered,) = load(tmp_path / NAME).run(inputs["image"])
    np.testing.assert_allclose(rendered, predict(model, inputs)["rendered"], atol=FLOAT16_TOLERANCE)


def test_uses_packaged_weights_and_the_precision_asked_for(tmp_path, capsys):
    arguments = ("--size", "256x64", "--precision", "float32", "--no-probe", "-o", tmp_path)
    release = ("--runtime", "2.1.5")
    assert export(*arguments, *release, model="dbsi_mobile", variant="base") == 0
    printed = capsys.readouterr()
    assert "warning" not in printed.err and "(rules v2, mldrift of 2.1.5; " in printed.out
    content = (tmp_path / "dbsi_mobile_base_float32_256x64.tflite").read_bytes()
    model = models.build("dbsi_mobile", image_shape=(256, 64))
    model.load_weights(packaged_weights("dbsi_mobile", "base"))
    inputs = random_inputs(model)
    actual = dict(
        zip(["rendered", "in_focus_weight"], load(content).run(inputs["image"]), strict=True)
    )
    np.testing.assert_allclose(actual["rendered"], predict(model, inputs)["rendered"], atol=1e-4)


@pytest.mark.gpu
def test_asks_the_real_delegate(gpu, tmp_path, capsys):
    assert export(*SIZE, "-o", tmp_path) == 0
    assert f"real delegate: full on {gpu}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ("missing – 重み.weights.h5", "no trained weights for unet tiny"),
        ("wrong.weights.h5", "not the weights of unet tiny"),
    ],
)
def test_weights_that_do_not_fit_are_status_1_and_one_line(weights, complaint, tmp_path, capsys):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]).save_weights(
        tmp_path / "wrong.weights.h5"
    )
    out = tmp_path / "out"
    assert export(*SIZE, "--no-probe", "--weights", tmp_path / weights, "-o", out) == 1
    printed = capsys.readouterr()
    assert complaint in printed.err and printed.err.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["unet"], "-o/--out"),
        (["nope", "-o", "out"], "Known: megadepth"),
        (["unet", "--variant", "huge", "-o", "out"], "Known: base, width32, tiny"),
        (["unet", "--size", "32", "-o", "out"], "invalid HEIGHTxWIDTH value: '32'"),
        (["unet", "--size", "32x-48", "-o", "out"], "invalid HEIGHTxWIDTH value"),
        (
            ["unet", "--variant", "tiny", "--size", "33x48", "-o", "out"],
            "multiples of 16. Received: (33, 48)",
        ),
        (["unet", "--timeout", "0", "-o", "out"], "invalid positive number value: '0'"),
    ],
)
def test_wrong_usage_is_status_2(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["export", *arguments])
    assert stop.value.code == 2 and complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_somebody_else_is_replaced_only_on_demand(tmp_path, capsys):
    (tmp_path / NAME).write_bytes(b"mine")
    assert export(*SIZE, "--no-probe", "-o", tmp_path) == 1
    printed = capsys.readouterr()
    assert "--overwrite" in printed.err and printed.err.count("\n") == 1
    assert (tmp_path / NAME).read_bytes() == b"mine"
    assert export(*SIZE, "--no-probe", "--overwrite", "-o", tmp_path) == 0
    # By now it is ours.
    assert export(*SIZE, "--no-probe", "-o", tmp_path) == 0


def test_weights_under_the_name_of_the_output_are_kept(tmp_path, capsys):
    other_model().save_weights(tmp_path / "trained.weights.h5")
    (tmp_path / NAME).symlink_to("trained.weights.h5")
    before = (tmp_path / NAME).read_bytes()
    arguments = ("--weights", tmp_path / "trained.weights.h5", "--overwrite", "-o", tmp_path)
    assert export(*SIZE, "--no-probe", *arguments) == 1
    assert "this run reads that file" in capsys.readouterr().err
    assert (tmp_path / NAME).read_bytes() == before


def test_a_file_in_the_folders_place_is_status_1(tmp_path, capsys):
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    assert export(*SIZE, "--no-probe", "-o", tmp_path / "out") == 1
    assert "is no folder" in capsys.readouterr().err


def test_what_fails_its_check_is_not_written(tmp_path, capsys, monkeypatch):
    """Groups of two channels, which the delegates take and compute wrong,
    in the place of a network.
    """

    def build(name, *, variant, image_shape):
        image = keras.Input((*image_shape, 3), name="image")
        hidden = keras.layers.Conv2D(8, 3, padding="same")(image)
        grouped = keras.layers.Conv2D(8, 3, groups=4, padding="same")(hidden)
        return keras.Model(
            image, keras.layers.Conv2D(3, 1, name="rendered")(grouped), name=f"{name}.{variant}"
        )

    monkeypatch.setattr(models, "build", build)
    assert export(*SIZE, "--no-probe", "-o", tmp_path) == check.FAILED
    assert f"{NAME}: not written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
