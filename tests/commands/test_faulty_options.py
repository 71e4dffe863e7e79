"""Every file that an option names, or a command beside what it is about, meets every fault: a short
answer, the right exit status, nothing left behind.
"""

import pytest

from tests.commands.command_calls import MODEL, PHOTO, RESULT, a_pair, assert_said_shortly, run
from tests.commands.faulty_files import (
    a_pipe,
    assert_called_what_it_is,
    endless,
    missing,
    nonsense,
    nul,
    too_long,
)

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
    assert_called_what_it_is(fault, captured, tmp_path)
    # A pack that cannot be pushed is whole all the same.
    assert {entry.name for entry in out.iterdir()} <= (
        {"pack"} if option == "ai-benchmark --adb" else set()
    )
