"""What is in a `.tflite` file: `inspect(path)` reads it in pure Python and never runs it.

The bytes may come from anywhere: whatever is wrong with them is a `ModelFileError` in one
line. What is read is the main subgraph, the one that runs; a tensor's position in `tensors`
is its index in the file.
"""

import json
import os
from math import prod

from bokeh_tf.tflite.flatbuffer import Reader
from bokeh_tf.tflite.macs import multiply_accumulates
from bokeh_tf.tflite.model_file import ELEMENT_BYTES, ModelFile, Signature, is_quantisation
from bokeh_tf.tflite.nodes import OperatorInfo, TensorInfo
from bokeh_tf.tflite.options import read_options
from bokeh_tf.tflite.reading import IDENTIFIER, read_file
from bokeh_tf.tflite.schema import names_of

METADATA_NAME = "bokeh_tf"
# TensorFlow Lite's own, which `standard_metadata` writes and `output_labels` reads.
STANDARD_METADATA_NAME = "TFLITE_METADATA"
RUNTIME_METADATA_NAME = "min_runtime_version"

# FlatBuffers' own offsets end here.
_MAX_METADATA_BYTES = 1_000_000
_SCHEMA_VERSION = 3
# The runtime's own kernels stop at 8; more would only serve to make shape products expensive.
_MAX_RANK = 16
_OFFSET_BYTES = 4
# Several times the largest graphs there are; each costs whoever reads the file,
# checks it and reports on it.
_MAX_NODES = 20_000
# Bytes of more than these would not fit 64 bits.
_MAX_TENSOR_ELEMENTS = 2**56


class _Model:
    """Positions of the fields read here, in the schema's declaration of each table."""

    VERSION, OPERATOR_CODES, SUBGRAPHS, BUFFERS, METADATA, SIGNATURES = 0, 1, 2, 4, 6, 7


class _Subgraph:
    TENSORS, INPUTS, OUTPUTS, OPERATORS = range(4)


class _Tensor:
    SHAPE, TYPE, BUFFER, NAME, QUANTISATION, IS_VARIABLE, SPARSITY, SHAPE_SIGNATURE = range(8)


class _Quantisation:
    SCALE, DETAILS_TYPE = 2, 4


class _Signature:
    INPUTS, OUTPUTS, KEY, _, SUBGRAPH = range(5)


class _Port:
    NAME, TENSOR = range(2)


class _Buffer:
    DATA, OUTSIDE_OFFSET, OUTSIDE_BYTES = range(3)


class _Operator:
    CODE, INPUTS, OUTPUTS = range(3)


class _OperatorCode:
    OLD_BUILTIN, CUSTOM, VERSION, BUILTIN = range(4)


class _Metadata:
    NAME, BUFFER = range(2)


_OPERATOR_NAMES = names_of("BuiltinOperator")
_TYPE_NAMES = {value: name.lower() for value, name in names_of("TensorType").items()}
_CUSTOM = "CUSTOM"
# Constants of these types are shapes, axes and table entries, not weights.
_INDEX_TYPES = frozenset(
    {"int32", "uint32", "int64", "uint64", "bool", "string", "resource", "variant"}
)


