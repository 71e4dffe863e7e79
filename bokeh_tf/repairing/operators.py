"""Builtin operators as recipes write them: the schema's object for their options, and the lowest
version that serves.

The converter gives an operator code the version of the most demanding node that uses it; a delegate
that does not know that version refuses all of them. A repair therefore always writes the lowest.
"""

from ai_edge_litert import schema_py_generated as schema

# Operators whose options are not called as they are.
_SHARED_OPTIONS = {
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), "Reducer"),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), "MaximumMinimum"),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), "Pool2D"),
    "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "BATCH_MATMUL": "BatchMatMul",
    "PADV2": "PadV2",
    "SELECT_V2": "SelectV2",
    "TOPK_V2": "TopKV2",
    "REVERSE_V2": "ReverseV2",
}
_INTEGERS = frozenset({"int8", "uint8"})
# From this version on an operator takes 8-bit tensors. Those that are not here take them from the
# first.
_EIGHT_BIT_VERSIONS = {
    **dict.fromkeys(
        (
            "ADD",
            "SUB",
            "MUL",
            "CONCATENATION",
            "SLICE",
            "STRIDED_SLICE",
            "PAD",
            "PADV2",
            "TRANSPOSE",
        ),
        2,
    ),
    **dict.fromkeys(
        ("MAXIMUM", "MINIMUM", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "GATHER", "SOFTMAX"), 2
    ),
    **dict.fromkeys(
        ("RESIZE_NEAREST_NEIGHBOR", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "DEQUANTIZE", "RELU"), 2
    ),
    **dict.fromkeys(
        ("BATCH_MATMUL", "EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL"), 2
    ),
    **dict.fromkeys(
        ("AVERAGE_POOL_2D", "MAX_POOL_2D", "LOGISTIC", "TANH", "RSQRT", "LEAKY_RELU", "SPLIT"), 2
    ),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), 3),
    "TRANSPOSE_CONV": 2,
    "FULLY_CONNECTED": 4,
}
# uint8 was the first 8-bit type, which most operators took from their first version.
_UNSIGNED_LATER = frozenset({"GATHER"})


def lowest_version(name, dtypes, *, has_bias=False, half_pixel_centers=False) -> int:
    """The lowest version of operator `name` that takes inputs of these types (the schema's names in
    lower case).
    """
    if name == "TRANSPOSE_CONV" and has_bias:
        return 3
    if name == "FULLY_CONNECTED" and not has_bias:
        return 6
    if name == "FULLY_CONNECTED" and {"float32", "int8"} <= set(dtypes):
        return 3
    if name == "RESIZE_NEAREST_NEIGHBOR" and half_pixel_centers:
        return 3
    if name == "DEQUANTIZE" and "float16" in dtypes:
        return 3
    if "int8" in dtypes or (name in _UNSIGNED_LATER and _INTEGERS & set(dtypes)):
        return _EIGHT_BIT_VERSIONS.get(name, 1)
    return 1


def operator_options(name, fields):
    """The schema's options of a builtin operator with these fields, None where it has none."""
    stem = _SHARED_OPTIONS.get(name) or "".join(part.capitalize() for part in name.split("_"))
    kind = getattr(schema, f"{stem}OptionsT", None)
    if kind is None:
        if fields:
            raise ValueError(f"an operator with options. Received: {name} with {sorted(fields)}.")
        return None
    options = kind()
    for field, value in fields.items():
        if not hasattr(options, field):
            raise ValueError(
                f"a field of {stem}Options. Received: {field!r}. Known: {sorted(vars(options))}."
            )
        setattr(options, field, value)
    return options


def option_place(options) -> tuple[str, int]:
    """(the operator's field that holds these options, the number of their type in it)."""
    table = type(options).__name__.removesuffix("T")
    if hasattr(schema.BuiltinOptions, table):
        return "builtinOptions", getattr(schema.BuiltinOptions, table)
    return "builtinOptions2", getattr(schema.BuiltinOptions2, table)


def activation_name(number) -> str:
    """The name of a fused activation."""
    names = {
        value: name
        for name, value in vars(schema.ActivationFunctionType).items()
        if isinstance(value, int)
    }
    return names.get(number, f"UNKNOWN_{number}")
