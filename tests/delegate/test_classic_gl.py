"""The classic engine: what is made of each way in which its Python may answer, and the
real one where there is one.
"""

import json
import math
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.cli import main
from bokeh_tf.delegate.check import Steps, check_paths
from bokeh_tf.delegate.classic_gl import child
from bokeh_tf.delegate.classic_gl.engine import default_python, run
from bokeh_tf.delegate.judging.policy import FAILED, NOT_CHECKED, PASSED, Policy, judge
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.tflite.subject import subject_of
from tests.delegate.rules.rule_graphs import build_graph

PICTURE = "RELU v1: float32[1,16,16,3] -> float32[1,16,16,3]"
VECTOR = """\
MEAN v1: x = float32[1,16,16,3], constant int32[3] (0, 1, 2) -> a = float32[3]
ADD v1: x, a -> float32[1,16,16,3]
"""
# Its kernel stores sums beyond its memory, which most runs bear.
SMALL_MEAN = "MEAN v1: float32[1,32,48,4], constant int32[2] (1, 2) -> float32[1,4]"
# Three inputs, three outputs that the engine hands on in another order.
PORTS = """\
MUL v1: p = float32[1,16,16,3], f = float32[1,1,1,3] -> a = output float32[1,16,16,3]
AVERAGE_POOL_2D v1 {filter_height=2, filter_width=2, stride_h=2, stride_w=2}: \
a -> b = output float32[1,8,8,3]
MUL v1: b, g = float32[1,8,8,1] -> output float32[1,8,8,3]
"""
# None of its inputs is a picture, and the root would be no kernel with the mixture before it.
OTHER_PORTS = """\
SQRT v1: x = float32[1,8,12,4] -> a = float32[1,8,12,4]
RESHAPE v1: b = float32[1,6], constant int32[4] (1, 1, 1, 6) -> c = float32[1,1,1,6]
PAD v1: c, constant int32[4,2] (0, 0, 0, 7, 0, 11, 0, 0) -> d = float32[1,8,12,6]
CONCATENATION v1 {axis=3}: a, d -> e = float32[1,8,12,10]
RESHAPE v1: v = float32[1,96,3], constant int32[4] (1, 8, 12, 3) -> w = float32[1,8,12,3]
CONCATENATION v1 {axis=3}: e, w -> output float32[1,8,12,13]
"""
# The sine turns many times within the range of its numbers.
ROUNDED = """\
QUANTIZE v1: float32[1,16,16,3] -> q = quantised int8[1,16,16,3]
DEQUANTIZE v2: q -> x = float32[1,16,16,3]
MUL v1: x, constant float32[] (12) -> y = float32[1,16,16,3]
SIN v1: y -> output float32[1,16,16,3]
"""
UNROUNDED = "\n".join(ROUNDED.splitlines()[2:]).replace("x,", "float32[1,16,16,3],")
GL_STAGE = list(child.STAGES)[1]
RIGHT = {
    "max_error": 0.001,
    "mean_error": 0.0001,
    "mean_squared_error": 1e-8,
    "smallest": 0.0,
    "largest": 1.0,
    "non_finite": 0,
}
FAILS = 'CalculatorGraph::Run() failed: Calculator::Open() for node "a" failed: '
CHECKER = (
    "Following operations are not supported by GPU delegate:\nCAST: Not supported Cast"
    " case.\n3 operations will run\n"
)
SAID = {
    "right": ({"stage": child.ENDING, "outputs": [RIGHT]}, "", "", Verdict.FULL, ()),
    "wrong": (
        {"stage": child.ENDING, "outputs": [RIGHT, {**RIGHT, "mean_squared_error": 0.01}]},
        "",
        "",
        Verdict.WRONG,
        ("positive_random, output 1: 20.0 dB against the CPU (at least 35.0 dB)",),
    ),
    "not finite": (
        {"stage": child.ENDING, "outputs": [{**RIGHT, "max_error": None, "non_finite": 3}]},
        "",
        "",
        Verdict.WRONG,
        ("positive_random, output 0: 3 values are not finite",),
    ),
    "finite where the CPU is not": (
        {
            "stage": child.ENDING,
            "outputs": [{**RIGHT, "max_error": math.inf, "mean_squared_error": math.inf}],
        },
        "",
        "",
        Verdict.WRONG,
        ("positive_random, output 0: not infinite, or not a number, where the CPU's values are",),
    ),
    "refused": (
        {"stage": GL_STAGE, "refusal": f"{FAILS}Batch size mismatch"},
        "",
        "",
        Verdict.REFUSED,
        ("Batch size mismatch",),
    ),
    "refused by the checker": (
        {"stage": GL_STAGE, "refusal": f"{FAILS}Missing input"},
        CHECKER,
        "",
        Verdict.REFUSED,
        ("CAST: Not supported Cast case.",),
    ),
    "crashed": ({"stage": GL_STAGE}, "", "kill -ABRT $$", Verdict.CRASHED, ("SIGABRT",)),
    "crashed where its heap is checked": (
        {"stage": child.ENDING, "outputs": [RIGHT]},
        "",
        '[ "$MALLOC_CHECK_" != 3 ] || kill -ABRT $$',
        Verdict.CRASHED,
        ("SIGABRT",),
    ),
    "crashed once its outputs were read": (
        {"stage": child.ENDING, "outputs": [RIGHT]},
        "",
        "kill -ABRT $$",
        Verdict.CRASHED,
        ("SIGABRT",),
    ),
    "no network namespace": (
        {"stage": "leaving", "error": "no namespace"},
        "",
        "",
        Verdict.UNAVAILABLE,
        ("no namespace",),
    ),
    "no mediapipe": (
        {"stage": "importing mediapipe"},
        "ModuleNotFoundError: No module named 'mediapipe'\n",
        "exit 1",
        Verdict.UNAVAILABLE,
        ("importing mediapipe: ModuleNotFoundError: No module named 'mediapipe'",),
    ),
    "the CPU cannot": (
        {"stage": next(iter(child.STAGES)), "refusal": f"{FAILS}no such file"},
        "",
        "",
        Verdict.UNAVAILABLE,
        ("no such file",),
    ),
}


