"""ROUND and CEIL by FLOOR."""

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe

_HALF = np.array(0.5, np.float32)


def _ceil(writer, node):
    shape = writer.graph.shape(node.outputs[0])
    below = writer.add("FLOOR", [writer.add("NEG", [node.inputs[0]], shape)], shape)
    writer.deliver(writer.add("NEG", [below], shape), node.outputs[0])


def _round(writer, node):
    """Ties go to the even number, as on the CPU; floor(x + 0.5) would send all of them up."""
    graph, tensor = writer.graph, node.inputs[0]
    if graph.dtype(tensor) != "float32":
        raise Declined(f"of {graph.dtype(tensor)}")
    shape = graph.shape(tensor)
    below = writer.add("FLOOR", [tensor], shape)
    rest = writer.add("SUB", [tensor, below], shape)
    up = _as_float(writer, writer.add("GREATER", [rest, _HALF], shape, dtype="bool"), shape)
    tie = _as_float(writer, writer.add("EQUAL", [rest, _HALF], shape, dtype="bool"), shape)
    odd = writer.add("FLOOR_MOD", [below, np.array(2, np.float32)], shape)
    to_even = writer.add("MUL", [tie, odd], shape)
    result = writer.add("ADD", [writer.add("ADD", [below, up], shape), to_even], shape)
    writer.deliver(result, node.outputs[0])


def _as_float(writer, mask, shape):
    return writer.add("CAST", [mask], shape, dtype="float32", inDataType=6, outDataType=0)


CEIL = Recipe(
    name="ceil",
    does="CEIL: -floor(-x)",
    rules=("*.op.rounding",),
    ops=frozenset({"CEIL"}),
    rewrite=_ceil,
)
ROUND = Recipe(
    name="round",
    does="ROUND: floor, and one more where the rest is above a half, or a half after an odd number",
    rules=("*.op.rounding",),
    ops=frozenset({"ROUND"}),
    rewrite=_round,
)
