"""What OpenGL alone refuses or computes wrong: each side of the edges at which the engine was
found to change its mind.
"""

import gc
import weakref

import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.delegate.check import check
from bokeh_tf.delegate.judging.policy import FAILED, PASSED, Policy, judge
from bokeh_tf.delegate.rules.opengl_kernels import kernels_by_node
from bokeh_tf.delegate.rules.views import GraphView
from bokeh_tf.delegate.writers.summary import lines_of
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.rewriting import pack
from tests.delegate.rules.kernel_graphs import joined, pooled, summed
from tests.delegate.rules.rule_graphs import build_graph

WIDE, ONE, VECTOR = "float32[1,6,8,4]", "float32[1,6,8,1]", "float32[1,1,1,4]"
WIDER = "float32[1,8,10,4]"
AROUND, BY_NOTHING = (f"constant int32[4,2] (0, 0, {n}, {n}, {n}, {n}, 0, 0)" for n in (1, 0))
POINTS = "CONV_2D v1 {{{}stride_w=1, stride_h=1}}: float32[1,6,{},4], constant float32[4,{},{},4]\
, constant float32[4] -> a = float32[1,6,{},4]\n"


def points(width=8, kernel=1, more="", then=""):
    """A convolution and a root of it, which `then` may read as "b"."""
    first = POINTS.format(more, width, kernel, kernel, width)
    return f"{first}SQRT v1: a -> b = float32[1,6,{width},4]\n{then}"


MEAN = "MEAN v1 {{keep_dims=1}}: float32[1,{0},{1},{2}], constant int32[2] (1, 2) -> float32[1,1,1,{2}]"
RESIZED = (
    "RESIZE_BILINEAR v3 {{{}}}: float32[1,4,{},4], constant int32[2] ({}, {}) -> float32[1,{},{},4]"
)


def resized(width, times, mode="half_pixel_centers=true"):
    """A picture of 4 rows that is enlarged; without a mode the corners lie at whole places."""
    size = (int(4 * times), int(width * times))
    return RESIZED.format(mode, width, *size, *size)


def weighed(count):
    """A sum of that many tensors, each times a vector of its own."""
    nodes = [f"MUL v1: p{n}, constant float32[4] -> c{n} = {WIDE}" for n in range(count)]
    for n in range(1, count):
        nodes.append(f"ADD v1: {f's{n - 1}' if n > 1 else 'c0'}, c{n} -> s{n} = {WIDE}")
    return pooled(count, then=nodes)


POOLED = f"MEAN v1 {{keep_dims=1}}: y = {WIDE}, constant int32[2] (1, 2) -> m = {VECTOR}"
PAIRS = ("SUB", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "POW")


def weighed_by(vector, name="SUB", picture=f"x = {WIDE}", by="m"):
    """A picture and a vector that is made of something, as operands of one node."""
    return f"{vector}\n{name} v1: {picture}, {by} -> d = {WIDE}"


