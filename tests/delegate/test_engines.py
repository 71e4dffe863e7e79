"""What a verdict stands on: which engines ran, and what holds only where a phone has OpenCL."""

import json
from pathlib import Path

import pytest

from bokeh_tf.cli import main
from bokeh_tf.delegate.check import check
from bokeh_tf.delegate.classic_gl.engine import VARIABLE
from bokeh_tf.delegate.engines import ENGINES, asked, behind
from bokeh_tf.delegate.judging.policy import FAILED, PASSED, Policy, judge
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers.formats import write
from tests.delegate.check_reports import probed, report, target
from tests.delegate.rules.rule_graphs import build_graph

MODEL = (
    Path(__file__).resolve().parents[2]
    / "bokeh_tf"
    / "weights"
    / "dbsi_mobile_base_float16_1024x1536.tflite"
)
WINDOWS = """\
RESHAPE v1: float32[1,4,4,8], constant int32[3] (4, 4, 8) -> a = float32[4,4,8]
SOFTMAX v1 {beta=1}: a -> float32[4,4,8]
"""
VECTOR = "RESHAPE v1: float32[1,4,4,8], constant int32[1] (128) -> float32[128]"
ALIKE = "ADD v1: float32[2,4,4,8], constant float32[8] -> float32[2,4,4,8]\n"


def test_a_pass_says_what_it_stands_on():
    both = (target("v2"), target("mldrift"))
    words = {
        "ML Drift not asked": None,
        "ML Drift ran": probed(Verdict.FULL),
        "ML Drift not there": probed(Verdict.UNAVAILABLE, reasons=("no Vulkan adapter",)),
        "ML Drift did not answer": Unchecked("model.tflite", "it broke"),
    }
    for word, probe in words.items():
        assert (
            behind(report(*both, probe=probe))
            == f"rules v2, mldrift; classic GL not asked; {word}; OpenVINO not asked"
        )
    assert (
        behind(report(target("mldrift"), probe=probed(Verdict.FULL)))
        == "rules mldrift; ML Drift ran; OpenVINO not asked"
    )
    text = write([judge(report(*both), Policy())], Policy(), format="text")
    assert text.startswith(
        "PASSED  model.tflite  (rules v2, mldrift; classic GL not asked; ML Drift not asked;"
        " OpenVINO not asked)\n"
    )


def test_a_run_of_many_files_counts_what_passed_by_what():
    ran = report(target("mldrift"), path="a.tflite", probe=probed(Verdict.FULL))
    files = [judge(one, Policy()) for one in (ran, report(target("mldrift"), path="b.tflite"))]
    for format in ("text", "markdown"):
        text = write(files, Policy(), format=format)
        assert "1 passed by rules mldrift; ML Drift ran" in text
        assert "1 passed by rules mldrift; ML Drift not asked" in text


@pytest.mark.parametrize("text", ["", "auto,mldrift", "none,auto", "opencl"])
def test_engines_that_make_no_sense_are_named(text):
    with pytest.raises(ValueError, match="--engines takes"):
        asked(text)


def test_engines_are_chosen_by_name(capsys, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    names = [engine.name for engine in ENGINES]
    assert names == ["classic-gl", "mldrift", "openvino", "npu-compiler"]
    assert asked("openvino, mldrift, classic-gl, npu-compiler") == set(names)
    assert main(["check", str(MODEL), "--engines", "none"]) == PASSED
    assert "ML Drift not asked" in capsys.readouterr().out
    # An engine that is named must run: of v2 alone nothing is asked.
    assert main(["check", str(MODEL), "--engines", "mldrift", "--target", "v2"]) == 1
    assert "probe: required, but not run" in capsys.readouterr().out
    for wrong in (
        ["--engines", "mldrift", "--no-probe"],
        ["--engines", "odd"],
        ["--engines", "classic-gl"],
    ):
        with pytest.raises(SystemExit) as stop:
            main(["check", str(MODEL), *wrong])
        assert stop.value.code == 2


@pytest.mark.parametrize(
    ("graph", "nodes", "shape"), [(WINDOWS, [0, 1], "[4,4,8]"), (VECTOR, [0], "float32[128]")]
)
def test_first_dimensions_that_differ_are_refused_without_opencl(graph, nodes, shape):
    one = check(build_graph(graph))
    v2 = one.target("v2")
    assert str(v2.verdict) == "compatible" and [found.node for found in v2.without_opencl] == nodes
    assert all(
        shape in found.reason and "float32[1,4,4,8]" in found.reason for found in v2.without_opencl
    )
    assert one.target("mldrift").without_opencl == ()
    assert judge(one, Policy()).code == PASSED
    assert judge(one, Policy.parse("opengl")).code == FAILED
    text = write([judge(one, Policy())], Policy(), format="text")
    count = f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}"
    assert f"refused where a phone has no OpenCL ({count})" in text
    document = json.loads(write([judge(one, Policy())], Policy(), format="json"))["files"][0]
    listed = document["targets"]["v2"]["without_opencl"]
    assert [entry["node"] for entry in listed] == nodes and {
        entry["standing"] for entry in listed
    } == {"tolerated"}


def test_one_first_dimension_in_all_is_not_objected_to():
    assert check(build_graph(ALIKE)).target("v2").without_opencl == ()


def test_what_is_refused_anyway_is_not_said_twice():
    refused = WINDOWS.replace("SOFTMAX v1 {beta=1}", "CUMSUM v9")
    v2 = check(build_graph(refused)).target("v2")
    assert [found.node for found in v2.findings] == [1] and [
        found.node for found in v2.without_opencl
    ] == [0]


def test_many_files_are_not_told_of_one_by_one():
    files = [judge(check(build_graph(WINDOWS)), Policy()) for _ in range(3)]
    text = write(files, Policy(), format="text")
    assert (
        "3 would be refused or wrong where a phone has no OpenCL" in text
        and "first_dimension" not in text
    )
