"""Rewriting a `.tflite` file: the same network with other outputs, or its beginning only.

This goes through the generated schema code, which trusts the file: for bytes from elsewhere only in
a child process. Tensors keep their indices. The result has one signature, `SIGNATURE_KEY`, whose
names are `port_name(tensor)`, so that duplicate tensor names in the file do no harm.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.tflite.reading import IDENTIFIER

SIGNATURE_KEY = "rewritten"
_PREFIX = "tensor_"
# The schema asks for constants at multiples of this, so that a runtime can use them
# where they lie in the file.
_CONSTANT_ALIGNMENT_BYTES = 16


def unpack(content) -> schema.ModelT:
    """The file as the schema's own objects, with constants that lie behind the
    FlatBuffer brought inside.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for buffer in model.buffers:
        if buffer.size:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def pack(model, *, size_hint_bytes=1024) -> bytes:
    """The bytes of a file with the content of `model`."""
    builder = _AligningBuilder(size_hint_bytes)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def port_name(tensor) -> str:
    """What a rewritten file's signature calls the tensor with this index."""
    return f"{_PREFIX}{tensor}"


def tensor_of(name) -> int:
    """The tensor index behind a name from `port_name`."""
    return int(name.removeprefix(_PREFIX))


def with_outputs(content, tensors) -> bytes:
    """The file with copies of `tensors` (indices in its main graph) as outputs besides its own.

    A RESHAPE to its own shape makes the copy: a delegate may leave a tensor unwritten that it has
    fused away, also where it is an output, but not one that another node reads.
    """
    model = unpack(content)
    graph = model.subgraphs[0]
    ports = {int(tensor): int(tensor) for tensor in graph.outputs}
    for tensor in dict.fromkeys(tensors):
        if tensor not in ports:
            has_shape = graph.tensors[tensor].shape is not None and len(graph.tensors[tensor].shape)
            ports[tensor] = _copy_of(model, graph, tensor) if has_shape else tensor
    return _finished(model, ports, len(content))


def _copy_of(model, graph, tensor):
    """Appends a node that copies a tensor; returns the copy's index."""
    original = graph.tensors[tensor]
    shape = np.array(original.shape, np.int32)
    constant = schema.BufferT()
    constant.data = np.frombuffer(shape.tobytes(), np.uint8)
    model.buffers.append(constant)
    target = _append_tensor(graph, f"shape_of_{tensor}", [len(shape)], schema.TensorType.INT32)
    graph.tensors[target].buffer = len(model.buffers) - 1
    copy = _append_tensor(graph, port_name(tensor), shape, original.type)
    graph.tensors[copy].quantization = original.quantization
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    model.operatorCodes.append(code)
    node = schema.OperatorT()
    node.opcodeIndex = len(model.operatorCodes) - 1
    node.inputs, node.outputs = np.array([tensor, target], np.int32), np.array([copy], np.int32)
    node.builtinOptionsType, node.builtinOptions = (
        schema.BuiltinOptions.ReshapeOptions,
        schema.ReshapeOptionsT(),
    )
    node.builtinOptions.newShape = shape
    graph.operators.append(node)
    return copy


def _append_tensor(graph, name, shape, dtype):
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = name, np.array(shape, np.int32), dtype
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def cut_after(content, node) -> bytes:
    """The file's main graph up to and including `node`; its outputs are what the rest,
    or the caller, would read.

    Nodes that work on constants alone for the rest of the graph (unpacked weights) go with it.

    Raises:
        ValueError: no value that depends on an input has been computed by then.
    """
    model = unpack(content)
    graph = model.subgraphs[0]
    kept, rest = graph.operators[: node + 1], graph.operators[node + 1 :]
    read_later = _read_by(rest) | {int(tensor) for tensor in graph.outputs}
    read_before = _read_by(kept)
    depends_on_input = _reached_from(graph.inputs, kept)
    outputs = [
        tensor
        for tensor in _made_by(kept)
        if tensor in depends_on_input and (tensor in read_later or tensor not in read_before)
    ]
    if not outputs:
        raise ValueError(f"a node with inputs behind it. Received: node {node}.")
    graph.operators = _needed_for(outputs, kept)
    read = _read_by(graph.operators)
    graph.inputs = np.array([tensor for tensor in graph.inputs if tensor in read], np.int32)
    return _finished(model, {tensor: tensor for tensor in outputs}, len(content))


def _made_by(operators):
    return [int(tensor) for operator in operators for tensor in operator.outputs if tensor >= 0]


def _read_by(operators):
    return {int(tensor) for operator in operators for tensor in operator.inputs}


def _reached_from(tensors, operators):
    reached = {int(tensor) for tensor in tensors}
    for operator in operators:
        if reached.intersection(map(int, operator.inputs)):
            reached.update(map(int, operator.outputs))
    return reached


def _needed_for(outputs, operators):
    """The operators, in order, that the outputs are computed with."""
    wanted, needed = set(outputs), []
    for operator in reversed(operators):
        if wanted.intersection(map(int, operator.outputs)):
            wanted.update(map(int, operator.inputs))
            needed.append(operator)
    return needed[::-1]


def _finished(model, output_ports, size_hint_bytes):
    """The file's bytes; `output_ports` gives for each tensor that is asked
    for the one that is put out.
    """
    graph = model.subgraphs[0]
    graph.outputs = np.array(list(output_ports.values()), np.int32)
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE_KEY, 0
    signature.inputs = _ports({int(tensor): int(tensor) for tensor in graph.inputs})
    signature.outputs = _ports(output_ports)
    model.signatureDefs = [signature]
    return pack(model, size_hint_bytes=size_hint_bytes)


def _ports(tensors):
    ports = []
    for meant, tensor in tensors.items():
        port = schema.TensorMapT()
        port.name, port.tensorIndex = port_name(meant), tensor
        ports.append(port)
    return ports


class _AligningBuilder(flatbuffers.Builder):
    """Writes byte vectors, the constants' content, at the schema's alignment, which
    the generated code forgets.
    """

    def CreateNumpyVector(self, x):
        if x.dtype == np.uint8:
            self.Prep(_CONSTANT_ALIGNMENT_BYTES, x.size)
        return super().CreateNumpyVector(x)
