"""TensorFlow Lite's own metadata: read back by field numbers of the published
schema, without the writer.
"""

import flatbuffers.table
import pytest
from ai_edge_litert.interpreter import Interpreter
from flatbuffers import encode
from flatbuffers.number_types import Float32Flags, Int8Flags, Uint8Flags, Uint32Flags, UOffsetTFlags

from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.standard_metadata import NAME, standard_metadata, with_standard_metadata

DESCRIPTION = {
    "model": "mine",
    "variant": "base",
    "package_version": "1.2.3",
    "inputs": [
        {"name": "photo", "shape": [1, 24, 32, 3], "range": [-1, 1], "encoding": "sRGB RGB"},
        {"name": "depth", "shape": [1, 24, 32, 1], "range": None, "encoding": None},
    ],
    "outputs": [{"name": "mask", "shape": [1, 24, 32, 1], "range": [0, 1]}],
}


class Reader:
    """A table of a FlatBuffer, its fields by their numbers in the schema."""

    def __init__(self, content, place):
        self.table = flatbuffers.table.Table(content, place)

    def place(self, number):
        return self.table.Offset(4 + 2 * number)

    def number(self, number, flags):
        return (
            self.table.Get(flags, self.table.Pos + self.place(number)) if self.place(number) else 0
        )

    def text(self, number):
        return self.table.String(self.table.Pos + self.place(number)).decode()

    def child(self, number):
        return Reader(self.table.Bytes, self.table.Indirect(self.table.Pos + self.place(number)))

    def children(self, number):
        start = self.table.Vector(self.place(number))
        count = self.table.VectorLen(self.place(number))
        return [Reader(self.table.Bytes, self.table.Indirect(start + 4 * n)) for n in range(count)]

    def floats(self, number):
        start = self.table.Vector(self.place(number))
        count = self.table.VectorLen(self.place(number))
        return [self.table.Get(Float32Flags, start + 4 * n) for n in range(count)]


@pytest.fixture(scope="module")
def model():
    content = bytearray(standard_metadata(DESCRIPTION))
    assert content[4:8] == b"M001"
    return Reader(content, encode.Get(UOffsetTFlags.packer_type, content, 0))


def test_the_model_and_its_tensors_have_their_names_in_order(model):
    assert (model.text(0), model.text(2), model.text(7)) == ("mine.base", "1.2.3", "1.0.0")
    [graph] = model.children(3)
    assert [tensor.text(0) for tensor in graph.children(2)] == ["photo", "depth"]
    assert [tensor.text(0) for tensor in graph.children(3)] == ["mask"]


def test_a_picture_says_its_colours_its_size_and_its_normalisation(model):
    photo = model.children(3)[0].children(2)[0]
    content = photo.child(3)
    # ContentProperties: ImageProperties is 2.
    assert content.number(0, Uint8Flags) == 2
    image = content.child(1)
    assert image.number(0, Int8Flags) == 1
    assert [image.child(1).number(place, Uint32Flags) for place in (0, 1)] == [32, 24]
    [unit] = photo.children(4)
    assert unit.number(0, Uint8Flags) == 1
    mean, deviation = unit.child(1).floats(0)[0], unit.child(1).floats(1)[0]
    assert [(pixel - mean) / deviation for pixel in (0, 255)] == [-1, 1]
    assert (photo.child(5).floats(0), photo.child(5).floats(1)) == ([1], [-1])


def test_what_is_not_known_is_not_said(model):
    depth = model.children(3)[0].children(2)[1]
    assert depth.child(3).number(0, Uint8Flags) == 1
    assert depth.place(4) == 0 and depth.place(5) == 0
    mask = model.children(3)[0].children(3)[0]
    assert mask.place(4) == 0 and mask.child(5).floats(0) == [1]


def test_the_file_runs_as_before_and_both_descriptions_are_in_it(tiny_convolution):
    content = tiny_convolution.read_bytes()
    described = with_standard_metadata(content, DESCRIPTION)
    assert NAME.encode() in described and b"M001" in described
    assert inspect(described).operators == inspect(content).operators
    Interpreter(model_content=described).allocate_tensors()
