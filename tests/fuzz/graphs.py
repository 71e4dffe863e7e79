"""Graphs that no converter would write: sound FlatBuffers with absurd contents,
from a seeded random source.

A flipped bit mostly breaks the container; these go further, to whoever believes that a
convolution has a kernel.
"""

import random

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
EXTREMES = (0, 1, -1, 2, 3, 4, 5, 7, 127, 65_536, 2**31 - 1, -(2**31))
FLOATS = (0.0, -1.0, 1e-8, 1e30, float("inf"), float("nan"))
NAMES = (
    "image",
    "",
    "ä/größe",
    "a;b/c;",
    "two\nlines",
    "\x1b[31mred",
    "\u2028",
    "<&\">'",
    "x" * 300,
    "|`*_[link](x)",
)
# fmt: off
COMMON = (
    "ADD", "SUB", "MUL", "DIV", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL",
    "DEQUANTIZE", "RESHAPE", "PAD", "MIRROR_PAD", "STRIDED_SLICE", "SLICE", "SPLIT", "SPLIT_V", "CONCATENATION",
    "PACK", "UNPACK", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "MEAN", "SUM", "SOFTMAX", "GATHER", "GATHER_ND",
    "CAST", "SELECT_V2", "TRANSPOSE", "TILE", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "AVERAGE_POOL_2D", "MAX_POOL_2D",
    "ARG_MAX", "TOPK_V2", "CUMSUM", "ONE_HOT", "GREATER", "LESS", "EQUAL", "PRELU", "LEAKY_RELU", "HARD_SWISH",
    "CUSTOM", "WHILE", "IF", "L2_NORMALIZATION", "RELU", "LOGISTIC", "QUANTIZE", "REVERSE_V2", "SQUARED_DIFFERENCE",
    "RSQRT", "LSTM",
)
# fmt: on
COUNTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL")
BUILTIN_NAMES = [name for name in vars(schema.BuiltinOperator) if not name.startswith("_")]
OPTION_TYPES = {
    name: value for name, value in vars(schema.BuiltinOptions).items() if name.endswith("Options")
}
# Operators whose options are not called as they are.
SHARED_OPTIONS = {
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), "Pool2DOptions"),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX"), "ReducerOptions"),
}
TYPES = (
    "FLOAT32",
    "FLOAT32",
    "FLOAT32",
    "FLOAT16",
    "INT32",
    "INT8",
    "UINT8",
    "BOOL",
    "INT64",
    "INT4",
    "STRING",
    "COMPLEX64",
)
ELEMENT_BYTES = {
    "FLOAT32": 4,
    "FLOAT16": 2,
    "INT32": 4,
    "INT8": 1,
    "UINT8": 1,
    "BOOL": 1,
    "INT64": 8,
}
MOST_CONSTANT_ELEMENTS = 4096


