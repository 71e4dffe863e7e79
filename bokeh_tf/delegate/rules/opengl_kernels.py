"""Which nodes the classic engine compiles as one kernel on OpenGL, and how many buffers each kernel
is bound to.

It does what three passes of the engine do (gl/compiler: fuse_inline, fuse_inplace,
fuse_auto_input), with what each kernel says of itself (gl/kernels). A kernel is bound to a buffer
for each tensor that it reads or writes and for each set of weights, bias or vector of constants.
The counts are those that the engine's words gave, in every file of which it said one.
"""

import functools
from dataclasses import dataclass, field

from bokeh_tf.delegate.rules.views import GraphView, NodeView, TensorView, bhwc

_BY_VALUE = frozenset(
    {
        *("ABS", "COS", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG"),
        *("LOGISTIC", "NEG", "RELU", "RELU6", "RELU_N1_TO_1", "RSQRT", "SIN", "SQRT"),
        *("SQUARE", "TANH"),
    }
)
_PAIRS = frozenset(
    {
        *("DIV", "FLOOR_DIV", "FLOOR_MOD", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE"),
        "SUB",
    }
)
_CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"})
# Weights and bias; where a file has no bias the engine adds one of zeros.
_CONVOLUTION_BUFFERS = 2
_TAKES_PADDING = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"})
_STEPS = ("stride_h", "stride_w", "dilation_h_factor", "dilation_w_factor")
_RANK = 4
# Far beyond what any driver binds to one kernel: a chain of thousands of sums is not followed on.
_MOST_COUNTED = 256


@dataclass(eq=False)
class Kernel:
    """One kernel, of one node or of several.

    Attributes:
        node: the one that the others joined, or the first of those that follow each other.
        result: the first tensor that this node makes; what follows it has as many points.
        reads: the tensors made while running that it reads, each once.
        writes: the tensors that it writes.
        constants: how many buffers of constants it reads.
        joined: of how many nodes it is.
        takes: whether it reads each value in one place alone, so that what makes the values can
            become a part of it.
        gives: whether its value can be used at once, so that what reads it can.
        changes_in_place: whether it writes several points, each of which a node that reads them
            may change first.
        points: over which points it runs; None for those of its result.
        has_groups: whether it asks for groups of threads of a size of its own.
        spread: what is made within it at each of its points although it has fewer itself.
        changed: the node that changes each of several points before they are written, where that
            is one alone.
    """

    node: NodeView
    result: TensorView
    reads: list[int]
    writes: list[int]
    constants: int = 0
    joined: int = 1
    takes: bool = False
    gives: bool = True
    changes_in_place: bool = False
    points: tuple[int, ...] | None = None
    has_groups: bool = False
    spread: list[TensorView] = field(default_factory=list)
    changed: NodeView | None = None

    @property
    def buffers(self):
        """How many buffers the kernel is bound to."""
        return len(self.reads) + len(self.writes) + self.constants

    def fits_into(self, other):
        """Whether its points are those of another kernel, or whatever that one has."""
        return self.points is None or self.points == other.points


def kernels_by_node(graph: GraphView) -> dict[int, Kernel]:
    """The kernels of a graph by the index of the node that each is named after."""
    return graph.answer(_kernels).by_node


def kernels_by_changed(graph: GraphView) -> dict[int, Kernel]:
    """The kernels that have a `Kernel.changed`, by the index of that node."""
    return graph.answer(_kernels).by_changed


def tensors_kept(graph: GraphView) -> dict[int, NodeView]:
    """The tensors that no kernel writes, as the one node that reads each is in one kernel with what
    makes it: by index, that node. What a kernel makes at each of its points is left out.
    """
    return graph.answer(_kernels).kept


def _kernels(graph):
    kernels = _Kernels(graph)
    kernels.join_followers()
    kernels.join_makers()
    return kernels


class _Kernels:
    """Kernels that join; `left` has those that no other took, in the order of their nodes, `kept`
    is that of `tensors_kept`.
    """

    def __init__(self, graph):
        self.left: dict[Kernel, None] = {}
        self.kept: dict[int, NodeView] = {}
        self._same: dict[int, int] = {}
        self._readers: dict[int, list[Kernel]] = {}
        self._makers: dict[int, Kernel] = {}
        # What convolutions make, also times or plus vectors of constants.
        self._linear: set[int] = set()
        for node in graph.nodes:
            made = {
                index: tensor
                for index, tensor in zip(node.output_indices, node.outputs, strict=True)
                if tensor is not None and not tensor.is_constant
            }
            given = self._given(node)
            if len(given) == len(made) == 1 and self._is_left_out(node, *made.items()):
                self._same.update(zip(made, given, strict=True))
            elif made:
                self._add(_kernel(node, given, made))
            if node.name in _CONVOLUTIONS and has_no_activation(node):
                self._linear.update(made)

    def _is_left_out(self, node, made):
        """Whether a node of one running tensor changes nothing, or is made a part of a convolution."""
        index, result = made
        source = node.runtime_inputs[0]
        if node.name == "RESHAPE":
            return source.shape == result.shape
        if node.name in ("ADD_N", "CONCATENATION"):
            return len(node.inputs) == 1
        if node.name == "PAD":
            readers = result.consumer_nodes
            return len(readers) == 1 and readers[0].name in _TAKES_PADDING
        is_linear = (
            node.name in ("ADD", "MUL")
            and has_no_activation(node)
            and source.consumers == 1
            and not self._linear.isdisjoint(node.input_indices)
            and [_is_vector(constant) for constant in node.constant_inputs] == [True]
        )
        if is_linear:
            self._linear.add(index)
            self.kept |= {
                given: node for given in node.input_indices if node.graph.tensor(given) is source
            }
        return is_linear

    @functools.cached_property
    def by_node(self):
        """See `kernels_by_node`."""
        return {kernel.node.index: kernel for kernel in self.left}

    @functools.cached_property
    def by_changed(self):
        """See `kernels_by_changed`."""
        return {kernel.changed.index: kernel for kernel in self.left if kernel.changed is not None}

    def _given(self, node):
        """The tensors made while running that a node reads."""
        return list(
            dict.fromkeys(
                self._same.get(index, index)
                for index, tensor in zip(node.input_indices, node.inputs, strict=True)
                if tensor is not None and not tensor.is_constant
            )
        )

    def _add(self, kernel):
        self.left[kernel] = None
        for index in kernel.reads:
            self._readers.setdefault(index, []).append(kernel)
        for index in kernel.writes:
            self._makers[index] = kernel

    def join_followers(self):
        """What reads one value at a time becomes a part of the kernel that makes the values."""
        for kernel in list(self.left):
            while kernel in self.left and kernel.gives and self._follower(kernel):
                self._append(kernel, self._follower(kernel))
        for kernel in list(self.left):
            reader = self._follower(kernel)
            if kernel in self.left and kernel.changes_in_place and reader:
                kernel.changed = reader.node if reader.joined == 1 else None
                self._append(kernel, reader)

    def _follower(self, kernel):
        readers = self._readers.get(kernel.writes[0], []) if len(kernel.writes) == 1 else []
        if len(readers) != 1 or readers[0] is kernel:
            return None
        (reader,) = readers
        is_chain = len(reader.reads) == len(reader.writes) == 1 and reader.takes and reader.gives
        # Of two nodes that claim to make one tensor, each would take what reads it.
        is_free = reader in self.left
        return reader if is_free and is_chain and reader.fits_into(kernel) else None

    def _append(self, kernel, reader):
        del self.left[reader]
        self._keep(kernel.writes[0], reader.node)
        kernel.writes = reader.writes
        kernel.constants += reader.constants
        kernel.joined += reader.joined
        self._makers[kernel.writes[0]] = kernel

    def join_makers(self):
        """What makes the values that a kernel reads in one place becomes a part of it."""
        for kernel in list(self.left):
            makers = self._takeable(kernel) if kernel.takes and kernel in self.left else []
            made = {maker.writes[0] for maker in makers}
            own = [index for index in kernel.reads if index not in made]
            given = [index for maker in makers for index in maker.reads] + own
            # Kernels that read one thing in two places are not joined.
            if not makers or len(given) > _MOST_COUNTED or len(set(given)) < len(given):
                continue
            for maker in makers:
                self._take(kernel, maker)
            kernel.reads, kernel.takes = given, False

    def _take(self, kernel, maker):
        del self.left[maker]
        if _points(maker.result) != _points(kernel.result):
            kernel.spread.append(maker.result)
        else:
            self._keep(maker.writes[0], kernel.node)
        kernel.constants += maker.constants
        kernel.joined += maker.joined
        for index in maker.reads:
            self._readers[index].remove(maker)
            self._readers[index].append(kernel)

    def _keep(self, made, reader):
        # The reader may know it as what a node made of it that changes nothing.
        self.kept |= {
            index: reader for index in reader.input_indices if self._same.get(index, index) == made
        }

    def _takeable(self, kernel):
        makers, has_groups = [], kernel.has_groups
        for index in kernel.reads:
            maker = self._makers.get(index)
            if maker is None or maker is kernel or maker not in self.left:
                continue
            if maker.writes != [index] or len(self._readers[index]) > 1 or not maker.gives:
                continue
            if maker.fits_into(kernel) and not (maker.has_groups and has_groups):
                has_groups = has_groups or maker.has_groups
                makers.append(maker)
        return makers


def has_no_activation(node: NodeView) -> bool:
    """Whether a node computes no activation of its own result."""
    return node.options.get("fused_activation", "NONE") == "NONE"


def _is_vector(constant):
    """Whether a constant is of one value, or of one for each channel."""
    return constant.elements == (constant.shape[-1] if constant.rank else 1)


def _kernel(node, reads, made):
    result = next(iter(made.values()))
    kernel = Kernel(node, result, reads, list(made))
    points = _points(result)
    vectors = sum(tensor.elements > 1 for tensor in node.constant_inputs)
    if node.name in _BY_VALUE:
        kernel.takes = True
    elif node.name == "PRELU":
        kernel.takes, kernel.constants, kernel.points = True, 1, points
    elif node.name in _PAIRS:
        kernel.takes, kernel.constants = True, vectors
    elif node.name in ("ADD", "ADD_N", "MUL"):
        kernel.takes, kernel.constants = _reads_in_one_place(node), vectors
        kernel.points = points if vectors else None
    elif node.name in _CONVOLUTIONS:
        kernel.constants, kernel.gives = _CONVOLUTION_BUFFERS, node.name != "FULLY_CONNECTED"
        if points is not None and _is_of_points(node):
            _compute_points(kernel, points)
    elif node.name == "CONCATENATION":
        kernel.gives = not _copies_channels(node)
    elif node.name == "SOFTMAX":
        kernel.gives = False
    return kernel


def _points(tensor):
    """Width, height and channels by four, as kernels that name their points count them."""
    if tensor.rank > _RANK:
        return None
    _, height, width, channels = bhwc(tensor.shape)
    return width, height, -(-channels // 4)


def _reads_in_one_place(node):
    if node.constant_inputs or len(set(node.runtime_inputs)) == 1:
        return True
    return node.name != "MUL" and len({tensor.shape for tensor in node.runtime_inputs}) == 1


def _is_of_points(node):
    """Whether a convolution is one of 1x1 without steps."""
    weights = (*node.inputs, None, None)[1]
    return (
        node.name == "CONV_2D"
        and weights is not None
        and weights.rank == _RANK
        and tuple(weights.shape[1:3]) == (1, 1)
        and all(node.options.get(name, 1) == 1 for name in _STEPS)
    )


def _compute_points(kernel, points):
    """A convolution of 1x1 computes two or four points at once where the width allows it."""
    width, height, layers = points
    if (width, height) == (1, 1):
        kernel.gives = False  # It is made a FULLY_CONNECTED.
        return
    at_once = next((count for count in (4, 2) if width % count == 0), 1)
    kernel.points, kernel.has_groups = (width // at_once, height, layers), True
    kernel.gives, kernel.changes_in_place = at_once == 1, at_once > 1


def _copies_channels(node):
    """Whether a node joins channels other than two tensors of whole fours."""
    output, axis = node.outputs[0], node.options.get("axis")
    if output is None or not output.rank or not isinstance(axis, int):
        return True
    if axis % output.rank != output.rank - 1:
        return False
    return len(node.runtime_inputs) != 2 or any(
        (tensor.channels or 1) % 4 for tensor in node.runtime_inputs
    )
