"""Inspection of sound files, most written by hand with the schema's own writer: what is read is
what they hold.
"""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.model_file import Signature
from tests.delegate.rules.rule_graphs import build_graph
from tests.model_writer import INT32, FileWriter
from tests.tflite.convolution_file import convolution_file


@pytest.fixture(scope="module")
def content():
    return convolution_file()


def test_reads_what_was_written(content):
    file = inspect(content)
    assert [(t.index, t.name, t.shape, t.dtype, t.is_constant) for t in file.tensors] == [
        (0, "image", (1, 16, 24, 3), "float32", False),
        (1, "kernel", (5, 3, 3, 3), "float16", True),
        (2, "kernel/unpacked", (5, 3, 3, 3), "float32", False),
        (3, "größe", (1, 8, 12, 5), "float32", False),
    ]
    assert [
        (o.index, o.name, o.version, o.inputs, o.outputs, o.is_custom) for o in file.operators
    ] == [
        (0, "DEQUANTIZE", 3, (1,), (2,), False),
        (1, "CONV_2D", 2, (0, 2, -1), (3,), False),
    ]
    assert (file.inputs, file.outputs) == ((file.tensors[0],), (file.tensors[3],))
    assert (file.parameters, file.macs) == (5 * 3 * 3 * 3, 8 * 12 * 5 * 3 * 3 * 3)
    assert file.size_bytes == len(content)
    assert file.metadata == {"schema_version": 1, "model": "by_hand"}
    assert file.min_runtime_version == "2.3.0"


def test_path_and_bytes_read_alike(content, tmp_path):
    path = tmp_path / "modèle größe.tflite"
    path.write_bytes(content)
    assert inspect(path) == inspect(str(path)) == inspect(bytearray(content)) == inspect(content)


def test_agrees_with_the_interpreter(tiny_convolution):
    """A file by TensorFlow's converter, read by the runtime's own C++ code."""
    file = inspect(tiny_convolution)
    interpreter = Interpreter(str(tiny_convolution))
    for ours, theirs in [
        *zip(file.inputs, interpreter.get_input_details(), strict=True),
        *zip(file.outputs, interpreter.get_output_details(), strict=True),
    ]:
        assert (ours.index, ours.name, ours.shape) == (
            theirs["index"],
            theirs["name"],
            tuple(theirs["shape"]),
        )
    # The interpreter lists temporary tensors and delegate nodes after the file's own.
    for ours, theirs in zip(file.tensors, interpreter.get_tensor_details(), strict=False):
        assert (ours.name, ours.shape, np.dtype(ours.dtype)) == (
            theirs["name"],
            tuple(theirs["shape"]),
            theirs["dtype"],
        )
    for ours, theirs in zip(file.operators, interpreter._get_ops_details(), strict=False):
        assert ours.name == theirs["op_name"]
        assert list(ours.outputs) == list(theirs["outputs"])
    assert len(interpreter.get_tensor_details()) >= len(file.tensors)


def one_operator_file(code, shapes, output_shape, *, custom=None):
    writer = FileWriter()
    inputs = [writer.tensor(f"input{i}", shape) for i, shape in enumerate(shapes)]
    output = writer.tensor("output", output_shape)
    writer.operator(code, inputs, [output], custom=custom)
    return writer.finish()


Builtin = schema.BuiltinOperator
HAND_COUNTED = [
    (Builtin.CONV_2D, [[1, 16, 24, 3], [5, 3, 3, 3]], [1, 8, 12, 5], 8 * 12 * 5 * 27),
    # Two groups: each output sees half of the six inputs.
    (Builtin.CONV_2D, [[1, 4, 4, 6], [8, 1, 1, 3]], [1, 4, 4, 8], 4 * 4 * 8 * 3),
    (Builtin.DEPTHWISE_CONV_2D, [[1, 8, 8, 3], [1, 25, 1, 3]], [1, 8, 8, 3], 8 * 8 * 3 * 25),
    (
        Builtin.TRANSPOSE_CONV,
        [[4], [7, 4, 4, 2], [1, 5, 6, 2]],
        [1, 10, 12, 7],
        5 * 6 * 2 * 4 * 4 * 7,
    ),
    (Builtin.FULLY_CONNECTED, [[1, 20], [10, 20]], [1, 10], 200),
    (Builtin.BATCH_MATMUL, [[2, 3, 4], [2, 4, 5]], [2, 3, 5], 2 * 3 * 5 * 4),
    # The first factor transposed: it is the two shared rows that are summed over.
    (Builtin.BATCH_MATMUL, [[1, 2, 3], [1, 2, 5]], [1, 3, 5], 3 * 5 * 2),
    (Builtin.MUL, [[1, 8, 8, 3], [1, 8, 8, 1]], [1, 8, 8, 3], 0),
]


