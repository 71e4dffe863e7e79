"""Files whose verdict was once wrong, as the smallest graphs of their kind: what is
right, delegate by delegate.

What stands in it for ML Drift, the NPU path and the classic engine was seen on the real ones, which
are asked again where there is an adapter, OpenVINO, and a Python with mediapipe.
"""

from dataclasses import dataclass

import pytest

from bokeh_tf.delegate.check import check
from bokeh_tf.delegate.classic_gl import engine as classic_gl
from bokeh_tf.delegate.openvino import engine as openvino
from bokeh_tf.delegate.openvino import libraries
from bokeh_tf.delegate.probing.probe import probe
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.tflite.subject import subject_of
from tests.delegate.rules.rule_graphs import build_graph

FINE, REFUSED, WRONG = "compatible", "incompatible", "accepted_but_wrong"


@dataclass(frozen=True)
class Case:
    """A graph, the right verdicts for both delegates, whether OpenGL alone refuses it, and
    what ML Drift, the NPU path and the classic engine on OpenGL do with it; None where they are
    not asked.
    """

    graph: str
    v2: str
    mldrift: str
    needs_opencl: bool = False
    real: Verdict | None = None
    npu: Verdict | None = None
    opengl: Verdict | None = None


ONES = ", ".join(["1"] * 8)
RISING = ", ".join(map(str, range(8)))
CASES = {
    "padding by nothing at rank 3": Case(
        "PAD v1: float32[1,1,8], constant int32[3,2] (0, 0, 0, 0, 0, 0) -> float32[1,1,8]",
        v2=FINE,
        mldrift=FINE,
        real=Verdict.FULL,
        npu=Verdict.FULL,
        needs_opencl=True,
        opengl=Verdict.REFUSED,
    ),
    "padding of rows at rank 3, first dimension 1": Case(
        "PAD v1: float32[1,6,8], constant int32[3,2] (0, 0, 0, 1, 0, 0) -> float32[1,7,8]",
        v2=FINE,
        mldrift=FINE,
        real=Verdict.FULL,
        npu=Verdict.FULL,
        needs_opencl=True,
        opengl=Verdict.REFUSED,
    ),
    "padding of rows at rank 3, first dimension 4": Case(
        "PAD v1: float32[4,6,8], constant int32[3,2] (0, 0, 0, 1, 0, 0) -> float32[4,7,8]",
        v2=WRONG,
        mldrift=WRONG,
        real=Verdict.WRONG,
        npu=Verdict.FULL,
        needs_opencl=True,
    ),
    "windows as a batch": Case(
        "RESHAPE v1: float32[1,4,4,8], constant int32[3] (4, 4, 8) -> a = float32[4,4,8]\n"
        "SOFTMAX v1 {beta=1}: a -> float32[4,4,8]",
        v2=FINE,
        mldrift=FINE,
        needs_opencl=True,
        real=Verdict.FULL,
        npu=Verdict.FULL,
        opengl=Verdict.REFUSED,
    ),
    "a matrix times itself": Case(
        "BATCH_MATMUL v1: x = float32[1,8,8], x -> float32[1,8,8]",
        v2=FINE,
        mldrift=REFUSED,
        needs_opencl=True,
        real=Verdict.CRASHED,
        npu=Verdict.FULL,
        opengl=Verdict.REFUSED,
    ),
    "a sum that is an output and is reduced": Case(
        "ADD v1 {fused_activation=NONE}: float32[1,4,4,8], float32[1,4,4,8] -> a = output float32[1,4,4,8]\n"
        "MEAN v1: a, constant int32[2] (1, 2) -> float32[1,8]",
        v2=FINE,
        mldrift=WRONG,
        real=Verdict.WRONG,
        npu=Verdict.FULL,
        opengl=Verdict.FULL,
    ),
    "a constant beside two dimensions": Case(
        f"SUB v1 {{fused_activation=NONE}}: float32[2,4], constant float32[2,4] ({RISING}) -> float32[2,4]",
        v2=FINE,
        mldrift=WRONG,
        npu=Verdict.FULL,
    ),
    "a uniform constant beside two dimensions": Case(
        f"SUB v1 {{fused_activation=NONE}}: float32[2,4], constant float32[2,4] ({ONES}) -> float32[2,4]",
        v2=FINE,
        mldrift=FINE,
        real=Verdict.FULL,
        npu=Verdict.FULL,
    ),
    "the largest of 19 channels": Case(
        "ARG_MAX v1 {output_type=2}: float32[1,4,4,19], constant int32[] (3) -> int32[1,4,4]",
        v2=REFUSED,
        mldrift=WRONG,
        npu=Verdict.FULL,
    ),
    "an input that is an output": Case(
        "RELU v1: x = output float32[1,4,4,8] -> float32[1,4,4,8]",
        v2=FINE,
        mldrift=WRONG,
        npu=Verdict.WRONG,
        needs_opencl=True,
    ),
    "a fused activation that the CPU ignores": Case(
        "ADD v1 {fused_activation=TANH}: float32[1,4,4,4], constant float32[4] (1, -2, 3, -0.5)"
        " -> float32[1,4,4,4]",
        v2=WRONG,
        mldrift=WRONG,
        real=Verdict.WRONG,
        npu=Verdict.WRONG,
        opengl=Verdict.WRONG,
    ),
    "a composite": Case(
        "STABLEHLO_COMPOSITE v1: float32[1,4,4,8] -> float32[1,4,4,8]", v2=REFUSED, mldrift=REFUSED
    ),
    "strided points with weights of eight bits": Case(
        "CONV_2D v3 {stride_w=2, stride_h=2}: float32[1,8,8,8], constant quantised int8[8,1,1,8],"
        " constant float32[8]"
        " -> float32[1,4,4,8]",
        v2=FINE,
        mldrift=WRONG,
        npu=Verdict.CRASHED,
        opengl=Verdict.FULL,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_lint_says_what_is_right(name):
    case = CASES[name]
    report = check(build_graph(case.graph))
    assert {target.target: str(target.verdict) for target in report.targets} == {
        "v2": case.v2,
        "mldrift": case.mldrift,
    }
    assert bool(report.target("v2").without_opencl) is case.needs_opencl


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.real is not None])
def test_the_real_delegate_does_what_the_table_says(name):
    assert probe(build_graph(CASES[name].graph)).verdict is CASES[name].real


@pytest.mark.slow
@pytest.mark.skipif(libraries.missing() is not None, reason="OpenVINO is not installed")
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.npu is not None])
def test_the_npu_path_does_what_the_table_says(name):
    assert openvino.run(subject_of(build_graph(CASES[name].graph))).verdict is CASES[name].npu


@pytest.mark.slow
@pytest.mark.skipif(
    classic_gl.default_python() is None,
    reason="BOKEH_CLASSIC_GL_PYTHON names no Python with mediapipe",
)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.opengl is not None])
def test_the_classic_engine_does_what_the_table_says(name):
    subject = subject_of(build_graph(CASES[name].graph))
    report = classic_gl.run(subject, python=classic_gl.default_python())
    assert report.verdict is CASES[name].opengl and not report.is_common
