"""MIRROR_PAD whose border repeats the edge itself, or along a batch: single rows joined on."""

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe

# Beyond this one GATHER costs less than as many slices.
_MOST_ROWS = 16


def _rewrite(writer, node):
    graph = writer.graph
    shape, paddings = graph.shape(node.inputs[0]), graph.stored(node.inputs[1])
    if paddings is None:
        raise Declined("how much it pads is made while running")
    # REFLECT leaves the edge itself out.
    skipped = 0 if node.option("mode") else 1
    result = node.inputs[0]
    for axis, (low, high) in enumerate(paddings.reshape(-1, 2).tolist()):
        size = shape[axis]
        before = np.arange(low)[::-1] + skipped
        after = size - 1 - skipped - np.arange(high)
        if max(low, high) > size - skipped:
            raise Declined("its border is wider than the picture")
        result = _with_borders(writer, result, axis, before, after)
    writer.deliver(result, node.outputs[0])


def _with_borders(writer, tensor, axis, before, after):
    """The tensor between copies of some of its own rows."""
    if len(before) + len(after) > _MOST_ROWS:
        whole = np.arange(writer.graph.shape(tensor)[axis])
        return writer.picked(tensor, axis, np.concatenate([before, whole, after]))
    rows = [writer.cut_axis(tensor, axis, int(row), 1) for row in before]
    ends = [writer.cut_axis(tensor, axis, int(row), 1) for row in after]
    return writer.join([*rows, tensor, *ends], axis)


RECIPE = Recipe(
    name="mirror",
    does="MIRROR_PAD that repeats the edge: CONCATENATION of single rows, GATHER of many",
    rules=("*.pad.mode", "*.pad.shape", "*.pad.rank", "*.rank"),
    ops=frozenset({"MIRROR_PAD"}),
    rewrite=_rewrite,
)
