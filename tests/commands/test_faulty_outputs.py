"""Every command meets outputs that cannot be written: it says so before its work, names the output
as the user did, and leaves nothing behind.

Each command reads a file whose fault shows only in the work itself; where the message is about the
output, the work was not begun.
"""

import os
import shutil

import pytest

from tests.commands.command_calls import (
    COMMANDS,
    MODEL,
    PHOTO,
    RESULT,
    a_pair,
    assert_said_shortly,
    run,
)
from tests.privileges import reachable_folder, without_privileges

# These write nothing in the form that the table of commands has.
_WRITE_NOTHING = {"check a baseline", "compare", "data inspect a list"}
# They evaluate without a folder for the results in that table.
_WITHOUT_OUTPUT = {"evaluate", "evaluate a model", "evaluate pictures"}
WRITING = sorted(set(COMMANDS) - _WRITE_NOTHING - _WITHOUT_OUTPUT)
# Commands whose output is a file that the user names, and that file's name.
FILES = {
    "check": "report.json",
    "report": "page.html",
    "repair": "whole.tflite",
    "convert": "phone.tflite",
    "port": "ported.weights.h5",
}
# Other ways to name an output: the command told of a `path` to write.
MORE = {
    "evaluate -o": lambda pairs, path: ["evaluate", pairs, "--model", "untouched", "-o", path],
    "evaluate study": lambda pairs, path: [
        *("evaluate", "study", pairs, "--model", "untouched", "-o", path),
    ],
    "export": lambda _, path: ["export", "unet", "--variant", "tiny", "-o", path, "--no-probe"],
    "data synthesise": lambda _, path: [
        *("data", "synthesise", PHOTO.parent, "-o", path, "--pairs", "1"),
    ],
    "bench --out": lambda _, path: ["bench", MODEL, "--out", path],
    "ai-benchmark import": lambda _, path: ["ai-benchmark", "import", RESULT, "-o", path],
    "render": lambda _, path: ["render", PHOTO, "-o", path],
    "web --out": lambda _, path: ["web", "--out", path],
}


@pytest.fixture
def place():
    """A folder that whoever has no privileges reaches too."""
    with reachable_folder() as folder:
        yield folder


@pytest.fixture
def unread(place):
    """A file that passes for what it is called until somebody works with it."""
    path = place / "model.keras"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    return path


def assert_refused(status, captured, output):
    assert status == 1, captured
    [line] = assert_said_shortly(captured)
    assert str(output) in line and "write" in line, line


@pytest.mark.parametrize("command", WRITING)
def test_a_file_where_a_folder_must_be(command, unread, place, capsys):
    out = place / "out"
    out.write_bytes(b"mine")
    status = run(COMMANDS[command](unread, out))
    assert_refused(status, capsys.readouterr(), out)
    assert out.read_bytes() == b"mine"


@pytest.mark.parametrize("command", WRITING)
def test_a_folder_that_may_not_be_written(command, unread, place, capsys):
    out, taken = place / "out", place / "taken"
    out.mkdir()
    out.chmod(0o555)
    taken.write_bytes(b"mine")
    # With privileges first, which imports what the command needs.
    assert_refused(run(COMMANDS[command](unread, taken)), capsys.readouterr(), taken)
    with without_privileges():
        status = run(COMMANDS[command](unread, out))
    assert_refused(status, capsys.readouterr(), out)
    assert not list(out.iterdir())


@pytest.mark.parametrize("command", FILES)
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_folder_or_an_unread_pipe_where_a_file_must_be(command, make, unread, place, capsys):
    out = place / "out"
    out.mkdir()
    make(out / FILES[command])
    status = run(COMMANDS[command](unread, out))
    assert_refused(status, capsys.readouterr(), out / FILES[command])
    assert [entry.name for entry in out.iterdir()] == [FILES[command]]


@pytest.mark.parametrize("command", sorted(set(FILES) - {"convert"}))
def test_a_folder_that_is_missing(command, unread, place, capsys):
    """`convert` makes it, as its description says of `--out`."""
    status = run(COMMANDS[command](unread, place / "out"))
    assert_refused(status, capsys.readouterr(), place / "out")
    assert not (place / "out").exists()


@pytest.mark.parametrize("command", MORE)
def test_other_outputs_that_cannot_be(command, place, capsys):
    pairs, locked = a_pair(place), place / "locked"
    locked.mkdir(mode=0o555)
    shutil.copy(PHOTO, place / "file")
    # With privileges first, which imports what the command needs.
    for output in (place / "file", place / "file" / "below"):
        assert_refused(run(MORE[command](pairs, output)), capsys.readouterr(), output)
    with without_privileges():
        status = run(MORE[command](pairs, locked / "new"))
    assert_refused(status, capsys.readouterr(), locked / "new")
    assert not list(locked.iterdir())
