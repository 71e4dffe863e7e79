"""What recipes write with: nodes in the place of one, on shapes that both delegates take.

A `Writer` collects nodes; `deliver` gives the last tensor the name of the replaced one, so that
ports stay, and `finish` puts the nodes into the graph. Whatever was written before a recipe
declines is simply not put in.
"""

import copy
import dataclasses
from math import prod

import numpy as np

from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.nodes import Declined, Node, new_node
from bokeh_tf.repairing.operators import lowest_version, operator_options
from bokeh_tf.repairing.shapes import axis_view

_SLICED_RANKS = (3, 4)
_MOST_SINGLE_SLICES = 64
_BIAS_PLACES = {"TRANSPOSE_CONV": 3, "FULLY_CONNECTED": 2}


class Writer:
    """The nodes that will stand in the place of `node`; a recipe may set that to another, or to
    None for no nodes.
    """

    def __init__(self, graph: Graph, node: Node):
        self.graph = graph
        self.node: Node | None = node
        self.made: list[Node] = []

    def add(self, name, inputs, shape, *, like=None, dtype=None, **options) -> int:
        """Appends a node with one output of `shape` and returns that; arrays among the inputs
        become constants.

        Args:
            like: the tensor whose type and quantisation the output takes; the first input if
            neither is given.
            options: the schema's fields, such as keepDims=True.
        """
        tensors = [self.graph.new_constant(x) if isinstance(x, np.ndarray) else x for x in inputs]
        like = tensors[0] if like is None and dtype is None else like
        output = self.graph.new_tensor(shape, like=like, dtype=dtype)
        self.emit(name, tensors, output, options)
        return output

    def emit(self, name, inputs, output, options):
        """Appends a node that writes the tensor `output`."""
        types = {self.graph.dtype(tensor) for tensor in inputs if tensor >= 0}
        version = lowest_version(
            name,
            types,
            has_bias=_has_bias(name, inputs),
            half_pixel_centers=bool(options.get("halfPixelCenters")),
        )
        self.made.append(new_node(name, inputs, (output,), version=version, options=options))

    def again(self, node, inputs, shape, *, like, changes=None) -> int:
        """The same operator with its options, `changes` made to them (the schema's fields), on
        other tensors.
        """
        graph = self.graph
        inputs = [graph.new_constant(x) if isinstance(x, np.ndarray) else x for x in inputs]
        output = graph.new_tensor(shape, like=like)
        options = copy.copy(node.options)
        if options is None:
            options = operator_options(node.name, {})
        for field, value in (changes or {}).items():
            setattr(options, field, value)
        types = {graph.dtype(tensor) for tensor in inputs if tensor >= 0}
        version = lowest_version(node.name, types, has_bias=_has_bias(node.name, inputs))
        self.made.append(Node(node.name, tuple(inputs), (output,), version, options))
        return output

    def view(self, tensor, shape) -> int:
        """The same numbers in another shape: a RESHAPE, or for a constant another constant."""
        graph, shape = self.graph, tuple(map(int, shape))
        if prod(shape) != prod(graph.shape(tensor)):
            raise Declined("the numbers of elements differ")
        if graph.shape(tensor) == shape:
            return tensor
        packed = graph.unpacked_from(tensor)
        values = graph.stored(tensor if packed is None else packed)
        if packed is not None and values is not None:
            return self.add(
                "DEQUANTIZE", [graph.new_constant(values.reshape(shape))], shape, dtype="float32"
            )
        if values is None:
            return self.add(
                "RESHAPE",
                [tensor, np.array(shape, np.int32)],
                shape,
                newShape=np.array(shape, np.int32),
            )
        if len(graph.scales(tensor)[0]) > 1:
            raise Declined("a constant has a scale for each channel")
        return graph.new_constant(values.reshape(shape), like=tensor)

    def plain(self, tensor) -> int:
        """The tensor, or where it is a float16 constant behind a DEQUANTIZE its values stored as
        float32.
        """
        if self.graph.unpacked_from(tensor) is None:
            return tensor
        return self.graph.new_constant(self.graph.constant(tensor))

    def cut(self, tensor, begins, sizes, steps=None) -> int:
        """A rectangular part: in one node on 3 and 4 dimensions, else axis by axis."""
        shape = self.graph.shape(tensor)
        steps = [1] * len(shape) if steps is None else list(steps)
        if (list(begins), list(sizes)) == ([0] * len(shape), list(shape)) and set(steps) <= {1}:
            return tensor
        if len(shape) in _SLICED_RANKS:
            return self._cut_at_once(tensor, begins, sizes, steps)
        for axis, (begin, size, step) in enumerate(zip(begins, sizes, steps, strict=True)):
            tensor = self.cut_axis(tensor, axis, begin, size, step=step)
        return tensor

    def _cut_at_once(self, tensor, begins, sizes, steps):
        begins, sizes = np.array(begins, np.int32), np.array(sizes, np.int32)
        if set(steps) <= {1}:
            return self.add("SLICE", [tensor, begins, sizes], sizes)
        steps = np.array(steps, np.int32)
        ends = begins + (sizes - 1) * steps + 1
        return self.add("STRIDED_SLICE", [tensor, begins, ends.astype(np.int32), steps], sizes)

    def cut_axis(self, tensor, axis, begin, size, *, step=1) -> int:
        """Some of one axis, the others whole, computed on four dimensions."""
        shape = self.graph.shape(tensor)
        if (begin, size, step) == (0, shape[axis], 1):
            return tensor
        whole, place = axis_view(shape, axis)
        begins, sizes, steps = [0] * 4, list(whole), [1] * 4
        begins[place], sizes[place], steps[place] = begin, size, step
        part = self._cut_at_once(self.view(tensor, whole), begins, sizes, steps)
        return self.view(part, (*shape[:axis], size, *shape[axis + 1 :]))

    def join(self, tensors, axis) -> int:
        """CONCATENATION along an axis, computed on four dimensions."""
        shapes = [self.graph.shape(tensor) for tensor in tensors]
        if len(tensors) == 1:
            return tensors[0]
        joined = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
        whole, place = axis_view(joined, axis)
        parts = []
        for tensor, shape in zip(tensors, shapes, strict=True):
            parts.append(
                self.view(self.plain(tensor), (*whole[:place], shape[axis], *whole[place + 1 :]))
            )
        made = self.add("CONCATENATION", parts, whole, axis=place)
        return self.view(made, joined)

    def picked(self, tensor, axis, indices) -> int:
        """The entries `indices` (an array) of one axis, computed on four dimensions."""
        shape, indices = self.graph.shape(tensor), np.asarray(indices, np.int32)
        evenly = _even_step(indices)
        if evenly is not None:
            return self.cut_axis(tensor, axis, int(indices[0]), len(indices), step=evenly)
        if self.graph.dtype(tensor) not in ("float32", "float16"):
            return self._picked_one_by_one(tensor, axis, indices)
        whole, place = axis_view(shape, axis)
        picked = (*whole[:place], len(indices), *whole[place + 1 :])
        made = self.add("GATHER", [self.view(tensor, whole), indices], picked, axis=place)
        return self.view(made, (*shape[:axis], len(indices), *shape[axis + 1 :]))

    def _picked_one_by_one(self, tensor, axis, indices):
        """GATHER of integers is a version that the classic delegate does not know."""
        if len(indices) > _MOST_SINGLE_SLICES:
            raise Declined(f"{len(indices)} entries would be as many slices")
        slices = {
            index: self.cut_axis(tensor, axis, index, 1) for index in sorted(set(indices.tolist()))
        }
        return self.join([slices[index] for index in indices.tolist()], axis)

    def deliver(self, result, output) -> None:
        """Lets the tensor `output` of the replaced node hold what `result` holds."""
        shape = self.graph.shape(output)
        if self.graph.shape(result) != shape or not any(
            result in node.outputs for node in self.made
        ):
            result = self._copied(result, shape)
        self.made = [
            dataclasses.replace(
                node,
                inputs=tuple(output if tensor == result else tensor for tensor in node.inputs),
                outputs=tuple(output if tensor == result else tensor for tensor in node.outputs),
            )
            for node in self.made
        ]

    def _copied(self, tensor, shape):
        if self.graph.is_constant(tensor):
            raise Declined("an output of the node would be a constant")
        return self.add(
            "RESHAPE",
            [tensor, np.array(shape, np.int32)],
            shape,
            newShape=np.array(shape, np.int32),
        )

    def finish(self) -> tuple[Node, ...]:
        """Puts the nodes into the graph and returns them."""
        if self.node is not None:
            self.graph.replace(self.node, self.made)
        return tuple(self.made)


def _has_bias(name, inputs):
    return len(inputs) > _BIAS_PLACES.get(name, len(inputs)) and inputs[_BIAS_PLACES[name]] >= 0


def _even_step(indices):
    """The distance from one index to the next where that is one positive number, else None."""
    if len(indices) == 0:
        return None
    if len(indices) == 1:
        return 1
    steps = set(np.diff(indices).tolist())
    step = steps.pop()
    return step if not steps and step > 0 else None
