"""What is shown while slow work goes on: lines in a log, one line on a terminal,
nothing where it is quick.
"""

import contextlib
import io
import os
import pty
import threading

import pytest

from bokeh_tf.commands import working as module
from bokeh_tf.commands.working import counted, each, working
from bokeh_tf.stages import current, stage

WAIT_S = 600


class Log(io.StringIO):
    """A stderr that is no terminal and tells when something was written to it."""

    def __init__(self):
        super().__init__()
        self.is_written = threading.Event()

    def write(self, text):
        written = super().write(text)
        if "\n" in text:
            self.is_written.set()
        return written


@contextlib.contextmanager
def a_log():
    """stderr is a `Log` in the block, which it yields."""
    with contextlib.redirect_stderr(Log()) as stream:
        yield stream


@contextlib.contextmanager
def a_terminal(monkeypatch):
    """stderr is a terminal in the block; yields a list, which holds what it was sent
    once the block has ended.
    """
    # A test may run where no terminal is set, or one that cannot move its cursor.
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(module, "_QUIET_S", 0.0)
    master, slave = pty.openpty()
    sent = []
    reader = threading.Thread(target=_read_all, args=(master, sent))
    reader.start()
    with os.fdopen(slave, "w") as stream, contextlib.redirect_stderr(stream):
        yield sent
    reader.join(WAIT_S)
    os.close(master)


def _read_all(master, sent):
    # A terminal whose last writer has gone is an error to its reader; one that nobody
    # reads stops its writers.
    with contextlib.suppress(OSError):
        while chunk := os.read(master, 4096):
            sent.append(chunk.decode())


def test_stages_lie_in_each_other_and_end_with_what_fails():
    with pytest.raises(OSError), stage("a.tflite"), stage("by the rules"):
        assert current() == "a.tflite: by the rules"
        raise OSError
    assert current() == ""


def test_a_log_gets_lines_with_the_stage_and_the_seconds():
    with (
        a_log() as log,
        working(first_s=0.01, next_s=0.01),
        stage("a\x1b[2J.tflite"),
        stage("on the GPU"),
    ):
        assert log.is_written.wait(WAIT_S)
    line = log.getvalue().splitlines()[0]
    assert line == "bokeh-tf: a\\x1b[2J.tflite: on the GPU, 0 s"


def test_quick_work_says_nothing():
    with a_log() as log:
        assert list(each(iter("abc"))) == ["a", "b", "c"]
    assert log.getvalue() == ""


def test_the_lines_end_with_the_work():
    with pytest.raises(KeyboardInterrupt), a_log(), working(first_s=0.01, next_s=0.01):
        raise KeyboardInterrupt
    threads = {thread.name for thread in threading.enumerate()}
    assert not any("_tell" in name for name in threads)


def test_a_terminal_gets_one_line_that_goes_again(monkeypatch):
    def work():
        with stage("slow.tflite"), stage("on the GPU"):
            yield 1

    with a_terminal(monkeypatch) as sent:
        assert list(each(work())) == [1]
    text = "".join(sent)
    erasing = "\x1b[2K"
    assert text.rindex(erasing) > text.rindex("slow.tflite: on the GPU") > 0


def test_a_terminal_counts_several(monkeypatch):
    def work():
        for name in ("a.tflite", "b.tflite"):
            with stage(name):
                yield name

    with a_terminal(monkeypatch) as sent:
        assert list(counted(work(), 2)) == ["a.tflite", "b.tflite"]
    assert "2/2" in "".join(sent)
