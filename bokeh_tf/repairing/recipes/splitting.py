"""SPLIT whose parts the delegate confuses when they are joined again, or of more than four dimensions."""

from bokeh_tf.repairing.nodes import Declined
from bokeh_tf.repairing.recipe import Recipe


def _joined(writer, node):
    graph = writer.graph
    tensors = [_sliced(writer, tensor) for tensor in node.inputs]
    if tensors == list(node.inputs):
        raise Declined("none of its parts is of a SPLIT")
    shape = graph.shape(node.outputs[0])
    writer.deliver(writer.again(node, tensors, shape, like=node.outputs[0]), node.outputs[0])


def _sliced(writer, tensor):
    """A part of a SPLIT or SPLIT_V as a SLICE of the whole."""
    graph = writer.graph
    split = graph.producer(tensor)
    if split is None or split.name not in ("SPLIT", "SPLIT_V"):
        return tensor
    source, axis = (split.inputs[1], split.inputs[0])
    if split.name == "SPLIT_V":
        source, axis = (split.inputs[0], split.inputs[2])
    axis = graph.stored(axis)
    if axis is None:
        return tensor
    place = int(axis.ravel()[0]) % graph.rank(source)
    before = split.outputs[: split.outputs.index(tensor)]
    begin = sum(graph.shape(part)[place] for part in before)
    return writer.cut_axis(source, place, begin, graph.shape(tensor)[place])


def _as_slices(writer, node):
    for output in node.outputs:
        part = _sliced(writer, output)
        if part == output:
            raise Declined("its axis is made while running")
        writer.deliver(part, output)


def _of_one_part(writer, node):
    writer.deliver(
        writer.view(node.inputs[1], writer.graph.shape(node.outputs[0])), node.outputs[0]
    )


ON_FOUR = Recipe(
    name="split-rank",
    does=(
        "SPLIT of more than four dimensions (queries, keys and values of attention), or without"
        " OpenCL: SLICEs on four"
    ),
    rules=("*.rank", "v2.opengl.operator"),
    ops=frozenset({"SPLIT", "SPLIT_V"}),
    rewrite=_as_slices,
)
JOINED = Recipe(
    name="split-joined",
    does="parts of a SPLIT joined again: SLICEs of the whole",
    rules=("mldrift.split_concat", "mldrift.split_concat.order"),
    ops=frozenset({"CONCATENATION"}),
    rewrite=_joined,
)
OPERANDS = Recipe(
    name="split-operands",
    does="parts of a SPLIT computed with each other: SLICEs of the whole",
    rules=("mldrift.split_operands",),
    ops=None,
    rewrite=_joined,
)
OF_ONE_PART = Recipe(
    name="split-of-one",
    does="SPLIT into one part: nothing",
    rules=("mldrift.split.identity",),
    ops=frozenset({"SPLIT"}),
    rewrite=_of_one_part,
)
AS_SLICES = Recipe(
    name="split-slices",
    does=(
        "SPLIT: SLICEs of the same parts (LiteRT's delegate adds the wrong rows of a SPLIT over"
        " height)"
    ),
    rules=(),
    ops=frozenset({"SPLIT", "SPLIT_V"}),
    rewrite=_as_slices,
)
