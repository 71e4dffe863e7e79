"""Operands and outputs without OpenCL: what OpenGL brings together, reads as a constant, or keeps to
itself.
"""

import dataclasses
from math import prod

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.recipes.tile import repeated
from bokeh_tf.repairing.shapes import RANK, padded

_MOST_CONSTANTS = 1 << 22


def _spread(writer, node):
    """Both to the full shape, but for what may stay short as the second."""
    graph = writer.graph
    target = graph.shape(node.outputs[0])
    operands = list(node.inputs)
    if len(target) != RANK or any(graph.rank(one) != RANK for one in operands):
        raise Declined("of other than four dimensions")
    if any(graph.dtype(one) != "float32" for one in operands):
        raise Declined("not of floats")
    if node.name in ("ADD", "MUL") and prod(graph.shape(operands[0])) < prod(
        graph.shape(operands[1])
    ):
        operands.reverse()
    short = graph.shape(operands[1])
    may_stay = node.name == "MUL" or (*short[:3], short[3]) == (1, 1, 1, target[3])
    for place in (0,) if may_stay else (0, 1):
        size = graph.shape(operands[place])
        multiples = [whole // one for whole, one in zip(target, size, strict=True)]
        operands[place] = repeated(writer, operands[place], multiples)
    writer.deliver(writer.again(node, operands, target, like=node.outputs[0]), node.outputs[0])


def _written_out(writer, node):
    """A constant as high and wide as the picture; SUB of it as ADD of its opposite."""
    graph, target = writer.graph, writer.graph.shape(node.outputs[0])
    place = next(place for place in (0, 1) if graph.is_constant(node.inputs[place]))
    values, running = graph.constant(node.inputs[place]), node.inputs[1 - place]
    if len(target) != RANK or prod(target) > _MOST_CONSTANTS or graph.rank(running) != RANK:
        raise Declined("of other than four dimensions, or its constant would be too large")
    values = values.reshape(padded(values.shape))
    if graph.shape(running) != target:
        size = graph.shape(running)
        multiples = [whole // one for whole, one in zip(target, size, strict=True)]
        running = repeated(writer, running, multiples)
    values = np.broadcast_to(values, (*target[:3], values.shape[3])).astype(np.float32)
    if node.name != "SUB":
        made = writer.again(node, [running, values], target, like=node.outputs[0])
    elif place == 1 and node.activation == "NONE":
        made = writer.add("ADD", [running, -values], target)
    else:
        raise Declined("the constant is what is subtracted from")
    writer.deliver(made, node.outputs[0])


def _sum_of_opposite(writer, node):
    graph = writer.graph
    if node.name != "SUB" or node.activation != "NONE" or not graph.is_constant(node.inputs[1]):
        raise Declined("no other operator computes the same bits")
    opposite = -graph.constant(node.inputs[1])
    target = graph.shape(node.outputs[0])
    writer.deliver(writer.add("ADD", [node.inputs[0], opposite], target), node.outputs[0])


def _padded(writer, node):
    """Zeros around, and then the value added there alone."""
    graph, target = writer.graph, writer.graph.shape(node.outputs[0])
    around, value = graph.stored(node.inputs[1]), graph.constant(node.inputs[2])
    if around is None or value is None or graph.dtype(node.inputs[0]) != "float32":
        raise Declined("its borders or its value are made while running")
    if len(target) != RANK or prod(target) > _MOST_CONSTANTS:
        raise Declined("of other than four dimensions, or too large")
    inside = tuple(
        slice(int(first), whole - int(last))
        for (first, last), whole in zip(around, target, strict=True)
    )
    border = np.full(target, float(value.ravel()[0]), np.float32)
    border[inside] = 0
    if not around[3].any():
        border = border[..., :1]
    zeros = writer.add("PAD", [node.inputs[0], around.astype(np.int32)], target)
    writer.deliver(writer.add("ADD", [zeros, border], target), node.outputs[0])


def _root_apart(writer, node):
    """A view between the convolution and the root."""
    shape = writer.graph.shape(node.outputs[0])
    _, height, width, channels = shape
    other = (1, 1, height * width, channels) if height > 1 else (1, width, 1, channels)
    made = writer.add(node.name, [writer.view(node.inputs[0], other)], other)
    writer.deliver(writer.view(made, shape), node.outputs[0])


def _put_out_apart(writer, node):
    """The output as a product with 1; what read it goes on reading what it is made of."""
    graph, output = writer.graph, node.outputs[0]
    if len(node.outputs) != 1 or graph.dtype(output) != "float32":
        raise Declined("several outputs, or not of floats")
    value = graph.new_tensor(graph.shape(output), like=output)
    writer.made.append(dataclasses.replace(node, outputs=(value,)))
    readers = graph.readers(output)
    one = [value, np.array(1, np.float32)]
    writer.deliver(writer.add("MUL", one, graph.shape(output)), output)
    for reader in readers:
        graph.rewire_reader(reader, output, value)


SPREAD = Recipe(
    name="opengl-operands",
    does="two running operands of other shapes without OpenCL: the smaller one spread first",
    rules=("v2.opengl.running_operands",),
    ops=None,
    rewrite=_spread,
)
WRITTEN_OUT = Recipe(
    name="opengl-constants",
    does="a constant repeated along one side without OpenCL: one as high and wide as the picture",
    rules=("v2.opengl.spread_constant",),
    ops=frozenset({"ADD", "MUL", "SUB"}),
    rewrite=_written_out,
)
OPPOSITE = Recipe(
    name="opengl-difference",
    does="SUB of a constant picture without OpenCL: ADD of its opposite",
    rules=("v2.opengl.constant_operand",),
    ops=frozenset({"SUB"}),
    rewrite=_sum_of_opposite,
)
PADDING = Recipe(
    name="opengl-padding",
    does="PADV2 with a value without OpenCL: PAD, then the value added around",
    rules=("v2.opengl.padding_value",),
    ops=frozenset({"PADV2"}),
    rewrite=_padded,
)
ROOT = Recipe(
    name="opengl-root",
    does="a root or logarithm right after a 1x1 convolution without OpenCL: a view between",
    rules=("v2.opengl.root_after_points",),
    ops=frozenset({"SQRT", "RSQRT", "LOG"}),
    rewrite=_root_apart,
)
PUT_OUT = Recipe(
    name="opengl-output",
    does="an output that one node reads value by value without OpenCL: a product with 1 is put out",
    rules=("v2.opengl.output_read_on",),
    ops=None,
    rewrite=_put_out_apart,
)
