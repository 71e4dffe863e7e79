"""Which integers an input may hold: an index must stay inside what it indexes, a
divisor must not be zero.

The bounds come from the operations that read the input, followed through those that only move its
values. Where an unknown operation reads it, 0 and 1 remain, which any table or shape can take.
"""

from ai_edge_litert import schema_py_generated as schema

_SAFE = (0, 1)
# Wide enough for signed arithmetic to show, small enough that sums and products stay exact in
# half precision's range.
_ARITHMETIC = (-40, 40)
_DIVISOR = (1, 9)
_EXPONENT = (0, 2)

# Only the first input's values are moved (the others are shapes, axes or sizes),
# except where all are alike.
_MOVES_FIRST = frozenset(
    {
        "RESHAPE",
        "SQUEEZE",
        "EXPAND_DIMS",
        "TRANSPOSE",
        "TILE",
        "SLICE",
        "STRIDED_SLICE",
        "UNPACK",
        "PAD",
        "PADV2",
        "MIRROR_PAD",
        "CAST",
        "GATHER",
        "GATHER_ND",
        "REVERSE_V2",
        "BROADCAST_TO",
        "SPLIT_V",
        "RESIZE_NEAREST_NEIGHBOR",
        "SPACE_TO_DEPTH",
        "DEPTH_TO_SPACE",
    }
)
_MOVES_ALL = frozenset({"CONCATENATION", "PACK"})
_COMPUTES = frozenset(
    {
        "ADD",
        "SUB",
        "MUL",
        "MAXIMUM",
        "MINIMUM",
        "ABS",
        "NEG",
        "SIGN",
        "SQUARE",
        "SQUARED_DIFFERENCE",
        "EQUAL",
        "NOT_EQUAL",
        "LESS",
        "LESS_EQUAL",
        "GREATER",
        "GREATER_EQUAL",
        "SUM",
        "MEAN",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "ADD_N",
        "QUANTIZE",
        "DEQUANTIZE",
        "RELU",
        "CUMSUM",
        "SELECT",
        "SELECT_V2",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "BATCH_MATMUL",
    }
)
_NAMES = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
}


def integer_bounds(model, graph, tensor) -> tuple[int, int]:
    """The smallest and largest whole number for `tensor`, an integer input of
    `graph` (a `schema.SubGraphT`).
    """
    low, high = _ARITHMETIC
    for entry_low, entry_high in _demands(model, graph, tensor, set()):
        low, high = max(low, entry_low), min(high, entry_high)
    return (low, high) if low <= high else (0, 0)


def _demands(model, graph, tensor, seen):
    """Yields the bounds that each reader of the tensor's values asks for."""
    if tensor in seen:
        return
    seen.add(tensor)
    for operator in graph.operators or ():
        name = _name(model, operator)
        for position, read in enumerate(operator.inputs):
            if read != tensor:
                continue
            if name in _MOVES_ALL or (name in _MOVES_FIRST and position == 0):
                for made in operator.outputs:
                    yield from _demands(model, graph, int(made), seen)
            else:
                yield _demand(graph, operator, name, position)


def _demand(graph, operator, name, position):
    if name in _COMPUTES:
        return _ARITHMETIC
    sizes = [tuple(_shape(graph, tensor)) for tensor in operator.inputs]
    match name, position:
        case ("GATHER", 1):
            axis = operator.builtinOptions.axis if operator.builtinOptions else 0
            return 0, sizes[0][axis] - 1 if -len(sizes[0]) <= axis < len(sizes[0]) else 0
        case ("GATHER_ND", 1):
            return 0, min(sizes[0][: sizes[1][-1]] if sizes[1] else (), default=1) - 1
        case ("EMBEDDING_LOOKUP", 0):
            return 0, (sizes[1] or (1,))[0] - 1
        case ("DYNAMIC_UPDATE_SLICE", 2):
            return 0, min(
                (whole - part for whole, part in zip(*sizes[:2], strict=False)), default=0
            )
        case ("DIV" | "FLOOR_DIV" | "FLOOR_MOD", _):
            return _DIVISOR if position == 1 else _ARITHMETIC
        case ("POW", _):
            return _EXPONENT
        case ("TOPK_V2", 1):
            return 1, 1
    return _SAFE


def _shape(graph, tensor):
    shape = graph.tensors[tensor].shape if tensor >= 0 else None
    return () if shape is None else map(int, shape)


def _name(model, operator):
    code = model.operatorCodes[operator.opcodeIndex]
    return _NAMES.get(max(code.builtinCode, code.deprecatedBuiltinCode), "")
