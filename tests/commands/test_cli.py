"""The command line as a user meets it: exit status, one line on stderr,
and what it does not import.
"""

import os
import re
import subprocess
import sys

import pytest

from bokeh_tf import __version__
from bokeh_tf.cli import main

COMMANDS = (
    *("check", "bench", "compare", "report", "ai-benchmark", "render"),
    *("models", "export", "port", "data", "train"),
)
HEAVY = ("tensorflow", "keras", "numpy", "cv2", "PIL", "rich", "ai_edge_litert")
TRAINING = ("tensorflow", "keras", "jax", "torch")
TIMEOUT_S = 600

PROGRAM = """
import sys
from bokeh_tf.cli import main
try:
    status = main(sys.argv[2:])
except SystemExit as stop:
    status = stop.code
loaded = [name for name in sys.argv[1].split(",") if name in sys.modules]
sys.exit(f"imported: {loaded}" if loaded else status)
"""


def run(*arguments, program=None, **options):
    command = [sys.executable, "-c", program] if program else [sys.executable, "-m", "bokeh_tf"]
    command += [str(argument) for argument in arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **options
    )


@pytest.mark.parametrize("arguments", [(), *((command,) for command in COMMANDS)])
def test_help_imports_nothing_heavy(arguments):
    child = run(",".join(HEAVY), *arguments, "--help", program=PROGRAM)
    assert (child.returncode, child.stderr) == (0, "")
    assert child.stdout.startswith(" ".join(("usage: bokeh-tf", *arguments)))


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^    {command}\b", text, re.MULTILINE) for command in COMMANDS)


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"bokeh-tf {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "COMMAND"),
        (["nonsense"], "invalid choice"),
        (["check"], "PATH"),
        (["check", "x.tflite", "--timeout", "0"], "invalid positive number value: '0'"),
        (["check", "x.tflite", "--timeout", "nan"], "invalid positive number value: 'nan'"),
        (["check", "x.tflite", "--format", "xml"], "invalid choice: 'xml'"),
        (["bench", "x.tflite", "--rounds", "0"], "invalid whole number from 1 value: '0'"),
        (["bench", "x.tflite", "--threads", "two"], "invalid whole number from 1 value: 'two'"),
        (["render", "x.jpg"], "-o/--out"),
        (["render", "-o", "x"], "PHOTO"),
        (["render", "x.jpg", "-o", "x", "--input-range", "1", "0"], "--input-range"),
        (["render", "x.jpg", "-o", "x", "--input-range", "0", "nan"], "--input-range"),
        (["render", "x.jpg", "-o", "x", "--input-range", "-1"], "--input-range"),
        (["render", "x.jpg", "-o", "x", "--output-range", "1", "1"], "--output-range"),
        (["--flagfile=/etc/passwd"], "--flagfile is not taken"),
        (["check", "m.tflite", "--flagfile", "/dev/zero"], "--flagfile is not taken"),
        (["check", "m.tflite", "-flagfile=/tmp"], "--flagfile is not taken"),
        (["train", "nope", "--data", "x", "--out", "y"], "invalid choice: 'nope'"),
        (["train", "dbsi_mobile", "--out", "y"], "--data"),
        (["train", "dbsi_mobile", "--data", "x"], "--out"),
        (
            ["train", "dbsi_mobile", "--data", "x", "--out", "y", "--steps", "-5"],
            "invalid whole number from 1",
        ),
        (
            ["train", "dbsi_mobile", "--data", "x", "--out", "y", "--precision", "int8"],
            "invalid choice: 'int8'",
        ),
        (["data"], "ACTION"),
        (["data", "inspect"], "DIR"),
        (["data", "align", "a", "b"], "-o/--out"),
    ],
)
def test_wrong_usage_is_status_2(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: bokeh-tf") and complaint in captured.err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--phase", "2"], "--phase must be one of the plan's: 1 scenes"),
        (["--seed", "-1"], "seed must be from 0"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_status_2(options, complaint, tmp_path, capsys):
    arguments = [
        "train",
        "dbsi_mobile",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        *options,
    ]
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("bench", "missing – 写真.tflite"),
        ("render", "missing – 写真.jpg", "-o", "out.jpg", "--model", "missing – 写真.tflite"),
    ],
)
def test_a_missing_file_is_status_1_and_one_line(arguments, tmp_path):
    child = run(",".join(TRAINING), *arguments, program=PROGRAM, cwd=tmp_path)
    assert child.returncode == 1, child.stderr
    assert child.stderr.startswith("bokeh-tf: missing – 写真.") and child.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_check_reports_a_missing_file_and_is_status_1(tmp_path):
    child = run(",".join(TRAINING), "check", "missing – 写真.tflite", program=PROGRAM, cwd=tmp_path)
    assert child.returncode == 1, child.stderr
    assert child.stdout.startswith("NOT CHECKED  missing – 写真.tflite: ") and child.stderr == ""


def test_bench_times_a_file_and_writes_the_samples(tiny_convolution, tmp_path):
    child = run(
        "bench",
        tiny_convolution,
        "--threads",
        1,
        "--rounds",
        2,
        "--out",
        tmp_path / "größe",
        cwd=tmp_path,
    )
    assert child.returncode == 0, child.stderr
    (result,) = (tmp_path / "größe").iterdir()
    assert result.suffix == ".json" and f"written: {tmp_path}" in child.stdout


# The main thread is interrupted as soon as the work has begun, or is about to. Job runners start
# their jobs with the signal ignored, which children inherit.
INTERRUPTED_PROGRAM = """
import os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
def interrupt():
    while "bokeh_tf.bench.host.sampling" not in sys.modules:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
from bokeh_tf.cli import main
threading.Thread(target=interrupt, daemon=True).start()
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_is_status_130_and_one_line(tiny_convolution, tmp_path):
    arguments = ("bench", tiny_convolution, "--rounds", 10_000_000, "--out", tmp_path)
    child = run(*arguments, program=INTERRUPTED_PROGRAM)
    assert child.returncode == 130, child.stderr
    assert child.stderr.splitlines()[-1].startswith("bokeh-tf: interrupted")
    assert "Traceback" not in child.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [(), ("--format", "json")])
def test_a_reader_that_has_gone_is_no_error(options, tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        command = [
            sys.executable,
            "-m",
            "bokeh_tf",
            "check",
            str(tmp_path / "missing.tflite"),
            *options,
        ]
        # Python keeps output back until it exits, unless this is set.
        environment = {
            name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"
        }
        pipes = {"stdout": write_end, "stderr": subprocess.PIPE}
        child = subprocess.run(command, **pipes, env=environment, timeout=TIMEOUT_S, check=False)
    finally:
        os.close(write_end)
    assert child.stderr == b""
    assert child.returncode in (0, 1)
