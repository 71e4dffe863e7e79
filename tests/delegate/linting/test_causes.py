"""One cause, one finding: patterns of refused nodes, named, with the remedy for
that pattern, each told once.
"""

import json

import pytest

from bokeh_tf.delegate.check import check
from bokeh_tf.delegate.judging.causes import causes_of
from bokeh_tf.delegate.judging.policy import Policy, judge
from bokeh_tf.delegate.writers.formats import write
from tests.delegate.check_reports import finding, report, target
from tests.delegate.rules.rule_graphs import build_graph

POLICY = Policy()


def upsampling(name, rows, columns, channels):
    """What the converter makes of `UpSampling2D(2)`."""
    return f"""\
RESHAPE v1: {name}0, constant int32[5] (1, {rows}, 1, {columns}, {channels}) -> {name}1 = \
float32[1,{rows},1,{columns},{channels}]
TILE v1: {name}1, constant int32[5] (1, 1, 2, 1, 1) -> {name}2 = float32[1,{rows},2,{columns},{channels}]
RESHAPE v1: {name}2, constant int32[5] (1, {2 * rows}, {columns}, 1, {channels}) -> {name}3 = \
float32[1,{2 * rows},{columns},1,{channels}]
TILE v1: {name}3, constant int32[5] (1, 1, 1, 2, 1) -> {name}4 = float32[1,{2 * rows},{columns},2,{channels}]
RESHAPE v1: {name}4, constant int32[4] (1, {2 * rows}, {2 * columns}, {channels}) -> {name}5 = \
float32[1,{2 * rows},{2 * columns},{channels}]
"""


def two_upsamplings():
    first = upsampling("a", 4, 6, 8).replace("a0,", "a0 = float32[1,4,6,8],", 1)
    between = "RELU v1: a5 -> b0 = float32[1,8,12,8]\n"
    return build_graph(first + between + upsampling("b", 8, 12, 8))


def causes_in(content):
    judged = judge(check(content), POLICY)
    return causes_of(judged.problems), judged


def test_all_upsamplings_are_one_finding_with_a_remedy_each():
    causes, judged = causes_in(two_upsamplings())
    [cause] = causes
    assert (
        cause.rules == ("v2.rank", "mldrift.rank")
        and len(cause.places) == 10
        and len(cause.problems) == 20
    )
    assert "UpSampling2D" in cause.title
    assert [text for text, _ in cause.remedies] == [
        'layers.Resizing(8, 12, interpolation="nearest")',
        'layers.Resizing(16, 24, interpolation="nearest")',
    ]
    text = write([judged], POLICY, format="text")
    assert text.count("UpSampling2D") == 1 and len(text.splitlines()) < 12
    assert "5 nodes from 0 to 4 (RESHAPE, TILE), float32[1,4,6,8] to float32[1,8,12,8]" in text


def test_json_keeps_every_node():
    _, judged = causes_in(two_upsamplings())
    targets = json.loads(write([judged], POLICY, format="json"))["files"][0]["targets"]
    for name in ("v2", "mldrift"):
        findings = targets[name]["findings"]
        assert [one["node"] for one in findings] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
        assert len({one["cause"] for one in findings}) == 1


