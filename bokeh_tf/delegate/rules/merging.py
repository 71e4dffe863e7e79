"""Patterns of several nodes that ML Drift rewrites into something else: sums and splits,
merged with what reads them.

Both were found by compiling and running graphs around their edges; each
function answers for any graph.
"""

from dataclasses import dataclass
from math import prod

from bokeh_tf.delegate.rules.views import NodeView, TensorView

_JOINS = ("CONCATENATION", "PACK")
_SPLITS = ("SPLIT", "SPLIT_V")
_SLICES = ("SLICE", "STRIDED_SLICE")
_SUMS = ("MEAN", "SUM")
_ADDITIONS = ("ADD", "ADD_N")
# The operand by which the delegate merges these with the node before; the first one of all others.
_MERGED_BY_SECOND = (*_ADDITIONS, "MUL")
_REDUCTIONS = (*_SUMS, "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD")
# More than any network has; it bounds the work on a hostile file.
_MAX_PARTS = 1024


@dataclass(frozen=True)
class JoinedSplit:
    """A concatenation of parts of one split and of nothing else, all of them read by it alone.

    `is_tail`: all parts or the last ones, in their order. `keeps_axis`: they are
        joined where they were split.
    """

    split: NodeView
    words: str
    is_whole: bool
    is_tail: bool
    keeps_axis: bool

    @property
    def is_unchanged(self):
        """What the delegate passes on, the end of the tensor that was split, is right."""
        return self.is_tail and self.keeps_axis


def joined_split(join: NodeView) -> JoinedSplit | None:
    """The split that the delegate removes together with `join`, None where it leaves both."""
    parts = join.input_indices
    split = join.inputs[0].producer_node if len(parts) > 1 and join.inputs[0] else None
    if (
        split is None
        or split.is_custom
        or split.name not in _SPLITS
        or len(split.output_indices) > _MAX_PARTS
    ):
        return None
    place_of = {part: place for place, part in enumerate(split.output_indices)}
    if not place_of.keys() >= set(parts):
        return None
    if any(join.graph.consumers.get(part, []) not in ([], [join.index]) for part in place_of):
        return None
    places = [place_of[part] for part in parts]
    count = len(split.output_indices)
    order = ", ".join(str(place + 1) for place in places)
    return JoinedSplit(
        split=split,
        words=f"it joins the parts {order} of {count} that {split.name} node {split.index} made",
        is_whole=len(parts) == count,
        is_tail=places == list(range(count - len(places), count)),
        keeps_axis=_axis_of_split(split) == _axis_of(join),
    )


def _axis_of_split(split):
    position = 0 if split.name == "SPLIT" else 2
    axis = split.inputs[position] if position < len(split.inputs) else None
    rank = split.outputs[0].rank if split.outputs and split.outputs[0] else 0
    return axis.value % rank if axis is not None and isinstance(axis.value, int) and rank else None


def _axis_of(join):
    """The axis along which a node joins, counted from the front."""
    output, axis = join.outputs[0] if join.outputs else None, join.options.get("axis")
    return (
        axis % output.rank if output is not None and output.rank and isinstance(axis, int) else None
    )


def reads_graph_input(split: NodeView) -> bool:
    """Whether the tensor that is split comes from outside of the graph."""
    source = _source(split)
    return source is not None and source.is_graph_input


def _source(split):
    position = 1 if split.name == "SPLIT" else 0
    return split.inputs[position] if position < len(split.inputs) else None


@dataclass(frozen=True)
class _Product:
    """Two factors of one shape: the tensors that are no channel slices, and (source,
    begin) of those that are.
    """

    plain: frozenset[int]
    slices: tuple[tuple[int, int], ...]

    def is_taken_for(self, other):
        """The delegate compares what is no slice."""
        return self.plain <= other.plain or other.plain <= self.plain


def merged_sums(join: NodeView) -> str:
    """Which sums the delegate takes for one, "" where `join` is not of that pattern.

    Every input is a SUM or MEAN over channels of a product of two tensors of one shape, of which at
    least one is a slice along channels; the delegate compares the factors that are none.
    """
    output = join.outputs[0] if join.outputs else None
    if (
        join.is_custom
        or join.name not in _JOINS
        or output is None
        or _axis_of(join) != output.rank - 1
    ):
        return ""
    products = [_summed_product(tensor) for tensor in join.inputs]
    if None in products or len(set(products)) < 2:
        return ""
    if not all(product.is_taken_for(products[0]) for product in products):
        return ""
    nodes = sorted({_before_reshape(tensor).index for tensor in join.inputs})
    return f"nodes {', '.join(map(str, nodes))}"