KEPT = f"TANH v1: x = {WIDE} -> b = output {WIDE}\n"
BIASED = f"ADD v1: x = {WIDE}, constant float32[4] -> b = output {WIDE}\n"
TAKEN = {
    "a vector of channels added": f"ADD v1: {VECTOR}, {WIDE} -> {WIDE}",
    "equal shapes": f"DIV v1: {WIDE}, {WIDE} -> {WIDE}",
    "one channel second in a product": f"MUL v1: {WIDE}, {ONE} -> {WIDE}",
    "one row second in a product": f"MUL v1: {WIDE}, float32[1,6,1,1] -> {WIDE}",
    "a vector second in a difference": f"SUB v1: {WIDE}, {VECTOR} -> {WIDE}",
    "a constant for each channel": f"SUB v1: {WIDE}, constant float32[4] -> {WIDE}",
    "a constant picture that is added": f"ADD v1: {WIDE}, constant {WIDE} -> {WIDE}",
    "one row of constants that is added": f"ADD v1: {WIDE}, constant float32[1,6,1,1] -> {WIDE}",
    "constants of one channel in a product": f"MUL v1: {WIDE}, constant {ONE} -> {WIDE}",
    "a constant for each channel in a product": f"MUL v1: {WIDE}, constant {VECTOR} -> {WIDE}",
    "one row by its own constants": "MUL v1: float32[1,1,8,4], constant float32[1,1,8,1]"
    " -> float32[1,1,8,4]",
    "a mean over rows and columns": f"MEAN v1: {WIDE}, constant int32[2] (1, 2) -> {VECTOR}",
    "the same from the other end": f"MEAN v1: {WIDE}, constant int32[2] (-2, -3) -> {VECTOR}",
    "a mean of 64 rows and columns": MEAN.format(64, 64, 24),
    "a mean of three channels": MEAN.format(64, 96, 3),
    "a small mean of six channels": MEAN.format(8, 8, 6),
    "a small mean of rows that are no tiles": MEAN.format(12, 8, 24),
    "a small mean whose sums do not fit": MEAN.format(32, 32, 516),
    "a mean of rows that are no tiles": MEAN.format(100, 96, 24),
    "a mean whose sums do not fit": MEAN.format(256, 256, 12),
    "a larger picture": "RESIZE_BILINEAR v1: float32[1,4,4,4], constant int32[2] (8, 8) ->"
    " float32[1,8,8,4]",
    "twice as large, 512 wide": resized(512, 2),
    "four times as large, 256 wide": resized(256, 4),
    "half as large again, 512 wide": resized(512, 1.5),
    "twice as large by corners, 1024 wide": resized(1024, 2, "half_pixel_centers=false"),
    "twice as large by aligned corners, 512 wide": resized(512, 2, "align_corners=true"),
    "zeros that are joined": f"CONCATENATION v1: {ONE}, constant float32[1,1,8,1] (0, 0, 0, 0, 0,"
    " 0, 0, 0)"
    " -> float32[1,7,8,1]",
    "a root after points, odd": points(width=7),
    "a root after a wider kernel": points(kernel=3),
    "a root after an activation": points(more="fused_activation=RELU, "),
    "a root after points and a limit": points().replace(
        "SQRT v1: a ->", f"MAXIMUM v1: a, constant float32[1] (0.5) -> c = {WIDE}\nSQRT v1: c ->"
    ),
    "a root of points that others read": points(then=f"ABS v1: a -> {WIDE}"),
    "a root of points whose sign is dropped": points(then=f"ABS v1: b -> {WIDE}"),
    "a root of points times itself": points(then=f"MUL v1: b, b -> {WIDE}"),
    "an output that two nodes read": f"{KEPT}ABS v1: b -> {WIDE}\nEXP v1: b -> {WIDE}",
    "an output that is pooled": KEPT + "AVERAGE_POOL_2D v1 {filter_height=2, filter_width=2,"
    " stride_h=2, stride_w=2}: b -> float32[1,3,4,4]",
    # A kernel that has points of its own is no part of one that has none.
    "an output of constants plus something": f"{BIASED}ADD v1: b, z = {WIDE} -> {WIDE}",
    "an output of constants minus something": f"{BIASED}SUB v1: b, z = {WIDE} -> {WIDE}",
    "an output times something": f"{KEPT}MUL v1: b, z = {WIDE} -> {WIDE}",
    "an output of points plus something": points()
    .replace("-> a = ", "-> a = output ")
    .replace("SQRT v1: a", f"ADD v1: a, z = {WIDE}"),
    "an output of limited points plus a constant": points(more="fused_activation=RELU, ")
    .replace("-> a = ", "-> a = output ")
    .replace("SQRT v1: a", "ADD v1: a, constant float32[4]"),
    "an output times what it is made of": f"{KEPT}MUL v1: b, x -> {WIDE}",
    "an output that weighs channels": f"TANH v1: {ONE} -> b = output {ONE}\nMUL v1: {WIDE}, b -> {WIDE}",
    "an output plus something that only it reads": f"{KEPT}ABS v1: x -> c = {WIDE}\n"
    f"ADD v1: b, c -> {WIDE}",
    "an output of a kernel of its own": f"SOFTMAX v1 {{beta=1}}: {WIDE} -> b = output {WIDE}\n"
    f"TANH v1: b -> {WIDE}",
    "an output by an operation of its own": f"TANH v1: {WIDE} -> b = {WIDE}\n"
    f"MAXIMUM v1: b, constant float32[1] (-60000) -> {WIDE}\nLOGISTIC v1: b -> {WIDE}",
    "padding with zeros": f"PAD v1: {WIDE}, {AROUND} -> {WIDER}",
    "padding with the value 0": f"PADV2 v1: {WIDE}, {AROUND}, constant float32[1] (0) -> {WIDER}",
    "padding of one row": "PAD v1: float32[1,1,6,8], constant int32[4,2] (0, 0, 0, 0, 1, 1, 0, 0)"
    " -> float32[1,1,8,8]",
    "fifteen tensors joined": joined(15),
    "fifteen tensors joined along rows": joined(15, axis=1),
    "a sum of five convolutions": summed(5),
    "a sum of five convolutions times vectors": summed(5, then=["MUL"]),
    "a sum of five convolutions and activations": summed(5, options="fused_activation=RELU, "),
    "a sum of eight convolutions of points": summed(8, kernel=1),
    "a sum of eight convolutions of one tensor": summed(8, sources=1),
    "a sum of nine products with vectors": weighed(9),
    "a mean that is added": weighed_by(POOLED, "ADD"),
    "a product with a mean": weighed_by(POOLED, "MUL"),
    "a picture less its own mean": weighed_by(POOLED, picture="y"),
    "a picture less a mean that others read": f"{weighed_by(POOLED)}\nABS v1: m -> {VECTOR}",
    "a picture less points of one point": weighed_by(
        f"{POOLED}\nCONV_2D v1 {{stride_w=1, stride_h=1}}: m, constant float32[4,1,1,4],"
        f" constant float32[4] -> r = {VECTOR}",
        by="r",
    ),
    "padding by nothing": f"PADV2 v1: {WIDE}, {BY_NOTHING}, constant float32[1] (1) -> {WIDE}",
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
    "a root after points": (points(), "root_after_points"),
    "a root after points plus something": (
        points(then=f"ADD v1: b, z = {WIDE} -> {WIDE}"),
        "root_after_points",
    ),
    "a root after points times constants": (
        points(then=f"MUL v1: b, constant float32[4] -> {WIDE}"),
        "root_after_points",
    ),
    "a root after points, read twice": (
        points(then=f"ABS v1: b -> {WIDE}\nTANH v1: b -> {WIDE}"),
        "root_after_points",
    ),
    "a root after points plus a constant": (
        points(then=f"ADD v1: b, constant float32[4] -> {WIDE}"),
        "root_after_points",
    ),
    "padding of three dimensions": (
        "PAD v1: float32[1,6,8], constant int32[3,2] (0, 0, 1, 1, 0, 0) -> float32[1,8,8]",
        "padded_rank",
    ),
    "padding of three dimensions by nothing": (
        "PAD v1: float32[1,6,8], constant int32[3,2] (0, 0, 0, 0, 0, 0) -> float32[1,6,8]",
        "padded_rank",
    ),
    "mirrored borders of three dimensions": (
        "MIRROR_PAD v1 {mode=0}: float32[1,6,8], constant int32[3,2] (0, 0, 1, 1, 0, 0)"
        " -> float32[1,8,8]",
        "padded_rank",
    ),
    "an input that is an output": (f"RELU v1: x = output {WIDE} -> {WIDE}", "output_is_input"),
    "a root after points and a constant": (
        points().replace(
            "SQRT v1: a ->", f"ADD v1: a, constant float32[1] (0.5) -> c = {WIDE}\nSQRT v1: c ->"
        ),
        "root_after_points",
    ),
    "sixteen tensors joined": (joined(16), "storage_blocks"),
    "sixteen tensors joined along columns": (joined(16, axis=2), "storage_blocks"),
    "a sum of six convolutions": (summed(6), "storage_blocks"),
    "a sum of six convolutions and activations": (
        summed(6, options="fused_activation=RELU, "),
        "storage_blocks",
    ),
    "a sum of six convolutions times vectors": (summed(6, then=["MUL"]), "storage_blocks"),
    "a sum of six convolutions times and plus vectors": (
        summed(6, then=["MUL", "ADD"]),
        "storage_blocks",
    ),
    "values that are joined": (
        f"CONCATENATION v1: {WIDE}, constant {WIDE} -> float32[1,12,8,4]",
        "joined_constant",
    ),
}
SPREAD = {
    "constants by row": f"MUL v1: {WIDE}, constant float32[1,6,1,1] -> {WIDE}",
    "constants by column": f"MUL v1: {WIDE}, constant float32[1,1,8,1] -> {WIDE}",
    "constants by row, first": f"MUL v1: constant float32[1,6,1,1], {WIDE} -> {WIDE}",
    "constants by row and channel": f"MUL v1: {WIDE}, constant float32[1,6,1,4] -> {WIDE}",
    "constants by row, of three dimensions": f"MUL v1: {WIDE}, constant float32[6,1,1] -> {WIDE}",
    "one channel times several": f"MUL v1: {ONE}, constant float32[4] -> {WIDE}",
    "one channel plus several": f"ADD v1: {ONE}, constant float32[4] -> {WIDE}",
    "one channel less several": f"SUB v1: {ONE}, constant float32[4] -> {WIDE}",
}
PADDED = {
    "padding with a value": f"PADV2 v1: {WIDE}, {AROUND}, constant float32[1] (1) -> {WIDER}",
    "padding with a scalar": f"PADV2 v2: {WIDE}, {AROUND}, constant float32[] (-0.5) -> {WIDER}",
    "padding with an infinity": f"PADV2 v1: {WIDE}, {AROUND}, constant float32[1] (-inf) -> {WIDER}",
    "padding channels with a value": f"PADV2 v1: {WIDE}, constant int32[4,2]"
    " (0, 0, 0, 0, 0, 0, 0, 1), constant float32[1] (1) -> float32[1,6,8,5]",
}
OUTPUTS = {
    "an output that goes on": f"{KEPT}LOGISTIC v1: b -> {WIDE}",
    "an output plus a constant": f"{KEPT}ADD v1: b, constant float32[4] -> {WIDE}",
    "an output within limits": f"{KEPT}RELU_N1_TO_1 v1: b -> {WIDE}",
    "an output minus a vector": f"{KEPT}SUB v1: b, z = {VECTOR} -> {WIDE}",
    "an output in a list of sums": f"{KEPT}ADD_N v1: b, z = {WIDE} -> {WIDE}",
    "an output of points plus a constant": points()
    .replace("-> a = ", "-> a = output ")
    .replace("SQRT v1: a", "ADD v1: a, constant float32[4]"),
    "an output plus a constant that goes on": points(then=f"TANH v1: b -> {WIDE}").replace(
        "SQRT v1: a -> b = ", "ADD v1: a, constant float32[4] -> b = output "
    ),
    "an output times itself": f"{KEPT}MUL v1: b, b -> {WIDE}",
    "an output of points that goes on": points(then=f"TANH v1: b -> {WIDE}").replace(
        "b = ", "b = output "
    ),
    "an output plus something that others read": f"{KEPT}SOFTMAX v1 {{beta=1}}: x -> c = {WIDE}\n"
    f"ADD v1: b, c -> {WIDE}\nEXP v1: c -> {WIDE}",
}
CUT = {
    "a mean of more than 64 columns": MEAN.format(64, 96, 24),
    "a mean of more than 64 rows": MEAN.format(128, 64, 24),
    "a mean of few rows and many columns": MEAN.format(8, 128, 24),
    "a mean whose sums just fit": MEAN.format(256, 256, 8),
}
OVERRUN = {
    "a mean of one tile": MEAN.format(8, 8, 16),
    "a mean of few rows": MEAN.format(8, 64, 4),
    "a mean of few columns": MEAN.format(64, 56, 24),
    "a small mean whose sums just fit": MEAN.format(32, 32, 512),
}
COARSE = {
    "twice as large, 1024 wide": resized(1024, 2),
    "four times as large, 512 wide": resized(512, 4),
    "half as large again, 1024 wide": resized(1024, 1.5),
    "twice as large by corners, 2048 wide": resized(2048, 2, "half_pixel_centers=false"),
    "twice as large by aligned corners, 1024 wide": resized(1024, 2, "align_corners=true"),
    "wider than half precision counts": resized(70000, 2),
    "as wide as a file can claim": resized(2**30, 1.5),
}
VECTORS = {
    **{f"{name} of a mean": weighed_by(POOLED, name) for name in PAIRS},
    "a difference of a pooling": weighed_by(
        "AVERAGE_POOL_2D v1 {filter_height=6, filter_width=8, stride_h=6, stride_w=8}:"
        f" y = {WIDE} -> m = {VECTOR}"
    ),
    "a difference of an activation": weighed_by(f"RELU v1: y = {VECTOR} -> m = {VECTOR}"),
    "a difference of a root of a mean": weighed_by(f"{POOLED}\nSQRT v1: m -> r = {VECTOR}", by="r"),
    "a difference of a mean that is an output": weighed_by(POOLED.replace("m =", "m = output")),
}
WRONG = {
    **{name: (graph, "joined_vector") for name, graph in VECTORS.items()},
    **{name: (graph, "resize_places") for name, graph in COARSE.items()},
    **{name: (graph, "tiled_mean") for name, graph in CUT.items()},
    **{name: (graph, "small_mean") for name, graph in OVERRUN.items()},
    **{name: (graph, "output_read_on") for name, graph in OUTPUTS.items()},
    **{name: (graph, "spread_constant") for name, graph in SPREAD.items()},
    **{name: (graph, "padding_value") for name, graph in PADDED.items()},
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


@pytest.mark.parametrize("name", WRONG)
def test_what_the_engine_computes_wrong_is_named(name):
    graph, rule = WRONG[name]
    assert without_opencl(graph) == [f"v2.opengl.{rule}"]


@pytest.mark.parametrize(
    ("graph", "buffers"),
    # What the engine said: "Too many compute shader storage blocks (…/16)".
    [
        (joined(16), 17),
        (joined(17), 18),
        (joined(16, axis=1), 17),
        (summed(6), 19),
        (summed(8), 25),
        (summed(6, options="fused_activation=RELU, "), 19),
        (summed(6, then=["MUL"]), 19),
        (summed(6, then=["MUL", "ADD"]), 19),
    ],
)
def test_the_buffers_of_a_kernel_are_counted_as_the_engine_counts_them(graph, buffers):
    (finding,) = check(build_graph(graph)).target("v2").without_opencl
    assert f" as one kernel of {buffers} buffers" in finding.reason


TWICE_MADE = "RELU v1: x = {0} -> t = {0}\nRELU v1: x -> t\nNEG v1: t -> {0}"
CIRCLE = "RELU v1: {0} -> a = {0}\nNEG v1: a -> b = {0}\nNEG v1: b -> a"


@pytest.mark.parametrize("graph", [TWICE_MADE, CIRCLE])
def test_tensors_that_two_nodes_make_have_a_report(graph):
    assert check(build_graph(graph.format(WIDE))).target("v2").without_opencl == ()


@pytest.mark.parametrize("maker", ["PAD v1: {0}, " + AROUND, "RESHAPE v1: {0}"])
def test_an_output_that_is_left_out_is_no_tensor(maker):
    content = build_graph(f"NEG v1: {WIDE} -> {WIDE}\n{maker.format(WIDE)} -> j = {WIDE}, {WIDE}")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    first, *others = graph.operators[1].outputs
    graph.operators[1].outputs = [-1, *others]
    graph.outputs = [index for index in graph.outputs if index != first]
    assert "None" not in str(check(pack(model)).target("v2").without_opencl)


def test_long_chains_of_sums_are_counted_up_to_a_limit():
    """Followed on, each sum would hold all inputs before it: seconds of counting."""
    nodes = [
        f"ADD v1: {f's{n - 1}' if n else f'x = {WIDE}'}, {WIDE} -> s{n} = {WIDE}"
        for n in range(999)
    ]
    kernels = check(build_graph("\n".join(nodes))).target("v2").without_opencl
    assert {finding.rule for finding in kernels} == {"v2.opengl.storage_blocks"}
    assert len(kernels) > 2


def test_a_graph_and_its_kernels_go_with_its_last_reader():
    graph = GraphView(inspect(build_graph(summed(6))), {})
    kernels = kernels_by_node(graph)
    assert kernels and kernels_by_node(graph) is kernels
    left = weakref.ref(graph)
    del graph, kernels
    gc.collect()
    assert left() is None


def test_the_summary_tells_wrong_from_refused():
    def line(graph):
        return lines_of(judge(check(build_graph(graph)), Policy()))[0]

    assert "; computed wrong where a phone has no OpenCL (1 node)" in line(
        SPREAD["constants by row"]
    )
    assert "; refused where a phone has no OpenCL (1 node)" in line(REFUSED["a sum"][0])


def test_a_policy_fails_on_what_opengl_computes_wrong():
    report = check(build_graph(SPREAD["constants by row"]))
    assert judge(report, Policy()).code == PASSED
    assert judge(report, Policy.parse("opengl")).code == FAILED