def inspect(model: str | os.PathLike | bytes | bytearray, *, label: str | None = None) -> ModelFile:
    """Reads `model`, the bytes of a `.tflite` file or its path, into a `ModelFile`.

    Args:
        label: what messages call it; None for its path, or for "the model" where it is bytes.

    Raises:
        ModelFileError: it cannot be read, or whatever is wrong with its bytes.
    """
    if isinstance(model, bytes | bytearray):
        content, label = bytes(model), label or "the model"
    else:
        content, label = read_file(model), label or str(model)
    reader = Reader(content, label)
    if content[4:8] != IDENTIFIER:
        raise reader.error("no TFL3 identifier")
    root = reader.root()
    if root.number(_Model.VERSION, "<I") != _SCHEMA_VERSION:
        raise reader.error(f"its schema version is {root.number(0, '<I')}, not {_SCHEMA_VERSION}")
    subgraphs, buffers = root.tables(_Model.SUBGRAPHS), root.tables(_Model.BUFFERS)
    if not subgraphs:
        raise reader.error("it holds no graph")
    _charge_other_graphs(reader, subgraphs[1:])
    contents = tuple(_buffer_content(reader, buffer) for buffer in buffers)
    tensors = _tensors(reader, subgraphs[0], contents)
    operators = _operators(reader, subgraphs[0], root.tables(_Model.OPERATOR_CODES), len(tensors))
    texts = _metadata_texts(reader, root, buffers)
    node_macs = tuple(_macs(reader, operator, tensors) for operator in operators)
    return ModelFile(
        inputs=_picked(reader, tensors, subgraphs[0].numbers(_Subgraph.INPUTS)),
        outputs=_picked(reader, tensors, subgraphs[0].numbers(_Subgraph.OUTPUTS)),
        tensors=tensors,
        operators=operators,
        macs=sum(node_macs),
        parameters=_parameters(tensors),
        size_bytes=len(content),
        metadata=_own_metadata(reader, texts.get(METADATA_NAME)),
        min_runtime_version=_runtime_version(texts.get(RUNTIME_METADATA_NAME)),
        standard_metadata=texts.get(STANDARD_METADATA_NAME),
        node_macs=node_macs,
        subgraph_count=len(subgraphs),
        signatures=tuple(map(_signature, root.tables(_Model.SIGNATURES))),
        buffers=contents,
    )


def _charge_other_graphs(reader, subgraphs):
    """Who rewrites a file goes through all its graphs, one of which may be named a thousand times."""
    for subgraph in subgraphs:
        for slot in (_Subgraph.TENSORS, _Subgraph.OPERATORS):
            reader.charge_tables(subgraph.length(slot, _OFFSET_BYTES))


def _buffer_content(reader, buffer):
    """A buffer's bytes, which may lie behind the FlatBuffer itself; none for a
    tensor made while running.
    """
    inside = buffer.content(_Buffer.DATA)
    start, size_bytes = (
        buffer.number(_Buffer.OUTSIDE_OFFSET, "<Q"),
        buffer.number(_Buffer.OUTSIDE_BYTES, "<Q"),
    )
    # The schema's writers set both to 1 for buffers that are kept inside.
    if len(inside) or start <= 1:
        return inside
    if start + size_bytes > len(reader.data):
        raise reader.error("it is cut off or damaged: values run over its end")
    return memoryview(reader.data)[start : start + size_bytes]


def _tensors(reader, subgraph, contents):
    tensors = []
    for index, table in enumerate(subgraph.tables(_Subgraph.TENSORS)):
        buffer = table.number(_Tensor.BUFFER, "<I")
        if buffer >= len(contents):
            raise reader.error(f"tensor {index} refers to buffer {buffer} of {len(contents)}")
        tensor = _tensor(index, table, buffer, len(contents[buffer]) > 0)
        if not _is_sensible(tensor.shape):
            raise reader.error(f"tensor {index} has no sensible shape")
        if tensor.is_constant and not tensor.is_sparse:
            _check_size(reader, tensor, len(contents[buffer]))
        tensors.append(tensor)
    return tuple(tensors)


def _is_sensible(shape):
    is_countable = len(shape) <= _MAX_RANK and all(size >= 0 for size in shape)
    # Also where a zero makes it empty: NumPy multiplies the rest.
    return is_countable and prod(max(size, 1) for size in shape) <= _MAX_TENSOR_ELEMENTS


def _tensor(index, table, buffer, is_constant):
    quantisation = table.table(_Tensor.QUANTISATION)
    scale_count = quantisation.length(_Quantisation.SCALE, 4) if quantisation else 0
    details_type = quantisation.number(_Quantisation.DETAILS_TYPE, "<B") if quantisation else 0
    return TensorInfo(
        index=index,
        name=table.text(_Tensor.NAME),
        shape=table.numbers(_Tensor.SHAPE),
        dtype=_TYPE_NAMES.get(table.number(_Tensor.TYPE, "<b"), "unknown"),
        is_constant=is_constant,
        is_dynamic=any(size < 0 for size in table.numbers(_Tensor.SHAPE_SIGNATURE)),
        buffer=buffer,
        is_variable=bool(table.number(_Tensor.IS_VARIABLE, "<B")),
        is_quantised=is_quantisation(scale_count, details_type),
        scale_count=scale_count,
        scale=quantisation.numbers(_Quantisation.SCALE, "f")[0] if scale_count == 1 else None,
        is_sparse=table.has(_Tensor.SPARSITY),
    )


