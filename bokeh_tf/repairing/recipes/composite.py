"""Composites, whose decomposition the file carries as a subgraph: its nodes in their place."""

import dataclasses

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    number = node.option("decompositionSubgraphIndex")
    graph = writer.graph
    if not 0 < number < len(graph.subgraphs):
        raise Declined("its decomposition is not there")
    nodes, tensors, inputs, outputs = graph.read_subgraph(number)
    if (
        len(inputs) != len(node.inputs)
        or len(outputs) != len(node.outputs)
        or set(inputs) & set(outputs)
    ):
        raise Declined("its decomposition has other ports")
    place = {
        -1: -1,
        **dict(zip(inputs, node.inputs, strict=True)),
        **dict(zip(outputs, node.outputs, strict=True)),
    }
    for index, tensor in enumerate(tensors):
        if index not in place:
            place[index] = graph.adopt(tensor)
    for inner in nodes:
        ports = {"inputs": tuple(place[tensor] for tensor in inner.inputs)}
        ports["outputs"] = tuple(place[tensor] for tensor in inner.outputs)
        writer.made.append(dataclasses.replace(inner, **ports))


RECIPE = Recipe(
    name="composite",
    does="STABLEHLO_COMPOSITE: the nodes of its decomposition",
    rules=("*.op", "*.op.composite"),
    ops=frozenset({"STABLEHLO_COMPOSITE"}),
    rewrite=_rewrite,
)
