"""Every command meets every fault: a short answer, the right exit status, nothing
lost, nothing left behind.
"""

import contextlib
import os
import shutil
import signal
from pathlib import Path

import pytest

from bokeh_tf.cli import main
from tests.privileges import without_privileges

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "bokeh_tf" / "weights" / "dbsi_mobile_base_float16_1024x1536.tflite"
PHOTO = ROOT / "bokeh_tf" / "samples" / "photo.jpg"
RESULT = next((ROOT / "benchmarks" / "results").glob("flagship_*.json"))
TIMEOUT_S = 600
# Two lines: what is wrong, and for some commands how many of several inputs were done.
MOST_LINES = 2


def a_pair(folder):
    """A folder that holds what looks like a pair."""
    place = folder / "a pair"
    place.mkdir(exist_ok=True)
    shutil.copy(PHOTO, place / "a_Input.jpg")
    shutil.copy(PHOTO, place / "a_GT.jpg")
    return place


# How each command is told to read `path`; what it writes goes into the folder `out`.
COMMANDS = {
    "check": lambda path, out: [
        "check",
        path,
        "--no-probe",
        "--output",
        out / "report.json",
        "--format",
        "json",
    ],
    "check a baseline": lambda path, out: ["check", MODEL, "--no-probe", "--baseline", path],
    "bench": lambda path, out: ["bench", path, "--rounds", "1", "--out", out / "timings"],
    "bench read": lambda path, out: ["bench", "read", path, "--out", out / "timings"],
    "compare": lambda path, out: ["compare", path, RESULT],
    "report": lambda path, out: ["report", path, "-o", out / "page.html"],
    "web": lambda path, out: ["web", "--model", path, "--out", out / "page"],
    "app": lambda path, out: ["app", path, "--for", "web", "-o", out / "app"],
    "ai-benchmark": lambda path, out: ["ai-benchmark", path, "-o", out / "pack"],
    "ai-benchmark import": lambda path, out: [
        "ai-benchmark",
        "import",
        path,
        "-o",
        out / "imported",
    ],
    "render": lambda path, out: ["render", path, "-o", out / "pictures"],
    "render by a model": lambda path, out: [
        "render",
        PHOTO,
        "--model",
        path,
        "-o",
        out / "pictures",
    ],
    "render with a mask": lambda path, out: [
        "render",
        PHOTO,
        "--mask",
        path,
        "-o",
        out / "pictures",
    ],
    "repair": lambda path, out: ["repair", path, "-o", out / "whole.tflite", "--no-probe"],
    "convert": lambda path, out: ["convert", path, "-o", out / "phone.tflite", "--no-probe"],
    "export": lambda path, out: [
        "export",
        "unet",
        "--variant",
        "tiny",
        "--weights",
        path,
        "-o",
        out,
    ],
    "port": lambda path, out: ["port", "dmshn", path, "-o", out / "ported.weights.h5"],
    "data inspect": lambda path, out: ["data", "inspect", path, "-o", out / "inspected"],
    "data inspect a list": lambda path, out: [
        "data",
        "inspect",
        a_pair(out.parent),
        "--only",
        path,
    ],
    "data align": lambda path, out: ["data", "align", path, PHOTO, "-o", out / "pairs"],
    "evaluate": lambda path, out: ["evaluate", path, "--model", "untouched"],
    "evaluate a model": lambda path, out: [
        "evaluate",
        a_pair(out.parent),
        "--model",
        path,
    ],
    "evaluate pictures": lambda path, out: ["evaluate", a_pair(out.parent), "--model", path],
    "train": lambda path, out: [
        "train",
        "unet",
        "--data",
        path,
        "--out",
        out / "run",
        "--scale",
        "small",
    ],
}
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
TAKES_FOLDERS = {"check", "report", "render", "data inspect", "data align", "train"}


def missing(folder, suffix=""):
    return folder / f"missing{suffix}"


def a_folder(folder, suffix=""):
    (folder / f"folder{suffix}").mkdir()
    return folder / f"folder{suffix}"


def a_pipe(folder, suffix=""):
    os.mkfifo(folder / f"pipe{suffix}")
    return folder / f"pipe{suffix}"


def endless(folder, suffix=""):
    (folder / f"zero{suffix}").symlink_to("/dev/zero")
    return folder / f"zero{suffix}"


def nonsense(folder, suffix=""):
    (folder / f"nonsense{suffix}").write_bytes(bytes(range(256)) * 8)
    return folder / f"nonsense{suffix}"


def empty(folder, suffix=""):
    (folder / f"empty{suffix}").touch()
    return folder / f"empty{suffix}"


def deep(folder, suffix=""):
    (folder / f"deep{suffix}").write_bytes(b"[" * 200_000)
    return folder / f"deep{suffix}"


def too_long(folder, suffix=""):
    return folder / ("n" * 300 + suffix)


def links_in_a_circle(folder, suffix=""):
    (folder / f"a{suffix}").symlink_to(f"b{suffix}")
    (folder / f"b{suffix}").symlink_to(f"a{suffix}")
    return folder / f"a{suffix}"


