"""Small refused graphs, at least one for each recipe of `bokeh-tf repair`, written without a
converter.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.delegate.rules.mldrift_graphs import (
    IMAGE,
    OP,
    Graph,
    ints,
    one,
    options,
)

VALID = schema.Padding.VALID
RELU = schema.ActivationFunctionType.RELU
BOOL = schema.TensorType.BOOL


class Quantised(Graph):
    """A graph whose 8-bit tensors get a scale."""

    def scaled(self, tensor, scale=0.05, zero_point=0):
        quantization = schema.QuantizationParametersT()
        quantization.scale = np.array(np.atleast_1d(scale), np.float32)
        quantization.zeroPoint = np.full(len(quantization.scale), zero_point, np.int64)
        self.graph.tensors[tensor].quantization = quantization
        return tensor

    def half(self, values):
        """A float16 constant behind a DEQUANTIZE."""
        return self.node(OP.DEQUANTIZE, [values.astype(np.float16)], values.shape, version=3)


def strided(shape, output, begins, ends, steps=None, *, dtype=np.float32, **masks):
    steps = [1] * len(begins) if steps is None else steps
    kept = options("StridedSlice", **{f"{name}Mask": mask for name, mask in masks.items()})
    inputs = [(shape, dtype), ints(*begins), ints(*ends), ints(*steps)]
    return one(OP.STRIDED_SLICE, inputs, output, kept=kept, dtype=dtype)


def noise(*shape, dtype=np.float32):
    return np.random.default_rng(3).uniform(-1, 1, shape).astype(dtype)


def unpacked(axis):
    graph = Graph()
    x = graph.input((1, 5, 6, 3))
    shape = tuple(size for place, size in enumerate((1, 5, 6, 3)) if place != axis)
    parts = [graph.made(shape) for _ in range((1, 5, 6, 3)[axis])]
    graph.operator(OP.UNPACK, [x], parts, options=options("Unpack", num=len(parts), axis=axis))
    return graph.file(*(graph.node(OP.RELU, [part], shape) for part in parts))


def packed():
    """Two maps stacked to five dimensions and summed again."""
    graph = Graph()
    x = graph.input((1, 4, 6, 3))
    parts = [x, graph.node(OP.NEG, [x], (1, 4, 6, 3))]
    whole = graph.node(
        OP.PACK, parts, (1, 2, 4, 6, 3), kept=options("Pack", valuesCount=2, axis=1), version=1
    )
    return graph.file(
        graph.node(OP.REDUCE_MAX, [whole, ints(1)], (1, 4, 6, 3), kept=options("Reducer"))
    )


def group_normalised():
    """GroupNormalization as Keras writes it: everything on [1, h, w, groups, c / groups]."""
    graph = Graph()
    x = graph.input((1, 4, 6, 8))
    wide, narrow = (1, 4, 6, 4, 2), (1, 1, 1, 4, 1)
    five = graph.node(
        OP.RESHAPE, [x, ints(*wide)], wide, kept=options("Reshape", newShape=ints(*wide))
    )
    mean = graph.node(
        OP.MEAN, [five, ints(1, 2, 4)], narrow, kept=options("Reducer", keepDims=True)
    )
    centred = graph.node(OP.SUB, [five, mean], wide, kept=options("Sub"), version=3)
    squares = graph.node(OP.SQUARE, [centred], wide)
    variance = graph.node(
        OP.MEAN, [squares, ints(1, 2, 4)], narrow, kept=options("Reducer", keepDims=True)
    )
    shifted = graph.node(
        OP.ADD, [variance, np.asarray(1e-3, np.float32)], narrow, kept=options("Add")
    )
    scale = graph.node(OP.RSQRT, [shifted], narrow)
    product = graph.node(OP.MUL, [centred, scale], wide, kept=options("Mul"), version=5)
    kept = options("Reshape", newShape=ints(1, 4, 6, 8))
    return graph.file(graph.node(OP.RESHAPE, [product, ints(1, 4, 6, 8)], (1, 4, 6, 8), kept=kept))


def between_reshapes(code, source, inner, made, output, *constants, kept=None, version=1):
    """RESHAPE, one node, RESHAPE."""
    graph = Graph()
    x = graph.input(source)
    x = graph.node(
        OP.RESHAPE, [x, ints(*inner)], inner, kept=options("Reshape", newShape=ints(*inner))
    )
    x = graph.node(code, [x, *constants], made, kept=kept, version=version)
    kept = options("Reshape", newShape=ints(*output))
    return graph.file(graph.node(OP.RESHAPE, [x, ints(*output)], output, kept=kept))


def upsampled():
    return between_reshapes(
        OP.TILE, (1, 4, 6, 8), (1, 4, 1, 6, 8), (1, 4, 3, 6, 8), (1, 12, 6, 8), ints(1, 1, 3, 1, 1)
    )


def tiled():
    """A repetition that is no resize: the order of repeats is the whole map's."""
    return between_reshapes(
        OP.TILE, (1, 4, 6, 8), (1, 2, 2, 6, 8), (1, 6, 2, 6, 8), (1, 12, 6, 8), ints(1, 3, 1, 1, 1)
    )


