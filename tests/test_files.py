"""Results appear whole or not at all; archives are read back with distrust."""

import concurrent.futures
import contextlib
import errno
import io
import itertools
import multiprocessing
import os
import resource
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bokeh_tf import files
from bokeh_tf.data.archives import read_archive, write_archive
from bokeh_tf.errors import DataError, OutputError
from bokeh_tf.files import NewFolders, make_folder, replacing, write_bytes, write_text

ROOT = Path(__file__).resolve().parents[1]
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


def test_a_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "result"
    path.write_bytes(b"old")
    path.chmod(0o604)
    write_bytes(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604 and path.read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give files away")
def test_a_replaced_file_keeps_its_owner(tmp_path):
    path = tmp_path / "result"
    path.write_bytes(b"old")
    os.chown(path, 1234, 2345)
    write_bytes(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    (tmp_path / "runs").mkdir()
    target, link, dangling = tmp_path / "runs" / "target", tmp_path / "link", tmp_path / "dangling"
    target.write_bytes(b"old")
    link.symlink_to("runs/target")
    dangling.symlink_to(tmp_path / "runs" / "later")
    write_bytes(link, b"new")
    write_bytes(dangling, b"first")
    assert link.is_symlink() and dangling.is_symlink()
    assert target.read_bytes() == b"new"
    assert (tmp_path / "runs" / "later").read_bytes() == b"first"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["later", "target"]


def test_links_in_a_circle_are_refused_in_one_line(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OutputError, match="symbolic links"):
        write_bytes(tmp_path / "a", b"")
    assert len(list(tmp_path.iterdir())) == 2


def test_devices_and_pipes_are_written_to_and_stay_what_they_are(tmp_path):
    write_bytes("/dev/null", b"nothing")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(pipe, b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode) and list(tmp_path.iterdir()) == [pipe]


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="only Linux has a disk that is always full"
)
def test_a_full_device_is_one_line():
    with pytest.raises(OutputError, match=r"/dev/full: cannot write \(No space left"):
        write_bytes("/dev/full", b"x" * 100_000)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_an_output_that_is_an_input_is_refused_under_every_name(tmp_path):
    model, link, hard_link = tmp_path / "model.tflite", tmp_path / "link", tmp_path / "hard"
    model.write_bytes(b"model")
    link.symlink_to(model)
    hard_link.hardlink_to(model)
    for output in (model, str(model), link, hard_link, tmp_path / "." / "model.tflite"):
        with pytest.raises(OutputError, match="this run reads that file"):
            files.refuse_inputs([None, output], [tmp_path / "other", model])
    files.refuse_inputs(
        [tmp_path / "new", None, "/dev/null"], [model, None, "/dev/null", "no\0file"]
    )


def claim_names(folder, writer):
    """Writes files as one of several processes that want the same names;
    returns the names that it got.
    """
    got = []
    for number in range(200):
        if files.write_new(Path(folder) / f"result_{number}.json", f"{writer}".encode()):
            got.append(number)
    return got


def test_of_processes_that_want_one_name_exactly_one_gets_it(tmp_path):
    with concurrent.futures.ProcessPoolExecutor(
        4, mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        claims = list(pool.map(claim_names, [tmp_path] * 4, range(4)))
    assert sorted(number for claim in claims for number in claim) == list(range(200))
    for writer, claim in enumerate(claims):
        for number in claim:
            assert (tmp_path / f"result_{number}.json").read_text() == str(writer)
    assert len(list(tmp_path.iterdir())) == 200


def test_a_name_is_claimed_where_there_are_no_hard_links_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    assert files.write_new(tmp_path / "result", b"first")
    assert not files.write_new(tmp_path / "result", b"second")
    assert (tmp_path / "result").read_bytes() == b"first" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("write", [write_bytes, files.write_new])
def test_what_a_killed_run_left_is_swept_after_a_day(tmp_path, write):
    two_days_ago_s = time.time() - 2 * 24 * 3600
    left = ["." + "0a" * 8 + suffix for suffix in (".tflite", ".json", "")]
    kept = [
        ".0a0a.json",
        ".gitignore",
        "0a" * 8 + ".json",
        "." + "0A" * 8 + ".json",
        "." + "zz" * 8,
    ]
    for name in [*left, *kept]:
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (two_days_ago_s, two_days_ago_s))
    young = tmp_path / ("." + "1b" * 8 + ".json")
    young.write_bytes(b"another run's")
    link = tmp_path / ("." + "2c" * 8 + ".json")
    link.symlink_to(tmp_path / kept[0])
    write(tmp_path / "result.json", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*kept, young.name, link.name, "result.json"]
    )


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
    """Writes `path`, with Ctrl-C at the `step`th line run in `WRITING`;
    returns whether it came to that.
    """
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
        with pytest.raises(
            OutputError, match=r"result\.bin: cannot write .*Nothing was left behind"
        ):
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
        tmp_path / "folder": "a folder, not a file",
    }


def test_paths_that_cannot_be_written_are_refused_in_one_line(tmp_path):
    for path, reason in unwritable(tmp_path).items():
        with pytest.raises(OutputError, match=reason) as error:
            write_bytes(path, b"")
        assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_an_open_file_with_longer_content_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "result"
    path.write_bytes(b"longer than what comes")
    descriptor = os.open(path, os.O_RDWR)
    try:
        write_text(f"/dev/fd/{descriptor}", "short")
    finally:
        os.close(descriptor)
    assert path.read_bytes() == b"short"


def test_make_folder(tmp_path):
    path = tmp_path / "größe" / "写真"
    assert make_folder(path) == make_folder(str(path)) == path
    assert path.is_dir()
    (tmp_path / "file").write_bytes(b"")
    for impossible in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="cannot create this folder"):
            make_folder(impossible)


def test_a_folder_that_cannot_be_made_leaves_none_of_its_parents(tmp_path):
    (tmp_path / "there").mkdir()
    # The last name is longer than file systems take; the whole path longer than the system takes.
    for below in (["made", "a" * 300], ["a" * 200] * 50):
        with pytest.raises(OutputError, match="cannot create this folder"):
            make_folder(tmp_path.joinpath("there", *below))
        with pytest.raises(OutputError), NewFolders() as folders:
            folders.make(tmp_path.joinpath("there", *below))
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


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


def test_an_output_named_as_standard_output_comes_after_what_is_printed(tmp_path):
    program = (
        "from bokeh_tf.files import write_text; print('one');"
        " write_text('/dev/stdout', 'two\\n'); print('three')"
    )
    with (tmp_path / "printed").open("wb") as printed:
        subprocess.run([sys.executable, "-c", program], stdout=printed, check=True, cwd=ROOT)
    assert (tmp_path / "printed").read_text(encoding="utf-8") == "one\ntwo\nthree\n"
