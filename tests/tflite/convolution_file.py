"""A small sound file, written by hand."""

import json

from ai_edge_litert import schema_py_generated as schema

from tests.model_writer import FLOAT16, FileWriter


def convolution_file():
    """Image [1, 16, 24, 3] through a 3x3 stride-2 convolution to five channels, float16 weights."""
    writer = FileWriter()
    image = writer.tensor("image", [1, 16, 24, 3])
    kernel = writer.tensor("kernel", [5, 3, 3, 3], constant=True, dtype=FLOAT16)
    unpacked = writer.tensor("kernel/unpacked", [5, 3, 3, 3])
    output = writer.tensor("größe", [1, 8, 12, 5])
    writer.operator(schema.BuiltinOperator.DEQUANTIZE, [kernel], [unpacked], version=3)
    writer.operator(schema.BuiltinOperator.CONV_2D, [image, unpacked, -1], [output], version=2)
    writer.graph.inputs, writer.graph.outputs = [image], [output]
    writer.metadata("min_runtime_version", b"2.3.0".ljust(16, b"\0"))
    writer.metadata("bokeh_tf", json.dumps({"schema_version": 1, "model": "by_hand"}).encode())
    return writer.finish()
