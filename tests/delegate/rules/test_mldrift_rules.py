"""The rules of ML Drift: what it dies on or computes wrongly, on the real delegate as
well, and what it leaves out.
"""

import re

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.delegate.findings import Kind, TargetVerdict
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.rules import load_rules
from bokeh_tf.tflite.inspection import inspect
from tests.delegate.rules.mldrift_cases import CASES
from tests.delegate.rules.mldrift_graphs import (
    HALF,
    IMAGE,
    OP,
    Graph,
    add,
    ints,
    one,
    options,
    pad,
    padded_arg_max,
    passed_through,
    ramp,
    split_computed,
    squared_matrix,
    strided_points,
    sum_of_16_bits,
    summed,
)
from tests.delegate.rules.reports import probed, report_of

RULES = {rule.id: rule for rule in load_rules("mldrift").rules}


# One way of going wrong each: a kernel, padded channels, a rewritten graph, a
# layout; the rest is slow.
OFTEN = (
    "mldrift.grouped_convolution",
    "mldrift.arg_max",
    "mldrift.weighted_sums",
    "mldrift.constant_shape",
)


SELDOM = tuple(rule for rule in CASES if rule not in OFTEN)


# These the delegate's own process does not survive, or the delegate does not build.
NOT_RUN = {Verdict.CRASHED, Verdict.REFUSED}


def rules_found(content):
    return [finding.rule for finding in report_of(content).findings]


@pytest.mark.parametrize("rule", CASES)
def test_a_graph_that_goes_wrong_is_told_from_its_nearest_right_form(rule):
    wrong, right = (report_of(content) for content in CASES[rule])
    assert [finding.rule for finding in wrong.findings] == [rule]
    assert (
        wrong.verdict
        is {
            Kind.FAILS: TargetVerdict.INCOMPATIBLE,
            Kind.WRONG: TargetVerdict.ACCEPTED_BUT_WRONG,
        }[RULES[rule].kind]
    )
    assert (right.findings, right.verdict) == ((), TargetVerdict.COMPATIBLE)


def test_every_wrong_rule_has_a_graph():
    wrong = {rule.id for rule in RULES.values() if rule.kind is Kind.WRONG}
    assert wrong <= set(CASES)


def _assert_the_delegate_agrees(rule, folder):
    wrong, right = CASES[rule]
    verdict = probed(wrong, folder)
    # A process that writes beyond its buffers may die of it or not.
    assert verdict in (NOT_RUN if RULES[rule].kind is Kind.FAILS else {Verdict.WRONG})
    assert probed(right, folder) is Verdict.FULL


@pytest.mark.gpu
@pytest.mark.parametrize("rule", OFTEN)
def test_the_delegate_itself_goes_wrong(rule, gpu, tmp_path):
    _assert_the_delegate_agrees(rule, tmp_path)


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("rule", SELDOM)
def test_the_delegate_itself_goes_wrong_on_the_others(rule, gpu, tmp_path):
    _assert_the_delegate_agrees(rule, tmp_path)


# What the delegate merges


def weighted(*, slices, weights, total=OP.SUM, step=1, reshaped=False):
    """A concatenation of sums of products: `slices` of (input, begin), `weights`
    the input of each product.
    """
    graph = Graph()
    inputs = {name: graph.input(IMAGE if name in "xy" else HALF) for name in "xyvw"}
    totals = []
    for (source, begin), name in zip(slices, weights, strict=True):
        values = [ints(0, 0, 0, begin), ints(1, 6, 8, begin + 4 * step), ints(1, 1, 1, step)]
        part = graph.node(
            OP.STRIDED_SLICE, [inputs[source], *values], HALF, kept=options("StridedSlice")
        )
        product = graph.node(OP.MUL, [inputs[name], part], HALF, kept=options("Mul"))
        kept = options("Reducer", keepDims=not reshaped)
        made = graph.node(
            total, [product, ints(3)], (1, 6, 8) if reshaped else (1, 6, 8, 1), kept=kept
        )
        totals.append(
            graph.node(OP.RESHAPE, [made, ints(1, 6, 8, 1)], (1, 6, 8, 1)) if reshaped else made
        )
    return graph.file(
        graph.node(OP.CONCATENATION, totals, (1, 6, 8, 2), kept=options("Concatenation", axis=3))
    )


