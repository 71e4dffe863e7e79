"""The exit status is the command's own, whoever reads its output and whatever ends it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bokeh_tf.errors import CheckError
from bokeh_tf.program import StandardStream, guarded

PRINTS_AND_FAILS = """
import sys
from bokeh_tf.program import run_program
def command():
    for line in range(20_000):
        print("a line of a long report", line)
    return 3
sys.exit(run_program("test", lambda: command))
"""
PRINTS_A_LITTLE = PRINTS_AND_FAILS.replace("20_000", "1").replace("return 3", "return 0")
full_disk = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="only Linux has a disk that is always full"
)


def run_script(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, timeout=600, **options
    )


def closed_pipe():
    """The write end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_a_reader_that_has_gone_does_not_change_the_status():
    ended = run_script(PRINTS_AND_FAILS, stdout=closed_pipe())
    assert (ended.returncode, ended.stderr) == (3, "")
    ended = run_script(PRINTS_A_LITTLE, stdout=closed_pipe())
    assert (ended.returncode, ended.stderr) == (0, "")


@full_disk
def test_a_full_disk_behind_stdout_fails_a_command_but_keeps_a_failed_gate():
    with Path("/dev/full").open("w") as full:
        ended = run_script(PRINTS_AND_FAILS, stdout=full)
        assert ended.returncode == 3
        assert ended.stderr == "test: standard output cannot be written (No space left on device)\n"
        ended = run_script(PRINTS_A_LITTLE, stdout=full)
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("first", ["import bokeh_tf.__main__", "import bokeh_tf.quiet_start"])
def test_ctrl_c_before_anything_is_caught_has_no_traceback(first):
    # What runs in the background starts with the signal ignored.
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    ended = run_script(
        f"{heard}{first}\nimport os\nos.kill(os.getpid(), signal.SIGINT)\nsignal.pause()"
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")
    ignored = (
        "import os, signal\nsignal.signal(signal.SIGINT,"
        f" signal.SIG_IGN)\n{first}\nos.kill(os.getpid(), 2)"
    )
    assert run_script(ignored).returncode == 0


@full_disk
def test_help_that_cannot_be_written_is_not_done():
    code = "import argparse, sys\nfrom bokeh_tf.program import run_program\n"
    code += (
        "sys.exit(run_program('test', lambda: lambda:"
        " argparse.ArgumentParser().parse_args(['--help'])))"
    )
    with Path("/dev/full").open("w") as full:
        ended = run_script(code, stdout=full)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert run_script(code, stdout=subprocess.DEVNULL).returncode == 0


def test_what_is_logged_does_nothing_to_a_terminal():
    code = "import logging, sys\nfrom bokeh_tf.program import run_program\n"
    code += (
        "def command():\n    logging.warning('%s: left out\\nand more', 'a\\x1b[2Jb')\n   "
        " return 0\n"
    )
    code += "sys.exit(run_program('test', lambda: command))"
    assert run_script(code).stderr == "WARNING:root:a\\x1b[2Jb: left out\nand more\n"


def test_without_standard_streams_the_status_is_the_same():
    for code, status in ((PRINTS_AND_FAILS, 3), (PRINTS_A_LITTLE, 0)):
        ended = subprocess.run(
            ["sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, code], timeout=600
        )
        assert ended.returncode == status


WAITS = """
import sys, tempfile, time
from pathlib import Path
from bokeh_tf.program import run_program
def command():
    with tempfile.TemporaryDirectory(dir=sys.argv[1]):
        print("ready", flush=True)
        time.sleep(60)
sys.exit(run_program("test", lambda: command))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_end_a_command_through_its_clean_up(tmp_path, name):
    number = getattr(signal, name)
    # A test runner in the background may have been started to ignore them.
    restore = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        f" signal.signal({number}, "
    )
    restore += "signal.default_int_handler)\n" if name == "SIGINT" else "signal.SIG_DFL)\n"
    child = subprocess.Popen(
        [sys.executable, "-c", restore + WAITS, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    _, errors = child.communicate(timeout=600)
    assert child.returncode == 128 + number
    assert errors == "test: interrupted; everything written so far is whole\n"
    assert list(tmp_path.iterdir()) == []


# What it prints is held back until the end, when the pipe behind it takes nothing more.
FILLS_ITS_PIPE = """
import os, signal, sys
from bokeh_tf.program import run_program
signal.signal(signal.SIGINT, signal.default_int_handler)
def command():
    os.set_blocking(1, False)
    try:
        while True:
            os.write(1, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(1, True)
    print("the last words")
    print("ready", file=sys.stderr, flush=True)
    return 0
sys.exit(run_program("test", lambda: command))
"""


def test_ctrl_c_ends_a_command_whose_last_words_nobody_reads():
    child = subprocess.Popen(
        [sys.executable, "-c", FILLS_ITS_PIPE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Set, it would have nothing held back.
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    assert child.stderr.readline() == "ready\n"
    deadline_s = time.monotonic() + 600
    # The first may come before it waits for the reader.
    while child.poll() is None and time.monotonic() < deadline_s:
        child.send_signal(signal.SIGINT)
        time.sleep(0.05)
    assert child.returncode == 130
    assert "Traceback" not in child.stderr.read()
    child.stdout.close()
    child.stderr.close()


def test_a_signal_that_the_caller_ignores_stays_ignored(tmp_path):
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    child = subprocess.Popen(
        [sys.executable, "-c", ignore + WAITS, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert child.poll() is None
    child.kill()
    child.communicate()


# The signal comes while the collector calls back, where Python drops what is raised.
COLLECTS = """
import gc, os, signal, sys, time
from bokeh_tf.program import run_program
signal.signal(signal.SIGINT, signal.default_int_handler)
def collected(phase, _):
    if phase == "start":
        gc.callbacks.remove(collected)
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(5)
def command():
    gc.callbacks.append(collected)
    gc.collect()
    time.sleep(30)
    return 0
sys.exit(run_program("test", lambda: command))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_not_lost_where_python_drops_exceptions(number):
    ended = subprocess.run(
        [sys.executable, "-c", COLLECTS, str(int(number))], capture_output=True, text=True
    )
    assert ended.returncode == 128 + number
    assert ended.stderr == "test: interrupted; everything written so far is whole\n"


# What native modules make of Ctrl-C while they load: an error of their own that says nothing of it.
LOADS_BADLY = """
import os, signal, sys
from bokeh_tf.program import run_program
signal.signal(signal.SIGINT, signal.default_int_handler)
def load():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("numpy.core.multiarray failed to import") from None
sys.exit(run_program("test", load))
"""


def test_ctrl_c_that_a_native_module_turned_into_its_own_error_is_still_ctrl_c():
    ended = run_script(LOADS_BADLY, stdout=subprocess.PIPE)
    assert ended.returncode == 130
    assert ended.stderr == "test: interrupted; everything written so far is whole\n"


def test_errors_that_nobody_interrupted_keep_their_traceback():
    with pytest.raises(ImportError, match="truly missing"):
        guarded("test", lambda: (_ for _ in ()).throw(ImportError("truly missing")))


def test_an_error_is_one_line_without_what_drives_a_terminal(capsys):
    def command():
        raise CheckError("\x1b[2Jmodel\x07.tflite: two\nlines")

    assert guarded("test", command) == 1
    assert capsys.readouterr().err == "test: \\x1b[2Jmodel\\x07.tflite: two lines\n"


def test_names_that_are_no_text_are_printed_escaped():
    code = PRINTS_A_LITTLE.replace('"a line of a long report", line', r'"model\udcff.tflite größe"')
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ended = run_script(code, stdout=subprocess.PIPE, env=environment)
    assert (ended.returncode, ended.stdout) == (0, "model\\udcff.tflite gr\\xf6\\xdfe\n")


class Broken:
    """A text stream whose disk is full."""

    def write(self, text):
        raise OSError(28, "No space left on device")

    def flush(self):
        raise OSError(28, "No space left on device")


def test_a_broken_stream_is_asked_once():
    stream = StandardStream(Broken())
    assert stream.write("abc") == 3
    assert stream.failure is not None and stream.failure.errno == 28
    stream.flush()
