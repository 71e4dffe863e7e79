"""Weights of eight bits: what Google's quantiser makes of a file, and what is
said where it is missing.
"""

import json

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from bokeh_tf.cli import main
from bokeh_tf.converting.quantiser import _Quantising
from bokeh_tf.errors import ConversionError
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect
from tests.converting import own_nets

ABSENT = (
    """raise ModuleNotFoundError("No module named 'ai_edge_quantizer'", name="ai_edge_quantizer")"""
)


@pytest.fixture(scope="module")
def plain_file(tmp_path_factory):
    """The float32 file of a network with a sum, and with an upsampling that delegates refuse."""
    keras.utils.set_random_seed(4)
    image = keras.Input((*own_nets.SIZE, 3), name="image")
    hidden = layers.Conv2D(8, 3, padding="same")(image)
    hidden = layers.UpSampling2D(2)(layers.Add()([hidden, layers.ReLU()(hidden)]))
    sharp = layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="sharp")(hidden)
    path = tmp_path_factory.mktemp("plain") / "plain.tflite"
    model = keras.Model(image, sharp, name="plain")
    path.write_bytes(convert(model, precision="float32", strict=False))
    return path


def quantise(capsys, source, out, *options):
    status = main(
        [
            "convert",
            str(source),
            "-o",
            str(out),
            "--no-probe",
            "--format",
            "json",
            *map(str, options),
        ]
    )
    captured = capsys.readouterr()
    return status, json.loads(captured.out) if captured.out else captured.err


def run(path, image):
    """The only output, computed by the interpreter itself."""
    [values] = Interpreter(model_path=str(path)).get_signature_runner()(image=image).values()
    return values


def test_a_missing_quantiser_is_one_line(plain_file, tmp_path, capsys, monkeypatch):
    (tmp_path / "ai_edge_quantizer.py").write_text(ABSENT, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    status, said = quantise(
        capsys, plain_file, tmp_path / "small.tflite", "--precision", "dynamic_int8"
    )
    assert status == 1 and said.count("\n") == 1 and 'pip install "bokeh-tf[quantise]"' in said


def test_dynamic_weights_are_smaller_whole_and_nearly_the_same(plain_file, tmp_path, capsys):
    out = tmp_path / "small.tflite"
    status, document = quantise(
        capsys, plain_file, out, "--precision", "dynamic_int8", "--layer-costs"
    )
    assert (
        status == 0 and document["repair"]["is_whole"] and document["precision"] == "dynamic_int8"
    )
    assert {one["op"] for one in document["layer_costs"]} == {"CONV_2D"} and len(
        document["layer_costs"]
    ) == 2
    file = inspect(out.read_bytes())
    assert file.metadata["precision"] == "dynamic_int8" and file.is_quantised
    image = np.random.default_rng(2).random((1, *own_nets.SIZE, 3), np.float32)
    assert 0 < float(np.abs(run(plain_file, image) - run(out, image)).max()) < 0.02
    [measured] = [one for one in document["parity"] if one["sample"] == "random"]
    assert 0 < measured["max_abs"] < 0.02


def test_whole_integers_keep_float_ports_their_names_and_the_layers_that_are_kept(
    plain_file, tmp_path, capsys
):
    layer = inspect(plain_file.read_bytes()).outputs[0].name
    calibration = tmp_path / "calibration.npz"
    np.savez(calibration, image=np.random.default_rng(3).random((1, *own_nets.SIZE, 3), np.float32))
    shared = ("--precision", "int8", "--calibration", calibration)
    status, document = quantise(capsys, plain_file, tmp_path / "whole.tflite", *shared)
    assert (
        status == 0
        and [one["dtype"] for one in document["inputs"] + document["outputs"]] == ["float32"] * 2
    )
    assert [one["name"] for one in document["outputs"]] == [layer]
    status, kept = quantise(
        capsys, plain_file, tmp_path / "kept.tflite", *shared, "--keep-float", layer
    )
    assert status == 0 and kept["size_bytes"] > document["size_bytes"]
    status, said = quantise(
        capsys, plain_file, tmp_path / "no.tflite", *shared, "--keep-float", "absent"
    )
    assert status == 1 and "absent: no layer of this file" in said


@pytest.mark.slow
def test_the_cpu_computes_tensors_of_16_bits_and_delegates_refuse_them(
    plain_file, tmp_path, capsys
):
    image = np.random.default_rng(5).random((1, *own_nets.SIZE, 3), np.float32)
    samples, out = tmp_path / "samples.npz", tmp_path / "wide.tflite"
    np.savez(samples, image=image)
    options = ("--precision", "int16x8", "--calibration", samples, "--inputs", samples)
    status, document = quantise(capsys, plain_file, out, *options, "--allow-unchecked")
    assert status == 3 and not document["failures"] and not document["check"]["passed"]
    assert 0 < float(np.abs(run(plain_file, image) - run(out, image)).max()) < 0.01


def _arrays(path, image, **more):
    np.savez_compressed(path, image=image, **more)
    return path.read_bytes()


# What may be wrong with a calibration: how its file is made.
BAD_CALIBRATIONS = {
    "a photo that is none": lambda path: b"no photo",
    "cut": lambda path: _arrays(path, np.random.default_rng(0).random((1, 9, 9, 3)))[:1500],
    "another checksum": lambda path: _arrays(path, np.zeros((1, 9, 9, 3))).replace(
        b"image.npy", b"imagX.npy", 1
    ),
    "not finite in the file's type": lambda path: _arrays(
        path, np.full((1, *own_nets.SIZE, 3), 1e300)
    ),
    "not finite": lambda path: _arrays(path, np.full((1, *own_nets.SIZE, 3), np.nan, np.float32)),
    "another shape": lambda path: _arrays(path, np.ones((1, 2, 2, 3), np.float32)),
    "too many": lambda path: _arrays(path, np.ones(3), other=np.ones(3)),
    "objects": lambda path: _arrays(path, np.array([{}])),
}


@pytest.mark.parametrize("kind", BAD_CALIBRATIONS)
def test_a_bad_calibration_is_one_line(kind, plain_file, tmp_path, capsys):
    path = tmp_path / ("bad.jpg" if kind == "a photo that is none" else "bad.npz")
    path.write_bytes(BAD_CALIBRATIONS[kind](path))
    out = tmp_path / "out.tflite"
    status, said = quantise(
        capsys, plain_file, out, "--precision", "int8", "--calibration", path, "--no-repair"
    )
    assert status == 1 and said.count("\n") == 1 and path.name in said, said
    assert not out.exists()


def test_what_the_quantiser_cannot_take_is_one_line(plain_file):
    """Samples without a word in common with the file, as no file of a user's makes them."""
    with pytest.raises(ConversionError, match="ai-edge-quantizer cannot calibrate") as caught:
        _Quantising(plain_file.read_bytes(), "int8", [{"no input": np.ones(3, np.float32)}])
    assert "\n" not in str(caught.value) and "--calibration" in str(caught.value)


def test_rounded_weights_are_not_rounded_again(tiny_convolution, tmp_path, capsys):
    status, said = quantise(
        capsys, tiny_convolution, tmp_path / "small.tflite", "--precision", "dynamic_int8"
    )
    assert status == 1 and "rounded already" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "int8"], "needs --calibration"),
        (["--keep-float", "first"], "go with --precision dynamic_int8"),
    ],
)
def test_options_that_make_no_sense(options, message, plain_file, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["convert", str(plain_file), "-o", "x.tflite", *options])
    assert stop.value.code == 2 and message in capsys.readouterr().err
