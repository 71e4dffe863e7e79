"""Views put in order: of one tensor there is one RESHAPE to each shape, and none reads another.

The merging is no tidiness: two equal views of one tensor made the CPU interpreter without delegates
compute in place over the bytes that they share, and return wrong numbers.
"""

import dataclasses

from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.nodes import Declined, Node

# Nodes that do more than make their outputs.
_WITH_EFFECTS = frozenset(
    {"CALL_ONCE", "ASSIGN_VARIABLE", "VAR_HANDLE", "WHILE", "IF", "HASHTABLE_IMPORT"}
)


def tidy(graph: Graph) -> None:
    """Joins, drops and merges views until nothing changes, and leaves out what nothing reads."""
    while _join_chains(graph) or _drop_copies(graph) or _merge_equal(graph) or _drop_unread(graph):
        pass


def is_view(graph: Graph, node: Node) -> bool:
    """Whether a node is a RESHAPE between shapes that are known before it runs."""
    if node.name != "RESHAPE" or node.is_custom or len(node.outputs) != 1:
        return False
    if len(node.inputs) > 1 and node.inputs[1] >= 0 and not graph.is_stored(node.inputs[1]):
        return False
    try:
        graph.shape(node.inputs[0]), graph.shape(node.outputs[0])
    except Declined:
        return False
    return True


def _views(graph):
    return {node.outputs[0]: node for node in graph.nodes if is_view(graph, node)}


def _join_chains(graph):
    """A view of a view reads the first one's source."""
    views, changed = _views(graph), False
    for place, node in enumerate(graph.nodes):
        first = views.get(node.inputs[0]) if node.inputs and is_view(graph, node) else None
        if first is not None:
            graph.nodes[place] = dataclasses.replace(
                node, inputs=(first.inputs[0], *node.inputs[1:])
            )
            views[node.outputs[0]] = graph.nodes[place]
            changed = True
    return changed


def _drop_copies(graph):
    """A view to the shape that is already there goes, unless it is an output of the model."""
    for node in _views(graph).values():
        source, output = node.inputs[0], node.outputs[0]
        if output in graph.outputs or graph.shape(source) != graph.shape(output):
            continue
        if graph.dtype(source) != graph.dtype(output) or graph.scales(source) != graph.scales(
            output
        ):
            continue
        graph.rewire(output, source)
        graph.nodes = [other for other in graph.nodes if output not in other.outputs]
        return True
    return False


def _merge_equal(graph):
    """Of views of one tensor to one shape the first stays; the model's outputs stay."""
    first: dict[tuple, Node] = {}
    for node in _views(graph).values():
        key = (node.inputs[0], graph.shape(node.outputs[0]), str(graph.scales(node.outputs[0])))
        kept = first.setdefault(key, node)
        if kept is node:
            continue
        both_are_outputs = {node.outputs[0], kept.outputs[0]} <= set(graph.outputs)
        if both_are_outputs and not graph.readers(node.outputs[0]):
            continue
        if both_are_outputs:
            graph.rewire(node.outputs[0], kept.outputs[0])
        elif node.outputs[0] in graph.outputs:
            graph.rewire(kept.outputs[0], node.outputs[0])
            graph.nodes = [other for other in graph.nodes if node.outputs[0] not in other.outputs]
            place = next(
                index for index, other in enumerate(graph.nodes) if kept.outputs[0] in other.outputs
            )
            graph.nodes[place] = dataclasses.replace(graph.nodes[place], outputs=node.outputs)
        else:
            graph.rewire(node.outputs[0], kept.outputs[0])
            graph.nodes = [other for other in graph.nodes if node.outputs[0] not in other.outputs]
        return True
    return False


def _drop_unread(graph):
    """Nodes whose outputs nothing reads go."""
    read = {tensor for node in graph.nodes for tensor in node.inputs} | set(graph.outputs)
    kept = [
        node for node in graph.nodes if read.intersection(node.outputs) or _has_effects(graph, node)
    ]
    dropped = len(kept) != len(graph.nodes)
    graph.nodes = kept
    return dropped


def _has_effects(graph, node):
    is_stateful = any(tensor >= 0 and graph.tensors[tensor].isVariable for tensor in node.inputs)
    return not node.outputs or node.is_custom or node.name in _WITH_EFFECTS or is_stateful