def _check_size(reader, tensor, constant_bytes):
    """A dense constant has exactly the bytes that its shape and type say, where the type
    is a whole number of them.
    """
    expected_bytes = prod(tensor.shape) * ELEMENT_BYTES.get(tensor.dtype, 0)
    if expected_bytes and constant_bytes != expected_bytes:
        raise reader.error(
            f"tensor {tensor.index} needs {expected_bytes} bytes of values and has {constant_bytes}"
        )


def _operators(reader, subgraph, codes, tensor_count):
    kinds = [_kind(code) for code in codes]
    tables, operators = subgraph.tables(_Subgraph.OPERATORS), []
    if len(tables) > _MAX_NODES:
        raise reader.error(f"it holds {len(tables)} nodes, more than {_MAX_NODES}")
    for index, table in enumerate(tables):
        code = table.number(_Operator.CODE, "<I")
        if code >= len(kinds):
            raise reader.error(f"node {index} refers to operator {code} of {len(kinds)}")
        name, version, is_custom = kinds[code]
        operator = OperatorInfo(
            index=index,
            name=name,
            version=version,
            inputs=table.numbers(_Operator.INPUTS),
            outputs=table.numbers(_Operator.OUTPUTS),
            is_custom=is_custom,
            options={} if is_custom else read_options(table, name),
        )
        if any(not -1 <= tensor < tensor_count for tensor in operator.inputs + operator.outputs):
            raise reader.error(f"node {index} refers to a tensor that is not there")
        operators.append(operator)
    return tuple(operators)


def _kind(code):
    """(name, version, is custom) of an operator code."""
    # Codes above 126 do not fit the field that old files use; the larger of
    # the two is the one meant.
    builtin = max(
        code.number(_OperatorCode.OLD_BUILTIN, "<b"), code.number(_OperatorCode.BUILTIN, "<i")
    )
    version = code.number(_OperatorCode.VERSION, "<i", 1)
    name = _OPERATOR_NAMES.get(builtin, f"BUILTIN_{builtin}")
    if name == _CUSTOM:
        return code.text(_OperatorCode.CUSTOM) or _CUSTOM, version, True
    return name, version, False


def _picked(reader, tensors, indices):
    if any(not 0 <= index < len(tensors) for index in indices):
        raise reader.error("its inputs or outputs are not there")
    return tuple(tensors[index] for index in indices)


def _macs(reader, operator, tensors):
    inputs = [None if index < 0 else tensors[index].shape for index in operator.inputs]
    outputs = [None if index < 0 else tensors[index].shape for index in operator.outputs]
    if any(
        _has_no_shape_yet(tensors[index])
        for index in operator.inputs + operator.outputs
        if index >= 0
    ):
        return 0
    try:
        return multiply_accumulates(operator.name, inputs, outputs)
    except ValueError as error:
        raise reader.error(f"node {operator.index}: {error}") from error


def _has_no_shape_yet(tensor):
    """Whether its shape is made while running, as that of a reshape to a computed
    shape: the file has none.
    """
    return not tensor.is_constant and not tensor.shape


def _parameters(tensors):
    """Elements of the constant weights; tensors that share their values count once."""
    weights = {
        t.buffer: prod(t.shape) for t in tensors if t.is_constant and t.dtype not in _INDEX_TYPES
    }
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


def _signature(table):
    inputs, outputs = (
        {port.text(_Port.NAME): port.number(_Port.TENSOR, "<I") for port in table.tables(slot)}
        for slot in (_Signature.INPUTS, _Signature.OUTPUTS)
    )
    subgraph = table.number(_Signature.SUBGRAPH, "<I")
    return Signature(table.text(_Signature.KEY), inputs, outputs, subgraph)


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
    """The oldest TensorFlow Lite that has every operator, as the converter wrote
    it: text padded with zeros.
    """
    if content is None:
        return None
    return bytes(content[:64]).rstrip(b"\0").decode("ascii", "replace") or None
