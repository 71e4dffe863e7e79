"""What is in a `.tflite` file: `inspect(path)` reads it in pure Python and never runs it.

The bytes may come from anywhere: whatever is wrong with them is a `ModelFileError` in one line. What is read is the
main subgraph, the one that runs; a tensor's position in `tensors` is its index in the file.
"""

import json
from dataclasses import dataclass
from math import prod

from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.tflite.flatbuffer import Reader
from bokeh_tf.tflite.macs import multiply_accumulates
from bokeh_tf.tflite.reading import IDENTIFIER, read_file

METADATA_NAME = "bokeh_tf"
RUNTIME_METADATA_NAME = "min_runtime_version"

# FlatBuffers' own offsets end here.
_MAX_METADATA_BYTES = 1_000_000
_SCHEMA_VERSION = 3
# The runtime's own kernels stop at 8; more would only serve to make shape products expensive.
_MAX_RANK = 16


class _Model:
    """Positions of the fields read here, in the schema's declaration of each table."""

    VERSION, OPERATOR_CODES, SUBGRAPHS, BUFFERS, METADATA = 0, 1, 2, 4, 6


class _Subgraph:
    TENSORS, INPUTS, OUTPUTS, OPERATORS = range(4)


class _Tensor:
    SHAPE, TYPE, BUFFER, NAME, SPARSITY, SHAPE_SIGNATURE = 0, 1, 2, 3, 6, 7


class _Buffer:
    DATA, OUTSIDE_BYTES = 0, 2


class _Operator:
    CODE, INPUTS, OUTPUTS = range(3)


class _OperatorCode:
    OLD_BUILTIN, CUSTOM, VERSION, BUILTIN = range(4)


class _Metadata:
    NAME, BUFFER = range(2)


def _names(enumeration):
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OPERATOR_NAMES = _names(schema.BuiltinOperator)
_TYPE_NAMES = {value: name.lower() for value, name in _names(schema.TensorType).items()}
_ELEMENT_BYTES = {"float32": 4, "float16": 2, "int8": 1, "uint8": 1, "int16": 2, "int32": 4, "int64": 8, "float64": 8}
# Constants of these types are shapes, axes and table entries, not weights.
_INDEX_TYPES = frozenset({"int32", "uint32", "int64", "uint64", "bool", "string", "resource", "variant"})


@dataclass(frozen=True)
class TensorInfo:
    """One tensor. `shape` holds 1 where a dimension is dynamic, as in the file; constants have their values in it."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    is_constant: bool
    is_dynamic: bool
    buffer: int


@dataclass(frozen=True)
class OperatorInfo:
    """One node. A custom operator's name is its custom code; inputs and outputs are tensor indices, -1 for none."""

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    is_custom: bool


