"""Named conditions that a rule document cannot say.

Each takes a `NodeView` of any graph, however odd, and answers with a bool, or with words for
"{detail}" in the rule's reason ("" where it does not hold).
"""

from bokeh_tf.delegate.rules import mldrift_predicates, opengl_predicates
from bokeh_tf.delegate.rules.merging import reads_same
from bokeh_tf.delegate.rules.views import NodeView, bhwc

_FLOATS = ("float16", "float32")
_CASTS = ("CAST", "SELECT", "SELECT_V2")
_AXES = ("batch", "height", "width", "channels")
_FULL_LSTM_INPUTS = (20, 24)
_SHOWN_READERS = 4


def mul_without_larger_input(node: NodeView):
    """Two inputs of one rank of which each is smaller than the other along some axis."""
    first, second = _input(node, 0), _input(node, 1)
    if first is None or second is None or first.rank != second.rank:
        return False
    pairs = list(zip(first.shape, second.shape, strict=True))
    return any(a < b for a, b in pairs) and any(b < a for a, b in pairs)


def ranks_not_broadcast(node: NodeView):
    """Two operands of different ranks, none of them a vector, that the
    delegate does not bring together.
    """
    shapes = [tensor.shape for tensor in node.inputs if tensor is not None]
    if len(node.inputs) != 2 or len(shapes) != 2:
        return ""
    longer, shorter = sorted(shapes, key=len, reverse=True)
    if len(shorter) < 2 or len(longer) == len(shorter):
        return ""
    is_one_image = len(longer) == 4 and longer[0] == 1
    if is_one_image and (len(shorter) == 3 or shorter == (1, 1)):
        return ""
    if len(longer) == 4 and shorter == (longer[0], longer[3]):
        return ""
    return " beside ".join("x".join(map(str, shape)) for shape in shapes)


def reads_one_tensor_twice(node: NodeView):
    """Both inputs are one tensor."""
    return reads_same(node)


def depthwise_shape_mismatch(node: NodeView):
    """What keeps a depthwise convolution from four dimensions with channels that match."""
    tensors = dict(
        zip(("input", "filter", "bias"), node.inputs, strict=False), output=_first(node.outputs)
    )
    parts = {name: tensor.shape for name, tensor in tensors.items() if tensor is not None}
    for name in ("input", "filter", "output"):
        if len(parts.get(name, ())) != 4:
            return f"its {name} has {len(parts.get(name, ()))} dimensions instead of four"
    channels, multiplier = parts["output"][3], node.options.get("depth_multiplier", 0)
    if parts["input"][0] != parts["output"][0]:
        return f"its batch goes from {parts['input'][0]} to {parts['output'][0]}"
    if parts["filter"][3] != channels or parts["input"][3] * multiplier != channels:
        return (
            f"its {channels} output channels are not its {parts['input'][3]} input channels"
            f" times {multiplier}"
        )
    if "bias" in parts and tensors["bias"].elements != channels:
        return f"its bias has {tensors['bias'].elements} values for {channels} channels"
    return ""


def one_hot_unsupported(node: NodeView):
    """What the delegate misses in a ONE_HOT: int32 indices along channels alone,
    constant scalars on and off.
    """
    tensors = [tensor for tensor in node.inputs if tensor is not None]
    if len(tensors) != 4:
        return "ONE_HOT takes four inputs"
    indices, _, *scalars = tensors
    axis = node.options.get("axis", 0)
    if indices.dtype != "int32":
        return f"its indices are {indices.dtype} and must be int32"
    if axis != -1 and (not indices.shape or axis != indices.shape[-1]):
        return f"its axis is {axis} and must be the last"
    # The batch may be more than 1 where there are four dimensions.
    if any(size != 1 for size in indices.shape[1 if indices.rank > 3 else 0 : -1]):
        return f"its indices {list(indices.shape)} must be 1 but along batch and channels"
    if any(
        t.dtype != "float32" or not t.is_constant or t.rank > 1 or t.elements > 1 for t in scalars
    ):
        return "its values for on and off must be constant float32 scalars"
    return ""


