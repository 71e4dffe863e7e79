"""What the user names is told apart without loading it."""

import zipfile

import pytest

from bokeh_tf.converting.source import Kind, source_of
from bokeh_tf.errors import ModelFileError


def test_each_kind_is_known_by_its_content(tmp_path, tiny_convolution):
    with zipfile.ZipFile(tmp_path / "no_suffix", "w") as archive:
        archive.writestr("config.json", "{}")
    (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    kinds = {
        str(tmp_path / "no_suffix"): Kind.KERAS,
        str(tmp_path / "old.h5"): Kind.HDF5,
        str(tmp_path / "saved"): Kind.SAVED_MODEL,
        str(tiny_convolution): Kind.TFLITE,
        "dmshn": Kind.CATALOGUE,
        "dmshn.tiny": Kind.CATALOGUE,
        "my.nets:build": Kind.FUNCTION,
    }
    assert {text: source_of(text).kind for text in kinds} == kinds
    assert (source_of("dmshn.tiny").module, source_of("dmshn.tiny").name) == ("dmshn", "tiny")
    assert (source_of("my.nets:build").module, source_of("my.nets:build").name) == (
        "my.nets",
        "build",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("missing.keras", "no such file"),
        ("dmshn.huge", "variant must be one of"),
        ("a b:c", "no such file"),
        ("\x1b[2J", "no such file"),
    ],
)
def test_what_is_nothing_is_said_in_one_line(text, message):
    with pytest.raises(ModelFileError, match=message) as caught:
        source_of(text)
    assert str(caught.value).isprintable()


def test_a_folder_and_a_pointer_are_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"no saved_model\.pb"):
        source_of(str(tmp_path))
    (tmp_path / "pointer.keras").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid")
    with pytest.raises(ModelFileError, match="git lfs pull"):
        source_of(str(tmp_path / "pointer.keras"))