@pytest.mark.parametrize(
    "graph",
    [
        {"slices": [("x", 0), ("x", 4)], "weights": "ww"},
        {"slices": [("x", 0), ("y", 0)], "weights": "ww"},
        {"slices": [("x", 0), ("x", 4)], "weights": "ww", "total": OP.MEAN},
        {"slices": [("x", 0), ("x", 4)], "weights": "ww", "reshaped": True},
    ],
)
def test_sums_of_products_with_slices_are_merged(graph):
    assert rules_found(weighted(**graph)) == ["mldrift.weighted_sums"]


@pytest.mark.parametrize(
    "graph",
    [
        {"slices": [("x", 0), ("x", 4)], "weights": "vw"},
        {"slices": [("x", 4), ("x", 4)], "weights": "ww"},
        {"slices": [("x", 0), ("y", 0)], "weights": "ww", "step": 2},
        {"slices": [("x", 0), ("x", 4)], "weights": "ww", "total": OP.REDUCE_MAX},
    ],
)
def test_other_sums_are_not_merged(graph):
    assert rules_found(weighted(**graph)) == []


def split_in_three(order, *, axis=3, extra=False):
    graph = Graph()
    x = graph.node(OP.RELU, [graph.input((1, 6, 6, 6))], (1, 6, 6, 6))
    parts = [graph.made((1, 6, 6, 2)) for _ in range(3)]
    kept = options("SplitV", numSplits=3)
    sizes, axis_of_split = graph.made(ints(2, 2, 2)), graph.made(np.asarray(3, np.int32))
    graph.operator(OP.SPLIT_V, [x, sizes, axis_of_split], parts, options=kept)
    joined = [parts[place] for place in order] + ([graph.input((1, 6, 6, 2))] if extra else [])
    shape = [1, 6, 6, 2]
    shape[axis] *= len(joined)
    kept = options("Concatenation", axis=axis)
    return graph.file(graph.node(OP.CONCATENATION, joined, tuple(shape), kept=kept))


@pytest.mark.parametrize(
    ("order", "more"), [((2, 1, 0), {}), ((0, 1), {}), ((2, 1), {}), ((0, 1, 2), {"axis": 2})]
)
def test_a_split_that_is_joined_otherwise_is_wrong(order, more):
    assert rules_found(split_in_three(order, **more)) == ["mldrift.split_concat.order"]


@pytest.mark.parametrize(
    ("order", "more"),
    [((0, 1, 2), {}), ((1, 2), {}), ((0, 1, 0), {}), ((2, 1, 0), {"extra": True})],
)
def test_a_split_that_is_joined_as_it_was_or_with_something_else_is_right(order, more):
    assert rules_found(split_in_three(order, **more)) == []


# Constants, which the delegate lays out from the end


@pytest.mark.parametrize(
    ("computed", "constant"),
    [
        ((6, 8), (6, 1)),
        ((3, 6, 8), (3, 1, 8)),
        ((4,), (4,)),
        ((6, 8, 4), (1, 6, 8, 4)),
        ((1, 6, 8, 4), (2, 6, 8, 4)),
        ((8,), (6, 8)),
    ],
)
def test_a_constant_that_is_laid_out_otherwise_is_wrong(computed, constant):
    content = one(
        OP.SUB,
        [computed, ramp(*constant)],
        np.broadcast_shapes(computed, constant),
        kept=options("Sub"),
    )
    assert rules_found(content) == ["mldrift.constant_shape"]


@pytest.mark.parametrize(
    ("computed", "constant"),
    [
        ((1, 6, 8, 4), (4,)),
        ((1, 6, 8, 4), (8, 4)),
        ((1, 6, 8, 4), (6, 1, 1)),
        ((2, 6, 8, 4), (2, 1, 1, 4)),
        ((1, 6, 8, 1), (4,)),
        ((1, 1, 1, 1), (1, 6, 8, 4)),
        ((3, 6, 8), (6, 8)),
        ((6, 8), (8,)),
        ((4,), ()),
        ((1,), (1, 6, 8, 4)),
    ],
)
def test_a_constant_that_is_laid_out_alike_is_right(computed, constant):
    content = one(
        OP.SUB,
        [computed, ramp(*constant)],
        np.broadcast_shapes(computed, constant),
        kept=options("Sub"),
    )
    assert rules_found(content) == []


