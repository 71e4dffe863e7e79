"""Operators that LiteRT's NPU path, OpenVINO's plugin, leaves to the CPU, by others that compute the same.

No rule objects to them; they are written only where the NPU is asked for.
"""

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.recipes.points import negated


def _negative(writer, node):
    _only_floats(writer, node)
    writer.deliver(negated(writer, node.inputs[0]), node.outputs[0])


def _least(writer, node):
    _only_floats(writer, node)
    graph, output = writer.graph, node.outputs[0]
    opposite = negated(writer, node.inputs[0])
    options = {"keepDims": bool(node.option("keepDims"))}
    inputs = [opposite, node.inputs[1]]
    largest = writer.add("REDUCE_MAX", inputs, graph.shape(output), like=output, **options)
    writer.deliver(negated(writer, largest), output)


def _squares(writer, node):
    graph, block = writer.graph, node.option("blockSize")
    shape, target = graph.shape(node.inputs[0]), graph.shape(node.outputs[0])
    steps, size = [1, block, block, 1], [*target[:3], shape[3]]
    phases = [
        writer.cut(node.inputs[0], [0, row, column, 0], size, steps)
        for row in range(block)
        for column in range(block)
    ]
    writer.deliver(writer.join(phases, 3), node.outputs[0])


def _only_floats(writer, node):
    if writer.graph.dtype(node.inputs[0]) != "float32":
        raise Declined(f"of {writer.graph.dtype(node.inputs[0])}")


NEGATIVE = Recipe(
    name="npu-negative",
    does="NEG on the NPU: a product with -1",
    rules=(),
    ops=frozenset({"NEG"}),
    rewrite=_negative,
)
LEAST = Recipe(
    name="npu-least",
    does="REDUCE_MIN on the NPU: REDUCE_MAX of the opposite",
    rules=(),
    ops=frozenset({"REDUCE_MIN"}),
    rewrite=_least,
)
SQUARES = Recipe(
    name="npu-unshuffle",
    does="SPACE_TO_DEPTH on the NPU: slices with steps, joined",
    rules=(),
    ops=frozenset({"SPACE_TO_DEPTH"}),
    rewrite=_squares,
)
