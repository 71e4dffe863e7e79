"""The classic delegate's rules, on graphs written by hand; what every rule document says; any graph
gets a report, and soon.
"""

import functools
import re
import sys
import time

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.delegate.findings import TARGETS, Kind, TargetVerdict
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.rules import explain, load_rules
from bokeh_tf.delegate.rules.conditions import compile_subject
from bokeh_tf.models.weights import BASE_FILE
from bokeh_tf.tflite.inspection import inspect
from tests.delegate.linting.one_node import OP, RELU, SHAPE, file_of, one_node
from tests.model_writer import INT32, FileWriter

CODES = {code for code in vars(OP).values() if isinstance(code, int)}
# Their arithmetic is counted when a file is read, which refuses them without
# shapes that make sense.
COUNTED = {
    OP.CONV_2D,
    OP.CONV_3D,
    OP.DEPTHWISE_CONV_2D,
    OP.TRANSPOSE_CONV,
    OP.FULLY_CONNECTED,
    OP.BATCH_MATMUL,
}
BOOL = schema.TensorType.BOOL
# By node and target: twice what they take, which is a tenth of a second for the shipped file.
MAX_CALLS = 1_500
# A tenth of it is what the check needs; the machine is shared.
MAX_FOLDER_SECONDS = 10.0


def options(table, **fields):
    made = getattr(schema, f"{table}T")()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def constant(writer, values, *, name="constant"):
    """An int32 constant of one dimension."""
    buffer = writer.buffer(np.asarray(values, np.int32).tobytes())
    return writer.tensor(name, [len(values)], dtype=INT32, buffer=buffer)


def rules_found(model_file, target="v2"):
    return [finding.rule for finding in lint(model_file, target).findings]


@pytest.mark.parametrize("code", [OP.ADD, OP.MUL])
@pytest.mark.parametrize(
    ("left", "right", "is_refused"),
    [
        ([1, 4, 6, 8], [6, 8], True),
        ([1, 1, 1, 1], [12, 12], True),
        ([2, 4, 6, 8], [4, 6, 8], True),
        ([4, 6, 8], [6, 8], True),
        ([1, 4, 6, 8], [4, 6, 8], False),
        ([1, 4, 6, 8], [1, 1], False),
        ([2, 4, 6, 8], [2, 8], False),
        ([1, 4, 6, 8], [8], False),
        ([1, 4, 6, 8], [1, 1, 6, 8], False),
    ],
)
def test_operands_of_different_ranks_are_refused_by_later_checkers(code, left, right, is_refused):
    for first, second in ((left, right), (right, left)):
        other = functools.partial(FileWriter.tensor, name="other", shape=second, constant=True)
        model_file = one_node(code, other, shape=first, output=left)
        found = [rule for rule in rules_found(model_file) if rule == "v2.broadcast.ranks"]
        assert found == ["v2.broadcast.ranks"] * is_refused
    assert "LiteRT" in explain("v2.broadcast.ranks").since


# The classic delegate's rules beyond the offline checker


def slice_file(begins, ends, strides, output, **masks):
    parts = [
        lambda writer, values=values: constant(writer, values) for values in (begins, ends, strides)
    ]
    return one_node(
        OP.STRIDED_SLICE, *parts, output=output, options=options("StridedSliceOptions", **masks)
    )


def mask_file(*readers, then=0):
    """A comparison whose result goes to the operators `readers`, and that of the last to as many
    others as `then` says.
    """

    def build(writer, x):
        mask = writer.tensor("mask", SHAPE, dtype=BOOL)
        writer.operator(OP.GREATER, [x, writer.tensor("zero", [1], constant=True)], [mask])
        for code in readers:
            y = writer.tensor("y", SHAPE)
            writer.operator(code, [mask] if code == OP.CAST else [mask, x, x], [y])
        for _ in range(then):
            last = writer.tensor("last", SHAPE)
            writer.operator(OP.RELU, [y], [last])
        return last if then else y

    return file_of(build)