def swapped(order, inner, output):
    made = tuple(inner[axis] for axis in order)
    kept = options("Transpose")
    return between_reshapes(
        OP.TRANSPOSE, (1, 4, 6, 8), inner, made, output, ints(*order), kept=kept, version=4
    )


def dense_of_bytes():
    graph = Quantised()
    x = graph.scaled(graph.input((1, 8), np.uint8), 0.02, 128)
    weights = graph.scaled(graph.made(np.arange(48, dtype=np.uint8).reshape(6, 8)), 0.01, 120)
    bias = graph.scaled(graph.made(ints(*range(6))), 0.0002)
    y = graph.node(
        OP.FULLY_CONNECTED,
        [x, weights, bias],
        (1, 6),
        kept=options("FullyConnected"),
        dtype=np.uint8,
    )
    return graph.file(graph.scaled(y, 0.02, 128))


def dense_of_four_bits():
    graph = Quantised()
    x = graph.input((1, 8))
    values = (np.arange(40) * 7 % 16 - 8).astype(np.uint8) & 15
    weights = graph.scaled(graph.made(values[::2] | values[1::2] << 4), 0.25)
    table = graph.graph.tensors[weights]
    table.shape, table.type = [5, 8], schema.TensorType.INT4
    kept = options("FullyConnected")
    return graph.file(
        graph.node(OP.FULLY_CONNECTED, [x, weights, noise(5)], (1, 5), kept=kept, version=6)
    )


def joined_constant():
    """A class token before the rows of a transformer, its float16 values behind a DEQUANTIZE."""
    graph = Quantised()
    x = graph.input((1, 5, 4))
    token = graph.half(noise(1, 1, 4))
    kept = options("Concatenation", axis=1)
    return graph.file(graph.node(OP.CONCATENATION, [token, x], (1, 6, 4), kept=kept))


def depthwise(dtype=np.float32):
    if dtype == np.float32:
        kept = options("DepthwiseConv2D", strideH=1, strideW=1, depthMultiplier=2)
        return one(
            OP.DEPTHWISE_CONV_2D,
            [(1, 6, 8, 3), noise(1, 3, 3, 6), noise(6)],
            (1, 6, 8, 6),
            kept=kept,
        )
    graph = Quantised()
    x = graph.scaled(graph.input((1, 6, 8, 3), np.int8))
    kernel = graph.scaled(graph.made(np.arange(54, dtype=np.int8).reshape(1, 3, 3, 6)), [0.01] * 6)
    graph.graph.tensors[kernel].quantization.quantizedDimension = 3
    bias = graph.scaled(graph.made(ints(*range(6))), [0.0005] * 6)
    kept = options("DepthwiseConv2D", strideH=1, strideW=1, depthMultiplier=2)
    y = graph.node(
        OP.DEPTHWISE_CONV_2D, [x, kernel, bias], (1, 6, 8, 6), kept=kept, dtype=np.int8, version=3
    )
    return graph.file(graph.scaled(y, 0.5))