@pytest.mark.parametrize(("code", "shapes", "output_shape", "macs"), HAND_COUNTED)
def test_multiply_accumulates_by_hand(code, shapes, output_shape, macs):
    assert inspect(one_operator_file(code, shapes, output_shape)).macs == macs


def test_a_shape_made_while_running_counts_nothing():
    """A file with a computed RESHAPE before a convolution runs: the
    shapes behind it are not in it.
    """
    writer = FileWriter()
    x, shape = writer.tensor("x", [1, 4, 4, 3]), writer.tensor("shape", [4], dtype=INT32)
    moved, weights = (
        writer.tensor("moved", []),
        writer.tensor("weights", [4, 3, 3, 3], constant=True),
    )
    output = writer.tensor("output", [])
    writer.operator(Builtin.RESHAPE, [x, shape], [moved])
    writer.operator(Builtin.CONV_2D, [moved, weights], [output])
    assert inspect(writer.finish()).macs == 0


def test_custom_and_recent_operators_keep_their_names():
    custom = inspect(one_operator_file(Builtin.CUSTOM, [[1]], [1], custom="FlexErf")).operators[0]
    assert (custom.name, custom.is_custom) == ("FlexErf", True)
    assert inspect(one_operator_file(Builtin.GELU, [[1]], [1])).operators[0].name == "GELU"
    assert inspect(one_operator_file(Builtin.VAR_HANDLE, [], [1])).operators[0].name == "VAR_HANDLE"


def test_parameters_count_shared_weights_once_and_indices_never():
    writer = FileWriter()
    shared = writer.buffer(bytes(4 * 6))
    writer.tensor("a", [2, 3], buffer=shared)
    writer.tensor("b", [6], buffer=shared)
    writer.tensor("axes", [2], constant=True, dtype=INT32)
    assert inspect(writer.finish()).parameters == 6


def test_dynamic_dimensions_are_noticed():
    writer = FileWriter()
    writer.tensor("image", [1, 1, 1, 3])
    writer.graph.tensors[0].shapeSignature = [1, -1, -1, 3]
    assert inspect(writer.finish()).tensors[0].is_dynamic


def diamond_file():
    """image -> a; a -> b and c; (b, c, constant) -> output."""
    writer = FileWriter()
    image = writer.tensor("image", [1, 2, 3])
    a, b, c = (writer.tensor(f"net/{name}/Relu", [1, 2, 3]) for name in "abc")
    constant = writer.tensor("constant", [1, 2, 3], constant=True)
    output = writer.tensor("output", [1, 2, 3])
    for inputs, result in [([image], a), ([a, a], b), ([a], c), ([b, c, constant, -1], output)]:
        writer.operator(Builtin.RELU, inputs, [result])
    writer.graph.inputs, writer.graph.outputs = [image], [output]
    return writer


def test_who_makes_and_reads_a_tensor():
    file = inspect(diamond_file().finish())
    assert [file.producer(tensor) for tensor in range(6)] == [None, 0, 1, 2, None, 3]
    assert [file.consumers(tensor) for tensor in range(6)] == [(0,), (1, 2), (3,), (3,), (3,), ()]


def test_constants_values_are_read_only_views():
    file = inspect(diamond_file().finish())
    np.testing.assert_array_equal(file.values(4), np.arange(6, dtype=np.float32).reshape(1, 2, 3))
    assert file.values(0) is None
    with pytest.raises(ValueError, match="read-only"):
        file.values(4)[:] = 0


def test_values_agree_with_the_interpreter(tiny_convolution):
    file = inspect(tiny_convolution)
    interpreter = Interpreter(str(tiny_convolution))
    interpreter.allocate_tensors()
    constants = [tensor.index for tensor in file.tensors if tensor.is_constant]
    assert len(constants) >= 4
    for index in constants:
        np.testing.assert_array_equal(file.values(index), interpreter.get_tensor(index))


def test_values_kept_behind_the_flatbuffer():
    """As files beyond 2 GB have them: a buffer says where its bytes lie in the file."""
    content = outside_file(start=1)
    values = np.arange(6, dtype=np.float32).tobytes()
    content = outside_file(start=len(content)) + values
    np.testing.assert_array_equal(
        inspect(content).values(0), np.arange(6, dtype=np.float32).reshape(2, 3)
    )
    with pytest.raises(ModelFileError, match="values run over its end"):
        inspect(content[:-1])