FULLY = options("FullyConnectedOptions")
BEYOND = {
    "rank": (one_node(OP.RELU, shape=[1, 4, 2, 3, 8]), "v2.rank"),
    "type": (one_node(OP.RELU, output_dtype=INT32), "v2.type"),
    "version": (one_node(OP.RELU, version=3), "v2.op_version"),
    "comparison read twice": (mask_file(OP.SELECT_V2, OP.SELECT_V2), "v2.comparison"),
    "cast that is an output": (mask_file(OP.CAST), "v2.cast.bool_readers"),
    "cast read twice": (mask_file(OP.CAST, then=2), "v2.cast.bool_readers"),
    "reverse slice": (
        slice_file([0, 0, -1, 0], [0] * 4, [1, 1, -1, 1], SHAPE, endMask=15),
        "v2.strided_slice.reverse",
    ),
    "slice over the end": (
        slice_file([0] * 4, [1, 4, 99, 8], [1] * 4, SHAPE),
        "v2.strided_slice.extent",
    ),
    "width": (
        one_node(
            OP.FULLY_CONNECTED,
            lambda w: w.tensor("w", [3, 16], constant=True),
            output=[1, 3],
            options=FULLY,
        ),
        "v2.fully_connected.width",
    ),
    "alpha": (
        one_node(OP.PRELU, lambda w: w.tensor("alpha", [6], constant=True)),
        "v2.prelu.alpha",
    ),
    "constant of three dimensions": (
        one_node(OP.CONCATENATION, lambda w: w.tensor("c", [4, 6, 8], constant=True)),
        "v2.constant_rank",
    ),
    "constant batch": (
        one_node(OP.ADD, lambda w: w.tensor("c", [2, 1, 1, 8], constant=True), output=[2, 4, 6, 8]),
        "v2.elementwise.batch",
    ),
}
TAKEN = {
    "rank": one_node(OP.RELU),
    "comparison cast": mask_file(OP.CAST, then=1),
    "comparison selected by": mask_file(OP.SELECT_V2),
    "choice read twice": mask_file(OP.SELECT_V2, then=2),
    "slice": slice_file([0, 0, 1, 0], [1, 4, 5, 8], [1, 1, 2, 1], [1, 4, 2, 8]),
    "slice by negative ends": slice_file(
        [0, -3, 0, 0], [0, -1, 0, 0], [1] * 4, [1, 2, 6, 8], endMask=13
    ),
    "alpha by channel": one_node(OP.PRELU, lambda w: w.tensor("alpha", [1, 1, 8], constant=True)),
    "alpha by pixel": one_node(OP.PRELU, lambda w: w.tensor("alpha", [4, 6, 8], constant=True)),
    "constant": one_node(
        OP.CONCATENATION, lambda w: w.tensor("c", [1, 4, 6, 8], constant=True), output=[1, 4, 6, 16]
    ),
}


@pytest.mark.parametrize("case", BEYOND)
def test_what_the_delegate_refuses_beyond_the_checker(case):
    model_file, expected = BEYOND[case]
    assert rules_found(model_file) == [expected]
    assert lint(model_file, "v2").verdict is TargetVerdict.INCOMPATIBLE


@pytest.mark.parametrize("case", TAKEN)
def test_what_the_delegate_takes(case):
    assert rules_found(TAKEN[case]) == []
    assert lint(TAKEN[case], "v2").verdict is TargetVerdict.COMPATIBLE


def test_one_tensor_twice_is_no_input_of_a_subtraction():
    def build(writer, x):
        y = writer.tensor("y", SHAPE)
        writer.operator(OP.SUB, [x, x], [y], options=options("SubOptions"))
        return y

    report = lint(file_of(build), "v2")
    assert [finding.kind for finding in report.findings] == [Kind.FAILS]
    assert report.coverage.nodes_delegated == 0


