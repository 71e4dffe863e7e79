"""Graphs that both delegates take and OpenGL or the NPU path does not, by the recipe that mends them."""

from tests.delegate.rules.kernel_graphs import joined, summed
from tests.delegate.rules.rule_graphs import build_graph

WIDE, ONE, VECTOR = "float32[1,6,8,4]", "float32[1,6,8,1]", "float32[1,1,1,4]"
AROUND = "constant int32[4,2] (0, 0, 1, 2, 3, 0, {0}, 0)"
AXIS = "constant int32[1] ({0})"
WEIGHTS = "constant float32[4,1,1,4] (1, 2, 1, 1, 1, 1, 3, 1, 1, 1, 1, 4, 5, 1, 1, 1)"
POINTS = (
    f"EXP v1: {WIDE} -> e = {WIDE}\n"
    f"CONV_2D v1 {{stride_w=1, stride_h=1}}: e, {WEIGHTS}, constant float32[4] -> a = {WIDE}\n"
)
# The mean of the channels taken off, and the opposite of that.
NORMALISED = (
    f"MEAN v1 {{keep_dims=1}}: x = {WIDE}, constant int32[1] (3) -> m = {ONE}\n"
    f"SUB v1: x, m -> d = {WIDE}\nNEG v1: d -> {WIDE}"
)
MATRICES = (
    "BATCH_MATMUL v1: x = float32[1,4,5,6], float32[1,4,6,5] -> y = float32[1,4,5,5]\n"
    "NEG v1: y -> float32[1,4,5,5]"
)


def _reduced(name, axes, output, source=WIDE, options=" {keep_dims=1}"):
    count = axes.count(",") + 1
    return f"{name} v1{options}: {source}, constant int32[{count}] ({axes}) -> {output}"


def _moved(*shapes, order):
    start, inner, turned, end = shapes
    return "\n".join(
        (
            f"RESHAPE v1: float32{start}, constant int32[4] ({inner[1:-1]}) -> a = float32{inner}",
            f"TRANSPOSE v1: a, constant int32[4] ({order}) -> b = float32{turned}",
            f"RESHAPE v1: b, constant int32[4] ({end[1:-1]}) -> float32{end}",
        )
    )


