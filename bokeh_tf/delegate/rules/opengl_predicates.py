"""What the OpenGL half of the classic delegate refuses or gets wrong and data cannot say: shapes of
operands, axes of a mean, what becomes one kernel.

Each was found by running the engine; each function answers for any graph.
"""

import math
import struct

from bokeh_tf.delegate.rules.opengl_kernels import (
    has_no_activation,
    kernels_by_changed,
    kernels_by_node,
    tensors_kept,
)
from bokeh_tf.delegate.rules.opengl_means import is_by_tiles, is_cut, is_overrun
from bokeh_tf.delegate.rules.views import NodeView, TensorView, bhwc

_PICTURE_AXES = [1, 2]
# By how much a resize may miss its places, root mean square: of values without any order, what is
# further off is not within 35 dB of the CPU.
_COARSE_PX = 1 / 16
# Beyond are no numbers of half precision.
_LARGEST_HALF = 65504
# To how many a kernel is bound where the engine was run; OpenGL ES 3.1 asks drivers for 4.
_MOST_BUFFERS = 16
# So many places along a side are looked at: a file may claim billions.
_LOOKED_AT = 4096


def first_dimension_differs(node: NodeView) -> str:
    """A tensor made while running whose first dimension is another than that
    of the model's first input.
    """
    first = node.graph.first_input
    if first is None or first.batch is None:
        return ""
    made_here = [tensor for tensor in node.outputs if tensor is not None]
    given_here = [tensor for tensor in node.runtime_inputs if tensor.is_graph_input]
    for tensor in (*given_here, *made_here):
        if not tensor.is_constant and tensor.batch not in (None, first.batch):
            return f"{tensor} beside {first}"
    return ""


def mean_not_over_pictures(node: NodeView) -> str:
    """Axes of a mean of four dimensions that are not exactly rows and columns."""
    source, axes = (*node.inputs, None, None)[:2]
    if source is None or axes is None or source.rank != 4 or axes.values is None:
        return ""
    is_whole = all(isinstance(axis, int) for axis in axes.values)
    over = sorted({axis % 4 for axis in axes.values}) if is_whole else []
    return "" if over == _PICTURE_AXES else f"over the axes {', '.join(map(str, over))}"


def mean_is_cut(node: NodeView) -> str:
    """A mean over rows and columns of a picture that the kernel by tiles takes, and is too large
    for.
    """
    shape = _shape_by_tiles(node)
    return _pixels(shape) if shape and is_cut(shape) else ""


def mean_is_overrun(node: NodeView) -> str:
    """A mean over rows and columns of a picture that the kernel by tiles takes, and has more
    threads than tiles for.
    """
    shape = _shape_by_tiles(node)
    return _pixels(shape) if shape and is_overrun(shape) and not is_cut(shape) else ""


def _shape_by_tiles(node):
    source = (*node.inputs, None)[0]
    if source is None or source.rank != 4 or mean_not_over_pictures(node):
        return None
    return source.shape if is_by_tiles(source.shape) else None


def _pixels(shape):
    return f"{shape[1]}x{shape[2]} pixels"


def coordinates_are_coarse(node: NodeView) -> str:
    """A resize that enlarges so wide a picture that half precision, in which OpenGL computes where
    it reads, misses the places.
    """
    source, result = (*node.inputs, None)[0], (*node.outputs, None)[0]
    if source is None or result is None or source.rank != 4 or result.rank != 4:
        return ""
    sizes = list(zip(source.shape[1:3], result.shape[1:3], strict=True))
    if any(made < given for given, made in sizes):
        return ""  # Refused already.
    squares = [_missed_px2(*size, node.options) for size in sizes]
    missed_px = math.sqrt(sum(squares))
    if missed_px <= _COARSE_PX:
        return ""
    return f"{source} to {result}, read {missed_px:.2f} pixels beside the right places"


