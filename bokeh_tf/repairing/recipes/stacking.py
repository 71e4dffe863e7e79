"""UNPACK (`unstack`) by slices, PACK (`stack`) by a concatenation."""

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _unpack(writer, node):
    graph, axis = writer.graph, node.option("axis")
    axis += graph.rank(node.inputs[0]) * (axis < 0)
    for place, output in enumerate(node.outputs):
        part = writer.cut_axis(node.inputs[0], axis, place, 1)
        writer.deliver(writer.view(part, graph.shape(output)), output)


def _pack(writer, node):
    graph, axis = writer.graph, node.option("axis")
    shape = graph.shape(node.outputs[0])
    axis += len(shape) * (axis < 0)
    if any(graph.is_constant(tensor) and graph.is_quantised(tensor) for tensor in node.inputs):
        raise Declined("a part of it is a quantised constant")
    parts = [
        writer.view(writer.plain(tensor), (*shape[:axis], 1, *shape[axis + 1 :]))
        for tensor in node.inputs
    ]
    writer.deliver(writer.join(parts, axis), node.outputs[0])


UNPACK = Recipe(
    name="unstack",
    does="UNPACK: one SLICE for each part",
    rules=("*.op.unstack", "*.rank", "*.op_version"),
    ops=frozenset({"UNPACK"}),
    rewrite=_unpack,
)
PACK = Recipe(
    name="stack",
    does="PACK to more than four dimensions, or of constants: CONCATENATION on four",
    rules=("*.rank", "*.constant_rank", "*.float16_constant", "*.op_version"),
    ops=frozenset({"PACK"}),
    rewrite=_pack,
)