def grouped():
    kept = options("Conv2D", strideH=1, strideW=1, dilationHFactor=2)
    return one(
        OP.CONV_2D, [(1, 6, 8, 6), noise(6, 3, 3, 2), noise(6)], (1, 6, 8, 6), kept=kept, version=6
    )


def dilated():
    graph = Graph()
    x = graph.input((1, 8, 8, 3))
    around = np.array([[2, 2], [2, 2]], np.int32)
    spread = graph.node(
        OP.SPACE_TO_BATCH_ND, [x, ints(2, 2), around], (4, 6, 6, 3), kept=options("SpaceToBatchND")
    )
    kept = options("Conv2D", padding=VALID, strideH=1, strideW=1)
    made = graph.node(OP.CONV_2D, [spread, noise(5, 3, 3, 3), noise(5)], (4, 4, 4, 5), kept=kept)
    crops = np.zeros((2, 2), np.int32)
    return graph.file(
        graph.node(
            OP.BATCH_TO_SPACE_ND,
            [made, ints(2, 2), crops],
            (1, 8, 8, 5),
            kept=options("BatchToSpaceND"),
        )
    )


def broadcast_both_ways(*shapes):
    graph = Graph()
    made = np.broadcast_shapes(*shapes)
    inputs = [graph.input(shape) for shape in shapes]
    return graph.file(graph.node(OP.MUL, inputs, made, kept=options("Mul")))


def twice(code, table):
    graph = Graph()
    x = graph.input(IMAGE)
    return graph.file(graph.node(code, [x, x], IMAGE, kept=options(table)))


