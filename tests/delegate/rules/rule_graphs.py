"""Builds the `.tflite` that an `example_graph` of a rule document describes; its grammar is in the
docstring of `bokeh_tf/delegate/rules`.
"""

import math
import re

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.model_writer import FileWriter

_WORDS = ("constant", "variable", "quantised", "blockwise", "sparse", "output")
_LINE = re.compile(
    r"(?P<op>CUSTOM:[\w.]+|[A-Z][A-Z0-9_]*) v(?P<version>\d+)(?: \{(?P<options>[^{}]+)\})?"
    r": (?P<inputs>.+) -> (?P<outputs>.+)"
)
_TENSOR = re.compile(
    rf"(?:(?P<name>[a-z]\w*) = )?(?P<words>(?:(?:{'|'.join(_WORDS)})"
    r" )*)(?P<dtype>[a-z]+\d*)\[(?P<shape>[\d,]*)\]"
    r"(?: \((?P<values>[^()]+)\))?"
)
_OUTSIDE_BRACKETS = re.compile(r", (?![^\[(]*[\])])")
# Operators whose options are not called after them.
_TABLES = {
    **dict.fromkeys(("AVERAGE_POOL_2D", "L2_POOL_2D", "MAX_POOL_2D"), "POOL_2D"),
    **dict.fromkeys(("MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"), "REDUCER"),
}
_FIELDS = {"fused_activation": "fused_activation_function"}
_ENUMERATIONS = {
    "fused_activation": schema.ActivationFunctionType,
    "kernel_type": schema.LSTMKernelType,
    "padding": schema.Padding,
    "weights_format": schema.FullyConnectedOptionsWeightsFormat,
}
_OPTION_TABLES = {
    name.lower(): made for name, made in vars(schema).items() if name.endswith("OptionsT")
}
# Any: the quantised values of the examples mean nothing.
_SCALE = 1 / 64


class _Graph(FileWriter):
    """A file written from lines of text."""

    def __init__(self):
        super().__init__()
        self.named, self.read, self.made, self.given, self.put_out = {}, [], [], set(), set()

    def add(self, line):
        """Adds the node of one line."""
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(
                f"a line is 'OPERATOR vN {{option=value}}: inputs -> outputs'. Received: {line!r}."
            )
        inputs, outputs = (
            [self._place(text) for text in _parts(match[side])] for side in ("inputs", "outputs")
        )
        self.read += inputs
        self.made += outputs
        name, is_custom = match["op"].removeprefix("CUSTOM:"), match["op"].startswith("CUSTOM:")
        self.operator(
            schema.BuiltinOperator.CUSTOM if is_custom else _value_of(schema.BuiltinOperator, name),
            inputs,
            outputs,
            options=_options(name, match["options"]) if match["options"] else None,
            custom=name if is_custom else None,
            version=int(match["version"]),
        )

    def _place(self, text):
        """The index of the tensor that a part of a line stands for, -1 for one left out."""
        if text == "none":
            return -1
        if text in self.named:
            return self.named[text]
        match = _TENSOR.fullmatch(text)
        if match is None or (match["values"] and "constant" not in match["words"].split()):
            raise ValueError(
                f"a tensor is '[name =] [{' | '.join(_WORDS)}] type[shape] [(values)]'. Received:"
                f" {text!r}."
            )
        index = self._tensor(match)
        if match["name"]:
            self.named[match["name"]] = index
        return index

    def _tensor(self, match):
        words, shape = (
            match["words"].split(),
            [int(size) for size in match["shape"].split(",") if size],
        )
        buffer = (
            self.buffer(_values(match["values"], match["dtype"], shape).tobytes())
            if "constant" in words
            else 0
        )
        dtype = _value_of(schema.TensorType, match["dtype"].upper())
        index = self.tensor(
            match["name"] or f"t{len(self.graph.tensors)}", shape, dtype=dtype, buffer=buffer
        )
        tensor = self.graph.tensors[index]
        tensor.isVariable = "variable" in words
        if "quantised" in words:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [_SCALE], [0]
        if "blockwise" in words:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.detailsType = schema.QuantizationDetails.BlockwiseQuantization
            tensor.quantization.details = schema.BlockwiseQuantizationT()
        if "output" in words:
            self.put_out.add(index)
        if "sparse" in words:
            tensor.sparsity = _sparsity(shape)
        if not {"constant", "variable"} & set(words):
            self.given.add(index)
        return index

    def file(self):
        """The bytes: what no node makes is an input, what none reads an
        output, and what is called one.
        """
        self.graph.inputs = sorted(self.given - set(self.made))
        self.graph.outputs = sorted((set(self.made) - set(self.read)) | self.put_out)
        return self.finish()


def build_graph(text: str) -> bytes:
    """The `.tflite` of an `example_graph`; a ValueError names the part
    that is not in the grammar.
    """
    graph = _Graph()
    for line in text.splitlines():
        graph.add(line)
    return graph.file()


def _sparsity(shape):
    """The least that makes a constant sparse to a reader: no dimension leaves a value out."""
    made = schema.SparsityParametersT()
    made.traversalOrder, made.dimMetadata = list(range(len(shape))), []
    for size in shape:
        dimension = schema.DimensionMetadataT()
        dimension.format, dimension.denseSize = schema.DimensionType.DENSE, size
        made.dimMetadata.append(dimension)
    return made


def _parts(text):
    return _OUTSIDE_BRACKETS.split(text)


def _values(text, dtype, shape):
    """The values of a constant; those that are not written are 0, 1, 2 and so on."""
    written = [float(value) for value in text.split(",")] if text else list(range(math.prod(shape)))
    return np.asarray(written, np.float64).astype(dtype).reshape(shape)


def _options(operator, text):
    table = f"{_TABLES.get(operator, operator)}OptionsT".replace("_", "").lower()
    made = _OPTION_TABLES[table]()
    for entry in text.split(", "):
        option, _, value = entry.partition("=")
        field = re.sub(r"_(\w)", lambda match: match[1].upper(), _FIELDS.get(option, option))
        if not hasattr(made, field):
            raise ValueError(f"an option is a field of {type(made).__name__}. Received: {entry!r}.")
        setattr(made, field, _option(option, value))
    return made


def _option(option, value):
    if option in _ENUMERATIONS:
        return _value_of(_ENUMERATIONS[option], value)
    if value in ("true", "false"):
        return value == "true"
    if re.fullmatch(r"-?\d+", value):
        return int(value)
    return float(value) if re.fullmatch(r"-?\d+\.\d+", value) else value


def _value_of(enumeration, name):
    if name not in vars(enumeration):
        raise ValueError(f"a name of the schema's {enumeration.__name__}. Received: {name!r}.")
    return getattr(enumeration, name)