def finish(model):
    """The file of a `ModelT`."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def random_graph(source: random.Random) -> bytes:
    """A file of up to 40 tensors and 30 nodes.

    Four in five are tidy, so that a reader which refuses what is inconsistent still
    reaches what comes after: options of the operator's own type, and images for the
    operators whose arithmetic is counted.
    """
    is_tidy = source.random() < 0.8
    model = schema.ModelT()
    model.version, model.description = 3, source.choice(NAMES)
    model.buffers, model.operatorCodes, model.metadata = [schema.BufferT()], [], []
    model.subgraphs = [
        _subgraph(source, model, is_tidy) for _ in range(source.choice((1, 1, 1, 2, 3)))
    ]
    model.signatureDefs = [
        _signature(source, model.subgraphs) for _ in range(source.choice((0, 0, 1, 2)))
    ]
    if source.random() < 0.2:
        entry = schema.MetadataT()
        entry.name = source.choice(("bokeh_tf", "min_runtime_version", *NAMES))
        entry.buffer = _buffer(
            model, source.choice((b"{}", b'{"inputs": 3}', b"[]", b"2.3.0\0", b"\xff\xfe"))
        )
        model.metadata.append(entry)
    return finish(model)


def _subgraph(source, model, is_tidy):
    graph = schema.SubGraphT()
    graph.name = source.choice(NAMES)
    graph.tensors = [_tensor(source, model) for _ in range(source.randint(2, 40))]
    count, is_ordered = len(graph.tensors), source.random() < 0.67
    images = [index for index, tensor in enumerate(graph.tensors) if len(tensor.shape) == 4]
    graph.operators = []
    for index in range(source.randint(1, 30)):
        name = (
            source.choice(COMMON)
            if is_tidy or source.random() < 0.5
            else source.choice(BUILTIN_NAMES)
        )
        outputs = [min(index + 1, count - 1)] if is_ordered else _indices(source, range(count), 3)
        inputs = _indices(source, range(max(outputs[0], 1) if is_ordered else count), 5)
        if is_tidy and name in COUNTED:
            if not images:
                continue
            inputs, outputs = [source.choice(images) for _ in range(3)], [source.choice(images)]
        graph.operators.append(_operator(source, model, name, inputs, outputs, is_tidy))
    graph.inputs, graph.outputs = _picked(source, count), _picked(source, count)
    return graph


def _indices(source, choices, most):
    """At least one tensor; now and then one is absent."""
    return [
        -1 if source.random() < 0.03 else source.choice(choices)
        for _ in range(source.randint(1, most))
    ]


def _picked(source, count):
    return [source.randrange(count) for _ in range(source.randint(0, 3))]


def _shape(source):
    rank = source.choice((0, 1, 1, 2, 3, 4, 4, 4, 4, 5, 6))
    if source.random() < 0.05:
        return [abs(source.choice(EXTREMES)) % 2**31 for _ in range(rank or 16)]
    return [source.choice((1, 1, 2, 3, 4, 8, 16, 0)) for _ in range(rank)]


def _tensor(source, model):
    tensor = schema.TensorT()
    tensor.name, tensor.shape = source.choice(NAMES) + str(source.randrange(9)), _shape(source)
    dtype = source.choice(TYPES)
    tensor.type = getattr(schema.TensorType, dtype)
    tensor.isVariable = source.random() < 0.02
    elements = int(np.prod(tensor.shape, dtype=object))
    if source.random() < 0.4 and 0 < elements <= MOST_CONSTANT_ELEMENTS and dtype in ELEMENT_BYTES:
        tensor.buffer = _buffer(model, _values(source, dtype, elements))
    if source.random() < 0.1:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = (
            [0.5],
            [source.choice((0, -128, 3))],
        )
    if source.random() < 0.03:
        tensor.shapeSignature = [-1] * len(tensor.shape)
    return tensor


def _values(source, dtype, elements):
    if dtype.startswith("INT"):
        few = [
            source.choice(EXTREMES) if source.random() < 0.2 else source.randint(-2, 4)
            for _ in range(16)
        ]
        repeated = np.resize(np.array(few, np.int64), elements)
        return repeated.astype({"INT32": "<i4", "INT64": "<i8", "INT8": "i1"}[dtype]).tobytes()
    return source.randbytes(elements * ELEMENT_BYTES[dtype])


def _buffer(model, data):
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _operator(source, model, name, inputs, outputs, is_tidy):
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode = max(min(code.builtinCode, 127), -128)
    code.version = source.choice((1, 1, 1, 2, 3, 4, 5, 6, 0, -1, 2**31 - 1))
    if name == "CUSTOM":
        code.customCode = source.choice(("FlexErf", "Resampler", *NAMES))
    model.operatorCodes.append(code)
    node = schema.OperatorT()
    node.opcodeIndex, node.inputs, node.outputs = len(model.operatorCodes) - 1, inputs, outputs
    kind = (
        _option_type(name)
        if is_tidy or source.random() < 0.8
        else source.choice(list(OPTION_TYPES))
    )
    if kind and source.random() < 0.95:
        node.builtinOptionsType, node.builtinOptions = OPTION_TYPES[kind], _options(source, kind)
    return node


def _option_type(name):
    if name in SHARED_OPTIONS:
        return SHARED_OPTIONS[name]
    wanted = name.replace("_", "").lower() + "options"
    return next((kind for kind in OPTION_TYPES if kind.lower() == wanted), None)


def _options(source, kind):
    options = getattr(schema, kind + "T")()
    for field, default in vars(options).items():
        if isinstance(default, bool):
            setattr(options, field, source.random() < 0.5)
        elif isinstance(default, int):
            setattr(options, field, source.choice((0, 1, 1, 2, 3, 4, 127)))
        elif isinstance(default, float):
            setattr(options, field, source.choice(FLOATS))
    return options


def _signature(source, graphs):
    signature = schema.SignatureDefT()
    # Few names, so that two signatures and two inputs often share one.
    signature.signatureKey = source.choice(("serving_default", "serving_default", ""))
    signature.subgraphIndex = source.choice((0, 0, len(graphs) - 1, len(graphs), 2**32 - 1))
    signature.inputs, signature.outputs = [_entry(source) for _ in range(2)], [_entry(source)]
    return signature


def _entry(source):
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = (
        source.choice(("x", "x", "y")),
        source.choice((0, 1, 2, 2**32 - 1)),
    )
    return entry


def repeated_tables(source: random.Random, *, counts=(10, 1000, 1000, 10_000)) -> bytes:
    """A small file that names one table very many times: few bytes to
    write, much for a reader to do.
    """
    most = dict.fromkeys(("buffers", "tensors", "operators", "codes", "subgraphs"), 1)
    for kind in source.sample(sorted(most), source.choice((1, 1, 2))):
        most[kind] = source.choice(counts)
    builder = flatbuffers.Builder(1024)
    schema.BufferStart(builder)
    buffers = _repeated(builder, schema.BufferEnd(builder), most["buffers"])
    schema.OperatorCodeStart(builder)
    schema.OperatorCodeAddBuiltinCode(
        builder, getattr(schema.BuiltinOperator, source.choice(COMMON))
    )
    codes = _repeated(builder, schema.OperatorCodeEnd(builder), most["codes"])
    subgraph = _repeated_subgraph(source, builder, most)
    subgraphs = _repeated(builder, subgraph, most["subgraphs"])
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddOperatorCodes(builder, codes)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _repeated_subgraph(source, builder, most):
    inputs = builder.CreateNumpyVector(np.array([0] * source.choice((0, 1, 2, 3)), np.int32))
    outputs = builder.CreateNumpyVector(np.array([0] * source.choice((0, 1, 1)), np.int32))
    shape = builder.CreateNumpyVector(
        np.array(source.choice(([], [1, 4, 4, 8], [1, 2, 3, 4, 5])), np.int32)
    )
    name = builder.CreateString(source.choice(NAMES))
    schema.OperatorStart(builder)
    schema.OperatorAddInputs(builder, inputs)
    schema.OperatorAddOutputs(builder, outputs)
    operators = _repeated(builder, schema.OperatorEnd(builder), most["operators"])
    schema.TensorStart(builder)
    schema.TensorAddShape(builder, shape)
    schema.TensorAddName(builder, name)
    tensors = _repeated(builder, schema.TensorEnd(builder), most["tensors"])
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    schema.SubGraphAddInputs(builder, outputs)
    schema.SubGraphAddOutputs(builder, outputs)
    schema.SubGraphAddOperators(builder, operators)
    return schema.SubGraphEnd(builder)


def _repeated(builder, table, count):
    builder.StartVector(4, count, 4)
    for _ in range(count):
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()