def _missed_px2(given, made, options):
    """Along one side, the mean square of what the places lose when they are rounded to half."""
    lost = 0.0
    places = range(0, made, max(1, made // _LOOKED_AT))
    for place in places:
        if options.get("align_corners") and made > 1:
            right = place * (given - 1) / (made - 1)
        elif options.get("half_pixel_centers"):
            right = (place + 0.5) * given / made - 0.5
        else:
            right = place * given / made
        (half,) = struct.unpack("e", struct.pack("e", min(right, _LARGEST_HALF)))
        lost += (half - right) ** 2
    return lost / max(1, len(places))


def running_operands_differ(node: NodeView) -> str:
    """Two operands made while running whose shapes the engine does not bring together."""
    first, second = _running_pair(node)
    if first is None or second is None:
        return ""
    one, other = bhwc(first.shape), bhwc(second.shape)
    if one == other or _fits(node.name, one, other):
        return ""
    return f"{first} beside {second}, both made while running"


def _fits(operator, one, other):
    if operator == "MUL":
        return all(small in (1, large) for large, small in zip(one, other, strict=True))
    if operator in ("ADD", "ADD_N"):
        return _is_vector_of(one, other) or _is_vector_of(other, one)
    return _is_vector_of(other, one)


def _is_vector_of(vector, picture):
    """Whether a shape is [1, 1, 1, C] for the C channels of another."""
    return vector[:3] == (1, 1, 1) and vector[3] == picture[3]


def _running_pair(node) -> tuple[TensorView | None, TensorView | None]:
    given = node.runtime_inputs
    if len(node.inputs) != 2 or len(given) != 2 or any(tensor.rank > 4 for tensor in given):
        return None, None
    return given[0], given[1]


def constant_is_no_vector(node: NodeView) -> str:
    """A constant operand that is neither one value nor one for each channel."""
    if len(node.inputs) != 2 or len(node.constant_inputs) != 1:
        return ""
    constant = node.constant_inputs[0]
    if (
        constant.elements == 1
        or constant.rank not in (3, 4)
        or bhwc(constant.shape)[:3] == (1, 1, 1)
    ):
        return ""
    return f"a constant of {constant}"


def constant_read_wrongly(node: NodeView) -> str:
    """A constant that is repeated along one side of a picture alone, in a product, or one that
    spreads a single running channel to several.
    """
    if len(node.inputs) != 2 or len(node.constant_inputs) != 1 or len(node.runtime_inputs) != 1:
        return ""
    constant, running = node.constant_inputs[0], node.runtime_inputs[0]
    if constant.rank not in (1, 3, 4) or running.rank != 4:
        return ""
    _, height, width, channels = (1,) * (4 - constant.rank) + tuple(constant.shape)
    if node.name == "SUB" and constant_is_no_vector(node):
        return ""  # Refused already.
    if running.shape[3] == 1 < channels:
        return f"{constant} spreads the one channel of {running}"
    repeats = [
        one == 1 < side for one, side in zip((height, width), running.shape[1:3], strict=True)
    ]
    if node.name == "MUL" and (height, width) != (1, 1) and any(repeats):
        return f"{constant} is repeated along one side of {running}"
    return ""


def joins_a_constant(node: NodeView) -> str:
    """A constant input with other values than zeros, which the delegate makes a padding of."""
    for constant in node.constant_inputs:
        if constant.values is None or any(constant.values):
            return f"a constant of {constant}"
    return ""


def root_after_points(node: NodeView) -> str:
    """A root or a logarithm that alone is written into the kernel of the convolution before it,
    which computes two or four points at once and then declares one name as often.
    """
    kernel = kernels_by_changed(node.graph).get(node.index)
    if kernel is None or not has_no_activation(kernel.node):
        return ""
    return f"{node.name} right after a 1x1 convolution of a width that is even, {kernel.result}"


def output_is_joined(node: NodeView) -> str:
    """An output that one node reads value by value: the two become one kernel, which keeps the
    values between them to itself.
    """
    for index, tensor in zip(node.output_indices, node.outputs, strict=True):
        reader = tensors_kept(node.graph).get(index)
        if reader is not None and tensor is not None and tensor.is_graph_output:
            return f"{tensor} that {reader.name} reads"
    return ""


def kernel_has_many_buffers(node: NodeView) -> str:
    """A kernel that reads and writes more buffers than the driver binds to one."""
    kernel = kernels_by_node(node.graph).get(node.index)
    if kernel is None or kernel.buffers <= _MOST_BUFFERS:
        return ""
    others = kernel.joined - 1
    joined = f" and {others} {'node' if others == 1 else 'nodes'} around it" if others else ""
    return f"{node.name}{joined} as one kernel of {kernel.buffers} buffers"


def makes_a_vector_at_each_point(node: NodeView) -> str:
    """An operand of one point whose maker becomes a part of the kernel of several."""
    kernel = kernels_by_node(node.graph).get(node.index)
    if kernel is None or not kernel.spread:
        return ""
    vector = kernel.spread[0]
    return f"{vector} and {node.name}, the one node that reads it"


_OWN = (
    joins_a_constant,
    kernel_has_many_buffers,
    makes_a_vector_at_each_point,
    output_is_joined,
    root_after_points,
    first_dimension_differs,
    coordinates_are_coarse,
    mean_is_cut,
    mean_is_overrun,
    mean_not_over_pictures,
    running_operands_differ,
    constant_is_no_vector,
    constant_read_wrongly,
)
PREDICATES = {predicate.__name__: predicate for predicate in _OWN}