def lstm_unsupported(node: NodeView):
    """What the delegate misses in an LSTM cell."""
    options, activation = node.options, node.options.get("fused_activation")
    if options.get("kernel_type") == "BASIC":
        if [len(part) for part in (node.runtime_inputs, node.constant_inputs, node.outputs)] != [
            3,
            2,
            4,
        ]:
            return "a basic LSTM takes three inputs, two constants and four outputs"
        if activation != "TANH":
            return f"a basic LSTM has the activation TANH, not {activation}"
        return "it clips" if options.get("cell_clip") or options.get("proj_clip") else ""
    if len(node.inputs) not in _FULL_LSTM_INPUTS or len(node.outputs) != 1:
        return (
            f"an LSTM takes 20 or 24 inputs and one output, not {len(node.inputs)} and"
            f" {len(node.outputs)}"
        )
    return (
        ""
        if activation in ("SIGMOID", "TANH")
        else f"an LSTM has the activation SIGMOID or TANH, not {activation}"
    )


def comparison_not_for_one_float(node: NodeView):
    """Who reads a comparison, where that is not one node that makes floats of it."""
    result = _first(node.outputs)
    readers: tuple[NodeView, ...] = result.consumer_nodes[:_SHOWN_READERS] if result else ()
    if len(readers) == 1 and readers[0].name in _CASTS and not readers[0].is_custom:
        made = _first(readers[0].outputs)
        if made is not None and made.dtype in _FLOATS:
            return ""
    return ", ".join(reader.name for reader in readers) or "nothing"


def prelu_alpha_mismatch(node: NodeView):
    """An alpha that is neither a constant by channel nor one of the input's
    height, width and channels.
    """
    value, alpha = _input(node, 0), _input(node, 1)
    if value is None or alpha is None or value.rank > 4:
        return False
    if not alpha.is_constant:
        return True
    if alpha.rank and all(size == 1 for size in alpha.shape[:-1]):
        return alpha.shape[-1] != value.channels
    is_hwc = alpha.rank == 3 or (alpha.rank == 4 and alpha.shape[0] == 1)
    return not is_hwc or alpha.shape[-3:] != bhwc(value.shape)[1:]


def transposed_padding_misplaced(node: NodeView):
    """Where "same" padding of a TRANSPOSE_CONV starts elsewhere for its input's
    size than for its output's.
    """
    kernel, source, output = _input(node, 1), _input(node, 2), _first(node.outputs)
    if node.options.get("padding") != "SAME" or any(
        t is None or t.rank != 4 for t in (kernel, source, output)
    ):
        return ""
    for axis, name in ((1, "height"), (2, "width")):
        size, taps, stride = (
            source.shape[axis],
            kernel.shape[axis],
            node.options.get(f"stride_{name[0]}", 0),
        )
        if stride <= 0 or min(size, output.shape[axis]) <= 0:
            continue
        shift = _padding_before(size, taps, stride) - _padding_before(
            output.shape[axis], taps, stride
        )
        if shift:
            return (
                f"a {name} of {size}, a kernel of {taps} and a stride of {stride}: the output"
                f" is {abs(shift)} px off"
            )
    return ""


def _padding_before(size, taps, stride):
    """Pixels of "same" padding before a picture of this size that a convolution goes over."""
    return max(0, taps - (size - 1) % stride - 1) // 2


def pads_three_dimensions_wrongly(node: NodeView):
    """What makes paddings of three rows belong to other axes than those of [b, w, c]."""
    source, paddings = _input(node, 0), _input(node, 1)
    if source is None or paddings is None or source.rank != 3 or paddings.shape != (3, 2):
        return ""
    if source.shape[0] != 1:
        return f"it pads {'x'.join(map(str, source.shape))}"
    before, after = (paddings.values or (0, 0))[:2]
    return (
        f"it pads the first of three dimensions by {before} and {after}" if before or after else ""
    )