def reduced_sum(node: NodeView) -> str:
    """The reduction that the delegate computes together with the sum before
    it, "" where it does not.

    The sum is one of two computed tensors of one shape, without an
    activation, and an output besides.
    """
    total = node.outputs[0] if node.outputs else None
    if total is None or not total.is_graph_output or len(total.consumer_nodes) != 1:
        return ""
    if len(node.runtime_inputs) != 2 or node.runtime_inputs[0] is node.runtime_inputs[1]:
        return ""
    has_activation = node.options.get("fused_activation", "NONE") != "NONE"
    if has_activation or node.runtime_inputs[0].shape != node.runtime_inputs[1].shape:
        return ""
    reader = total.consumer_nodes[0]
    is_merged = not reader.is_custom and (reader.name in _REDUCTIONS or _averages_the_whole(reader))
    return f"node {reader.index} ({reader.name})" if is_merged else ""


def merged_operands(node: NodeView) -> str:
    """Which parts of a split the delegate computes together with it, "" where
    `node` is not merged or right.

    It is wrong where the first part is the operand by which the delegate merges, and read by
    nothing else; and where an addition is all that is made of the parts.
    """
    operands = [tensor for tensor in node.inputs if tensor is not None]
    if len(node.input_indices) != 2 or len(operands) != 2 or reads_same(node):
        return ""
    split = operands[0].producer_node
    if (
        split is None
        or split.is_custom
        or split.name not in _SPLITS
        or split is not operands[1].producer_node
    ):
        return ""
    if len(split.output_indices) > _MAX_PARTS:
        return ""
    places = [split.output_indices.index(part) for part in node.input_indices]
    by = int(node.name in _MERGED_BY_SECOND)
    is_first_part = places[by] == 0 and operands[by].consumers == 1
    readers = sum(part.consumers for part in split.outputs if part is not None)
    is_all = node.name in _ADDITIONS and readers == len(operands)
    words = f"parts {places[0] + 1} and {places[1] + 1} of {split.name} node {split.index}"
    return words if is_first_part or is_all else ""


def reads_same(node: NodeView) -> bool:
    """Whether both inputs are one tensor."""
    return len(node.input_indices) == 2 and node.input_indices[0] == node.input_indices[1]


def _averages_the_whole(node):
    output = node.outputs[0] if node.outputs else None
    is_one_pixel = output is not None and output.rank == 4 and output.shape[1:3] == (1, 1)
    source = node.inputs[0] if node.inputs else None
    if node.name != "AVERAGE_POOL_2D" or not is_one_pixel or source is None or source.rank != 4:
        return False
    return (node.options.get("filter_height"), node.options.get("filter_width")) == source.shape[
        1:3
    ]


def _before_reshape(tensor: TensorView | None):
    """The node that computes a tensor; a RESHAPE between is looked through."""
    node = tensor.producer_node if tensor is not None else None
    if (
        node is not None
        and node.name == "RESHAPE"
        and not node.is_custom
        and node.inputs
        and node.inputs[0]
    ):
        return node.inputs[0].producer_node
    return node


def _summed_product(tensor):
    """The product that a tensor is the sum of over channels, None where it is none."""
    total = _before_reshape(tensor)
    if (
        total is None
        or total.is_custom
        or total.name not in _SUMS
        or len(total.inputs) < 2
        or None in total.inputs[:2]
    ):
        return None
    summed, axes = total.inputs[0], total.inputs[1].values
    if not axes or not summed.rank or [axis % summed.rank for axis in axes] != [summed.rank - 1]:
        return None
    return _product(summed.producer_node)


def _product(node):
    """The factors of a MUL of two different computed tensors of one shape with a
    channel slice among them.
    """
    if node is None or node.name != "MUL" or node.is_custom or len(node.inputs) != 2:
        return None
    first, second = node.inputs
    if first is second or None in (first, second) or first.shape != second.shape:
        return None
    if (
        first.is_constant
        or second.is_constant
        or node.options.get("fused_activation", "NONE") != "NONE"
    ):
        return None
    factors = [
        (index, _channel_slice(factor))
        for index, factor in zip(node.input_indices, node.inputs, strict=True)
    ]
    slices = tuple(found for _, found in factors if found)
    return (
        _Product(frozenset(index for index, found in factors if not found), slices)
        if slices
        else None
    )


def _channel_slice(tensor: TensorView):
    """(source, first channel) of a slice that takes channels only, without a step;
    None for any other tensor.
    """
    node = tensor.producer_node
    if (
        node is None
        or node.is_custom
        or node.name not in _SLICES
        or len(node.inputs) < 3
        or None in node.inputs
    ):
        return None
    source, begins = node.inputs[0], node.inputs[1].values
    if (
        begins is None
        or source.shape[:-1] != tensor.shape[:-1]
        or source.rank != tensor.rank
        or not begins
    ):
        return None
    if node.name == "STRIDED_SLICE" and (
        len(node.inputs) < 4 or prod(node.inputs[3].values or (0,)) != 1
    ):
        return None
    is_from_start = bool(node.options.get("begin_mask", 0) >> (len(begins) - 1) & 1)
    return node.input_indices[0], 0 if is_from_start else begins[-1]
