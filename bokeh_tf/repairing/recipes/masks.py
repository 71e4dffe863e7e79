"""Masks that several nodes read, or that logic joins: as floats 0 and 1, each use with a comparison
of its own. Floats made of a mask go on behind one node alone.
"""

import numpy as np

from bokeh_tf.repairing.nodes import Declined, type_code
from bokeh_tf.repairing.recipe import Recipe

_COMPARISONS = frozenset({"EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"})
_LOGIC = frozenset({"LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT"})
_CHOICES = frozenset({"SELECT", "SELECT_V2"})


def _rewrite(writer, node):
    graph = writer.graph
    use = _first_use(graph, node, set())
    if use.name == "CAST" and graph.dtype(use.outputs[0]) == "float32":
        writer.node = use
        writer.deliver(as_float(writer, use.inputs[0]), use.outputs[0])
        return
    if use.name not in _CHOICES:
        raise Declined(f"{use.name} reads the mask")
    writer.node = use
    mask = as_float(writer, use.inputs[0])
    shape = graph.shape(use.inputs[0])
    choice = writer.add("GREATER", [mask, np.array(0.5, np.float32)], shape, dtype="bool")
    made = writer.again(
        use, [choice, *use.inputs[1:]], graph.shape(use.outputs[0]), like=use.outputs[0]
    )
    writer.deliver(made, use.outputs[0])


def _first_use(graph, node, seen):
    """The first node that makes something else of a mask than another mask, with `seen` guarding
    against circles.
    """
    if node.outputs[0] in graph.outputs:
        raise Declined("the mask is an output of the model")
    if node.outputs[0] in seen:
        raise Declined("the mask depends on itself")
    seen.add(node.outputs[0])
    for reader in graph.readers(node.outputs[0]):
        return _first_use(graph, reader, seen) if reader.name in _LOGIC else reader
    raise Declined("nothing reads the mask")


def as_float(writer, tensor, *, depth=0):
    """Appends nodes that make 0 and 1 of a tensor of bool that comparisons of floats decide."""
    graph, node = writer.graph, writer.graph.producer(tensor)
    if node is None or node.name not in _COMPARISONS | _LOGIC or depth > 16:
        raise Declined("the mask is no comparison of floats")
    shape = graph.shape(tensor)
    if node.name in _COMPARISONS:
        if any(graph.dtype(operand) != "float32" for operand in node.inputs):
            raise Declined("the mask compares integers")
        mask = writer.again(node, node.inputs, shape, like=tensor)
        types = {"inDataType": type_code("bool"), "outDataType": type_code("float32")}
        return writer.add("CAST", [mask], shape, dtype="float32", **types)
    parts = [as_float(writer, operand, depth=depth + 1) for operand in node.inputs]
    if node.name == "LOGICAL_NOT":
        return writer.add("SUB", [np.array(1, np.float32), *parts], shape, dtype="float32")
    return writer.add("MINIMUM" if node.name == "LOGICAL_AND" else "MAXIMUM", parts, shape)


def _read_once(writer, node):
    mask, result = node.inputs[0], node.outputs[0]
    if writer.graph.dtype(result) != "float32":
        raise Declined("the mask becomes float16")
    shape = writer.graph.shape(result)
    made = writer.again(node, [mask], shape, like=result)
    writer.deliver(writer.add("RELU", [made], shape), result)


RECIPE = Recipe(
    name="masks",
    does="comparisons that several nodes or logic read: one for each use, as floats 0 and 1",
    rules=("v2.comparison", "v2.op.logic", "v2.type.logic", "v2.cast.bool"),
    ops=_COMPARISONS | _LOGIC,
    rewrite=_rewrite,
)

# All that reads the floats then reads what one node made of them, which keeps 0 and 1.
READ_ONCE = Recipe(
    name="mask-read-once",
    does="CAST of a comparison that is an output or that several nodes read: CAST, RELU",
    rules=("v2.cast.bool_readers",),
    ops=frozenset({"CAST"}),
    rewrite=_read_once,
)