@pytest.mark.parametrize(
    ("computed", "constant", "rules"),
    [
        ((6, 8), (6, 8), []),
        ((3, 6, 8), (3, 1, 8), []),
        ((1, 6, 8, 4), (2, 6, 8, 4), []),
        # The computed one is laid out otherwise than the output.
        ((6, 8, 4), (1, 6, 8, 4), ["mldrift.constant_shape"]),
        ((8,), (6, 8), ["mldrift.constant_shape"]),
    ],
)
def test_one_value_throughout_is_right_wherever_it_is_laid(computed, constant, rules):
    assert rules_found(add(computed, np.full(constant, 1.25, np.float32))) == rules


def test_integers_are_laid_out_as_computed_tensors():
    kept = options("Add")
    found = [
        rules_found(one(OP.ADD, [((6, 8), np.int32), constant], (6, 8), kept=kept, dtype=np.int32))
        for constant in (np.ones((6, 8), np.int32), np.ones(8, np.int32))
    ]
    assert found == [[], ["mldrift.constant_shape"]]


# Paddings of three dimensions, which have no row for the batch


@pytest.mark.parametrize(
    ("shape", "paddings", "rules"),
    [
        ((1, 6, 8), [[0, 0], [1, 2], [2, 1]], []),
        ((1, 1, 256), [[0, 0], [0, 0], [0, 0]], []),
        ((1, 6, 8), [[0, 1], [0, 0], [0, 0]], ["pad.rank"]),
        ((4, 6, 8), [[0, 0], [0, 0], [0, 0]], ["pad.rank"]),
        ((2, 6, 8, 4), [[1, 0], [0, 0], [0, 0], [0, 0]], []),
    ],
)
def test_three_dimensions_are_padded_where_the_first_is_one_and_stays(shape, paddings, rules):
    model_file = inspect(pad(shape, paddings=paddings))
    for target in ("v2", "mldrift"):
        found = [finding.rule for finding in lint(model_file, target).findings]
        assert found == [f"{target}.{rule}" for rule in rules]


# A sum that is put out and reduced


@pytest.mark.parametrize(
    ("graph", "is_wrong"),
    [
        ({"reader": OP.SUM}, True),
        ({"reader": OP.REDUCE_MAX}, True),
        ({"reader": OP.AVERAGE_POOL_2D}, True),
        ({"activation": schema.ActivationFunctionType.RELU}, False),
        ({"second": (1, 1, 1, 8)}, False),
        ({"put_out": "constant"}, False),
        ({"put_out": False}, False),
    ],
)
def test_a_sum_that_is_an_output_and_is_reduced_is_wrong(graph, is_wrong):
    found = report_of(summed(**{"put_out": True, **graph})).findings
    assert [(finding.rule, finding.node) for finding in found] == [
        ("mldrift.sum_put_out", 0)
    ] * is_wrong


# Parts of a split in one operation


@pytest.mark.parametrize(
    ("graph", "more", "is_wrong"),
    [
        ((OP.MAXIMUM, "MaximumMinimum", (0, 1)), {"axis": 2}, True),
        ((OP.SUB, "Sub", (0, 3)), {"parts": 4, "read_again": 1}, True),
        ((OP.SUB, "Sub", (1, 3)), {"parts": 4}, False),
        ((OP.MUL, "Mul", (1, 0)), {}, True),
        ((OP.MUL, "Mul", (0, 1)), {}, False),
        ((OP.MUL, "Mul", (1, 0)), {"read_again": 0}, False),
        ((OP.ADD, "Add", (0, 1)), {"axis": 1}, True),
        ((OP.ADD, "Add", (1, 0)), {}, True),
        ((OP.ADD, "Add", (0, 1)), {"read_again": 1}, False),
        ((OP.ADD, "Add", (1, 3)), {"parts": 4, "read_again": 0}, False),
    ],
)
def test_parts_of_one_split_are_wrong_in_the_place_where_they_are_merged(graph, more, is_wrong):
    assert rules_found(split_computed(*graph, **more)) == ["mldrift.split_operands"] * is_wrong


# Strides of 1x1 convolutions