@dataclass(frozen=True)
class ModelFile:
    """A `.tflite` file's content.

    `macs` are multiply-accumulates as `bokeh_tf.tflite.macs` counts them, `parameters` the elements of its constant
    weights. `metadata` is what this package wrote into the file, None for a file from elsewhere.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    macs: int
    parameters: int
    size_bytes: int
    metadata: dict | None
    min_runtime_version: str | None


def _content_of(model):
    """(bytes, how messages call them) of a model given as bytes or as a path."""
    if isinstance(model, bytes | bytearray):
        return bytes(model), "the model"
    return read_file(model), str(model)


def inspect(model):
    """Reads `model`, the bytes of a `.tflite` file or its path, into a `ModelFile`."""
    content, label = _content_of(model)
    reader = Reader(content, label)
    if content[4:8] != IDENTIFIER:
        raise reader.error("no TFL3 identifier")
    root = reader.root()
    if root.number(_Model.VERSION, "<I") != _SCHEMA_VERSION:
        raise reader.error(f"its schema version is {root.number(0, '<I')}, not {_SCHEMA_VERSION}")
    subgraphs, buffers = root.tables(_Model.SUBGRAPHS), root.tables(_Model.BUFFERS)
    if not subgraphs:
        raise reader.error("it holds no graph")
    tensors = _tensors(reader, subgraphs[0], buffers)
    operators = _operators(reader, subgraphs[0], root.tables(_Model.OPERATOR_CODES), len(tensors))
    texts = _metadata_texts(reader, root, buffers)
    return ModelFile(
        inputs=_picked(reader, tensors, subgraphs[0].numbers(_Subgraph.INPUTS)),
        outputs=_picked(reader, tensors, subgraphs[0].numbers(_Subgraph.OUTPUTS)),
        tensors=tensors,
        operators=operators,
        macs=sum(_macs(reader, operator, tensors) for operator in operators),
        parameters=_parameters(tensors),
        size_bytes=len(content),
        metadata=_own_metadata(reader, texts.get(METADATA_NAME)),
        min_runtime_version=_runtime_version(texts.get(RUNTIME_METADATA_NAME)),
    )


def _tensors(reader, subgraph, buffers):
    sizes_bytes = [_constant_bytes(buffer) for buffer in buffers]
    tensors = []
    for index, table in enumerate(subgraph.tables(_Subgraph.TENSORS)):
        buffer = table.number(_Tensor.BUFFER, "<I")
        if buffer >= len(buffers):
            raise reader.error(f"tensor {index} refers to buffer {buffer} of {len(buffers)}")
        tensor = TensorInfo(
            index=index,
            name=table.text(_Tensor.NAME),
            shape=table.numbers(_Tensor.SHAPE),
            dtype=_TYPE_NAMES.get(table.number(_Tensor.TYPE, "<b"), "unknown"),
            is_constant=sizes_bytes[buffer] > 0,
            is_dynamic=any(size < 0 for size in table.numbers(_Tensor.SHAPE_SIGNATURE)),
            buffer=buffer,
        )
        if len(tensor.shape) > _MAX_RANK or any(size < 0 for size in tensor.shape):
            raise reader.error(f"tensor {index} has no sensible shape")
        if tensor.is_constant and not table.has(_Tensor.SPARSITY):
            _check_size(reader, tensor, sizes_bytes[buffer])
        tensors.append(tensor)
    return tuple(tensors)


def _constant_bytes(buffer):
    """Bytes of a constant, which may lie behind the FlatBuffer itself; 0 for a tensor made while running."""
    return len(buffer.content(_Buffer.DATA)) or buffer.number(_Buffer.OUTSIDE_BYTES, "<Q")


def _check_size(reader, tensor, constant_bytes):
    """A dense constant has exactly the bytes that its shape and type say."""
    expected_bytes = prod(tensor.shape) * _ELEMENT_BYTES.get(tensor.dtype, 0)
    if expected_bytes and constant_bytes != expected_bytes:
        raise reader.error(f"tensor {tensor.index} needs {expected_bytes} bytes of values and has {constant_bytes}")


def _operators(reader, subgraph, codes, tensor_count):
    kinds = [_kind(code) for code in codes]
    operators = []
    for index, table in enumerate(subgraph.tables(_Subgraph.OPERATORS)):
        code = table.number(_Operator.CODE, "<I")
        if code >= len(kinds):
            raise reader.error(f"node {index} refers to operator {code} of {len(kinds)}")
        name, version, is_custom = kinds[code]
        operator = OperatorInfo(
            index, name, version, table.numbers(_Operator.INPUTS), table.numbers(_Operator.OUTPUTS), is_custom
        )
        if any(not -1 <= tensor < tensor_count for tensor in operator.inputs + operator.outputs):
            raise reader.error(f"node {index} refers to a tensor that is not there")
        operators.append(operator)
    return tuple(operators)


def _kind(code):
    """(name, version, is custom) of an operator code."""
    # Codes above 126 do not fit the field that old files use; the larger of the two is the one meant.
    builtin = max(code.number(_OperatorCode.OLD_BUILTIN, "<b"), code.number(_OperatorCode.BUILTIN, "<i"))
    version = code.number(_OperatorCode.VERSION, "<i", 1)
    if builtin == schema.BuiltinOperator.CUSTOM:
        return code.text(_OperatorCode.CUSTOM) or "CUSTOM", version, True
    return _OPERATOR_NAMES.get(builtin, f"BUILTIN_{builtin}"), version, False


def _picked(reader, tensors, indices):
    if any(not 0 <= index < len(tensors) for index in indices):
        raise reader.error("its inputs or outputs are not there")
    return tuple(tensors[index] for index in indices)


def _macs(reader, operator, tensors):
    inputs = [None if index < 0 else tensors[index].shape for index in operator.inputs]
    outputs = [None if index < 0 else tensors[index].shape for index in operator.outputs]
    try:
        return multiply_accumulates(operator.name, inputs, outputs)
    except ValueError as error:
        raise reader.error(f"node {operator.index}: {error}") from error


def _parameters(tensors):
    """Elements of the constant weights; tensors that share their values count once."""
    weights = {t.buffer: prod(t.shape) for t in tensors if t.is_constant and t.dtype not in _INDEX_TYPES}
    return sum(weights.values())


def _metadata_texts(reader, root, buffers):
    """Content of the metadata entries by name."""
    contents = {}
    for entry in root.tables(_Model.METADATA):
        buffer = entry.number(_Metadata.BUFFER, "<I")
        if buffer >= len(buffers):
            raise reader.error(f"its metadata refers to buffer {buffer} of {len(buffers)}")
        contents[entry.text(_Metadata.NAME)] = buffers[buffer].content(_Buffer.DATA)
    return contents


def _own_metadata(reader, content):
    if content is None:
        return None
    if len(content) > _MAX_METADATA_BYTES:
        raise reader.error(f"its {METADATA_NAME} metadata has {len(content)} bytes")
    try:
        metadata = json.loads(bytes(content))
    except (ValueError, RecursionError) as error:
        raise reader.error(f"its {METADATA_NAME} metadata is not JSON") from error
    if not isinstance(metadata, dict):
        raise reader.error(f"its {METADATA_NAME} metadata is not a JSON object")
    return metadata


def _runtime_version(content):
    """The oldest TensorFlow Lite that has every operator, as the converter wrote it: text padded with zeros."""
    if content is None:
        return None
    return bytes(content[:64]).rstrip(b"\0").decode("ascii", "replace") or None
