"""Weights that a node unpacks while running, sparse or of integers, stored as they are read."""

from bokeh_tf.repairing.evaluation import unpacked
from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    graph = writer.graph
    if node.outputs[0] in graph.depends_on_input():
        raise Declined("it unpacks what is made while running")
    values = unpacked(graph, node.outputs[0])
    if values is None:
        raise Declined("it unpacks no constant")
    if node.outputs[0] in graph.outputs:
        raise Declined("an output of the model would be a constant")
    graph.store(node.outputs[0], values)
    writer.node = None


RECIPE = Recipe(
    name="dense-weights",
    does="DENSIFY of sparse weights, DEQUANTIZE of integer ones: stored dense (the file grows)",
    rules=("*.op.densify", "*.dequantize.*", "v2.densify.inputs", "v2.op", "mldrift.op"),
    ops=frozenset({"DENSIFY", "DEQUANTIZE"}),
    rewrite=_rewrite,
)
