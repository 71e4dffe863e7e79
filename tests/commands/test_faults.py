"""Every command meets every fault of what it is about, names that a terminal would obey, and an
output that is its input: a short answer, the right exit status, nothing lost, nothing left behind.
"""

import shutil

import pytest

from bokeh_tf.cli import main
from tests.commands.command_calls import COMMANDS, MODEL, PHOTO, RESULT, assert_said_shortly, run
from tests.commands.faulty_files import (
    a_folder,
    a_pipe,
    assert_called_what_it_is,
    deep,
    empty,
    endless,
    links_in_a_circle,
    missing,
    no_text,
    nonsense,
    nul,
    too_long,
)
from tests.privileges import without_privileges

# How the name of the faulty file ends, where the command goes by that.
SUFFIXES = {
    "render by a model": ".tflite",
    "evaluate a model": ".keras",
    "export": ".weights.h5",
}
# What it is asked to write is a record of what could not be done.
RECORDS = {"check": {"report.json"}}
# These build a network before they read: seconds each, so they meet the faults
# that differ for them alone.
SLOW = {"export", "port", "train"}
# A folder is what these commands take.
TAKES_FOLDERS = {"check", "report", "render", "data inspect", "data align", "evaluate", "train"}
FAULTS = [
    missing,
    a_folder,
    a_pipe,
    endless,
    nonsense,
    empty,
    deep,
    too_long,
    links_in_a_circle,
    no_text,
    nul,
]
FAULTS_OF_SLOW = [missing, a_pipe, nonsense, too_long, no_text]
CASES = [
    (command, fault)
    for command in COMMANDS
    for fault in (FAULTS_OF_SLOW if command in SLOW else FAULTS)
    if fault is not a_folder or command not in TAKES_FOLDERS
]


@pytest.mark.parametrize(
    ("command", "fault"), CASES, ids=[f"{command}-{fault.__name__}" for command, fault in CASES]
)
def test_a_faulty_input_is_said_shortly_and_leaves_nothing(command, fault, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    path = fault(tmp_path, SUFFIXES.get(command, ""))
    status = run(COMMANDS[command](path, out))
    captured = capsys.readouterr()
    assert status == 1, captured
    assert assert_said_shortly(captured) or captured.out
    assert_called_what_it_is(fault, captured, tmp_path)
    left = {entry.name for entry in out.rglob("*")}
    assert left <= RECORDS.get(command, set())


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - SLOW))
def test_a_folder_that_may_not_be_searched_is_said_shortly(command, tmp_path, capsys):
    locked, out = tmp_path / "locked", tmp_path / "out"
    locked.mkdir()
    out.mkdir()
    out.chmod(0o777)
    tmp_path.chmod(0o755)
    (locked / "file").write_bytes(b"x")
    # With privileges first, which imports what the command needs.
    assert run(COMMANDS[command](locked / "missing", out)) == 1
    capsys.readouterr()
    locked.chmod(0)
    try:
        arguments = COMMANDS[command](locked / "file", out)
        with without_privileges():
            status = run(arguments)
    finally:
        locked.chmod(0o755)
    captured = capsys.readouterr()
    assert status == 1, captured
    assert_said_shortly(captured)


# What a name may hold that a terminal would obey, and a reader be misled by.
NAME = "a\x1b[31m\x07\u202e\u2028b"
# Where such names are printed though all is well; how each command is told of a file or
# folder and where to write.
NAMED = {
    "check": lambda place: [
        "check",
        place / "m.tflite",
        "--no-probe",
        "--write-baseline",
        place / "base.json",
    ],
    "compare": lambda place: ["compare", place / "r.json", place / "r.json"],
    "report": lambda place: ["report", place / "r.json", "-o", place / "r.md"],
    "render": lambda place: ["render", place / "p.jpg", "-o", place / "out"],
    "ai-benchmark": lambda place: ["ai-benchmark", place / "m.tflite", "-o", place / "pack"],
    "data inspect": lambda place: ["data", "inspect", place / "pairs", "-o", place / "lists"],
}


@pytest.fixture(scope="module")
def named_files(tmp_path_factory):
    """A folder whose name and all names in it hold what a terminal would obey."""
    place = tmp_path_factory.mktemp("names") / NAME
    for folder in ("original", "bokeh"):
        (place / "pairs" / folder).mkdir(parents=True)
        shutil.copy(PHOTO, place / "pairs" / folder / "1.jpg")
        (place / "pairs" / folder / f"2{NAME}.jpg").write_bytes(b"no photo")
    for source, name in ((MODEL, "m.tflite"), (RESULT, "r.json"), (PHOTO, "p.jpg")):
        shutil.copy(source, place / name)
    return place


@pytest.mark.parametrize("command", NAMED)
def test_names_do_nothing_to_a_terminal(command, named_files, capsys):
    assert run(NAMED[command](named_files)) == 0
    captured = capsys.readouterr()
    assert captured.out
    for text in (captured.out, captured.err):
        assert all(map(str.isprintable, text.split("\n"))), repr(text)


# Commands whose output may be named as what they read: how, and the file they read.
SELF_OUTPUTS = {
    "check": (MODEL, lambda path: ["check", path, "--no-probe", "--output", path]),
    "write a baseline": (
        MODEL,
        lambda path: ["check", path, "--no-probe", "--write-baseline", path],
    ),
    "report": (RESULT, lambda path: ["report", path, "-o", path.parent / "link.html"]),
    "render": (PHOTO, lambda path: ["render", path, "-o", path, "--overwrite"]),
    "repair": (MODEL, lambda path: ["repair", path, "-o", path, "--no-probe"]),
    "convert": (MODEL, lambda path: ["convert", path, "-o", path, "--no-probe"]),
}


@pytest.mark.parametrize("command", SELF_OUTPUTS)
def test_an_output_that_is_the_input_is_refused(command, tmp_path, capsys):
    source, arguments = SELF_OUTPUTS[command]
    path = tmp_path / source.name
    shutil.copy(source, path)
    (tmp_path / "link.html").symlink_to(path)
    assert run(arguments(path)) == 1
    assert len(assert_said_shortly(capsys.readouterr())) == 1
    assert path.read_bytes() == source.read_bytes()


def test_every_command_is_in_the_table(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.partition("commands:")[2]
    names = {
        line.split()[0]
        for line in listed.splitlines()
        if line.startswith("    ") and line[4] != " "
    }
    tried = {name.split(" a ")[0].split()[0] for name in COMMANDS}
    assert {name for name in names if name.islower()} - {"models"} <= tried


@pytest.mark.parametrize("command", ["convert", "repair", "check", "report"])
def test_in_a_deleted_folder_what_has_its_whole_path_is_done(
    command, tmp_path, monkeypatch, capsys
):
    gone, out = tmp_path / "gone", tmp_path / "out"
    for folder in (gone, out):
        folder.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    status = run(COMMANDS[command](RESULT if command == "report" else MODEL, out))
    captured = capsys.readouterr()
    assert status == 0, captured
    assert "Traceback" not in captured.err
