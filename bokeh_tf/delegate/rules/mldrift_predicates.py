"""Named conditions of the ML Drift rules that their document cannot say.

Each takes a `NodeView` of any graph, however odd, and answers with a bool or with words for
"{detail}" ("" where it does not hold). The delegate lays every tensor out as BHWC, with fewer
dimensions as [b], [b,c] and [b,w,c]; constants beside a computed tensor it lays out from the end.
Most of what it computes wrongly comes of the two not being one.
"""

from math import prod

from bokeh_tf.delegate.rules.merging import (
    joined_split,
    merged_operands,
    merged_sums,
    reads_graph_input,
    reduced_sum,
)
from bokeh_tf.delegate.rules.views import NodeView, TensorView, bhwc

_COMPUTED_AXES = ("", "b", "bc", "bwc", "bhwc")
_CONSTANT_AXES = ("", "c", "wc", "hwc", "bhwc")
_QUANTISABLE = ("int4", "int8", "uint8")
# The delegate's vectors; channels are padded with zeros to a multiple.
_LANES = 4
# Positions of the input that says how large the output is.
_SHAPE_INPUTS = {"TRANSPOSE_CONV": (0,), "FILL": (0,), "RANGE": (0, 1, 2), "WHERE": (0,)}


def constant_is_misplaced(node: NodeView):
    """A constant operand that the delegate lays out differently than the
    computed one and the output.
    """
    if len(node.runtime_inputs) != 1 or len(node.constant_inputs) != 1:
        return ""
    computed, constant, output = (
        node.runtime_inputs[0],
        node.constant_inputs[0],
        _first(node.outputs),
    )
    if (
        output is None
        or constant.elements == 1
        or max(constant.rank, computed.rank, output.rank) > 4
    ):
        return ""
    output_axes = _COMPUTED_AXES[output.rank]
    is_aligned = not _misplaced(computed.shape, _COMPUTED_AXES[computed.rank], output_axes)
    if is_aligned and constant.is_uniform and _is_read_as_float(constant):
        return ""
    if computed.batch == 1 != output.batch:
        return f"a constant of {_text(constant)} that repeats {_text(computed)} along the batch"
    if is_aligned and not _misplaced(constant.shape, _axes_of_constant(constant), output_axes):
        return ""
    return (
        f"a constant of {_text(constant)} beside {_text(computed)}: the delegate does not align"
        " them"
    )


def _axes_of_constant(constant: TensorView):
    if not _is_read_as_float(constant):
        return _COMPUTED_AXES[constant.rank]
    is_vector = all(size == 1 for size in constant.shape[:-1])
    return ("bhw"[: constant.rank - 1] + "c") if is_vector else _CONSTANT_AXES[constant.rank]


def _is_read_as_float(constant: TensorView):
    is_float = constant.dtype in ("float16", "float32")
    return is_float or (constant.is_quantised and constant.dtype in _QUANTISABLE)


def _misplaced(shape, axes, output_axes):
    """Whether a dimension of more than 1, counted from the end, is
    another axis than the output's.
    """
    pairs = zip(reversed(shape), reversed(axes), reversed(output_axes), strict=False)
    return any(size != 1 and own != other for size, own, other in pairs)


def condition_in_batch_of_one(node: NodeView):
    """A condition whose first dimension the delegate takes for a batch that
    the output does not have.
    """
    condition, output = _condition_and_output(node)
    return bool(condition) and bhwc(condition.shape)[0] != 1 and bhwc(output.shape)[0] == 1


def condition_misplaced(node: NodeView):
    """A condition of fewer dimensions than the output that the delegate lays out differently."""
    condition, output = _condition_and_output(node)
    if not condition or condition_in_batch_of_one(node):
        return False
    return _misplaced(condition.shape, _COMPUTED_AXES[condition.rank], _COMPUTED_AXES[output.rank])


def _condition_and_output(node):
    condition, output = _first(node.inputs), _first(node.outputs)
    if (
        condition is None
        or output is None
        or condition.elements == 1
        or max(condition.rank, output.rank) > 4
    ):
        return None, None
    return condition, output


def chooses_between_one_tensor(node: NodeView):
    """A choice both of whose values are one computed tensor."""
    choices = node.inputs[1:3]
    first = choices[0] if len(choices) == 2 else None
    return first is not None and first is choices[1] and not first.is_constant


def grouped_convolution_dies(node: NodeView):
    """Groups of more than a vector's input channels that the delegate rewrites as
    convolutions without weights.
    """
    words, channels = _unsupported_groups(node)
    return words if channels > _LANES else ""