def slice_reversed(node: NodeView):
    """A strided slice with a negative stride."""
    strides = _constant(node, 3)
    return strides is not None and any(stride < 0 for stride in strides)


def slice_extent_mismatch(node: NodeView):
    """Where a SLICE as the delegate reads it differs from the output's shape."""
    source, output = _first(node.inputs), _first(node.outputs)
    begins, sizes = _constant(node, 1), _constant(node, 2)
    if None in (source, output, begins, sizes) or source.rank not in (3, 4) or output.rank > 4:
        return ""
    if len(begins) != len(sizes) or len(begins) not in (3, source.rank):
        return f"it has {len(begins)} begins and {len(sizes)} sizes for {source.rank} dimensions"
    shape = bhwc(source.shape)
    # Three values for four dimensions are read as height, width and channels.
    begins, sizes = _placed(begins, source.rank, 0), _placed(sizes, source.rank, -1)
    ends = []
    for begin, size, whole in zip(begins, sizes, shape, strict=True):
        end = whole if size == -1 else begin + size
        ends.append(end + whole if end < 0 else end)
    return _extent_difference(begins, ends, (1,) * 4, output)


def strided_slice_extent_mismatch(node: NodeView):
    """Where a STRIDED_SLICE as the delegate reads it, ends beyond the tensor not cut
    off, differs from its output.
    """
    source, output = _first(node.inputs), _first(node.outputs)
    begins, ends, strides = _constant(node, 1), _constant(node, 2), _constant(node, 3)
    if None in (source, output, begins, ends, strides) or source.rank > 4 or output.rank > 4:
        return ""
    if len(begins) not in (3, 4) or not len(begins) == len(ends) == len(strides):
        return f"it has {len(begins)} begins, and the delegate reads three or four"
    if any(stride == 0 for stride in strides):
        return "one of its strides is 0"
    shape = bhwc(source.shape)
    offset = 4 - len(begins)
    starts, stops, steps = [0] * offset, list(shape[:offset]), [1] * offset
    for position, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        size, bit = shape[position + offset], 1 << position
        starts.append(0 if node.options.get("begin_mask", 0) & bit else begin + size * (begin < 0))
        stops.append(size if node.options.get("end_mask", 0) & bit else end + size * (end < 0))
        steps.append(stride)
    return "" if min(steps) < 0 else _extent_difference(starts, stops, steps, output)


def _extent_difference(starts, stops, steps, output):
    for axis, start, stop, step, size in zip(
        _AXES, starts, stops, steps, bhwc(output.shape), strict=True
    ):
        if -((start - stop) // step) != size:
            return (
                f"along its {axis} it takes {start} to {stop} by {step}, which does not give"
                f" its output's {size}"
            )
    return ""


def _placed(values, rank, filler):
    """Values by axis of BHWC: three of them belong to (b, w, c) of three
    dimensions, else to (h, w, c).
    """
    if len(values) == 4:
        return list(values)
    return [values[0], 0 if filler == 0 else 1, *values[1:]] if rank == 3 else [filler, *values]


def _constant(node, position):
    """The values of a constant input, None where there is none."""
    tensor = _input(node, position)
    return tensor.values if tensor is not None and tensor.dtype in ("int32", "int64") else None


def _input(node, position):
    return node.inputs[position] if position < len(node.inputs) else None


def _first(tensors):
    return tensors[0] if tensors else None


_OWN = (
    mul_without_larger_input,
    ranks_not_broadcast,
    reads_one_tensor_twice,
    depthwise_shape_mismatch,
    one_hot_unsupported,
    lstm_unsupported,
    transposed_padding_misplaced,
    comparison_not_for_one_float,
    prelu_alpha_mismatch,
    pads_three_dimensions_wrongly,
    slice_reversed,
    slice_extent_mismatch,
    strided_slice_extent_mismatch,
)
PREDICATES = {
    **{predicate.__name__: predicate for predicate in _OWN},
    **mldrift_predicates.PREDICATES,
    **opengl_predicates.PREDICATES,
}
