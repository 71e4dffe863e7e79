"""Results appear whole or not at all; archives are read back with distrust."""

import contextlib
import io
import itertools
import os
import resource
import stat
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bokeh_tf import files
from bokeh_tf.data.archives import read_archive, write_archive
from bokeh_tf.errors import DataError, OutputError
from bokeh_tf.files import make_folder, replacing, write_bytes, write_text

# Where an interruption may come while a file is written.
WRITING = {module.__file__ for module in (files, contextlib)}


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "größe – 写真.txt"
    write_text(path, "eins – 写真\n")
    assert path.read_bytes() == "eins – 写真\n".encode()
    write_bytes(str(path), b"zwei")
    assert path.read_bytes() == b"zwei"
    assert list(tmp_path.iterdir()) == [path]


def test_results_are_as_readable_as_the_umask_says(tmp_path):
    previous = os.umask(0o027)
    try:
        write_bytes(tmp_path / "result", b"")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "result").stat().st_mode) == 0o640


def test_the_temporary_file_keeps_the_suffix_and_the_folder(tmp_path):
    with replacing(tmp_path / "model.tflite") as temporary:
        assert temporary.suffix == ".tflite" and temporary.parent == tmp_path
        assert not (tmp_path / "model.tflite").exists()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "result.bin"
    write_bytes(path, b"old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def write_interrupted_at(step, path):
    """Writes `path`, with Ctrl-C at the `step`th line run in `WRITING`; returns whether it came to that."""
    steps = itertools.count()

    def trace(frame, event, _):
        if frame.f_code.co_filename not in WRITING:
            return None
        if event == "line" and next(steps) == step:
            raise KeyboardInterrupt
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        write_bytes(path, b"new")
        return False
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(previous)


def test_ctrl_c_at_any_line_of_a_write_leaves_nothing_half_done(tmp_path):
    path, step = tmp_path / "result.bin", 0
    path.write_bytes(b"old")
    while write_interrupted_at(step, path):
        assert list(tmp_path.iterdir()) == [path], f"interrupted at step {step}"
        step += 1
    assert path.read_bytes() == b"new" and step > 10


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.bin"
    write_bytes(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system cuts every file off here, as a full disk would.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"result\.bin: cannot write .*Nothing was left behind"):
            write_bytes(path, bytes(20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def unwritable(tmp_path):
    """Paths that nobody can write, the superuser included: (path, what is wrong with it)."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    return {
        tmp_path / "missing" / "result": "No such file",
        tmp_path / "file" / "result": "Not a directory",
        tmp_path / "folder": "Is a directory",
    }


def test_paths_that_cannot_be_written_are_refused_in_one_line(tmp_path):
    for path, reason in unwritable(tmp_path).items():
        with pytest.raises(OutputError, match=reason) as error:
            write_bytes(path, b"")
        assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_make_folder(tmp_path):
    path = tmp_path / "größe" / "写真"
    assert make_folder(path) == make_folder(str(path)) == path
    assert path.is_dir()
    (tmp_path / "file").write_bytes(b"")
    for impossible in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="cannot create this folder"):
            make_folder(impossible)


def test_an_archive_comes_back_as_it_was(tmp_path):
    arrays = {
        "photo": np.arange(12, dtype=np.uint8).reshape(3, 4),
        "text": np.array("größe"),
        "empty": np.zeros((0, 0)),
    }
    write_archive(tmp_path / "写真.npz", arrays)
    kept = read_archive(tmp_path / "写真.npz")
    assert kept.keys() == arrays.keys()
    for name, array in arrays.items():
        assert kept[name].dtype == array.dtype
        np.testing.assert_array_equal(kept[name], array)


def damaged_archives(tmp_path):
    """Bytes that are no archive, each in its own way."""
    write_archive(tmp_path / "good.npz", {"values": np.arange(1000)})
    good = (tmp_path / "good.npz").read_bytes()
    flipped = bytearray(good)
    flipped[2000] ^= 255
    objects, array, members = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(objects, values=np.array([{"not": "numbers"}], dtype=object))
    np.save(array, np.arange(3))
    with zipfile.ZipFile(members, "w") as archive:
        archive.writestr("values.npy", b"\x93NUMPY\x01\x00\x10\x00{nonsense")
    parts = [b"", good[:1000], good[:-10], bytes(flipped), b"text", b"PK\x03\x04"]
    return [*parts, *(stream.getvalue() for stream in (objects, array, members))]


def test_damaged_archives_are_refused_in_one_line(tmp_path):
    path = tmp_path / "archive.npz"
    for content in damaged_archives(tmp_path):
        path.write_bytes(content)
        with pytest.raises(DataError, match="missing or damaged") as error:
            read_archive(path)
        assert "\n" not in str(error.value) and str(error.value).startswith(f"{path}: ")
    for missing in (tmp_path / "missing.npz", Path(tmp_path)):
        with pytest.raises(DataError, match="missing or damaged"):
            read_archive(missing)