def grouped_convolution_wrong(node: NodeView):
    """As `grouped_convolution_dies`, with so few input channels that the process survives."""
    words, channels = _unsupported_groups(node)
    return words if channels <= _LANES else ""


def _unsupported_groups(node):
    """(words, input channels of a group); "" where the convolution has one group or
    groups that it can compute.
    """
    source, kernel = _first(node.inputs), _first(node.inputs[1:])
    if (
        source is None
        or kernel is None
        or not kernel.is_constant
        or source.rank != 4
        or kernel.rank != 4
    ):
        return "", 0
    inputs, outputs, per_group = source.shape[3], kernel.shape[0], kernel.shape[3]
    if not 0 < per_group < inputs or (per_group == 1 and inputs == outputs):
        return "", 0
    groups = inputs // per_group
    if per_group % _LANES == 0 and outputs // groups % _LANES == 0:
        return "", 0
    return (
        f"{groups} groups of {per_group} input and {outputs // groups} output channels",
        per_group,
    )


def arg_max_of_padded_channels(node: NodeView):
    """The largest along channels that are padded. Ranks of one dimension are no channels."""
    source, axis = _first(node.inputs), _constant(node, 1)
    if source is None or not axis or not 2 <= source.rank <= 4:
        return False
    return axis[0] % source.rank == source.rank - 1 and source.shape[-1] % _LANES != 0


def reverses_padded_channels(node: NodeView):
    """Channels in reverse, more than one vector of them and the last one padded."""
    source, axes = _first(node.inputs), _constant(node, 1)
    if source is None or not axes or not 2 <= source.rank <= 4:
        return False
    is_padded = source.shape[-1] > _LANES and source.shape[-1] % _LANES != 0
    return is_padded and any(axis % source.rank == source.rank - 1 for axis in axes)


def one_hot_refused(node: NodeView):
    """What the delegate misses in a ONE_HOT: int32 indices, codes along the last
    axis, constant float32 values.
    """
    present = [tensor for tensor in node.inputs if tensor is not None]
    if len(present) != 4 or len(node.inputs) != 4:
        return "ONE_HOT takes four inputs"
    indices, _, *values = present
    if indices.dtype != "int32":
        return f"its indices are {indices.dtype} and must be int32"
    if node.options.get("axis", -1) not in (-1, indices.rank):
        return f"its axis is {node.options.get('axis')} and must be the last"
    if any(
        t.dtype != "float32" or not t.is_constant or t.elements != 1 or t.rank > 1 for t in values
    ):
        return "its values for on and off must be constant float32 scalars"
    return ""


def pads_with_infinity(node: NodeView):
    """A padding value of plus or minus infinity."""
    value = _constant_value(node, 2)
    return isinstance(value, float) and value in (float("inf"), float("-inf"))


