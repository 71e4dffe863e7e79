"""How every command is told of a file, how it is run in this process, and how short it must be
about what is wrong.
"""

import contextlib
import shutil
import signal
from pathlib import Path

from bokeh_tf.cli import main

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