@pytest.mark.parametrize(
    ("graph", "is_wrong"),
    [
        ({"stride": (2, 1)}, True),
        ({"stride": (1, 2)}, True),
        ({"stride": (3, 3), "size": (7, 9)}, True),
        ({"stride": (1, 1)}, False),
        ({"stride": (2, 1), "size": (2, 8)}, False),
        ({"stride": (2, 2), "kernel": (1, 3)}, False),
        ({"stride": (2, 2), "is_quantised": False}, False),
    ],
)
def test_quantised_points_with_strides_are_wrong_where_pixels_are_skipped(graph, is_wrong):
    assert rules_found(strided_points(**graph)) == ["mldrift.convolution.strided_points"] * is_wrong


@pytest.mark.parametrize(
    ("scales", "is_wrong"),
    [((0.5, 0.5, 0.5), False), ((0.5, 0.25, 0.5), True), ((0.5, 0.5, 0.25), True)],
)
def test_sixteen_bits_are_added_right_on_one_scale_alone(scales, is_wrong):
    assert rules_found(sum_of_16_bits(*scales)) == ["mldrift.int16_scales"] * is_wrong


def test_a_product_with_a_copy_is_right():
    assert rules_found(squared_matrix(batch=1, copied=True)) == []


# Whole files


def test_a_variable_stops_the_file():
    graph = Graph()
    x, state = graph.input(HALF), graph.made(HALF)
    graph.graph.tensors[state].isVariable = True
    assert rules_found(graph.file(graph.node(OP.ADD, [x, state], HALF, kept=options("Add")))) == [
        "mldrift.variable"
    ]


@pytest.mark.parametrize("is_read", [True, False])
def test_an_input_that_is_an_output_is_wrong_whoever_reads_it(is_read):
    report = report_of(passed_through(is_read=is_read))
    assert [(finding.rule, finding.node) for finding in report.findings] == [
        ("mldrift.output.is_input", None)
    ]
    assert report.verdict is TargetVerdict.ACCEPTED_BUT_WRONG
    assert report.coverage.nodes_delegated == 1


def test_the_remedy_for_an_arg_max_of_int64_is_right_for_any_number_of_channels():
    assert "a multiple of 4 channels" in RULES["mldrift.type.arg_max"].instead
    assert rules_found(padded_arg_max(19)) == []


def test_a_size_that_is_an_input_stops_the_file():
    graph = Graph()
    x, size = graph.input(HALF), graph.input((2,), np.int32)
    found = rules_found(graph.file(graph.node(OP.RESIZE_BILINEAR, [x, size], (1, 12, 16, 4))))
    assert found == ["mldrift.shape_from_input"]


def test_a_window_larger_than_the_placeholder_of_a_size_fails():
    graph = Graph()
    x = graph.input((1, 1, 1, 4))
    graph.graph.tensors[x].shapeSignature = [1, -1, -1, 4]
    found = []
    for padding in (0, 1):
        kept = options(
            "Pool2D", strideH=2, strideW=2, filterHeight=2, filterWidth=2, padding=padding
        )
        graph.graph.operators = []
        found.append(
            rules_found(graph.file(graph.node(OP.MAX_POOL_2D, [x], (1, 1, 1, 4), kept=kept)))
        )
    assert found == [[], ["mldrift.dynamic_size"]]


def test_an_int8_constant_that_is_dequantised_fails_unless_its_shape_is_unmoved():
    found = []
    for shape in ((5, 8), (1, 8), (2, 3, 5, 8)):
        graph = Graph()
        constant = graph.made(ramp(*shape, dtype=np.int8))
        graph.graph.tensors[constant].quantization = _scale(0.1)
        x, made = graph.input(shape), graph.node(OP.DEQUANTIZE, [constant], shape)
        found.append(
            rules_found(graph.file(graph.node(OP.ADD, [x, made], shape, kept=options("Add"))))
        )
    assert found == [["mldrift.dequantize.shape"], [], []]


def _scale(value):
    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint = np.asarray([value], np.float32), np.zeros(1, np.int64)
    return made


# The document


def test_every_rule_can_be_acted_on():
    for rule in RULES.values():
        assert rule.evidence, rule.id
        assert not re.search(r"[^.]\.$", rule.reason), rule.id
    for rule in CASES:
        assert re.search(r"matrix: |measured: |file: ", " ".join(RULES[rule].evidence)), rule