def strided_slice_extent_differs(node: NodeView):
    """Where a STRIDED_SLICE as the delegate reads it, ends beyond the tensor not cut
    off, differs from its output.
    """
    source, output = _first(node.inputs), _first(node.outputs)
    begins, ends, steps = (_constant(node, position) for position in (1, 2, 3))
    if (
        None in (source, output, begins, ends, steps)
        or not 0 < source.rank <= 4
        or min(steps, default=1) < 0
    ):
        return ""
    first = source.rank - len(begins)
    if first not in (0, 1) or not len(begins) == len(ends) == len(steps):
        return f"a slice with {len(begins)} begins of a tensor of {source.rank} dimensions"
    taken = []
    for axis, size in enumerate(source.shape):
        # Values may leave out the first axis; the masks' bits count from it all the same.
        start, stop, step = (
            (0, size, 1) if axis < first else (x[axis - first] for x in (begins, ends, steps))
        )
        start = 0 if node.options.get("begin_mask", 0) >> axis & 1 else start + size * (start < 0)
        stop = size if node.options.get("end_mask", 0) >> axis & 1 else stop + size * (stop < 0)
        taken.append(-((start - stop) // step) if step else 0)
    if bhwc(tuple(taken)) == (bhwc(output.shape) if output.rank <= 4 else None):
        return ""
    return (
        f"a slice that gives {'x'.join(map(str, taken))} as the delegate reads it, not"
        f" {_text(output)}"
    )


def batches_differ(node: NodeView):
    """Two operands of a matrix product that must be repeated to fit each other."""
    left, right = _first(node.inputs), _first(node.inputs[1:])
    output = _first(node.outputs)
    if (
        left is None
        or right is None
        or output is None
        or not all(2 <= t.rank <= 4 for t in (left, right))
    ):
        return ""
    if right.is_constant and right.rank == 2:
        return ""
    batches = [prod(tensor.shape[:-2]) for tensor in (left, right, output)]
    if batches[0] == batches[1] == batches[2]:
        return ""
    return (
        f"a product of {_text(left)} with {_text(right)}: the delegate does not repeat one for"
        " the other"
    )


def takes_not_one_computed_input(node: NodeView):
    """None or several inputs that are made while running; tensors without elements (the
    shape of a scalar) are not.
    """
    return sum(tensor.elements > 0 for tensor in node.runtime_inputs) != 1


def shape_made_while_running(node: NodeView):
    """The name of the computed tensor that an output's size depends on."""
    for position in _SHAPE_INPUTS.get(node.name, (1,)):
        tensor = node.inputs[position] if position < len(node.inputs) else None
        if tensor is not None and not tensor.is_constant and tensor.elements > 0:
            return tensor.name or "a tensor"
    return ""


def window_exceeds_placeholder(node: NodeView):
    """A window without padding that is larger than the 1x1 that stands for
    a size that is not fixed.
    """
    source = _first(node.inputs)
    if (
        source is None
        or source.rank != 4
        or not source.is_dynamic
        or node.options.get("padding") != "VALID"
    ):
        return ""
    kernel = node.inputs[1] if len(node.inputs) > 1 else None
    window = (node.options.get("filter_height", 1), node.options.get("filter_width", 1))
    window = kernel.shape[1:3] if kernel is not None and kernel.rank == 4 else window
    if window[0] <= source.shape[1] and window[1] <= source.shape[2]:
        return ""
    return (
        f"a window of {window[0]}x{window[1]} in a picture whose size is not fixed, which is"
        " compiled as 1x1"
    )


def strided_point_convolution(node: NodeView):
    """A 1x1 convolution with quantised weights whose strides skip pixels."""
    kernel, output = _first(node.inputs[1:]), _first(node.outputs)
    if (
        kernel is None
        or output is None
        or kernel.rank != 4
        or output.rank != 4
        or not kernel.is_quantised
    ):
        return False
    strides = (node.options.get("stride_h", 1), node.options.get("stride_w", 1))
    skips = any(stride > 1 < size for stride, size in zip(strides, output.shape[1:3], strict=True))
    return kernel.shape[1:3] == (1, 1) and skips


def weighted_sums_are_merged(node: NodeView):
    """Sums of products with channel slices that are joined."""
    return merged_sums(node)


def sum_put_out_and_reduced(node: NodeView):
    """The one reader of a sum that is an output, where the delegate computes
    it together with the sum.
    """
    return reduced_sum(node)


def operands_of_one_split(node: NodeView):
    """Two parts of one split that are computed with each other, where the delegate
    merges that with the split.
    """
    return merged_operands(node)


def joined_split_of_input(node: NodeView):
    """Nothing but all parts of a model's input that was split."""
    found = joined_split(node)
    return (
        found.words
        if found and found.is_whole and found.keeps_axis and reads_graph_input(found.split)
        else ""
    )


def joined_split_reordered(node: NodeView):
    """Nothing but parts of one tensor, not all of them or in another order."""
    found = joined_split(node)
    return "" if not found or found.is_unchanged or joined_split_of_input(node) else found.words


def _constant(node, position):
    """The values of an integer constant input, None where there is none."""
    tensor = node.inputs[position] if position < len(node.inputs) else None
    return tensor.values if tensor is not None and tensor.dtype in ("int32", "int64") else None


def _constant_value(node, position):
    tensor = node.inputs[position] if position < len(node.inputs) else None
    return tensor.value if tensor is not None else None


def _first(tensors):
    return tensors[0] if tensors else None


def _text(tensor):
    return "x".join(map(str, tensor.shape)) or "a scalar"


_OWN = (
    constant_is_misplaced,
    condition_in_batch_of_one,
    condition_misplaced,
    chooses_between_one_tensor,
    grouped_convolution_dies,
    grouped_convolution_wrong,
    arg_max_of_padded_channels,
    reverses_padded_channels,
    one_hot_refused,
    pads_with_infinity,
    strided_slice_extent_differs,
    batches_differ,
    takes_not_one_computed_input,
    shape_made_while_running,
    window_exceeds_placeholder,
    strided_point_convolution,
    sum_put_out_and_reduced,
    operands_of_one_split,
    weighted_sums_are_merged,
    joined_split_of_input,
    joined_split_reordered,
)
PREDICATES = {predicate.__name__: predicate for predicate in _OWN}
