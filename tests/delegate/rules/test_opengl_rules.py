"""What OpenGL alone refuses: each side of the edges at which the engine was
found to change its mind.
"""

import pytest

from bokeh_tf.delegate.check import check
from tests.delegate.rules.rule_graphs import build_graph

WIDE, ONE, VECTOR = "float32[1,6,8,4]", "float32[1,6,8,1]", "float32[1,1,1,4]"
TAKEN = {
    "a vector of channels added": f"ADD v1: {VECTOR}, {WIDE} -> {WIDE}",
    "equal shapes": f"DIV v1: {WIDE}, {WIDE} -> {WIDE}",
    "one channel second in a product": f"MUL v1: {WIDE}, {ONE} -> {WIDE}",
    "one row second in a product": f"MUL v1: {WIDE}, float32[1,6,1,1] -> {WIDE}",
    "a vector second in a difference": f"SUB v1: {WIDE}, {VECTOR} -> {WIDE}",
    "a constant for each channel": f"SUB v1: {WIDE}, constant float32[4] -> {WIDE}",
    "a constant picture that is added": f"ADD v1: {WIDE}, constant {WIDE} -> {WIDE}",
    "a mean over rows and columns": f"MEAN v1: {WIDE}, constant int32[2] (1, 2) -> {VECTOR}",
    "the same from the other end": f"MEAN v1: {WIDE}, constant int32[2] (-2, -3) -> {VECTOR}",
    "a larger picture": "RESIZE_BILINEAR v1: float32[1,4,4,4], constant int32[2] (8, 8) ->"
    " float32[1,8,8,4]",
    "zeros that are joined": f"CONCATENATION v1: {ONE}, constant float32[1,1,8,1] (0, 0, 0, 0, 0,"
    " 0, 0, 0)"
    " -> float32[1,7,8,1]",
}
REFUSED = {
    "one channel added": (f"ADD v1: {WIDE}, {ONE} -> {WIDE}", "running_operands"),
    "one channel first in a product": (f"MUL v1: {ONE}, {WIDE} -> {WIDE}", "running_operands"),
    "a vector first in a difference": (f"SUB v1: {VECTOR}, {WIDE} -> {WIDE}", "running_operands"),
    "one channel that divides": (f"DIV v1: {WIDE}, {ONE} -> {WIDE}", "running_operands"),
    "a constant picture that is subtracted": (
        f"SUB v1: {WIDE}, constant {WIDE} -> {WIDE}",
        "constant_operand",
    ),
    "a mean over channels": (f"MEAN v1: {WIDE}, constant int32[1] (-1) -> {ONE}", "mean_axes"),
    "a mean over all": (
        f"MEAN v1: {WIDE}, constant int32[3] (1, 2, 3) -> float32[1,1,1,1]",
        "mean_axes",
    ),
    "a sum": (f"SUM v1: {WIDE}, constant int32[1] (3) -> {ONE}", "operator"),
    "values that are joined": (
        f"CONCATENATION v1: {WIDE}, constant {WIDE} -> float32[1,12,8,4]",
        "joined_constant",
    ),
}


def without_opencl(graph):
    v2 = check(build_graph(graph)).target("v2")
    assert not v2.findings, "OpenCL takes all of these"
    return [finding.rule for finding in v2.without_opencl]


@pytest.mark.parametrize("name", TAKEN)
def test_what_the_engine_takes_is_not_objected_to(name):
    assert without_opencl(TAKEN[name]) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_engine_refuses_is_named(name):
    graph, rule = REFUSED[name]
    assert without_opencl(graph) == [f"v2.opengl.{rule}"]
