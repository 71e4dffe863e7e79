"""Repeated rows or columns (`UpSampling2D`, `tf.repeat`), which the converter writes as a TILE of
five dimensions.
"""

from math import prod

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    graph = writer.graph
    shape, multiples = graph.shape(node.inputs[0]), graph.stored(node.inputs[1])
    if multiples is None:
        raise Declined("how often it repeats is made while running")
    repeated = [axis for axis, count in enumerate(multiples.ravel()) if count != 1]
    if (
        len(repeated) != 1
        or shape[repeated[0]] != 1
        or repeated[0] == 0
        or repeated[0] == len(shape) - 1
    ):
        raise Declined("it does not repeat rows or columns")
    if graph.dtype(node.inputs[0]) not in ("float32", "int8"):
        raise Declined(f"no resize of {graph.dtype(node.inputs[0])}")
    axis, count = repeated[0], int(multiples.ravel()[repeated[0]])
    before, size, after = prod(shape[: axis - 1]), shape[axis - 1], shape[axis + 1 :]
    if len(after) > 1:
        source = (before, size, prod(after[:-1]), after[-1])
        resized = (before, size * count, source[2], source[3])
    else:
        source = (1, before, size, after[0])
        resized = (1, before, size * count, after[0])
    # Without half pixels a row is size / (size * count), which no float holds but for powers of
    # two.
    is_exact = count & (count - 1) == 0
    made = writer.add(
        "RESIZE_NEAREST_NEIGHBOR",
        [writer.view(node.inputs[0], source), np.array(resized[1:3], np.int32)],
        resized,
        halfPixelCenters=not is_exact,
    )
    writer.deliver(writer.view(made, graph.shape(node.outputs[0])), node.outputs[0])


RECIPE = Recipe(
    name="nearest",
    does=(
        "rows or columns repeated by a TILE of five dimensions (UpSampling2D):"
        " RESIZE_NEAREST_NEIGHBOR"
    ),
    rules=("*.rank",),
    ops=frozenset({"TILE"}),
    rewrite=_rewrite,
)
