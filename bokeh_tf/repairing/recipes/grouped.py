"""Grouped convolutions that LiteRT's delegate computes wrongly: one convolution for each group."""

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe

_MOST_GROUPS = 64


def _rewrite(writer, node):
    graph = writer.graph
    channels, kernel = graph.shape(node.inputs[0])[3], graph.shape(node.inputs[1])
    shape, per_group = graph.shape(node.outputs[0]), kernel[3]
    groups = channels // per_group
    if groups > _MOST_GROUPS or kernel[0] % groups:
        raise Declined(f"{groups} groups would be as many convolutions")
    filters = kernel[0] // groups
    parts = []
    for group in range(groups):
        source = writer.cut_axis(node.inputs[0], 3, group * per_group, per_group)
        rows = slice(group * filters, (group + 1) * filters)
        constants = [cut_constant(writer, tensor, rows) for tensor in node.inputs[1:]]
        parts.append(
            writer.again(node, [source, *constants], (*shape[:3], filters), like=node.outputs[0])
        )
    writer.deliver(writer.join(parts, 3), node.outputs[0])


def cut_constant(writer, tensor, rows):
    """Some rows (a slice of the first axis) of a constant, with the scales that belong to them."""
    graph = writer.graph
    if tensor < 0:
        return tensor
    packed = graph.unpacked_from(tensor)
    values = graph.stored(tensor if packed is None else packed)
    if values is None:
        raise Declined("its weights are made while running")
    quantization = graph.rows_of_quantization(tensor if packed is None else packed, rows)
    constant = graph.new_constant(values[rows], quantization=quantization)
    if packed is None:
        return constant
    return writer.add("DEQUANTIZE", [constant], values[rows].shape, dtype="float32")


RECIPE = Recipe(
    name="grouped-convolution",
    does="grouped convolution: one CONV_2D for each group, CONCATENATION",
    rules=(
        "mldrift.grouped_convolution",
        "mldrift.grouped_convolution.dies",
        "v2.opengl.groups",
    ),
    ops=frozenset({"CONV_2D"}),
    rewrite=_rewrite,
    bound=1e-6,
)
