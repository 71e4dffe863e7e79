"""TRANSPOSE of more than four dimensions, on four, in as many steps as it takes."""

from math import prod

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.shapes import RANK, padded


def _rewrite(writer, node):
    graph = writer.graph
    order = graph.stored(node.inputs[1])
    if order is None:
        raise Declined("its order of axes is made while running")
    sizes, order = _joined(graph.shape(node.inputs[0]), [int(axis) for axis in order.ravel()])
    result = node.inputs[0]
    if len(sizes) <= RANK:
        first = RANK - len(sizes)
        result = _step(
            writer, result, padded(sizes), [*range(first), *(first + axis for axis in order)]
        )
    else:
        result = _chain(writer, result, sizes, order)
    writer.deliver(writer.view(result, graph.shape(node.outputs[0])), node.outputs[0])


def _joined(shape, order):
    """(sizes of the runs of axes that stay neighbours, order of the runs); axes of size 1 are in
    none.
    """
    kept = [axis for axis in order if shape[axis] != 1]
    place = {axis: number for number, axis in enumerate(sorted(kept))}
    runs: list[list[int]] = []
    for axis in kept:
        if runs and place[axis] == place[runs[-1][-1]] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    in_source = sorted(runs)
    sizes = [prod(shape[axis] for axis in run) for run in in_source]
    return sizes, [in_source.index(run) for run in runs]


def _step(writer, tensor, view, order):
    if list(order) == list(range(RANK)):
        return tensor
    turned = [view[axis] for axis in order]
    return writer.add("TRANSPOSE", [writer.view(tensor, view), np.array(order, np.int32)], turned)


def _chain(writer, tensor, sizes, order):
    """Each step brings the run that belongs at one place there, with those that follow it in the
    right order.
    """
    current = list(range(len(sizes)))
    for place in range(len(order)):
        start = current.index(order[place])
        if start == place:
            continue
        end = start + 1
        while end < len(current) and current[end] == order[place + end - start]:
            end += 1
        parts = current[:place], current[place:start], current[start:end], current[end:]
        view = [prod(sizes[run] for run in part) for part in parts]
        tensor = _step(writer, tensor, tuple(view), (0, 2, 1, 3))
        current = [*parts[0], *parts[2], *parts[1], *parts[3]]
    return tensor


RECIPE = Recipe(
    name="transpose",
    does="TRANSPOSE of more than four dimensions: one on four, or a chain of them",
    rules=("*.rank", "*.op_version"),
    ops=frozenset({"TRANSPOSE"}),
    rewrite=_rewrite,
)