QUANTISED_MEAN = (
    "QUANTIZE v1: float32[1,{0},{1},{2}] -> q = quantised int8[1,{0},{1},{2}]\n"
    "MEAN v2: q, constant int32[2] (1, 2) -> m = quantised int8[1,{2}]\n"
    "DEQUANTIZE v2: m -> float32[1,{2}]"
)
_TEXTS = {
    "opengl-sums": [
        _reduced("SUM", "3", ONE),
        _reduced("SUM", "1, 2", VECTOR),
        _reduced("SUM", "1, 2, 3", "float32[1]", options=""),
        _reduced("MEAN", "-1", ONE),
        _reduced("MEAN", "1", "float32[1,1,8,4]"),
        _reduced("MEAN", "2", "float32[1,6,1,4]"),
        _reduced("MEAN", "1, 3", "float32[1,1,8,1]"),
        _reduced("SUM", "1", "float32[1,1]", source="float32[1,5]"),
    ],
    "opengl-tiled-mean": [
        _reduced("MEAN", "1, 2", VECTOR, source=f"float32[1,{size},4]")
        for size in ("64,72", "8,8", "32,48", "56,56")
    ]
    + [_reduced("MEAN", "1, 2", "float32[1,4]", source="float32[1,16,24,4]", options="")],
    "opengl-quantised-mean": [
        QUANTISED_MEAN.format(*sizes) for sizes in ((8, 8, 16), (16, 24, 96), (64, 72, 4))
    ],
    "opengl-extremes": [
        _reduced("REDUCE_MAX", "3", ONE),
        _reduced("REDUCE_MIN", "3", ONE, source="float32[1,6,8,7]"),
        _reduced("REDUCE_MAX", "1, 2", VECTOR),
        _reduced("REDUCE_MIN", "2, 3", "float32[1,6,1,1]"),
    ],
    "opengl-cumsum": [
        *(f"CUMSUM v1: {WIDE}, constant int32[] ({axis}) -> {WIDE}" for axis in (1, 2, 3)),
    ],
    "opengl-gather": [
        f"GATHER v1 {{axis=3}}: {WIDE}, constant int32[4] (3, 2, 1, 0) -> {WIDE}",
        f"GATHER v1 {{axis=3}}: {WIDE}, constant int32[4] (2, 3, 0, 1) -> {WIDE}",
        f"GATHER v1 {{axis=2}}: {WIDE}, constant int32[9] (7, 6, 5, 4, 3, 2, 1, 0, 0)"
        " -> float32[1,6,9,4]",
    ],
    "opengl-transpose": [
        f"TRANSPOSE v1: {WIDE}, constant int32[4] (0, 3, 1, 2) -> float32[1,4,6,8]",
        "TRANSPOSE v1: float32[1,4,6,8], constant int32[4] (0, 2, 3, 1) -> float32[1,6,8,4]",
        f"TRANSPOSE v1: {WIDE}, constant int32[4] (0, 2, 1, 3) -> float32[1,8,6,4]",
        # Channels shuffled between two groups.
        _moved("[1,6,8,6]", "[1,48,2,3]", "[1,48,3,2]", "[1,6,8,6]", order="0, 1, 3, 2"),
        # Channels of one row become two rows, the outer factor of the channels first.
        _moved("[1,1,8,4]", "[1,8,2,2]", "[1,2,8,2]", "[1,2,16,1]", order="0, 2, 1, 3"),
        _moved("[1,2,16,1]", "[1,2,8,2]", "[1,8,2,2]", "[1,1,8,4]", order="0, 2, 1, 3"),
    ],
    "opengl-operands": [
        f"SUB v1: {WIDE}, {ONE} -> {WIDE}",
        f"DIV v1: {ONE}, {WIDE} -> {WIDE}",
        f"SUB v1: {VECTOR}, {WIDE} -> {WIDE}",
        f"MUL v1: {ONE}, {WIDE} -> {WIDE}",
        f"MAXIMUM v1: {WIDE}, float32[1,1,8,1] -> {WIDE}",
        f"ADD v1: float32[1,6,1,4], {WIDE} -> {WIDE}",
    ],
    "opengl-constants": [
        f"MUL v1: {WIDE}, constant float32[1,6,1,1] (1, 2, 3, 4, 5, 6) -> {WIDE}",
        f"MUL v1: {ONE}, constant float32[4] (1, 2, 3, 4) -> {WIDE}",
        f"SUB v1: {ONE}, constant float32[4] (1, 2, 3, 4) -> {WIDE}",
    ],
    "opengl-difference": [f"SUB v1: {WIDE}, constant {ONE} -> {WIDE}"],
    "opengl-padding": [
        f"PADV2 v1: {WIDE}, {AROUND.format(0)}, constant float32[1] (1.5) -> float32[1,9,11,4]",
        f"PADV2 v1: {WIDE}, {AROUND.format(1)}, constant float32[1] (-2) -> float32[1,9,11,5]",
    ],
    "opengl-root": [
        f"{POINTS}SQRT v1: a -> {WIDE}",
        f"{POINTS}ADD v1: a, constant float32[1] (0.5) -> b = {WIDE}\nRSQRT v1: b -> {WIDE}",
    ],
    "opengl-output": [f"TANH v1: {WIDE} -> b = output {WIDE}\nLOGISTIC v1: b -> {WIDE}"],
    "opengl-joined": [joined(16), joined(20, axis=1)],
    "opengl-sum": [summed(6), summed(8), summed(8, options="fused_activation=RELU, ")],
    "opengl-vector": [
        f"{_reduced('MEAN', '1, 2', f'm = {VECTOR}', source=f'y = {WIDE}')}\n{name} v1: x = {WIDE}, m -> {WIDE}"
        for name in ("SUB", "DIV", "MAXIMUM")
    ],
    "split-rank": [
        "SPLIT v1 {num_splits=2}: constant int32[] (3), float32[1,6,8,4]"
        " -> float32[1,6,8,2], float32[1,6,8,2]"
    ],
}
_NPU_TEXTS = {
    "npu-negative": [f"NEG v1: {WIDE} -> {WIDE}"],
    "npu-least": [_reduced("REDUCE_MIN", "1, 2", "float32[1,4]", options="")],
    "npu-unshuffle": [f"SPACE_TO_DEPTH v1 {{block_size=2}}: {WIDE} -> float32[1,3,4,16]"],
}
OPENGL_CASES = {name: [build_graph(text) for text in texts] for name, texts in _TEXTS.items()}
NPU_CASES = {name: [build_graph(text) for text in texts] for name, texts in _NPU_TEXTS.items()}
