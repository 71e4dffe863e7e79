"""Inspection of files written by hand with the schema's own writer, and of
thousands of damaged ones.
"""

import json
import os
import random
import struct
import time

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite import flatbuffer
from bokeh_tf.tflite.inspection import inspect
from tests.delegate.rules.rule_graphs import build_graph
from tests.model_writer import FLOAT16, INT32, FileWriter

MUTANTS = 600
# Reading takes milliseconds; this leaves room for a machine that is busy elsewhere.
MAX_SECONDS = 5.0


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
    file = inspect(writer.finish())
    assert (file.signatures, file.subgraph_count) == (("erste", "größe"), 2)


def damaged_files():
    """(what is wrong, content, message)."""
    sound = convolution_file()
    yield "empty", b"", "no TFL3 identifier"
    yield "text", b"this is not a model at all, but long enough", "no TFL3 identifier"
    yield "identifier only", b"\x08\0\0\0TFL3", "offset points outside"
    yield "root offset", b"\xff\xff\xff\xff" + sound[4:], "offset points outside"
    yield "half", sound[: len(sound) // 2], "cut off or damaged"
    for name, spoil, message in SPOILED:
        writer = FileWriter()
        writer.tensor("image", [1, 4, 4, 3])
        writer.operator(Builtin.RELU, [0], [0])
        spoil(writer)
        yield name, writer.finish(), message


def setting(owner, field, value):
    """Sets `writer.<owner>.<field>`; an owner is a dotted path with list indices."""

    def spoil(writer):
        target = writer
        for step in owner.split("."):
            target = target[int(step)] if step.isdigit() else getattr(target, step)
        setattr(target, field, value)

    return spoil


def with_constant(size_bytes):
    return lambda writer: writer.tensor("weights", [2, 3], buffer=writer.buffer(bytes(size_bytes)))


SPOILED = [
    ("version", setting("model", "version", 2), "schema version is 2, not 3"),
    ("no graph", setting("model", "subgraphs", []), "holds no graph"),
    ("buffer", setting("graph.tensors.0", "buffer", 9), "tensor 0 refers to buffer 9 of 1"),
    (
        "negative shape",
        setting("graph.tensors.0", "shape", [1, -4, 4, 3]),
        "tensor 0 has no sensible shape",
    ),
    ("rank", setting("graph.tensors.0", "shape", [1] * 40), "tensor 0 has no sensible shape"),
    (
        "elements",
        setting("graph.tensors.0", "shape", [2**30, 2**30, 0]),
        "tensor 0 has no sensible shape",
    ),
    (
        "operator code",
        setting("graph.operators.0", "opcodeIndex", 7),
        "node 0 refers to operator 7 of 1",
    ),
    (
        "node input",
        setting("graph.operators.0", "inputs", [5]),
        "node 0 refers to a tensor that is not there",
    ),
    (
        "node output",
        setting("graph.operators.0", "outputs", [-2]),
        "node 0 refers to a tensor that is not there",
    ),
    ("graph input", setting("graph", "inputs", [-1]), "its inputs or outputs are not there"),
    ("short constant", with_constant(20), "tensor 1 needs 24 bytes of values and has 20"),
    (
        "bare convolution",
        lambda writer: writer.operator(Builtin.CONV_2D, [0], [0]),
        "node 1: CONV_2D needs 2 inputs",
    ),
    ("metadata text", lambda writer: writer.metadata("bokeh_tf", b"{"), "metadata is not JSON"),
    (
        "metadata depth",
        lambda writer: writer.metadata("bokeh_tf", b"[" * 200_000),
        "metadata is not JSON",
    ),
    (
        "metadata type",
        lambda writer: writer.metadata("bokeh_tf", b"[]"),
        "metadata is not a JSON object",
    ),
    (
        "metadata size",
        lambda writer: writer.metadata("bokeh_tf", bytes(1_000_001)),
        "metadata has 1000001 bytes",
    ),
]


@pytest.mark.parametrize(
    ("content", "message"), [pytest.param(c, m, id=name) for name, c, m in damaged_files()]
)
def test_damage_is_named_in_one_line(content, message, tmp_path):
    path = tmp_path / "damaged.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as refusal:
        inspect(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_vector_that_claims_billions_of_elements_is_refused(content):
    place = content.index(struct.pack("<5i", 4, 5, 3, 3, 3))
    with pytest.raises(ModelFileError, match="a list runs over its end"):
        inspect(content[:place] + struct.pack("<I", 0xFFFFFFFF) + content[place + 4 :])


def test_tables_that_share_one_huge_vector_are_refused_in_bounded_time():
    """Ten thousand tensors with one shape vector of a million elements: a small
    file, ten billion elements.
    """
    reader_bytes = bytearray(4_000_000)
    struct.pack_into("<I", reader_bytes, 1000, 900_000)
    # A table at 100 whose vtable at 80 has one field, an offset to that vector.
    struct.pack_into("<HHH", reader_bytes, 80, 6, 8, 4)
    struct.pack_into("<iI", reader_bytes, 100, 20, 1000 - 104)
    reader = flatbuffer.Reader(bytes(reader_bytes), "crafted")
    started = time.process_time()
    with pytest.raises(ModelFileError, match="hold more elements than it has room for"):
        for _ in range(10_000):
            flatbuffer.Table(reader, 100).numbers(0)
    assert time.process_time() - started < MAX_SECONDS


def mutated(content, source):
    """One of: cut short, bits flipped, four bytes set to an extreme, a stretch copied elsewhere."""
    changed = bytearray(content)
    kind, place = source.randrange(4), source.randrange(len(changed) - 4)
    if kind == 0:
        return bytes(changed[:place])
    if kind == 1:
        for _ in range(source.choice([1, 2, 8])):
            changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    elif kind == 2:
        changed[place : place + 4] = source.choice(
            [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", bytes(4)]
        )
    else:
        start = source.randrange(len(changed))
        stretch = changed[start : start + source.randrange(64)]
        changed[place : place + len(stretch)] = stretch
    return bytes(changed)


def test_mutants_are_read_or_refused_but_never_worse(content):
    source = random.Random(11)
    refused = 0
    started = time.process_time()
    for _ in range(MUTANTS):
        try:
            inspect(mutated(content, source))
        except ModelFileError as error:
            refused += 1
            assert "\n" not in str(error)
    assert MUTANTS / 4 < refused < MUTANTS
    assert time.process_time() - started < MAX_SECONDS


@pytest.mark.parametrize(
    ("name", "message"), [("missing.tflite", "No such file"), ("", "not a file")]
)
def test_what_is_not_a_file(tmp_path, name, message):
    with pytest.raises(ModelFileError, match=message):
        inspect(tmp_path / name)


def test_a_pipe_or_a_device_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.tflite")
    for path in (tmp_path / "pipe.tflite", "/dev/zero", "a\0b", "a" * 5000):
        with pytest.raises(ModelFileError, match="cannot read this model file"):
            inspect(path)


def test_a_git_lfs_pointer_says_how_to_get_the_model(tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    (tmp_path / "model.tflite").write_bytes(pointer)
    with pytest.raises(ModelFileError, match="Run: git lfs pull"):
        inspect(tmp_path / "model.tflite")
