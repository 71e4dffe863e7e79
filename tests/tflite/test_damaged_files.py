"""What is no sound file, hundreds of damaged ones among it, is read or refused in one line and in
bounded time, never worse.
"""

import os
import random
import struct
import time

import pytest
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite import flatbuffer
from bokeh_tf.tflite.inspection import inspect
from tests.model_writer import FileWriter
from tests.tflite.convolution_file import convolution_file

Builtin = schema.BuiltinOperator
MUTANTS = 600
# Reading takes milliseconds; this leaves room for a machine that is busy elsewhere.
MAX_SECONDS = 5.0


@pytest.fixture(scope="module")
def content():
    return convolution_file()


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