def transposed(*, activation=0, version=3, size=12, stride=2):
    kept = options(
        "TransposeConv", strideH=stride, strideW=stride, fusedActivationFunction=activation
    )
    constants = [ints(1, size, size, 5), noise(5, 3, 3, 4)]
    inputs = [*constants, (1, -(-size // stride), -(-size // stride), 4), noise(5)]
    return one(OP.TRANSPOSE_CONV, inputs, (1, size, size, 5), kept=kept, version=version)


def bytes_of(code, table, scale, zero_point=0):
    """An operator of int8 tensors of one shape."""
    graph = Quantised()
    x = graph.scaled(graph.input((1, 6, 8, 5), np.int8))
    y = graph.node(code, [x], (1, 6, 8, 5), kept=options(table), dtype=np.int8, version=2)
    return graph.file(graph.scaled(y, scale, zero_point))


def masked():
    """One comparison that a choice and a cast read, joined with another by OR."""
    graph = Graph()
    x, y = graph.input(IMAGE), graph.input(IMAGE)
    high = graph.node(OP.GREATER, [x, y], IMAGE, kept=options("Greater"), dtype=bool)
    low = graph.node(
        OP.LESS_EQUAL,
        [x, np.asarray(0.1, np.float32)],
        IMAGE,
        kept=options("LessEqual"),
        dtype=bool,
    )
    either = graph.node(OP.LOGICAL_OR, [high, low], IMAGE, kept=options("LogicalOr"), dtype=bool)
    chosen = graph.node(OP.SELECT_V2, [either, x, y], IMAGE, kept=options("SelectV2"))
    kept = options("Cast", inDataType=BOOL, outDataType=schema.TensorType.FLOAT32)
    share = graph.node(OP.CAST, [high], IMAGE, kept=kept)
    return graph.file(graph.node(OP.ADD, [chosen, share], IMAGE, kept=options("Add")))


def mask_cast(*readers, is_output=False):
    """A comparison cast to floats, which `readers`, (operator, table, the cast's places), read."""
    graph = Graph()
    x = graph.input(IMAGE)
    high = graph.node(
        OP.GREATER, [x, np.asarray(0.1, np.float32)], IMAGE, kept=options("Greater"), dtype=bool
    )
    kept = options("Cast", inDataType=BOOL, outDataType=schema.TensorType.FLOAT32)
    mask = graph.node(OP.CAST, [high], IMAGE, kept=kept)
    made = [
        graph.node(code, [mask] * places, IMAGE, kept=table and options(table))
        for code, table, places in readers
    ]
    return graph.file(*([mask] if is_output or not made else []), *made)


def cumulated(**fields):
    return one(
        OP.CUMSUM, [IMAGE, np.asarray(-1, np.int32)], IMAGE, kept=options("Cumsum", **fields)
    )


def summed():
    graph = Graph()
    parts = [graph.input(IMAGE) for _ in range(3)]
    return graph.file(graph.node(OP.ADD_N, parts, IMAGE, kept=options("AddN")))


def matrices(left, right, output, **fields):
    graph = Graph()
    inputs = [graph.input(left), graph.input(right)]
    kept = options("BatchMatMul", **fields)
    return graph.file(graph.node(OP.BATCH_MATMUL, inputs, output, kept=kept))


def composite():
    """A composite that the lint does not know, x * x - x, whose decomposition is the second
    subgraph.
    """
    graph = Graph()
    inner = Graph()
    x = inner.input(IMAGE)
    square = inner.node(OP.SQUARE, [x], IMAGE)
    inner.graph.outputs = [inner.node(OP.SUB, [square, x], IMAGE, kept=options("Sub"))]
    x = graph.input(IMAGE)
    # FlexBuffers' empty map.
    attributes = np.array([0, 0, 1, 0, 1, 0, 0, 0, 36, 1], np.uint8)
    kept = options(
        "StableHLOComposite",
        name="test.square",
        decompositionSubgraphIndex=1,
        compositeAttributes=attributes,
    )
    y = graph.node(OP.STABLEHLO_COMPOSITE, [x], IMAGE, kept=kept)
    for node in inner.graph.operators:
        graph.model.operatorCodes.append(inner.model.operatorCodes[node.opcodeIndex])
        node.opcodeIndex = len(graph.model.operatorCodes) - 1
    graph.model.subgraphs.append(inner.graph)
    return graph.file(y)


def sparse_like():
    """int8 weights behind a DEQUANTIZE, which LiteRT's delegate cannot read in this shape."""
    graph = Quantised()
    x = graph.input((1, 8))
    weights = graph.scaled(graph.made(np.arange(48, dtype=np.int8).reshape(6, 8)), 0.03)
    real = graph.node(OP.DEQUANTIZE, [weights], (6, 8), version=2)
    kept = options("FullyConnected")
    return graph.file(graph.node(OP.FULLY_CONNECTED, [x, real, noise(6)], (1, 6), kept=kept))


def numbers_as_floats():
    graph = Graph()
    x = graph.input((6, 8), np.int32)
    kept = options("Reshape", newShape=ints(6, 8, 1))
    view = graph.node(OP.RESHAPE, [x, ints(6, 8, 1)], (6, 8, 1), kept=kept, dtype=np.int32)
    kept = options(
        "Cast", inDataType=schema.TensorType.INT32, outDataType=schema.TensorType.FLOAT32
    )
    return graph.file(
        graph.node(OP.NEG, [graph.node(OP.CAST, [view], (6, 8, 1), kept=kept)], (6, 8, 1))
    )


def coded_largest():
    graph = Graph()
    kept = options("ArgMax", outputType=schema.TensorType.INT32)
    place = graph.node(
        OP.ARG_MAX, [graph.input((1, 6, 8, 5)), ints(3)], (1, 6, 8), kept=kept, dtype=np.int32
    )
    values = [np.asarray(5, np.int32), np.asarray(1, np.float32), np.asarray(0, np.float32)]
    return graph.file(
        graph.node(OP.ONE_HOT, [place, *values], (1, 6, 8, 5), kept=options("OneHot", axis=-1))
    )


def pooled_by_mean():
    """Blocks of 2x2 averaged on six dimensions, which are five groups of axes."""
    graph = Graph()
    x = graph.input((1, 4, 6, 8))
    wide = (1, 2, 2, 3, 2, 8)
    x = graph.node(
        OP.RESHAPE, [x, ints(*wide)], wide, kept=options("Reshape", newShape=ints(*wide))
    )
    return graph.file(graph.node(OP.MEAN, [x, ints(2, 4)], (1, 2, 3, 8), kept=options("Reducer")))


def points_of_bytes():
    """A 1x1 convolution of int8 with a stride of 2, which the delegate leaves out."""
    graph = Quantised()
    x = graph.scaled(graph.input((1, 7, 8, 3), np.int8))
    kernel = graph.scaled(graph.made(np.arange(15, dtype=np.int8).reshape(5, 1, 1, 3)), [0.01] * 5)
    bias = graph.scaled(graph.made(ints(*range(5))), [0.0005] * 5)
    kept = options("Conv2D", strideH=2, strideW=2)
    y = graph.node(OP.CONV_2D, [x, kernel, bias], (1, 4, 4, 5), kept=kept, dtype=np.int8, version=3)
    return graph.file(graph.scaled(y, 0.02))


def reduced_sum():
    """A sum that is an output and whose mean is another."""
    graph = Graph()
    total = graph.node(OP.ADD, [graph.input(IMAGE), graph.input(IMAGE)], IMAGE, kept=options("Add"))
    kept = options("Reducer", keepDims=True)
    return graph.file(total, graph.node(OP.MEAN, [total, ints(1, 2)], (1, 1, 1, 8), kept=kept))


def split_of_one():
    graph = Graph()
    x = graph.node(OP.RELU, [graph.input(IMAGE)], IMAGE)
    part = graph.node(
        OP.SPLIT, [np.asarray(3, np.int32), x], IMAGE, kept=options("Split", numSplits=1)
    )
    return graph.file(graph.node(OP.NEG, [part], IMAGE))


def heads_split(axis):
    """Queries, keys and values of two heads, apart on an axis of five dimensions; the two scores."""
    graph, inner = Graph(), (1, 6, 3, 2, 4) if axis == 2 else (1, 6, 2, 3, 4)
    x, sizes = graph.input((1, 6, 24)), tuple(1 if at == axis else n for at, n in enumerate(inner))
    x = graph.node(
        OP.RESHAPE, [x, ints(*inner)], inner, kept=options("Reshape", newShape=ints(*inner))
    )
    place, rows = graph.made(np.asarray(axis - 5, np.int32)), (1, 6, 2, 4)
    parts = [graph.made(sizes) for _ in range(3)]
    graph.operator(OP.SPLIT, [place, x], parts, options=options("Split", numSplits=3))
    kept = options("Reshape", newShape=ints(*rows))
    queries, keys, values = (
        graph.node(OP.RESHAPE, [part, ints(*rows)], rows, kept=kept) for part in parts
    )
    scores = graph.node(OP.MUL, [queries, keys], rows, kept=options("Mul"))
    return graph.file(graph.node(OP.ADD, [scores, values], rows, kept=options("Add")))


def local_response():
    kept = options("LocalResponseNormalization", radius=2, bias=1.0, alpha=0.3, beta=0.5)
    return one(OP.LOCAL_RESPONSE_NORMALIZATION, [IMAGE], IMAGE, kept=kept)


def halves_added(after=OP.ABS):
    """The upper and the lower half of a map, added: right on the CPU,
    wrong on LiteRT's delegate.
    """
    graph = Graph()
    parts = [graph.made((1, 3, 8, 8)) for _ in range(2)]
    places = [graph.made(np.asarray(1, np.int32)), graph.input(IMAGE)]
    graph.operator(OP.SPLIT, places, parts, options=options("Split", numSplits=2))
    whole = graph.node(OP.ADD, parts, (1, 3, 8, 8), kept=options("Add"))
    return graph.file(graph.node(after, [whole], (1, 3, 8, 8)))


def gram():
    """A matrix times itself turned round: LiteRT's delegate dies of it."""
    graph = Graph()
    x = graph.node(OP.RELU, [graph.input((1, 1, 6, 8))], (1, 1, 6, 8))
    return graph.file(
        graph.node(OP.BATCH_MATMUL, [x, x], (1, 1, 6, 6), kept=options("BatchMatMul", adjY=True))
    )
