"""A model file as the rules ask about it: a graph, its nodes and their tensors, by
the names of their subjects.

Everything here answers for any graph, however odd: what is not there is None.
"""

import functools
from dataclasses import dataclass
from math import prod

# Longer constants are weights; no rule looks into them.
_MAX_VALUES = 4096


class TensorView:
    """One tensor of a graph. The attributes are the `tensor.` subjects."""

    def __init__(self, graph, info):
        self._graph, self._info = graph, info
        self.name, self.dtype, self.shape = info.name, info.dtype, tuple(info.shape)
        self.rank = len(self.shape)
        self.is_stored, self.is_dynamic = info.is_constant, info.is_dynamic
        self.is_variable, self.is_quantised, self.is_sparse = (
            info.is_variable,
            info.is_quantised,
            info.is_sparse,
        )
        self.scale, self.is_blockwise = info.scale, info.is_quantised and info.scale_count == 0

    @property
    def elements(self):
        """Number of elements; 1 for a scalar."""
        return prod(self.shape)

    @property
    def batch(self):
        """B of the shape read as BHWC; None for more than four dimensions."""
        return self._bhwc(0)

    @property
    def height(self):
        """H of the shape read as BHWC."""
        return self._bhwc(1)

    @property
    def width(self):
        """W of the shape read as BHWC."""
        return self._bhwc(2)

    @property
    def channels(self):
        """C of the shape read as BHWC."""
        return self._bhwc(3)

    def _bhwc(self, axis):
        return None if self.rank > 4 else bhwc(self.shape)[axis]

    @functools.cached_property
    def is_constant(self):
        """Stored in the file, or made of what is stored by nodes that the delegates fold."""
        return self.is_stored or self._info.index in self._graph.folded_tensors

    @property
    def is_graph_input(self):
        """Whether the file lists it as an input."""
        return self._info.index in self._graph.input_indices

    @property
    def is_graph_output(self):
        """Whether the file lists it as an output."""
        return self._info.index in self._graph.output_indices

    @functools.cached_property
    def consumer_nodes(self):
        """The nodes that read this tensor, one entry for each time that they do."""
        return tuple(
            self._graph.node(index) for index in self._graph.consumers.get(self._info.index, ())
        )

    @property
    def producer_node(self):
        """The node that makes this tensor, None for inputs and constants."""
        index = self._graph.producers.get(self._info.index)
        return None if index is None else self._graph.node(index)

    @property
    def consumers(self):
        """How many times nodes read this tensor."""
        return len(self._graph.consumers.get(self._info.index, ()))

    @functools.cached_property
    def consumer_ops(self):
        """The operators that read this tensor."""
        return tuple(node.name for node in self.consumer_nodes)

    @property
    def producer_op(self):
        """The operator that makes this tensor."""
        return self.producer_node.name if self.producer_node else None

    @functools.cached_property
    def values(self):
        """The values of a small constant as a flat tuple."""
        if self.elements > _MAX_VALUES:
            return None
        return self._graph.model_file.flat_values(self._info.index)

    @property
    def value(self):
        """The value of a constant of one element."""
        return self.values[0] if self.values is not None and len(self.values) == 1 else None

    @property
    def is_uniform(self):
        """Whether it is a small constant all of whose values are one."""
        return self.values is not None and len(set(self.values)) == 1

    def __str__(self):
        return f"{self.dtype}{list(self.shape)}".replace(" ", "")


def bhwc(shape):
    """A shape of at most 4 dimensions as (batch, height, width, channels),
    as both delegates read it.
    """
    rank = len(shape)
    if rank == 0:
        return 1, 1, 1, 1
    return (shape[0], *((1,) * (4 - rank)), *shape[1:])


class NodeView:
    """One node: its operator, its options and its tensors (None for an absent optional one)."""

    def __init__(self, graph, info):
        self.graph, self.index, self.name, self.version = graph, info.index, info.name, info.version
        self.is_custom, self.options = info.is_custom, info.options
        self.inputs: tuple[TensorView | None, ...] = tuple(
            graph.tensor(index) for index in info.inputs
        )
        self.outputs: tuple[TensorView | None, ...] = tuple(
            graph.tensor(index) for index in info.outputs
        )
        self.input_indices, self.output_indices = info.inputs, info.outputs

    @property
    def key(self):
        """The operator's name in a rule document."""
        return f"CUSTOM:{self.name}" if self.is_custom else self.name

    @functools.cached_property
    def runtime_inputs(self):
        """The inputs made while running."""
        return tuple(t for t in self.inputs if t is not None and not t.is_constant)

    @functools.cached_property
    def constant_inputs(self):
        """The inputs that are constants to the delegates."""
        return tuple(t for t in self.inputs if t is not None and t.is_constant)

    @property
    def tensors(self):
        """All inputs and outputs, None for those left out."""
        return self.inputs + self.outputs


class GraphView:
    """The main graph of a `ModelFile`, with the operators that one delegate knows
    (`versions` of a rule set).
    """

    def __init__(self, model_file, versions):
        self.model_file, self.versions = model_file, versions
        self.input_indices = {tensor.index for tensor in model_file.inputs}
        self.output_indices = {tensor.index for tensor in model_file.outputs}
        self.producers, self.consumers = _edges(model_file.operators)
        self.folded_tensors = model_file.folded_weights.tensors
        self._tensors, self._nodes, self._answers = {}, {}, {}

    @property
    def first_input(self):
        """The tensor that the file lists first among its inputs, None where it has none."""
        inputs = self.model_file.inputs
        return self.tensor(inputs[0].index) if inputs else None

    @property
    def passed_through(self):
        """The names of inputs that are outputs as well, None where there are none."""
        both = self.input_indices & self.output_indices
        names = (self.tensor(index).name or f"tensor {index}" for index in sorted(both))
        return ", ".join(names) or None

    @property
    def nodes(self):
        """Every node, in the order of the file."""
        return tuple(self.node(index) for index in range(len(self.model_file.operators)))

    def node(self, index):
        """The node's view, the same one for each call."""
        if index not in self._nodes:
            self._nodes[index] = NodeView(self, self.model_file.operators[index])
        return self._nodes[index]

    def answer(self, question):
        """What `question` says of this graph, asked once; it is kept as long as the graph."""
        if question not in self._answers:
            self._answers[question] = question(self)
        return self._answers[question]

    def tensor(self, index):
        """The tensor's view, the same one for each call; None where the file
        leaves an optional tensor out.
        """
        if not 0 <= index < len(self.model_file.tensors):
            return None
        if index not in self._tensors:
            self._tensors[index] = TensorView(self, self.model_file.tensors[index])
        return self._tensors[index]


def _edges(operators):
    """(producer of a tensor, its consumers), each a mapping from tensor index to node indices."""
    producers: dict[int, int] = {}
    consumers: dict[int, list[int]] = {}
    for operator in operators:
        for tensor in operator.outputs:
            producers.setdefault(tensor, operator.index)
        for tensor in operator.inputs:
            consumers.setdefault(tensor, []).append(operator.index)
    return producers, consumers


@dataclass
class Found:
    """What a condition finds on its way through `graph`, for the reason: a "some"'s
    tensor, a predicate's words.
    """

    graph: GraphView
    tensor: TensorView | None = None
    detail: str = ""
