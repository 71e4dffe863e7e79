"""Integers that are made floats after a view of them: the cast first, as views of integers are
refused.
"""

from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.nodes import Declined, Node
from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    graph = writer.graph
    cast = _first_cast(graph, node)
    source = node.inputs[0]
    made = writer.again(cast, [source], graph.shape(source), like=cast.outputs[0])
    writer.node = cast
    writer.deliver(writer.view(made, graph.shape(cast.outputs[0])), cast.outputs[0])


def _first_cast(graph: Graph, node: Node) -> Node:
    readers = graph.readers(node.outputs[0])
    is_cast = [
        reader.name == "CAST" and graph.dtype(reader.outputs[0]) == "float32" for reader in readers
    ]
    if not readers or not all(is_cast) or node.outputs[0] in graph.outputs:
        raise Declined("the integers are read as integers")
    return readers[0]


RECIPE = Recipe(
    name="cast-first",
    does="RESHAPE of integers that are then cast to floats: CAST, RESHAPE",
    rules=("v2.type",),
    ops=frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}),
    rewrite=_rewrite,
)
