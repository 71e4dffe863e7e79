"""TensorFlow Lite's own metadata: read back by field numbers of the published
schema, without the writer.
"""

import io
import zipfile

import flatbuffers.table
import keras
import pytest
from ai_edge_litert.interpreter import Interpreter
from flatbuffers import encode
from flatbuffers.number_types import Float32Flags, Int8Flags, Uint8Flags, Uint32Flags, UOffsetTFlags

from bokeh_tf.repairing.repair import repair
from bokeh_tf.tflite.associated_files import carried_over, files_of, why_lost, with_files
from bokeh_tf.tflite.inspection import STANDARD_METADATA_NAME, inspect
from bokeh_tf.tflite.standard_metadata import (
    Labels,
    standard_metadata,
    with_standard_metadata,
)
from tests.test_zips import of_several_disks

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


@pytest.mark.parametrize(("are_of_values", "kind"), [(False, 2), (True, 3)])
def test_an_output_says_which_list_names_its_classes(are_of_values, kind):
    labels = {"mask": Labels("labels.txt", ("sky", "hair"), are_of_values=are_of_values)}
    content = bytearray(standard_metadata(DESCRIPTION, labels=labels))
    root = Reader(content, encode.Get(UOffsetTFlags.packer_type, content, 0))
    [graph] = root.children(3)
    [file] = graph.children(3)[0].children(6)
    assert (file.text(0), file.number(2, Int8Flags)) == ("labels.txt", kind)
    assert all(tensor.place(6) == 0 for tensor in graph.children(2))


def test_labels_lie_uncompressed_behind_the_model_and_stay_there_when_it_is_repaired(
    tiny_convolution, tiny_tflite
):
    labels = {"mask": Labels("labels.txt", ("sky", "Größe"))}
    content = tiny_convolution.read_bytes()
    labelled = with_standard_metadata(content, DESCRIPTION, labels=labels)
    with zipfile.ZipFile(io.BytesIO(labelled)) as archive:
        [entry] = archive.infolist()
        assert entry.compress_type == zipfile.ZIP_STORED
        assert archive.read("labels.txt").decode() == "sky\nGröße\n"
    assert labelled == with_standard_metadata(content, DESCRIPTION, labels=labels)
    Interpreter(model_content=labelled).allocate_tensors()
    refused = tiny_tflite("upsampled", lambda image: keras.layers.UpSampling2D(2)(image))
    files = {"labels.txt": b"sky\n"}
    repaired = repair(with_files(refused.read_bytes(), files), probe=False)
    assert repaired.is_whole and files_of(repaired.content) == files and repaired.notes == ()
    damaged = bytearray(with_files(refused.read_bytes(), {"labels.txt": b"sky" * 100}))
    damaged[-200] ^= 0xFF
    repaired = repair(bytes(damaged), probe=False)
    [note] = repaired.notes
    assert repaired.is_whole and "behind the model is left out: a damaged archive" in note


def test_what_is_no_archive_or_a_bomb_is_not_carried_over(tiny_convolution):
    content = tiny_convolution.read_bytes()
    bomb = io.BytesIO(content)
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", bytes(2**25))
    damaged = bytearray(with_files(content, {"labels.txt": b"sky" * 100}))
    damaged[-200] ^= 0xFF
    for behind, why in (
        (bomb.getvalue(), "no lists of labels"),
        (bytes(damaged), "a damaged archive"),
        (content + of_several_disks(), "a damaged archive"),
        (content + b"PK\x05\x06", ""),
        (content, ""),
    ):
        assert files_of(behind) == {} and carried_over(content, behind) == content
        assert why in why_lost(behind) and bool(why_lost(behind)) == bool(why)


def test_the_file_runs_as_before_and_both_descriptions_are_in_it(tiny_convolution):
    content = tiny_convolution.read_bytes()
    described = with_standard_metadata(content, DESCRIPTION)
    assert STANDARD_METADATA_NAME.encode() in described and b"M001" in described
    assert inspect(described).operators == inspect(content).operators
    Interpreter(model_content=described).allocate_tensors()
