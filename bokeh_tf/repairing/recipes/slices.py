"""Slices that drop, add or turn round axes, or of another number of dimensions than the delegates
cut.
"""

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    graph = writer.graph
    shape = graph.shape(node.inputs[0])
    extent = (
        _slice(graph, node, shape) if node.name == "SLICE" else _strided_slice(graph, node, shape)
    )
    if any(len(taken) == 0 for taken in extent):
        raise Declined("nothing is left of an axis")
    forward = [
        range(size) if taken.step < 0 else taken for taken, size in zip(extent, shape, strict=True)
    ]
    result = writer.cut(
        node.inputs[0],
        [taken.start for taken in forward],
        [len(taken) for taken in forward],
        [taken.step if len(taken) > 1 else 1 for taken in forward],
    )
    for axis, taken in enumerate(extent):
        if taken.step < 0:
            result = writer.picked(result, axis, np.array(taken))
    writer.deliver(result, node.outputs[0])


def _slice(graph, node, shape):
    """What a SLICE takes of each axis, as ranges."""
    begins, sizes = (_numbers(graph, tensor) for tensor in node.inputs[1:3])
    ends = [
        whole if size < 0 else begin + size
        for begin, size, whole in zip(begins, sizes, shape, strict=True)
    ]
    return [range(begin, end) for begin, end in zip(begins, ends, strict=True)]


def _strided_slice(graph, node, shape):
    """What a STRIDED_SLICE takes of each axis of its input, as ranges; added axes are left to the
    output's shape.
    """
    begins, ends, steps = (_numbers(graph, tensor) for tensor in node.inputs[1:4])
    masks = {
        name: node.option(f"{name}Mask")
        for name in ("begin", "end", "ellipsis", "newAxis", "shrinkAxis")
    }
    given = sum(
        not (masks["ellipsis"] | masks["newAxis"]) >> place & 1 for place in range(len(begins))
    )
    extent = []
    for place, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        bits = {name for name, mask in masks.items() if mask >> place & 1}
        if "ellipsis" in bits:
            extent += [range(size) for size in shape[len(extent) : len(shape) - given]]
            continue
        if "newAxis" in bits:
            continue
        given -= 1
        size = shape[len(extent)]
        if "shrinkAxis" in bits:
            index = begin + size if begin < 0 else begin
            extent.append(range(index, index + 1))
            continue
        end = begin + end if node.option("offset", False) else end
        taken = slice(None if "begin" in bits else begin, None if "end" in bits else end, step)
        extent.append(range(*taken.indices(size)))
    return extent + [range(size) for size in shape[len(extent) :]]


def _numbers(graph, tensor):
    values = graph.stored(tensor)
    if values is None:
        raise Declined("its bounds are made while running")
    return [int(value) for value in values.ravel()]


RECIPE = Recipe(
    name="slices",
    does=(
        "slices that drop or turn round an axis, or of 1, 2 or 5 dimensions: SLICE on four,"
        " GATHER, RESHAPE"
    ),
    rules=("*.strided_slice.*", "*.slice.*", "*.rank", "*.op_version"),
    ops=frozenset({"SLICE", "STRIDED_SLICE"}),
    rewrite=_rewrite,
)