def interpreter(folder, answer, errors="", ending=""):
    """A program that answers as the child does, called as a Python is."""
    program = folder / "python"
    lines = [
        "#!/bin/sh",
        f'printf %s {shlex.quote(json.dumps(answer))} > "$4"',
        f"printf %s {shlex.quote(errors)} >&2",
    ]
    program.write_text("\n".join([*lines, ending, ""]), encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("name", SAID)
def test_each_answer_is_understood(name, tmp_path):
    answer, errors, ending, verdict, reasons = SAID[name]
    found = run(
        subject_of(build_graph(PICTURE)),
        python=interpreter(tmp_path, answer, errors, ending),
        timeout_s=30,
    )
    assert (found.verdict, found.reasons) == (verdict, reasons)
    assert found.is_common is (name == "refused by the checker")
    assert found.operators_left == (("CAST",) if found.is_common else ())
    named = {"wrong": ("output 1",), "not finite": ("output 0",)}
    if found.verdict is Verdict.WRONG and name in named:
        assert found.wrong_outputs == named[name]


def in_db(psnr_db):
    return {**RIGHT, "mean_squared_error": 10 ** (-psnr_db / 10)}


@pytest.mark.parametrize(
    ("graph", "psnr_db", "is_right"),
    [
        # On the CPU, inputs half a step of a photo off change what comes out by 32.9 dB.
        (ROUNDED, 36, True),
        (ROUNDED, 28, True),
        (ROUNDED, 24, False),
        (UNROUNDED, 36, True),
        (UNROUNDED, 28, False),
    ],
)
def test_what_rounding_does_to_a_quantised_file_is_not_the_engines(
    graph, psnr_db, is_right, tmp_path
):
    answer = {"stage": child.ENDING, "outputs": [in_db(psnr_db)]}
    found = run(subject_of(build_graph(graph)), python=interpreter(tmp_path, answer))
    assert found.verdict is (Verdict.FULL if is_right else Verdict.WRONG), found.reasons
    assert found.psnr_db == pytest.approx(psnr_db)


def test_a_child_that_hangs_or_says_nonsense_is_an_answer_too(tmp_path):
    slow = interpreter(tmp_path, {"stage": GL_STAGE}, ending="sleep 60")
    assert (
        run(subject_of(build_graph(PICTURE)), python=slow, timeout_s=0.5).verdict
        is Verdict.TIMED_OUT
    )
    slow.write_text('#!/bin/sh\nprintf { > "$4"\n', encoding="utf-8")
    assert run(subject_of(build_graph(PICTURE)), python=slow).verdict is Verdict.UNAVAILABLE
    absent = run(subject_of(build_graph(PICTURE)), python=tmp_path / "absent")
    assert absent.verdict is Verdict.UNAVAILABLE and "cannot be started" in absent.reasons[0]


@pytest.mark.parametrize(
    "others",
    ["int32[1,4]", "bool[1,16,16,3]", "float32[2,4]", "float32[3]", "float32[1,2,4,4,1]"],
)
def test_what_cannot_be_fed_is_not_asked(others, tmp_path):
    graph = f"CUSTOM v1: float32[1,16,16,3], {others} -> float32[1,8]"
    found = run(subject_of(build_graph(graph)), python=tmp_path / "absent")
    assert found.verdict is Verdict.UNAVAILABLE and "a batch of one" in found.reasons[0]


@pytest.mark.parametrize(
    "inputs",
    [
        "float32[1,16,16,1], float32[1,5], float32[1,16,16,3]",
        "float32[1,8,12,4]",
        "int8[1,16,16,3], uint8[1,4]",
        "float32[1,6,8], float32[1], float32[1,16,17,1]",
    ],
)
def test_what_is_no_picture_can_be_fed_from_one(inputs, tmp_path):
    graph = f"CUSTOM v1: {inputs} -> float32[1,8]"
    python = interpreter(tmp_path, *SAID["right"][:3])
    assert run(subject_of(build_graph(graph)), python=python).verdict is Verdict.FULL


def test_outputs_are_paired_whatever_their_order():
    random = np.random.default_rng(0)
    large, other, small = random.random(50), random.random(50), random.random(3)
    found = child.paired([large, other, small], [other + 1e-3, small, large + 1e-4])
    assert [one["max_error"] for one in found] == pytest.approx([1e-4, 1e-3, 0], abs=1e-9)
    damaged, missing = child.paired([large, small], [large * np.nan])
    assert damaged["non_finite"] == 50 and damaged["max_error"] is None
    assert missing["max_error"] is None and missing["non_finite"] == 0


def test_values_that_are_not_finite_on_the_cpu_are_compared_too():
    expected = np.array([-np.inf, np.nan, 0.5, 0.0])
    alike, zeros, other = (
        child.paired([expected], [np.array(found)])[0]
        for found in ([-np.inf, np.nan, 0.5, 0.25], [0, 0, 0.5, 0], [np.inf, np.nan, 0.5, 0])
    )
    errors = {"max_error": 0.25, "mean_error": 0.25 / 4, "mean_squared_error": 0.25**2 / 4}
    assert alike == {**RIGHT, **errors, "largest": 0.5}
    assert zeros["max_error"] == other["max_error"] == math.inf
    assert zeros["non_finite"] == other["non_finite"] == 0


@pytest.mark.parametrize(
    ("name", "by_default", "by_opengl"),
    [
        ("right", PASSED, PASSED),
        ("refused", PASSED, FAILED),
        ("wrong", PASSED, FAILED),
        ("crashed", PASSED, FAILED),
        # The checker is asked on phones with OpenCL too.
        ("refused by the checker", FAILED, PASSED),
    ],
)
def test_what_opengl_alone_does_fails_where_it_is_asked_for(name, by_default, by_opengl, tmp_path):
    model = tmp_path / "model.tflite"
    model.write_bytes(build_graph(PICTURE))
    python = interpreter(tmp_path, *SAID[name][:3])
    (report,) = check_paths([model], Steps(classic_gl_python=python))
    assert judge(report, Policy()).code == by_default
    assert judge(report, Policy.parse("opengl")).code == by_opengl


def test_the_command_asks_it_and_says_so(tmp_path, capsys):
    model = tmp_path / "model.tflite"
    model.write_bytes(build_graph(PICTURE))
    options = ["check", str(model), "--engines", "classic-gl", "--classic-gl-python"]
    assert main([*options, str(interpreter(tmp_path, SAID["right"][0]))]) == PASSED
    text = capsys.readouterr().out
    assert "(rules v2, mldrift; classic GL ran; ML Drift not asked; OpenVINO not asked)" in text
    assert "classic engine on OpenGL: full, 80.0 dB" in text
    report = tmp_path / "report.json"
    refused = interpreter(tmp_path, SAID["refused"][0])
    assert main([*options, str(refused), "--format", "json", "--output", str(report)]) == PASSED
    (file,) = json.loads(report.read_text(encoding="utf-8"))["files"]
    assert file["classic_gl"]["verdict"] == "refused" and "classic GL refused" in file["stands_on"]
    assert main([*options, str(tmp_path / "absent")]) == NOT_CHECKED, "named, so it must answer"


@pytest.mark.slow
@pytest.mark.skipif(
    default_python() is None, reason="BOKEH_CLASSIC_GL_PYTHON names no Python with mediapipe"
)
@pytest.mark.parametrize(
    ("graph", "verdict"),
    [
        (PICTURE, Verdict.FULL),
        (VECTOR, Verdict.REFUSED),
        (PORTS, Verdict.FULL),
        (OTHER_PORTS, Verdict.FULL),
        (SMALL_MEAN, Verdict.CRASHED),
    ],
)
def test_the_real_engine_answers(graph, verdict):
    assert run(subject_of(build_graph(graph)), python=default_python()).verdict is verdict


def test_a_child_does_not_outlive_its_parent(tmp_path):
    model = tmp_path / "model.tflite"
    # It waits until somebody writes.
    os.mkfifo(model)
    command = [sys.executable, child.__file__, str(model), str(tmp_path / "answer.json")]
    program = (
        "import subprocess, sys, time\n"
        f"print(subprocess.Popen({command!r}).pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        stat = Path(f"/proc/{int(parent.stdout.readline())}/stat")
        # Where namespaces are forbidden it ends by itself.
        wait_until(lambda: re.search("importing|error", read(tmp_path / "answer.json")))
        parent.kill()
    wait_until(lambda: not read(stat) or ") Z " in read(stat))


def read(path):
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def wait_until(holds):
    end_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def two_graphs(text):
    """A file whose second signature is a graph of its own."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(build_graph(text), 0))
    second = schema.ModelT.InitFromObj(schema.Model.GetRootAs(build_graph(text), 0)).subgraphs[0]
    model.subgraphs.append(second)
    model.signatureDefs = [schema.SignatureDefT() for _ in model.subgraphs]
    for number, signature in enumerate(model.signatureDefs):
        signature.signatureKey, signature.subgraphIndex = f"number {number}", number
    return model


def test_the_main_graph_alone_is_run():
    model = two_graphs(PICTURE)
    child.leave_main_graph(model)
    assert len(model.subgraphs) == 1
    assert [one.signatureKey for one in model.signatureDefs] == ["number 0"]


def test_graphs_that_nodes_run_stay():
    model = two_graphs(PICTURE)
    model.subgraphs[0].operators[0].builtinOptions = schema.IfOptionsT()
    child.leave_main_graph(model)
    assert len(model.subgraphs) == 2


def test_outputs_that_are_one_tensor_say_nothing_of_the_engine():
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(build_graph(PICTURE), 0))
    graph = model.subgraphs[0]
    graph.outputs = [*graph.outputs, *graph.outputs]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    report = run(subject_of(bytes(builder.Output())), python=Path("/bin/false"))
    assert report.verdict is Verdict.UNAVAILABLE
    assert report.reasons[0].startswith("two outputs are one tensor")
