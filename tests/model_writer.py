"""Writes `.tflite` files by hand, with the object interface that the
schema's compiler generates.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FLOAT32, FLOAT16, INT32 = (
    schema.TensorType.FLOAT32,
    schema.TensorType.FLOAT16,
    schema.TensorType.INT32,
)
NUMPY_TYPES = {FLOAT32: np.float32, FLOAT16: np.float16, INT32: np.int32}


class FileWriter:
    """Writes a `.tflite` tensor by tensor with the generated object interface."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes, self.model.metadata = [], []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs, self.graph.outputs = (
            [],
            [],
            [],
            [],
        )
        self.model.subgraphs = [self.graph]

    def buffer(self, data):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def tensor(self, name, shape, *, constant=False, dtype=FLOAT32, buffer=0):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, dtype, buffer
        if constant:
            tensor.buffer = self.buffer(
                np.arange(np.prod(shape), dtype=NUMPY_TYPES[dtype]).tobytes()
            )
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, code, inputs, outputs, *, options=None, custom=None, version=1):
        kind = schema.OperatorCodeT()
        kind.builtinCode, kind.version, kind.customCode = code, version, custom
        kind.deprecatedBuiltinCode = min(code, 127)
        self.model.operatorCodes.append(kind)
        node = schema.OperatorT()
        node.opcodeIndex, node.inputs, node.outputs = (
            len(self.model.operatorCodes) - 1,
            inputs,
            outputs,
        )
        if options is not None:
            table = type(options).__name__.removesuffix("T")
            place = "" if hasattr(schema.BuiltinOptions, table) else "2"
            setattr(
                node,
                f"builtinOptions{place}Type",
                getattr(getattr(schema, f"BuiltinOptions{place}"), table),
            )
            setattr(node, f"builtinOptions{place}", options)
        self.graph.operators.append(node)

    def metadata(self, name, content):
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, self.buffer(content)
        self.model.metadata.append(entry)

    def finish(self):
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())
