"""Matrix products: batches that differ, one tensor on both sides, a constant on the left."""

from math import prod

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.recipes.tile import repeated


def _rewrite(writer, node):
    graph = writer.graph
    left, right = node.inputs[:2]
    target = graph.shape(node.outputs[0])
    batch = target[:-2]
    if left == right:
        result = _one_tensor(writer, node)
    elif len(target) <= 4 and prod(graph.shape(left)[:-2]) == prod(graph.shape(right)[:-2]):
        raise Declined("its batches are equal already")
    else:
        operands = [_with_batch(writer, tensor, batch) for tensor in (left, right)]
        shape = (1, prod(batch), *target[-2:])
        result = writer.again(node, operands, shape, like=node.outputs[0])
    writer.deliver(writer.view(result, target), node.outputs[0])


def _with_batch(writer, tensor, batch):
    """The operand on [1, batch, rows, columns], repeated where it is one for several."""
    graph = writer.graph
    shape = graph.shape(tensor)
    shape = (*(1,) * (len(batch) + 2 - len(shape)), *shape)
    if shape[:-2] == batch:
        return writer.view(tensor, (1, prod(batch), *shape[-2:]))
    if graph.is_constant(tensor):
        raise Declined("a constant is one for several batches")
    multiples = [whole // size for whole, size in zip(batch, shape[:-2], strict=True)]
    whole = repeated(writer, writer.view(tensor, shape), (*multiples, 1, 1))
    return writer.view(whole, (1, prod(batch), *shape[-2:]))


def _one_tensor(writer, node):
    """The side that is read the other way as a node of its own."""
    graph, tensor = writer.graph, node.inputs[0]
    axes = "adjX" if node.option("adjX") else "adjY"
    if not node.option(axes):
        raise Declined("no side of it is turned round")
    shape = graph.shape(tensor)
    if len(shape) > 4:
        raise Declined("it has more than four dimensions")
    order = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
    turned = writer.add(
        "TRANSPOSE", [tensor, np.array(order, np.int32)], [shape[axis] for axis in order]
    )
    operands = [turned, tensor] if axes == "adjX" else [tensor, turned]
    changes = {axes: False}
    return writer.again(
        node, operands, graph.shape(node.outputs[0]), like=node.outputs[0], changes=changes
    )


RECIPE = Recipe(
    name="matrix-batches",
    does=(
        "BATCH_MATMUL of batches that differ, of more than four dimensions or of one tensor: equal"
        " batches on four"
    ),
    rules=("*.rank", "*.batch_matmul.*", "*.product_of_one_tensor", "*.op_version"),
    ops=frozenset({"BATCH_MATMUL"}),
    rewrite=_rewrite,
)
