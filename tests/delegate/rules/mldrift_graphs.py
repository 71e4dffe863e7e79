"""Small graphs around the edges of the ML Drift rules: for each rule one that meets it
and the nearest right form.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.model_writer import FileWriter

OP, ACTIVATION = schema.BuiltinOperator, schema.ActivationFunctionType
TYPES = {
    np.dtype(name): getattr(schema.TensorType, name.upper())
    for name in ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")
}
IMAGE = (1, 6, 8, 8)
HALF = (1, 6, 8, 4)


def options(table, **fields):
    made = getattr(schema, f"{table}Options" + "T")()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


class Graph(FileWriter):
    """A file written node by node; tensors are made of shapes (computed) or arrays (constants)."""

    def made(self, what, dtype=np.float32):
        is_constant = isinstance(what, np.ndarray)
        dtype, shape = (
            (what.dtype if is_constant else np.dtype(dtype)),
            what.shape if is_constant else what,
        )
        buffer = self.buffer(np.ascontiguousarray(what).tobytes()) if is_constant else 0
        return self.tensor(
            f"t{len(self.graph.tensors)}", list(shape), dtype=TYPES[dtype], buffer=buffer
        )

    def input(self, shape, dtype=np.float32):
        self.graph.inputs.append(self.made(shape, dtype))
        return self.graph.inputs[-1]

    def node(self, code, inputs, shape, *, kept=None, dtype=np.float32, version=1):
        """Adds one node of tensors (int) and constants (arrays); returns its output."""
        tensors = [self.made(x) if isinstance(x, np.ndarray) else x for x in inputs]
        output = self.made(shape, dtype)
        self.operator(code, tensors, [output], options=kept, version=version)
        return output

    def file(self, *outputs):
        self.graph.outputs = list(outputs)
        return self.finish()


def ints(*values):
    return np.asarray(values, np.int32)


def ramp(*shape, dtype=np.float32):
    return np.asarray(np.arange(np.prod(shape)).reshape(shape) / 7 - 3, dtype)


def one(code, inputs, output, *, kept=None, dtype=np.float32, version=1):
    """The file of one node; inputs are shapes, (shape, type) of inputs, or constants."""
    graph = Graph()
    made = []
    for x in inputs:
        is_typed = isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], tuple)
        made.append(x if isinstance(x, np.ndarray) else graph.input(*(x if is_typed else (x,))))
    return graph.file(graph.node(code, made, output, kept=kept, dtype=dtype, version=version))


def grouped(inputs, groups, outputs):
    weights, bias = ramp(outputs, 3, 3, inputs // groups), ramp(outputs)
    kept = options("Conv2D", strideH=1, strideW=1)
    return one(
        OP.CONV_2D, [(1, 6, 8, inputs), weights, bias], (1, 6, 8, outputs), kept=kept, version=6
    )


def arg_max(channels):
    kept = options("ArgMax", outputType=schema.TensorType.INT32)
    return one(OP.ARG_MAX, [(1, 6, 8, channels), ints(3)], (1, 6, 8), kept=kept, dtype=np.int32)


def padded_arg_max(channels):
    """The remedy of the rules about ARG_MAX: scores padded to a multiple of four
    channels with what never wins.
    """
    graph, missing = Graph(), -channels % 4
    paddings = ints(0, 0, 0, 0, 0, 0, 0, missing).reshape(4, 2)
    shape = (1, 6, 8, channels + missing)
    values = [graph.input((1, 6, 8, channels)), paddings, np.asarray([-1e4], np.float32)]
    scores = graph.node(OP.PADV2, values, shape, kept=options("PadV2"))
    kept = options("ArgMax", outputType=schema.TensorType.INT32)
    return graph.file(
        graph.node(OP.ARG_MAX, [scores, ints(3)], shape[:3], kept=kept, dtype=np.int32)
    )


def top_k(channels):
    graph = Graph()
    values, places = graph.made((1, 6, 8, 2)), graph.made((1, 6, 8, 2), np.int32)
    x, k = graph.input((1, 6, 8, channels)), graph.made(np.asarray(2, np.int32))
    graph.operator(OP.TOPK_V2, [x, k], [values, places])
    return graph.file(values, places)


def one_hot(*labels):
    values = [np.asarray(5, np.int32), np.asarray(1, np.float32), np.asarray(0, np.float32)]
    return one(
        OP.ONE_HOT, [(labels, np.int32), *values], (*labels, 5), kept=options("OneHot", axis=-1)
    )


def weighted_sums(*, join):
    """Two halves of the channels, each multiplied by the same weights and summed."""
    graph = Graph()
    x, weights = graph.input(IMAGE), graph.input(HALF)
    totals = []
    for begin in (0, 4):
        part = graph.node(
            OP.SLICE, [x, ints(0, 0, 0, begin), ints(*HALF)], HALF, kept=options("Slice")
        )
        product = graph.node(OP.MUL, [part, weights], HALF, kept=options("Mul"))
        totals.append(
            graph.node(
                OP.SUM, [product, ints(3)], (1, 6, 8, 1), kept=options("Reducer", keepDims=True)
            )
        )
    if join:
        return graph.file(
            graph.node(
                OP.CONCATENATION, totals, (1, 6, 8, 2), kept=options("Concatenation", axis=3)
            )
        )
    return graph.file(graph.node(OP.ADD, totals, (1, 6, 8, 1), kept=options("Add")))


def split_joined(order, *, of_input):
    graph = Graph()
    x = graph.input(IMAGE)
    x = x if of_input else graph.node(OP.RELU, [x], IMAGE)
    parts = [graph.made(HALF), graph.made(HALF)]
    graph.operator(
        OP.SPLIT,
        [graph.made(np.asarray(3, np.int32)), x],
        parts,
        options=options("Split", numSplits=2),
    )
    chosen = [parts[place] for place in order]
    shape = (1, 6, 8, 4 * len(order))
    return graph.file(
        graph.node(OP.CONCATENATION, chosen, shape, kept=options("Concatenation", axis=3))
    )


def split_computed(op, table, order, *, parts=2, axis=3, read_again=None):
    """Two parts of a split in one operation; `read_again` is the place of a part
    that a second node reads.
    """
    graph = Graph()
    shape = list(IMAGE)
    shape[axis] //= parts
    shape = tuple(shape)
    made = [graph.made(shape) for _ in range(parts)]
    axes = graph.made(np.asarray(axis, np.int32))
    kept = options("Split", numSplits=parts)
    graph.operator(
        OP.SPLIT, [axes, graph.node(OP.TANH, [graph.input(IMAGE)], IMAGE)], made, options=kept
    )
    outputs = [graph.node(op, [made[place] for place in order], shape, kept=options(table))]
    if read_again is not None:
        outputs.append(graph.node(OP.TANH, [made[read_again]], shape))
    return graph.file(*outputs)


def add(computed, constant, activation=ACTIVATION.NONE):
    return one(
        OP.ADD,
        [computed, constant],
        np.broadcast_shapes(computed, constant.shape),
        kept=options("Add", fusedActivationFunction=activation),
    )


def power(base):
    return one(OP.POW, [np.asarray(base, np.float32), HALF], HALF, kept=options("Pow"))


def cumsum(axis, **more):
    return one(OP.CUMSUM, [HALF, np.asarray(axis, np.int32)], HALF, kept=options("Cumsum", **more))


def reverse(channels):
    return one(
        OP.REVERSE_V2,
        [(1, 6, 8, channels), ints(3)],
        (1, 6, 8, channels),
        kept=options("ReverseV2"),
    )


def pad(shape, *, dtype=np.float32, value=None, paddings=None):
    """A PAD, or a PADV2 with a value; of the second dimension by one at each end unless
    `paddings` say otherwise.
    """
    if paddings is None:
        paddings = [[int(axis == 1)] * 2 for axis in range(len(shape))]
    paddings = np.asarray(paddings, np.int32)
    output = tuple(int(size) for size in np.asarray(shape) + paddings.sum(axis=1))
    if value is None:
        return one(OP.PAD, [(shape, dtype), paddings], output, kept=options("Pad"), dtype=dtype)
    values = [paddings, np.asarray([value], np.float32)]
    return one(OP.PADV2, [shape, *values], output, kept=options("PadV2"))


def softmax(*shape):
    return one(OP.SOFTMAX, [shape], shape, kept=options("Softmax", beta=1.0))


def dense(shape, output, *, weights_shape=(5, 8), bias=True):
    """A FULLY_CONNECTED with a constant kernel where `weights_shape` is an array's,
    else with a computed one.
    """
    last = [ramp(5) * 100] if bias else []
    return one(
        OP.FULLY_CONNECTED, [shape, weights_shape, *last], output, kept=options("FullyConnected")
    )


def matmul(left, right, output, **more):
    return one(OP.BATCH_MATMUL, [left, right], output, kept=options("BatchMatMul", **more))


def quantised_product(dtype):
    graph = Graph()
    factors = [graph.input(IMAGE, dtype), graph.input(IMAGE, dtype)]
    product = graph.node(OP.MUL, factors, IMAGE, kept=options("Mul"), dtype=dtype, version=5)
    for tensor in graph.graph.tensors:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [1 / 64], [0]
    return graph.file(product)


def update_slice(shape, update):
    return one(OP.DYNAMIC_UPDATE_SLICE, [shape, update, ((len(shape),), np.int32)], shape)


def choose(condition, shape, *, constant=None):
    choices = [shape, shape if constant is None else constant]
    return one(OP.SELECT_V2, [(condition, np.bool_), *choices], shape, kept=options("SelectV2"))


def joined_float16(*, join):
    graph = Graph()
    x = graph.input(HALF)
    constant = graph.node(
        OP.DEQUANTIZE, [ramp(*HALF, dtype=np.float16)], HALF, kept=options("Dequantize"), version=3
    )
    if join:
        return graph.file(
            graph.node(
                OP.CONCATENATION, [x, constant], IMAGE, kept=options("Concatenation", axis=3)
            )
        )
    return graph.file(graph.node(OP.ADD, [x, constant], HALF, kept=options("Add")))


def embedding(*table):
    return one(OP.EMBEDDING_LOOKUP, [((3,), np.int32), ramp(*table)], (3, *table[1:]))


def depthwise(multiplier):
    shape = (1, 6, 8, 4 * multiplier)
    kept = options("DepthwiseConv2D", strideH=1, strideW=1, depthMultiplier=multiplier)
    kernel = (1, 3, 3, 4 * multiplier)
    return one(OP.DEPTHWISE_CONV_2D, [HALF, kernel, ramp(4 * multiplier)], shape, kept=kept)


def prelu(shape, alpha):
    return one(OP.PRELU, [shape, ramp(*alpha)], shape)


def joined_alone(*, of_input):
    graph = Graph()
    x = graph.input(HALF)
    x = x if of_input else graph.node(OP.RELU, [x], HALF)
    return graph.file(
        graph.node(OP.CONCATENATION, [x], HALF, kept=options("Concatenation", axis=3))
    )


def same_choices(*, same):
    graph = Graph()
    condition, a = graph.input(HALF, np.bool_), graph.input(HALF)
    b = a if same else graph.input(HALF)
    return graph.file(graph.node(OP.SELECT_V2, [condition, a, b], HALF, kept=options("SelectV2")))


def two_outputs(*, of_input):
    graph = Graph()
    x = graph.input(HALF)
    positive = graph.node(OP.RELU, [x], HALF)
    return graph.file(positive, x if of_input else graph.node(OP.TANH, [x], HALF))


def summed(*, put_out, reader=OP.MEAN, activation=0, second=IMAGE):
    """A sum of two inputs and what reduces it over height and width."""
    graph = Graph()
    operands = [graph.input(IMAGE), ramp(*second) if put_out == "constant" else graph.input(second)]
    kept = options("Add", fusedActivationFunction=activation)
    total = graph.node(OP.ADD, operands, IMAGE, kept=kept)
    if reader == OP.AVERAGE_POOL_2D:
        window = {"strideH": 1, "strideW": 1, "filterHeight": 6, "filterWidth": 8}
        pooling = options("Pool2D", padding=schema.Padding.VALID, **window)
        reduced = graph.node(reader, [total], (1, 1, 1, 8), kept=pooling)
    else:
        kept = options("Reducer", keepDims=True)
        reduced = graph.node(reader, [total, ints(1, 2)], (1, 1, 1, 8), kept=kept)
    return graph.file(reduced, total) if put_out else graph.file(reduced)


def strided_points(*, stride, kernel=(1, 1), size=(6, 8), is_quantised=True):
    """A convolution with int8 weights, one scale each for input, weights, biases and
    output; or with float32 ones.
    """
    graph = Graph()
    generator = np.random.default_rng(3)
    weights = generator.integers(-127, 128, (8, *kernel, 8)).astype(np.int8)
    dtype = np.int8 if is_quantised else np.float32
    x = graph.input((1, *size, 8), dtype)
    made = [-(-length // step) for length, step in zip(size, stride, strict=True)]
    stored = graph.made(weights if is_quantised else weights.astype(np.float32))
    biases = graph.made(np.zeros(8, np.int32 if is_quantised else np.float32))
    kept = options("Conv2D", strideH=stride[0], strideW=stride[1])
    output = graph.node(
        OP.CONV_2D, [x, stored, biases], (1, *made, 8), kept=kept, dtype=dtype, version=3
    )
    if is_quantised:
        for tensor, scale in (
            (x, 1 / 64),
            (stored, 1 / 512),
            (biases, 1 / 32768),
            (output, 1 / 16),
        ):
            quantise(graph, tensor, scale)
    return graph.file(output)


def quantise(graph, tensor, scale):
    made = graph.graph.tensors[tensor].quantization = schema.QuantizationParametersT()
    made.scale, made.zeroPoint = np.asarray([scale], np.float32), np.zeros(1, np.int64)


def sum_of_16_bits(*scales):
    """An ADD of two quantised inputs; the scales of both and of the output."""
    graph = Graph()
    operands = [graph.input(IMAGE, np.int16), graph.input(IMAGE, np.int16)]
    kept = options("Add", potScaleInt16=False)
    total = graph.node(OP.ADD, operands, IMAGE, kept=kept, dtype=np.int16, version=2)
    for tensor, scale in zip((*operands, total), scales, strict=True):
        quantise(graph, tensor, scale)
    return graph.file(total)


def squared_matrix(*, batch, copied=False):
    """A product of a tensor with itself, or with a copy."""
    graph = Graph()
    shape = (batch, 8, 8)
    x = graph.node(OP.RELU, [graph.input(shape)], shape)
    other = graph.node(OP.TANH, [x], shape) if copied else x
    return graph.file(
        graph.node(OP.BATCH_MATMUL, [x, other], shape, kept=options("BatchMatMul", adjX=True))
    )


def passed_through(*, is_read):
    """A RELU, and an input as the second output: the one that it reads or another."""
    graph = Graph()
    x, y = graph.input(HALF), graph.input(HALF)
    return graph.file(graph.node(OP.RELU, [x], HALF), x if is_read else y)


def convolved(*, computed_bias):
    bias = (8,) if computed_bias else ramp(8)
    kept = options("Conv2D", strideH=1, strideW=1)
    return one(OP.CONV_2D, [HALF, ramp(8, 3, 3, 4), bias], IMAGE, kept=kept)


def transposed(kernel, stride, size, *, output=None, padding=schema.Padding.SAME):
    """A TRANSPOSE_CONV; sizes are (height, width), the output is `stride` times as
    large unless it is given.
    """
    made = output or [length * step for length, step in zip(size, stride, strict=True)]
    kept = options("TransposeConv", strideH=stride[0], strideW=stride[1], padding=padding)
    constants = [ints(1, *made, 4), ramp(4, *kernel, 4)]
    graph = Graph()
    return graph.file(
        graph.node(
            OP.TRANSPOSE_CONV, [*constants, graph.input((1, *size, 4))], (1, *made, 4), kept=kept
        )
    )


def split_once(parts):
    graph = Graph()
    made = [graph.made((1, 6, 8, 8 // parts)) for _ in range(parts)]
    kept = options("Split", numSplits=parts)
    graph.operator(
        OP.SPLIT, [graph.made(np.asarray(3, np.int32)), graph.input(IMAGE)], made, options=kept
    )
    return graph.file(*made)
