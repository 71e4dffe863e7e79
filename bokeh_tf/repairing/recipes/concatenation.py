"""Concatenations of constants, and of more than four dimensions."""

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    graph, axis = writer.graph, node.option("axis")
    if node.activation != "NONE":
        raise Declined(f"it computes {node.activation} as well")
    if any(graph.scales(tensor) != graph.scales(node.outputs[0]) for tensor in node.inputs):
        raise Declined("its parts have other scales than its result")
    axis += graph.rank(node.outputs[0]) * (axis < 0)
    writer.deliver(writer.join(list(node.inputs), axis), node.outputs[0])


RECIPE = Recipe(
    name="concatenation",
    does=(
        "CONCATENATION with a constant, or of more than four dimensions: on four, float16"
        " constants as float32"
    ),
    rules=("*.constant_rank", "*.float16_constant", "*.rank", "*.op_version"),
    ops=frozenset({"CONCATENATION"}),
    rewrite=_rewrite,
)