def no_text(folder, suffix=""):
    return folder / (os.fsdecode(b"\xff\xfe\x1b[2J\x07") + suffix)


def nul(folder, suffix=""):
    return Path(f"{folder}/a\0b{suffix}")


# What the message must call the thing that is there instead of a file.
SAID = {a_folder: "folder", a_pipe: "pipe", endless: "device"}
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


@contextlib.contextmanager
def no_hang():
    """Fails where a command does not end; the alarm reaches reads that block too."""

    def fail(*_):
        raise AssertionError("hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(TIMEOUT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(arguments):
    """The exit status of a command in this process; a usage error is one too."""
    with no_hang():
        try:
            return main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return stop.code


def assert_said_shortly(captured):
    lines = captured.err.splitlines()
    assert "Traceback" not in captured.err + captured.out
    assert len(lines) <= MOST_LINES, captured.err
    assert all(character.isprintable() or character == "\n" for character in captured.err), repr(
        captured.err
    )
    return lines


def assert_called_what_it_is(fault, captured):
    """What is there is not said to be missing."""
    text = captured.err + captured.out
    if fault in SAID:
        assert SAID[fault] in text.lower() and "no such" not in text.lower(), text


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
    assert_called_what_it_is(fault, captured)
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


# Files that options and folders name, beside what the commands are about; how
# each is told of `path`.
OPTIONS = {
    "check --photo": lambda path, out: ["check", MODEL, "--photo", path],
    "check --inputs": lambda path, out: ["check", MODEL, "--no-probe", "--audit", "--inputs", path],
    "compare B": lambda path, out: ["compare", RESULT, path],
    "convert --inputs": lambda path, out: [
        *("convert", MODEL, "-o", out / "a.tflite", "--no-probe", "--inputs", path),
    ],
    "convert --calibration": lambda path, out: [
        *("convert", MODEL, "-o", out / "a.tflite", "--precision", "int8", "--calibration", path),
    ],
    "convert --labels": lambda path, out: [
        *("convert", MODEL, "-o", out / "a.tflite", "--no-probe", "--labels", path),
    ],
    "convert --photo": lambda path, out: [
        *("convert", MODEL, "-o", out / "a.tflite", "--no-probe", "--photo", path),
    ],
    "repair --photo": lambda path, out: [
        *("repair", MODEL, "-o", out / "a.tflite", "--no-probe", "--photo", path),
    ],
    "export --photo": lambda path, out: [
        *("export", "unet", "--variant", "tiny", "-o", out, "--no-probe", "--photo", path),
    ],
    "render --depth": lambda path, out: [
        *("render", PHOTO, "--depth", path, "-o", out / "pictures"),
    ],
    "web PHOTO": lambda path, out: ["web", path, "--out", out / "page"],
    "evaluate --only": lambda path, out: [
        *("evaluate", a_pair(out.parent), "--model", "untouched", "--only", path),
    ],
    "study results": lambda path, out: ["evaluate", "study", "results", path, RESULT],
    "render --model": lambda path, out: ["render", PHOTO, "--model", path, "-o", out / "pictures"],
    "render several": lambda path, out: ["render", path, path, "-o", out / "pictures"],
    "bench --benchmark-model": lambda path, out: [
        "bench",
        MODEL,
        "--on",
        "android",
        "--benchmark-model",
        path,
    ],
    "bench --adb": lambda path, out: [
        "bench",
        MODEL,
        "--on",
        "android",
        "--benchmark-model",
        MODEL,
        "--adb",
        path,
    ],
    "ai-benchmark --adb": lambda path, out: [
        "ai-benchmark",
        MODEL,
        "-o",
        out / "pack",
        "--push",
        "--adb",
        path,
    ],
    "data align WIDE": lambda path, out: ["data", "align", PHOTO, path, "-o", out / "pairs"],
    "data synthesise": lambda path, out: [
        "data",
        "synthesise",
        path,
        "-o",
        out / "pairs",
        "--pairs",
        "1",
    ],
}
FAULTS_OF_OPTIONS = [missing, a_pipe, endless, nonsense, too_long, nul]
# These look at what is there before their work, and at what is in it within that.
LATE = {"convert --inputs", "convert --calibration", "convert --labels", "convert --photo"}
LATE |= {"repair --photo", "export --photo"}
OPTION_CASES = [
    (option, fault)
    for option in OPTIONS
    for fault in FAULTS_OF_OPTIONS
    if fault is not nonsense or option not in LATE
]


@pytest.mark.parametrize(
    ("option", "fault"), OPTION_CASES, ids=[f"{o}-{fault.__name__}" for o, fault in OPTION_CASES]
)
def test_a_faulty_file_of_an_option_is_said_shortly(option, fault, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    path = fault(tmp_path)
    status = run(OPTIONS[option](path, out))
    captured = capsys.readouterr()
    assert status == 1, captured
    assert assert_said_shortly(captured) or captured.out
    assert_called_what_it_is(fault, captured)
    # A pack that cannot be pushed is whole all the same.
    assert {entry.name for entry in out.iterdir()} <= (
        {"pack"} if option == "ai-benchmark --adb" else set()
    )


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