def outside_file(*, start):
    writer = FileWriter()
    writer.tensor("weights", [2, 3], buffer=1)
    writer.model.buffers.append(schema.BufferT())
    writer.model.buffers[1].offset, writer.model.buffers[1].size = start, 24
    return writer.finish()


# Type, elements, the bytes they are packed into, and whether NumPy can show them.
PACKED = [
    (schema.TensorType.INT4, 7, 4, False),
    (schema.TensorType.UINT4, 7, 4, False),
    (schema.TensorType.INT2, 7, 2, False),
    (schema.TensorType.BFLOAT16, 7, 14, False),
    (schema.TensorType.FLOAT8_E4M3FN, 7, 7, False),
    (schema.TensorType.BOOL, 7, 7, True),
    (schema.TensorType.UINT16, 7, 14, True),
    (schema.TensorType.COMPLEX64, 7, 56, True),
]


@pytest.mark.parametrize(("dtype", "elements", "size_bytes", "shown"), PACKED)
def test_rare_types_are_accepted(dtype, elements, size_bytes, shown):
    writer = FileWriter()
    writer.tensor("weights", [elements], dtype=dtype, buffer=writer.buffer(bytes(size_bytes)))
    values = inspect(writer.finish()).values(0)
    assert (values is not None and values.shape == (elements,)) == shown


def test_state_quantised_and_sparse_tensors_are_told():
    writer = FileWriter()
    for name in ("plain", "state", "quantised", "blockwise", "sparse"):
        writer.tensor(name, [4], buffer=writer.buffer(bytes(8 if name == "sparse" else 16)))
    _, state, quantised, blockwise, sparse = writer.graph.tensors
    state.isVariable = True
    quantised.quantization = schema.QuantizationParametersT()
    quantised.quantization.scale, quantised.quantization.zeroPoint = [0.5, 0.25], [0, 0]
    blockwise.quantization = schema.QuantizationParametersT()
    blockwise.quantization.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    blockwise.quantization.details = schema.BlockwiseQuantizationT()
    sparse.sparsity = schema.SparsityParametersT()
    tensors = inspect(writer.finish()).tensors
    assert [tensor.is_variable for tensor in tensors] == [False, True, False, False, False]
    assert [tensor.is_quantised for tensor in tensors] == [False, False, True, True, False]
    assert [tensor.scale_count for tensor in tensors] == [0, 0, 2, 0, 0]
    assert [tensor.is_sparse for tensor in tensors] == [False, False, False, False, True]
    assert inspect(writer.finish()).values(4) is None


# Weights in every stored form, one node each; node 5 unpacks what is computed.
PACKED_WEIGHTS = """DEQUANTIZE v3: constant float16[4] -> float32[4]
DEQUANTIZE v3: quantised constant int8[4] -> float32[4]
DENSIFY v1: sparse constant float16[4] -> dense = float16[4]
DEQUANTIZE v3: dense -> float32[4]
DENSIFY v1: sparse constant float32[4] -> float32[4]
DEQUANTIZE v3: float16[4] -> float32[4]
DEQUANTIZE v3: later = float16[4] -> float32[4]
DENSIFY v1: sparse constant float16[4] -> later"""


def test_unpacked_folded_and_set_aside_weights():
    file = inspect(build_graph(PACKED_WEIGHTS))
    # A node before the one that it needs, as node 6, unpacks nothing.
    assert file.unpacked_weights.nodes == {0, 1, 2, 3, 4, 7}
    # Small integers are no constants to a delegate.
    assert file.folded_weights.nodes == {0, 2, 3, 4, 7}
    # Behind a DENSIFY a DEQUANTIZE is a node like others.
    assert file.set_aside_weights.nodes == {0}
    assert file.set_aside_weights.tensors == {file.operators[0].outputs[0]}


def test_signatures_and_further_graphs():
    writer = diamond_file()
    assert (inspect(writer.finish()).signatures, inspect(writer.finish()).subgraph_count) == ((), 1)
    writer.model.subgraphs.append(schema.SubGraphT())
    writer.model.signatureDefs = [schema.SignatureDefT(), schema.SignatureDefT()]
    for index, name in enumerate(("erste", "größe")):
        writer.model.signatureDefs[index].signatureKey = name
    second = writer.model.signatureDefs[1]
    second.subgraphIndex, second.inputs, second.outputs = 1, [schema.TensorMapT()], []
    second.inputs[0].name, second.inputs[0].tensorIndex = "länge", 7
    file = inspect(writer.finish())
    expected = (Signature("erste", {}, {}), Signature("größe", {"länge": 7}, {}, 1))
    assert (file.signatures, file.subgraph_count) == (expected, 2)
