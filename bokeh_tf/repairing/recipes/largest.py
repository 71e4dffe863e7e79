"""The place of the largest value without ARG_MAX, and ONE_HOT of it."""

import numpy as np

from bokeh_tf.repairing.nodes import Declined, type_code
from bokeh_tf.repairing.recipe import Recipe

_BOOL_TO_FLOAT = {"inDataType": type_code("bool"), "outDataType": type_code("float32")}
# Half precision counts no further by ones.
_MOST_CLASSES = 2048


def place_of_largest(writer, node) -> int:
    """What an ARG_MAX over the last axis computes, as float32 with that axis kept at 1; of equal
    ones the first.
    """
    graph = writer.graph
    shape, axis = graph.shape(node.inputs[0]), graph.stored(node.inputs[1])
    if axis is None or int(axis.ravel()[0]) % len(shape) != len(shape) - 1 or len(shape) > 4:
        raise Declined("not over the last of at most four axes")
    if shape[-1] > _MOST_CLASSES:
        raise Declined(f"{shape[-1]} places are more than half precision counts")
    source, count = node.inputs[0], shape[-1]
    shape, one = (*(1,) * (4 - len(shape)), *shape), (*(1,) * (4 - len(shape)), *shape[:-1], 1)
    source, last = writer.view(source, shape), np.array([3], np.int32)
    if graph.dtype(source) in ("int8", "uint8"):
        source = writer.add("DEQUANTIZE", [source], shape, dtype="float32")
    if graph.dtype(source) != "float32":
        raise Declined(f"of {graph.dtype(source)}")
    top = writer.add("REDUCE_MAX", [source, last], one, keepDims=True)
    is_top = writer.add("GREATER_EQUAL", [source, top], shape, dtype="bool")
    is_top = writer.add("CAST", [is_top], shape, dtype="float32", **_BOOL_TO_FLOAT)
    # The first place weighs most.
    weights = np.arange(count, 0, -1, dtype=np.float32).reshape(1, 1, 1, count)
    weighed = writer.add("MUL", [is_top, weights], shape)
    first = writer.add("REDUCE_MAX", [weighed, last], one, keepDims=True)
    return writer.add(
        "SUB", [np.full((1, 1, 1, 1), count, np.float32), first], one, dtype="float32"
    )


def _one_hot(writer, node):
    graph = writer.graph
    readers = graph.readers(node.outputs[0])
    if not graph.read_once(node.outputs[0]) or readers[0].name != "ONE_HOT":
        raise Declined("its result is an integer that is an output or read as one")
    codes = readers[0]
    shape = graph.shape(codes.outputs[0])
    on, off = (graph.stored(tensor) for tensor in codes.inputs[2:4])
    is_plain = (
        on is not None and off is not None and (on.ravel() == 1).all() and (off.ravel() == 0).all()
    )
    if (
        not is_plain
        or graph.dtype(codes.outputs[0]) != "float32"
        or codes.option("axis") not in (-1, len(shape) - 1)
    ):
        raise Declined("its codes are not 0 and 1 along the last axis")
    place = place_of_largest(writer, node)
    count = shape[-1]
    wide = (*graph.shape(place)[:3], count)
    numbers = np.arange(count, dtype=np.float32).reshape(1, 1, 1, count)
    is_place = writer.add("EQUAL", [place, numbers], wide, dtype="bool")
    writer.node = codes
    result = writer.add("CAST", [is_place], wide, dtype="float32", **_BOOL_TO_FLOAT)
    writer.deliver(writer.view(result, shape), codes.outputs[0])


RECIPE = Recipe(
    name="one-hot",
    does=(
        "ONE_HOT of an ARG_MAX: the place of the largest by comparisons, compared with every number"
    ),
    rules=("*.op.arg_max", "mldrift.arg_max", "mldrift.type.arg_max", "*.arg_max.*"),
    ops=frozenset({"ARG_MAX"}),
    rewrite=_one_hot,
)
