"""Arithmetic on more than four dimensions, or of operands whose dimensions differ: the same on
four.
"""

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.shapes import RANK, joined_axes, padded, spread, view_of

# fmt: off
_UNARY = frozenset({
    "ABS", "CAST", "COS", "DEQUANTIZE", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LEAKY_RELU",
    "LOG", "LOGICAL_NOT", "LOGISTIC", "NEG", "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "RSQRT",
    "SIGN", "SIN", "SQRT", "SQUARE", "TANH",
})
_BINARY = frozenset({
    "ADD", "DIV", "EQUAL", "FLOOR_DIV", "FLOOR_MOD", "GREATER", "GREATER_EQUAL", "LESS",
    "LESS_EQUAL", "LOGICAL_AND", "LOGICAL_OR", "MAXIMUM", "MINIMUM", "MUL", "NOT_EQUAL", "POW",
    "SELECT", "SELECT_V2", "SQUARED_DIFFERENCE", "SUB",
})
# fmt: on


def _rewrite(writer, node):
    graph = writer.graph
    shape = graph.shape(node.outputs[0])
    own = [graph.shape(tensor) for tensor in node.inputs]
    shapes = [(*(1,) * (len(shape) - len(one)), *one) for one in own]
    views, result = _views(shape, shapes)
    operands = [
        tensor if graph.is_constant(tensor) and not one else writer.view(tensor, view)
        for tensor, one, view in zip(node.inputs, own, views, strict=True)
    ]
    if tuple(operands) == node.inputs:
        raise Declined("its operands have four dimensions already")
    made = writer.again(node, operands, result, like=node.outputs[0])
    writer.deliver(writer.view(made, shape), node.outputs[0])


def _views(shape, shapes):
    """(view of each operand, view of the result); axes that all operands broadcast alike are
    joined.
    """
    if len(shape) <= RANK:
        return [padded(one) for one in shapes], padded(shape)
    labels = [tuple(one[axis] == size for one in shapes) for axis, size in enumerate(shape)]
    groups = spread(joined_axes(shape, labels))
    if groups is None:
        raise Declined("its operands broadcast along more than four groups of axes")
    return [view_of(one, groups) for one in shapes], view_of(shape, groups)


RECIPE = Recipe(
    name="arithmetic",
    does=(
        "arithmetic of more than four dimensions, or with a constant or scalar of another number:"
        " the same on four"
    ),
    rules=(
        "*.rank",
        "*.op_version",
        "*.binary.scalar",
        "*.constant_shape",
        "*.select.constant_rank",
    ),
    ops=_UNARY | _BINARY,
    rewrite=_rewrite,
)