SHUFFLED = """\
RESHAPE v1: float32[1,8,8,16], constant int32[6] (1, 8, 8, 2, 2, 4) -> a = float32[1,8,8,2,2,4]
TRANSPOSE v4: a, constant int32[6] (0, 1, 3, 2, 4, 5) -> b = float32[1,8,2,8,2,4]
RESHAPE v1: b, constant int32[4] (1, 16, 16, 4) -> float32[1,16,16,4]
"""
UNSHUFFLED = """\
RESHAPE v1: float32[1,8,8,16], constant int32[6] (1, 4, 2, 4, 2, 16) -> a = float32[1,4,2,4,2,16]
TRANSPOSE v4: a, constant int32[6] (0, 1, 3, 2, 4, 5) -> b = float32[1,4,4,2,2,16]
RESHAPE v1: b, constant int32[4] (1, 4, 4, 64) -> float32[1,4,4,64]
"""
CHANNELS_SHUFFLED = """\
RESHAPE v1: float32[1,8,8,16], constant int32[5] (1, 8, 8, 4, 4) -> a = float32[1,8,8,4,4]
TRANSPOSE v4: a, constant int32[5] (0, 1, 2, 4, 3) -> b = float32[1,8,8,4,4]
RESHAPE v1: b, constant int32[4] (1, 8, 8, 16) -> float32[1,8,8,16]
"""
NORMALISED = """\
RESHAPE v1: float32[1,8,8,16], constant int32[5] (1, 8, 8, 4, 4) -> a = float32[1,8,8,4,4]
MEAN v1: a, constant int32[3] (1, 2, 4) -> m = float32[1,1,1,4,1]
SUB v2: a, m -> c = float32[1,8,8,4,4]
RESHAPE v1: c, constant int32[4] (1, 8, 8, 16) -> float32[1,8,8,16]
"""
ATTENDED = """\
RESHAPE v1: float32[1,16,96], constant int32[5] (1, 16, 3, 4, 8) -> a = float32[1,16,3,4,8]
TRANSPOSE v4: a, constant int32[5] (2, 0, 3, 1, 4) -> b = float32[3,1,4,16,8]
UNPACK v1: b -> float32[1,4,16,8], float32[1,4,16,8], float32[1,4,16,8]
"""
WINDOWED = """\
RESHAPE v1: float32[1,8,8,16], constant int32[6] (1, 2, 4, 2, 4, 16) -> a = float32[1,2,4,2,4,16]
TRANSPOSE v4: a, constant int32[6] (0, 1, 3, 2, 4, 5) -> b = float32[1,2,2,4,4,16]
RESHAPE v1: b, constant int32[3] (4, 16, 16) -> float32[4,16,16]
"""
BATCH = """\
SHAPE v1: x = float32[1,8,8,4] -> a = int32[4]
STRIDED_SLICE v1 {shrink_axis_mask=1}: a, constant int32[1] (0), constant int32[1] (1), constant int32[1] (1) -> \
b = int32[]
PACK v1: b, constant int32[] (256) -> c = int32[2]
RESHAPE v1: x, c -> float32[1,256]
"""
SUPPRESSED = """\
CUSTOM:TFLite_Detection_PostProcess v1: float32[1,10,4], float32[1,10,3] -> float32[1,5,4], float32[1,5]
"""
RECURRENT = (
    "UNIDIRECTIONAL_SEQUENCE_RNN v1: float32[1,4,8], constant float32[8,8] -> float32[1,4,8]\n"
)
PICKED = "GATHER_ND v1: float32[1,8,8,4], constant int32[1,1] (0) -> float32[1,8,8,4]\n"
WARPED = "GATHER_ND v1: float32[1,8,8,4], int32[1,8,8,3] -> float32[1,8,8,4]\n"
PATTERNS = {
    "pixel shuffle": (SHUFFLED, 3, "ops.depth_to_space(x, 2)"),
    "pixels moved into channels": (UNSHUFFLED, 3, "ops.space_to_depth(x, 2)"),
    "channels shuffled": (CHANNELS_SHUFFLED, 3, "ops.take(x, order, axis=-1)"),
    "normalisation over groups or windows": (NORMALISED, 4, "rows and columns as one dimension"),
    "query, key and value of one layer": (
        ATTENDED,
        3,
        "a Dense layer each for query, key and value",
    ),
    "windows of a picture as a batch": (WINDOWED, 3, "slices of the picture"),
    "a batch of unknown size": (BATCH, 4, "batch_size=1"),
    "detection post-processing": (SUPPRESSED, 1, "cut-postprocessing"),
    "a recurrent layer or a loop": (RECURRENT, 1, "unroll=True"),
}


@pytest.mark.parametrize("title", PATTERNS)
def test_a_pattern_is_named_and_has_its_own_remedy(title):
    graph, count, remedy = PATTERNS[title]
    causes, _ = causes_in(build_graph(graph))
    [cause] = [one for one in causes if one.title == title]
    assert len(cause.places) == count and set(cause.sources) == {"v2", "mldrift"}
    [(text, _)] = cause.remedies
    assert remedy in text


@pytest.mark.parametrize(
    ("graph", "remedy"), [(PICKED, "constant indices"), (WARPED, "no warp by coordinates")]
)
def test_what_replaces_a_gather_depends_on_its_indices(graph, remedy):
    [cause] = [one for one in causes_in(build_graph(graph))[0] if one.title]
    assert remedy in cause.remedies[0][0]


def test_a_size_that_is_no_batch_is_told_apart():
    rows = BATCH.replace("(0), constant int32[1] (1)", "(1), constant int32[1] (2)")
    [cause] = [one for one in causes_in(build_graph(rows))[0] if one.title]
    assert (
        cause.title == "sizes that are known only while it runs"
        and "--input-shape" in cause.remedies[0][0]
    )


def test_a_chain_of_no_known_form_keeps_the_rule_s_remedy():
    odd = CHANNELS_SHUFFLED.replace(
        "constant int32[4] (1, 8, 8, 16) -> float32[1,8,8,16]", ""
    ).replace("RESHAPE v1: b, \n", "RELU v1: b -> c = float32[1,8,8,4,4]\n")
    causes, _ = causes_in(build_graph(odd))
    assert causes and not any(cause.title for cause in causes)


def test_delegates_that_object_to_one_node_are_one_cause_and_standings_are_not_mixed():
    judged = judge(
        report(target("v2", finding()), target("mldrift", finding(rule="mldrift.op"))), POLICY
    )
    [cause] = causes_of(judged.problems)
    assert cause.sources == ("v2", "mldrift") and len(cause.places) == 1
    wrong_alone = judge(
        report(target("v2", finding(), finding(rule="v2.rank", op="TILE", node=4))), POLICY
    )
    assert [one.rules for one in causes_of(wrong_alone.problems)] == [("v2.op",), ("v2.rank",)]


def test_operators_that_a_delegate_lacks_are_causes_of_their_own():
    judged = judge(report(target("v2", finding(), finding(op="CUMSUM", node=4))), POLICY)
    assert [cause.first.op for cause in causes_of(judged.problems)] == ["GATHER_ND", "CUMSUM"]


def test_a_node_that_one_delegate_alone_refuses_says_so():
    both = (finding(rule="v2.rank"), finding(rule="v2.rank", node=5))
    judged = judge(
        report(target("v2", *both), target("mldrift", finding(rule="mldrift.rank"))), POLICY
    )
    text = write([judged], POLICY, format="text")
    assert "v2.rank, mldrift.rank  refused, 2 nodes" in text and text.count("(v2 alone)") == 1
