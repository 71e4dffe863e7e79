"""Graphs written by hand from one input."""

from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.tflite.inspection import inspect
from tests.model_writer import FLOAT32, FileWriter

OP = schema.BuiltinOperator
SHAPE = [1, 4, 6, 8]


def file_of(build, *, shape=SHAPE, dtype=FLOAT32):
    """The `ModelFile` of a graph from one input: `build(writer, x)` adds its
    nodes and returns the output.
    """
    writer = FileWriter()
    x = writer.tensor("x", shape, dtype=dtype)
    writer.graph.inputs, writer.graph.outputs = [x], [build(writer, x)]
    return inspect(writer.finish())


def one_node(code, *more_inputs, shape=SHAPE, output=SHAPE, output_dtype=FLOAT32, **kept):
    """The `ModelFile` of one node on one input; `more_inputs` are functions of the
    writer that give tensors.
    """

    def build(writer, x):
        y = writer.tensor("y", output, dtype=output_dtype)
        writer.operator(code, [x, *(make(writer) for make in more_inputs)], [y], **kept)
        return y

    return file_of(build, shape=shape)


RELU = one_node(OP.RELU)
