"""A `.tflite` small enough to be timed in microseconds, written without a converter."""

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def tiny_model(shape=(1, 4, 6, 3), *, signature=None):
    """Bytes of a `.tflite` that doubles its input.

    Args:
        signature: (subgraph, name of the input, name of the output) of its one signature.
    """
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    code.version = 1
    operator, graph = schema.OperatorT(), schema.SubGraphT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 0], [1]
    operator.builtinOptionsType, operator.builtinOptions = (
        schema.BuiltinOptions.AddOptions,
        schema.AddOptionsT(),
    )
    graph.tensors = [schema.TensorT(), schema.TensorT()]
    for tensor, name in zip(graph.tensors, (b"image", b"doubled"), strict=True):
        tensor.name, tensor.shape, tensor.type, tensor.buffer = (
            name,
            list(shape),
            schema.TensorType.FLOAT32,
            0,
        )
    graph.inputs, graph.outputs, graph.operators = [0], [1], [operator]
    model.operatorCodes, model.subgraphs = [code], [graph]
    if signature:
        model.signatureDefs = [_signature(*signature)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _signature(subgraph, *names):
    signature, ports = schema.SignatureDefT(), [schema.TensorMapT(), schema.TensorMapT()]
    signature.signatureKey, signature.subgraphIndex = b"serve", subgraph
    for index, (port, name) in enumerate(zip(ports, names, strict=True)):
        port.name, port.tensorIndex = name.encode(), index
    signature.inputs, signature.outputs = ports[:1], ports[1:]
    return signature
