"""`bokeh_tf.paths`: every kind of path there is, against each of its functions."""

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from bokeh_tf import paths
from bokeh_tf.errors import OutputError
from tests.privileges import without_privileges

LIMIT_BYTES = 100


@pytest.fixture
def odd_paths(tmp_path):
    """Paths by what they are; none of them a readable regular file."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "link to a pipe").symlink_to(tmp_path / "pipe.jpg")
    (tmp_path / "file").write_bytes(b"x")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        yield {
            "missing": tmp_path / "missing",
            "folder": tmp_path / "folder",
            "pipe": tmp_path / "pipe.jpg",
            "link to a pipe": tmp_path / "link to a pipe",
            "socket": tmp_path / "socket",
            "endless device": "/dev/zero",
            "dangling link": tmp_path / "dangling.jpg",
            "loop": tmp_path / "loop.jpg",
            "long name": tmp_path / ("a" * 5000),
            "long path": "/".join(["a" * 200] * 50),
            "below a file": tmp_path / "file" / "a.jpg",
            "NUL": str(tmp_path / "a\0.jpg"),
            "empty": "",
        }


def test_no_question_raises_and_no_read_hangs(odd_paths):
    for kind, path in odd_paths.items():
        assert not paths.is_file(path), kind
        # "" is the working folder for `Path`.
        assert paths.is_dir(path) == (kind in ("folder", "empty")), kind
        with pytest.raises(OSError) as refusal:
            paths.read_bytes(path, limit_bytes=LIMIT_BYTES)
        assert refusal.value.strerror, kind


def test_a_folder_that_may_not_be_searched(tmp_path):
    path = tmp_path / "locked" / "a"
    path.parent.mkdir()
    path.write_bytes(b"x")
    path.parent.chmod(0)
    with without_privileges():
        with pytest.raises(PermissionError):
            path.is_file()
        assert not paths.is_file(path)
        assert not paths.is_dir(path)
        with pytest.raises(PermissionError):
            paths.read_bytes(path, limit_bytes=LIMIT_BYTES)
        with pytest.raises(OutputError, match="Permission denied"):
            paths.claim(path)
    path.parent.chmod(0o700)


def test_regular_files_are_read_to_their_limit(tmp_path):
    path = tmp_path / "file"
    for size in (0, 1, LIMIT_BYTES):
        path.write_bytes(bytes(range(256))[:size])
        assert paths.is_file(path)
        assert paths.read_bytes(path, limit_bytes=LIMIT_BYTES) == bytes(range(256))[:size]
    path.write_bytes(bytes(LIMIT_BYTES + 1))
    with pytest.raises(OSError, match="larger than 100 bytes"):
        paths.read_bytes(path, limit_bytes=LIMIT_BYTES)
    with path.open("wb") as sparse:
        sparse.truncate(1 << 40)
    with pytest.raises(OSError, match="larger than 2 MB"):
        paths.read_bytes(path, limit_bytes=2_000_000)


def test_files_that_the_system_makes_up_are_not_waited_for():
    for path in ("/proc/kmsg", "/proc/self/status"):
        if os.access(path, os.R_OK):
            assert paths.read_bytes(path, limit_bytes=LIMIT_BYTES) == b""


def test_one_of_many_gets_a_name(tmp_path):
    barrier, winners = threading.Barrier(16), []

    def race(number):
        barrier.wait()
        if paths.claim(tmp_path / "a.png"):
            winners.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1


def test_a_claim_takes_no_name_that_is_in_use(odd_paths):
    for kind in ("folder", "pipe", "socket", "dangling link", "loop"):
        assert not paths.claim(odd_paths[kind]), kind
    for kind in ("long name", "below a file", "NUL"):
        with pytest.raises(OutputError) as refusal:
            paths.claim(odd_paths[kind])
        assert "Choose another output path" in str(refusal.value)
    assert not odd_paths["dangling link"].exists()
    assert paths.claim(odd_paths["missing"])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("größe – 写真 👩‍👩‍👧.jpg", "größe – 写真 👩‍👩‍👧.jpg"),
        ("Screenshot 9.41\u202fAM.png", "Screenshot 9.41\u202fAM.png"),
        ("\x1b[2J\x07.jpg", r"\x1b[2J\x07.jpg"),
        ("a\nb\r.jpg", r"a\nb\r.jpg"),
        ("\x9b31m", r"\x9b31m"),
        ("gpj.\u202eevil", r"gpj.\u202eevil"),
        ("a\u2028b", r"a\u2028b"),
        (os.fsdecode(b"\xff\x80.jpg"), r"\xff\x80.jpg"),
    ],
)
def test_names_are_shown_without_effect(name, shown):
    assert paths.printable(name) == shown
    paths.printable(name).encode("utf-8")


def test_files_are_found_at_any_depth_and_what_cannot_be_listed_is_named(tmp_path, monkeypatch):
    # The folders above stay closed to others, so the paths are relative.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("a.txt", "b/c/d.txt", "b/z.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b" / "loop").symlink_to("..")
    (tmp_path / "locked").mkdir(mode=0)
    tmp_path.chmod(0o755)
    with without_privileges():
        names = [path.as_posix() for path in paths.files_below(".")]
    assert names == ["a.txt", "b/z.txt", "b/c/d.txt", "locked"]
    assert list(paths.files_below(tmp_path / "missing")) == [tmp_path / "missing"]


def test_a_tree_deeper_than_the_stack_is_walked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):
        Path("d").mkdir()
        os.chdir("d")
    Path("file").touch()
    monkeypatch.chdir(tmp_path)
    try:
        assert [path.name for path in paths.files_below("d")] == ["file"]
    finally:
        # Python's own removal calls itself for each level.
        subprocess.run(["rm", "-r", "d"], check=True)


def test_questions_from_a_deleted_working_folder(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert paths.resolved("a") == Path("a") and not paths.exists("a") and not paths.is_file("a")
    assert paths.resolved("/") == Path("/")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["x/a.jpg", "y/b.jpg"], ["a.jpg", "b.jpg"]),
        (["day/a.jpg", "night/a.jpg", "night/b.jpg"], ["day/a.jpg", "night/a.jpg", "b.jpg"]),
        (["1/in/a.jpg", "2/in/a.jpg"], ["1/in/a.jpg", "2/in/a.jpg"]),
        (["a.jpg", "in/a.jpg"], ["a.jpg", "in/a.jpg"]),
        (["/a.jpg", "/in/a.jpg"], ["/a.jpg", "in/a.jpg"]),
        (["in/a.jpg", "a.jpg", "in/a.jpg"], ["in/a.jpg", "a.jpg", "in/a.jpg #2"]),
        ([], []),
    ],
)
def test_files_of_one_name_are_told_apart(given, names):
    assert paths.names_apart(given) == names
