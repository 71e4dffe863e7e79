"""Operators under a newer version than their tensors need."""

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe

_INDICES = frozenset({"int4", "int16", "int64", "bool", "string"})


def _rewrite(writer, node):
    graph = writer.graph
    present = [tensor for tensor in (*node.inputs, *node.outputs) if tensor >= 0]
    if any(graph.rank(tensor) > 4 for tensor in present):
        raise Declined("it has more than four dimensions")
    if any(graph.dtype(tensor) in _INDICES for tensor in present) or len(node.outputs) != 1:
        raise Declined("its types need the version")
    if node.activation != "NONE" and node.name == "TRANSPOSE_CONV":
        raise Declined("its activation needs the version")
    made = writer.again(node, node.inputs, graph.shape(node.outputs[0]), like=node.outputs[0])
    if writer.made[-1].version >= node.version:
        raise Declined("its types need the version")
    writer.deliver(made, node.outputs[0])


RECIPE = Recipe(
    name="lower-version",
    does="an operator code that is newer than its tensors need: the same under the lowest",
    rules=("*.op_version",),
    ops=None,
    rewrite=_rewrite,
)