def test_wrong_alone_is_a_verdict_of_its_own():
    """Two input channels a group: ML Drift takes it and computes something else, the
    classic delegate is right.
    """
    convolution = one_node(
        OP.CONV_2D,
        lambda w: w.tensor("w", [8, 3, 3, 2], constant=True),
        lambda w: w.tensor("b", [8], constant=True),
        options=options("Conv2DOptions", strideH=1, strideW=1),
    )
    assert lint(convolution, "mldrift").verdict is TargetVerdict.ACCEPTED_BUT_WRONG
    assert lint(convolution, "v2").verdict is TargetVerdict.COMPATIBLE


# Any graph


@pytest.mark.parametrize("target", TARGETS)
def test_graphs_that_make_no_sense_get_a_report(target):
    def build(writer, x):
        y = writer.tensor("y", [0, 7])
        # A cycle, a node that reads itself.
        writer.operator(OP.ADD, [x, y], [x])
        writer.operator(OP.DEQUANTIZE, [y], [y])
        for code in sorted(CODES - COUNTED):
            # No tensors at all, absent ones, and far too many.
            for inputs, outputs in (([], []), ([-1, y, -1, x], [y, -1]), ([x] * 50, [x] * 50)):
                writer.operator(code, inputs, outputs, custom="Odd" if code == OP.CUSTOM else None)
        return y

    report = lint(file_of(build), target)
    assert report.verdict is TargetVerdict.INCOMPATIBLE
    assert all(finding.reason for finding in report.findings)


def test_a_tensor_that_everything_reads_and_makes_takes_no_time():
    def build(writer, x):
        y = writer.tensor("y", SHAPE, dtype=BOOL)
        writer.operator(OP.GREATER, [x, x], [y])
        writer.graph.operators *= 20_000
        return y

    model_file = file_of(build)
    start = time.process_time()
    assert len(lint(model_file, "v2").findings) == 20_000
    assert time.process_time() - start < MAX_FOLDER_SECONDS


# The documents


@pytest.mark.parametrize("target", TARGETS)
def test_a_document_says_of_each_rule_what_people_need(target):
    rule_set = load_rules(target)
    operators = {name for name, code in vars(OP).items() if isinstance(code, int)}
    assert rule_set.target == target and rule_set.release
    assert all(op in operators or op.startswith("CUSTOM:") for op in rule_set.versions)
    for entry in rule_set.rules:
        assert re.fullmatch(rf"{target}\.[a-z0-9_]+(\.[a-z0-9_]+)?", entry.id)
        assert entry.reason and entry.instead and entry.source, entry.id
        assert entry.source.partition(":")[0] in rule_set.sources, entry.id
        assert all(op in operators or op.startswith("CUSTOM:") for op in entry.ops or ()), entry.id
        for place in re.findall(r"\{([^{}]+)\}", entry.reason):
            assert place == "detail" or compile_subject(place)


def test_explain_gives_the_rule_its_evidence_and_an_example():
    told = explain("v2.strided_slice.shrink_axis")
    assert (told.target, told.kind, told.ops) == ("v2", "refused", ("STRIDED_SLICE",))
    assert "x[..., :1]" in told.instead and "x[..., 0]" in told.example and told.evidence
    assert "{" not in explain("v2.depthwise.multiplier").reason
    with pytest.raises(
        ValueError, match=r"unknown rule\. Received: 'v2\.shrink'\. Known: .*v2\.rank"
    ):
        explain("v2.shrink")


def test_an_unknown_target_is_the_callers_mistake():
    with pytest.raises(ValueError, match=r"Received: 'v3'\. Known: v2, mldrift"):
        lint(RELU, "v3")


def calls_of(function):
    """How many functions a call of one calls in all: its work, whatever else the process does."""
    count = 0

    def profile(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def test_the_shipped_file_is_checked_for_both_targets_by_little_work():
    file = inspect(BASE_FILE)
    reports = []
    work = calls_of(lambda: reports.extend(lint(file, target) for target in TARGETS))
    assert work < MAX_CALLS * len(file.operators) * len(TARGETS)
    assert {report.verdict for report in reports} == {TargetVerdict.COMPATIBLE}
