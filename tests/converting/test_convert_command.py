"""`bokeh-tf convert` from a file to a file: the whole way, in its child processes."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from bokeh_tf.cli import main
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.tflite.associated_files import files_of
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.rewriting import pack
from tests.converting import own_nets
from tests.delegate.rules.rule_graphs import build_graph
from tests.repairing.wider_cases import MATRICES, NORMALISED

NETS = str(Path(own_nets.__file__))


def convert(capsys, *arguments):
    # What fixtures print is no part of the answer.
    capsys.readouterr()
    status = main(["convert", *map(str, arguments), "--format", "json"])
    captured = capsys.readouterr()
    return status, json.loads(captured.out) if captured.out else captured.err


def test_a_subclassed_file_becomes_a_file_that_delegates_take_and_that_computes_the_same(
    tmp_path, capsys
):
    keras.utils.set_random_seed(1)
    model = own_nets.doubling()
    model.save(tmp_path / "mine.keras")
    out = tmp_path / "new" / "mine.tflite"
    (tmp_path / "classes.txt").write_text("distance\n", encoding="utf-8")
    arguments = (
        tmp_path / "mine.keras",
        "-o",
        out,
        "--custom-objects",
        NETS,
        "--no-probe",
        "--range",
        "depth=0:80",
        "--labels",
        f"depth={tmp_path / 'classes.txt'}",
    )
    page = tmp_path / "page.html"
    status, document = convert(capsys, *arguments, "--report", page)
    assert (status, document["schema_version"], document["exit_code"]) == (0, 1, 0)
    assert document["written"] == str(out) and document["size_bytes"] == out.stat().st_size
    assert [one["name"] for one in document["outputs"]] == ["depth"]
    assert (
        document["repair"]["is_whole"] and document["repair"]["repaired"][0]["recipe"] == "nearest"
    )
    assert document["check"]["passed"] and all(one["share"] < 5e-3 for one in document["parity"])
    assert files_of(out.read_bytes()) == {"labels.txt": b"distance\n"}
    metadata = inspect(out.read_bytes()).metadata
    assert [one["range"] for one in metadata["outputs"]] == [[0, 80]] and metadata["inputs"][0][
        "range"
    ] is None
    text = page.read_text(encoding="utf-8")
    assert (
        f"Written: {out}" in text
        and "nearest" in text
        and f"{document['parity'][0]['psnr_db']:.1f} dB" in text
    )
    image = np.random.default_rng(1).random((1, *own_nets.SIZE, 3), np.float32)
    actual = Interpreter(model_path=str(out)).get_signature_runner("serving_default")(input=image)[
        "depth"
    ]
    np.testing.assert_allclose(actual, np.asarray(model(image)["depth"], np.float32), atol=5e-3)


def test_what_does_not_pass_is_written_only_where_that_was_asked_for(tmp_path, capsys, tiny_tflite):
    def graph(image):
        return keras.layers.UpSampling2D(2)(image)

    path = tiny_tflite("upsampling", graph)
    # Keras tells of what it saved.
    capsys.readouterr()
    out = tmp_path / "mine.tflite"
    page = tmp_path / "page.html"
    arguments = (path, "-o", out, "--no-probe", "--no-repair", "--report", page)
    status, document = convert(capsys, *arguments)
    text = page.read_text(encoding="utf-8")
    assert "did not pass" in text and "Nothing written" in text and "v2: incompatible" in text
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")
    assert (
        status == 3
        and not document["check"]["passed"]
        and document["written"] is None
        and not out.exists()
    )
    status, document = convert(capsys, *arguments, "--allow-unchecked")
    assert status == 3 and out.exists()
    status, document = convert(capsys, path, "-o", tmp_path / "whole.tflite", "--no-probe")
    assert status == 0 and document["repair"]["is_whole"] and document["parity"] == []


def test_a_file_is_also_made_for_phones_without_opencl_and_the_npu_where_that_is_asked_for(
    tmp_path, capsys
):
    path, out = tmp_path / "mine.tflite", tmp_path / "out.tflite"
    path.write_bytes(build_graph(NORMALISED))
    status, document = convert(capsys, path, "-o", out, "--no-probe")
    assert status == 0 and document["repair"] is None, "both delegates take it as it is"
    assert out.read_bytes() == path.read_bytes()
    page = tmp_path / "page.html"
    options = ("--no-probe", "--overwrite", "--also", "opengl,npu", "--report", page)
    status, document = convert(capsys, path, "-o", out, *options)
    assert status == 0 and document["repair"]["also"] == ["opengl", "npu"]
    names = {one["recipe"] for one in document["repair"]["repaired"]}
    assert {"opengl-sums", "npu-negative"} <= names
    assert lint(inspect(path), "v2").without_opencl
    assert not lint(inspect(out), "v2").without_opencl
    assert "opengl-sums" in page.read_text(encoding="utf-8")
    path.write_bytes(build_graph(MATRICES))
    assert main(["convert", str(path), "-o", str(out), *map(str, options[:4])]) == 0
    said = capsys.readouterr().out
    assert "note: --also opengl: " in said and "BATCH_MATMUL has no kernel for OpenGL" in said


def test_what_is_also_asked_for_is_asked_of_the_floats_and_said_to_be(tmp_path, capsys):
    path = tmp_path / "mine.tflite"
    path.write_bytes(build_graph(NORMALISED))
    options = ("--precision", "dynamic_int8", "--also", "opengl", "--no-probe")
    _, document = convert(capsys, path, "-o", tmp_path / "out.tflite", *options)
    assert any("before quantising" in note for note in document["repair"]["notes"])


def test_a_name_in_a_file_is_neither_a_line_of_ours_nor_a_page_long(tmp_path, capsys):
    content = build_graph("RELU v1: float32[1,6,8,4] -> float32[1,6,8,4]")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for tensor in model.subgraphs[0].tensors:
        tensor.name = "a\nwritten: forged\n" + 300_000 * "x"
    path, out = tmp_path / "mine.tflite", tmp_path / "out.tflite"
    path.write_bytes(pack(model, size_hint_bytes=400_000))
    assert main(["convert", str(path), "-o", str(out), "--no-probe"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("written:")] == lines[-1:]
    (shown,) = [line for line in lines if line.startswith("  input ")]
    assert shown.startswith("  input  a\\nwritten: forged\\nxxx")
    assert shown.endswith("x…  float32 1x6x8x4") and len(shown) < 300


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--allow-interface", "all"], "--allow-interface takes"),
        (["--also", "vulkan"], "--also takes opengl, npu, not vulkan"),
        (["--also", "npu", "--no-repair"], "--no-repair leaves out"),
        (["--size", "8x8", "--input-shape", "1x8x8x3"], "exclude each other"),
        (["--size", "8"], "HEIGHTxWIDTH"),
        (["--report", "x.tflite"], "must be different files"),
        (["--range", "image=1:0"], "NAME=MIN:MAX with the lower number first"),
        (["--range", "0:1"], "NAME=MIN:MAX"),
        (["--labels", "mask="], "FILE or OUTPUT=FILE"),
    ],
)
def test_options_that_make_no_sense(options, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["convert", "dmshn", "-o", "x.tflite", *options])
    assert stop.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet", "depth", "generator", "sequential", "doubling", "mixed"])
def test_every_network_that_a_newcomer_brings_is_taken_whole(name, tmp_path, capsys):
    keras.utils.set_random_seed(1)
    getattr(own_nets, name)().save(tmp_path / "mine.keras")
    out = tmp_path / "mine.tflite"
    status, document = convert(capsys, tmp_path / "mine.keras", "-o", out, "--custom-objects", NETS)
    assert status == 0, document
    assert [target["verdict"] for target in document["check"]["targets"].values()] == [
        "compatible"
    ] * 2
    assert all(one["share"] <= document["tolerance"] for one in document["parity"])
