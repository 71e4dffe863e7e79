"""Kernels without OpenCL: OpenGL makes one of all that is computed value by value, and a driver
binds few buffers to one.
"""

import dataclasses

import numpy as np

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe
from bokeh_tf.repairing.recipes.points import mixed
from bokeh_tf.repairing.shapes import RANK

_MOST_JOINED = 8
_BY_PLACE = frozenset({"ADD", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "SUB"})
# Of a vector that goes through a convolution: a megabyte of weights.
_MOST_CHANNELS = 512
# A convolution with an activation that it learnt reads four buffers.
_MOST_PARTS = 3


def joined_by_a_few(writer, tensors, axis) -> int:
    """One tensor of several: a kernel reads at most 15."""
    while len(tensors) > 1:
        groups = [tensors[at : at + _MOST_JOINED] for at in range(0, len(tensors), _MOST_JOINED)]
        tensors = [writer.join(group, axis) for group in groups]
    return tensors[0]


def _join(writer, node):
    graph, output = writer.graph, node.outputs[0]
    if node.activation != "NONE" or graph.dtype(output) != "float32":
        raise Declined("it computes an activation as well, or is not of floats")
    axis = node.option("axis") % graph.rank(output)
    writer.deliver(joined_by_a_few(writer, list(node.inputs), axis), output)


def _cut(writer, node):
    """A part of the sum is multiplied by a vector of ones: where such a product is what reads it,
    the sum joins that, and the product joins no other sum.
    """
    part = _part(writer.graph, node)
    output = part.outputs[0]
    shape = writer.graph.shape(output)
    if len(shape) != RANK or shape[3] == 1 or writer.graph.dtype(output) != "float32":
        raise Declined("it is no picture of several channels")
    value = writer.graph.new_tensor(shape, like=output)
    writer.node = part
    writer.made.append(dataclasses.replace(part, outputs=(value,)))
    ones = np.ones(shape[3], np.float32)
    writer.deliver(writer.add("MUL", [value, ones], shape), output)


def _part(graph, node):
    """Of the nodes by place that `node` is made of, the one of the most parts that fit."""
    found, pending = [], [node]
    while pending:
        makers = [graph.producer(given) for given in pending.pop().inputs if graph.read_once(given)]
        inner = [maker for maker in makers if maker is not None and maker.name in _BY_PLACE]
        found += inner
        pending += inner
    parts: dict[int, int] = {}
    for one in reversed(found):
        parts[one.outputs[0]] = sum(parts.get(given, 1) for given in one.inputs)
    fitting = [one for one in found if 1 < parts[one.outputs[0]] <= _MOST_PARTS]
    if not fitting:
        raise Declined("it is no sum of several parts")
    return max(fitting, key=lambda one: parts[one.outputs[0]])


def _apart(writer, node):
    """The vector goes through a convolution that changes nothing: one point is a kernel of its own,
    as OpenGL makes it a dense layer.
    """
    graph, inputs = writer.graph, list(node.inputs)
    place = next((at for at, given in enumerate(inputs) if _is_vector(graph, given)), None)
    if place is None or graph.dtype(inputs[place]) != "float32":
        raise Declined("it reads no vector of floats of four dimensions")
    channels = graph.shape(inputs[place])[3]
    if channels > _MOST_CHANNELS:
        raise Declined(f"its vector has more than {_MOST_CHANNELS} channels")
    inputs[place] = mixed(writer, inputs[place], np.eye(channels))
    writer.made.append(dataclasses.replace(node, inputs=tuple(inputs)))


def _is_vector(graph, tensor):
    shape = graph.shape(tensor)
    return len(shape) == RANK and shape[:3] == (1, 1, 1) and graph.stored(tensor) is None


JOINED = Recipe(
    name="opengl-joined",
    does="CONCATENATION of 16 tensors or more without OpenCL: of eight at a time",
    rules=("v2.opengl.storage_blocks",),
    ops=frozenset({"CONCATENATION"}),
    rewrite=_join,
)
SUM = Recipe(
    name="opengl-sum",
    does=(
        "a sum that is one kernel of more than 16 buffers without OpenCL: a product with ones"
        " between its parts"
    ),
    rules=("v2.opengl.storage_blocks",),
    ops=_BY_PLACE,
    rewrite=_cut,
)
VECTOR = Recipe(
    name="opengl-vector",
    does=(
        "an operand of one point that OpenGL makes anew at each point of a picture: a 1x1 convolution"
        " that changes nothing before it"
    ),
    rules=("v2.opengl.joined_vector",),
    ops=frozenset({"DIV", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE", "SUB"}),
    rewrite=_apart,
)
