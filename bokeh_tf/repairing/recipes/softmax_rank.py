"""SOFTMAX of more than four dimensions."""

from math import prod

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _rewrite(writer, node):
    graph = writer.graph
    shape = graph.shape(node.inputs[0])
    if len(shape) == 1:
        view = (1, 1, 1, *shape)
    elif len(shape) > 4:
        view = (1, prod(shape[:-2]), *shape[-2:])
    else:
        raise Declined("it has four dimensions or less")
    made = writer.again(node, [writer.view(node.inputs[0], view)], view, like=node.outputs[0])
    writer.deliver(writer.view(made, shape), node.outputs[0])


RECIPE = Recipe(
    name="softmax-rank",
    does="SOFTMAX of one or more than four dimensions: the same on four",
    rules=("*.rank", "mldrift.softmax.rank", "*.op_version"),
    ops=frozenset({"SOFTMAX"}),
    rewrite=_rewrite,
)
