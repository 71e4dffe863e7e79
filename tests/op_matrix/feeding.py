"""The matrix's models with values as their variants' names say: the classic engine is handed a
picture of numbers between 0 and 1, of which a root of what is negative, or of what is large,
would never be asked.

In front of a model each of its inputs is made of that picture: a corner of it as large as the
input, a convolution for the input's channels and range, a reshape for other ranks. No value lies
nearer to 0, or to the middle of another range, than a five-hundredth of what the range has to one
side, so that half precision changes no sign.
"""

import math
from fnmatch import fnmatch

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

OP, TYPE = schema.BuiltinOperator, schema.TensorType
# A kernel of 3x3, in which only the middle counts: roots right after one of 1x1 are refused.
_KERNEL = 3
# What a picture of three colours can be made to, by the pattern of the variant's name. The first
# that fits counts; one for each input.
_SIGNED, _SHARE, _POSITIVE, _NEGATIVE = (-1, 1), (0, 1), (0.1, 1), (-1, -0.1)
RANGES = {
    "*_neg_c*": (_NEGATIVE,),
    "*_pos_c*": (_POSITIVE,),
    "log": (_POSITIVE,),
    "log1p": (_POSITIVE,),
    "sqrt": (_POSITIVE,),
    "rsqrt": (_POSITIVE,),
    "pow*": (_POSITIVE, _SIGNED),
    "f16c_pow": (_POSITIVE,),
    "rdiv_const": (_POSITIVE,),
    "div*": (_SIGNED, _POSITIVE),
    "floor*": ((-4, 4), (1, 2)),
    "round": ((-4, 4),),
    "ceil": ((-4, 4),),
    "srgb_*": (_SHARE,),
    # A mean of both signs is nearly 0, which is the rounding of what was added.
    "rng_mean*": (_SHARE,),
    "rng_gap*": (_SHARE,),
    "rng_*_255": ((0, 255),),
    "rng_exp_12": ((-12, 12),),
    "rng_softmax_big": ((-100, 100),),
    "*": (_SIGNED,),
}


def ranges_of(variant: str, inputs: int) -> list[tuple[float, float]]:
    """The range of each input of a variant."""
    found = next(given for pattern, given in RANGES.items() if fnmatch(variant, pattern))
    return [found[min(number, len(found) - 1)] for number in range(inputs)]


def fed_by_a_picture(content: bytes, variant: str) -> bytes:
    """The model of a variant with one input, a float32 picture of [1, height, width, 3]; one with
    other inputs than float32 of a batch of one is returned as it is.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    given = [int(index) for index in graph.inputs]
    tensors = [graph.tensors[index] for index in given]
    if any(tensor.type != TYPE.FLOAT32 or tensor.shape[0] != 1 for tensor in tensors):
        return content
    feeding = _Feeding(model)
    places = [_place([int(side) for side in tensor.shape]) for tensor in tensors]
    height, width = (max(place[side] for place in places) for side in (1, 2))
    picture = feeding.tensor([1, height, width, 3])
    for number, (index, bounds) in enumerate(
        zip(given, ranges_of(variant, len(given)), strict=True)
    ):
        feeding.make(picture, (height, width), index, places[number], bounds, turn=number)
    graph.inputs = [picture]
    # They name the inputs that were.
    model.signatureDefs = []
    builder = flatbuffers.Builder(len(content) + 4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _place(shape):
    """The shape of four dimensions from which an input is reshaped."""
    *rest, channels = shape[1:]
    return shape if len(shape) == 4 else [1, 1, math.prod(rest), channels]


class _Feeding:
    """Puts nodes in front of all others of a model."""

    def __init__(self, model):
        self.model, self.graph = model, model.subgraphs[0]
        self._nodes = 0

    def tensor(self, shape, kind=TYPE.FLOAT32, values=None):
        """Adds a tensor, a constant one where there are values; returns its index."""
        buffer, tensor = schema.BufferT(), schema.TensorT()
        if values is not None:
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.name, tensor.shape, tensor.type = f"fed_{len(self.graph.tensors)}", shape, kind
        tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _node(self, code, inputs, output, options):
        operator_code = schema.OperatorCodeT()
        operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
        operator_code.version = 1
        self.model.operatorCodes.append(operator_code)
        node = schema.OperatorT()
        node.opcodeIndex = len(self.model.operatorCodes) - 1
        node.inputs, node.outputs, node.builtinOptions = inputs, [output], options
        table = type(options).__name__.removesuffix("T")
        node.builtinOptionsType = getattr(schema.BuiltinOptions, table)
        self.graph.operators.insert(self._nodes, node)
        self._nodes += 1

    def make(self, picture, size, given, place, bounds, *, turn):
        """Makes an input of the picture: `place` is its shape of four dimensions, `turn` its
        number, by which inputs differ that are as large.
        """
        _, height, width, channels = place
        source = picture
        if size != (height, width):
            source = self.tensor([1, height, width, 3])
            corner = [
                self.tensor([4], TYPE.INT32, np.array(values, np.int32))
                for values in ([0, 0, 0, 0], [1, height, width, 3])
            ]
            self._node(OP.SLICE, [picture, *corner], source, schema.SliceOptionsT())
        weights, biases = _colours(channels, bounds, turn)
        shape = [int(side) for side in self.graph.tensors[given].shape]
        made = given if shape == place else self.tensor(place)
        options = schema.Conv2DOptionsT()
        options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
        constants = [self.tensor(one.shape, values=one) for one in (weights, biases)]
        self._node(OP.CONV_2D, [source, *constants], made, options)
        if made != given:
            options = schema.ReshapeOptionsT()
            options.newShape = shape
            lengths = self.tensor([len(shape)], TYPE.INT32, np.array(shape, np.int32))
            self._node(OP.RESHAPE, [made, lengths], given, options)


def _colours(channels, bounds, turn):
    """Weights and biases that make each channel of one colour: larger, smaller or turned round."""
    low, high = bounds
    middle, side = (low + high) / 2, (high - low) / 2
    weights = np.zeros((channels, _KERNEL, _KERNEL, 3), np.float32)
    biases = np.zeros(channels, np.float32)
    for channel in range(channels):
        share = 1 - (channel + turn) / (channels + turn) / 2
        share *= -1 if (channel // 3 + turn) % 2 else 1
        weights[channel, 1, 1, (channel + turn) % 3] = 2 * side * share
        biases[channel] = middle - side * share
    return weights, biases
