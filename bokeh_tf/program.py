"""What stands between a command and the operating system: signals, standard
streams, the exit status.

`guarded` runs a command and turns its end into an exit status. The status never depends on who
reads the output: a standard stream that breaks (a reader that has gone, a full disk) is written to
no more, and the command goes on to its own end, so that a gate that failed stays failed. SIGTERM
and SIGHUP end a command as Ctrl-C does, through its clean-up. Nothing heavy is imported here: it is
the first module that a command line loads.
"""

import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import TextIO

from bokeh_tf.errors import BokehError, of_missing_module
from bokeh_tf.paths import printable

DONE, NOT_DONE = 0, 1
# What a shell reports of a process that a signal ended.
_SIGNAL_BASE = 128
_WHOLE = "interrupted; everything written so far is whole"
# Enough for a path of the system\'s greatest length and the advice behind it; most
# of it is on one screen.
_LONGEST_MESSAGE = 6000
_HUNG_UP = (errno.EPIPE, errno.ECONNRESET)
# The number of the signal that was caught last, None before.
_caught: int | None = None
# How long after its exception was dropped a signal comes once more.
_AGAIN_S = 0.01


class Interruption(KeyboardInterrupt):
    """Raised in the main thread by the signals that end a command."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


def interrupt(number: int, _frame: FrameType | None) -> None:
    """The handler of SIGINT, SIGTERM and SIGHUP."""
    global _caught
    # A closing terminal and a supervisor both signal more than once, which must not
    # break into the clean-up.
    is_repeated = _caught is not None and number != signal.SIGINT
    _caught = number
    if not is_repeated:
        raise Interruption(number)


def ending_signals() -> list[int]:
    """The numbers of the signals that end this process by now; those that
    the caller ignores are none.
    """
    # Windows has no SIGHUP.
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [int(getattr(signal, name)) for name in names]
    usual = (signal.default_int_handler, signal.SIG_DFL, interrupt)
    return [number for number in numbers if signal.getsignal(number) in usual]


def catch_signals() -> None:
    """Makes the signals that end this process raise `Interruption`, wherever they come."""
    for number in ending_signals():
        signal.signal(number, interrupt)
    if getattr(sys.unraisablehook, "func", None) is not _dropped:
        sys.unraisablehook = partial(_dropped, sys.unraisablehook)


def _dropped(before, unraisable):
    """Python drops what is raised in destructors and in callbacks of its collector, of which
    libraries have some: an interruption that comes there would be lost, so it comes once more.
    """
    global _caught
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        before(unraisable)
        return
    import threading

    _caught = None
    number = getattr(unraisable.exc_value, "number", signal.SIGINT)
    # Later, from another thread: at once it would be raised in here.
    again = threading.Timer(_AGAIN_S, _send, [threading.main_thread().ident, number])
    again.daemon = True
    again.start()


def _send(thread, number):
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, number)
    else:
        signal.raise_signal(number)


def run_program(name: str, load: Callable[[], Callable[[], int]]) -> int:
    """Runs a whole program from its first import on; returns the exit status.

    Args:
        name: what its messages begin with.
        load: imports the program and returns its main function.
    """
    catch_signals()
    logging.setLogRecordFactory(_shown_record)
    status = guarded(name, lambda: load()())
    # All is said and written; Python's own shutdown must not answer an impatient
    # Ctrl-C with a traceback.
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def _shown_record(*arguments, **more):
    """A log record that does nothing to a terminal: messages quote files and what they say."""
    record = logging.LogRecord(*arguments, **more)
    lines = record.getMessage().split("\n")
    record.msg, record.args = (
        "\n".join(printable(line, most_characters=_LONGEST_MESSAGE) for line in lines),
        (),
    )
    return record


def _line(error):
    """An error in one line; what it quotes may be of any length."""
    return printable(" ".join(str(error).splitlines()), most_characters=_LONGEST_MESSAGE)


def guarded(name: str, command: Callable[[], int], *, when_interrupted: str = _WHOLE) -> int:
    """Runs a command; returns its exit status, 1 with one line on stderr for a
    `BokehError`, 128 + N for signal N.

    Args:
        name: what its messages begin with.
        command: returns the exit status.
        when_interrupted: what is said of an interrupted command.
    """
    global _caught
    _caught = None
    with _unbreakable_streams() as streams:
        try:
            return _ended(name, command, when_interrupted, streams)
        except KeyboardInterrupt as interruption:
            # While the last words were written, which nobody may be reading.
            for stream in filter(None, streams):
                stream.let_go()
            return _status_after(interruption)


def _ended(name, command, when_interrupted, streams):
    """The status of a command that is run to its end, all of whose words are written."""
    output, errors = streams
    try:
        status = command()
    except BokehError as error:
        print(f"{name}: {_line(error)}", file=sys.stderr)
        status = NOT_DONE
    except KeyboardInterrupt as interruption:
        print(f"{name}: {when_interrupted}", file=sys.stderr)
        status = _status_after(interruption)
    except SystemExit as stop:
        # A parser that refuses or explains.
        if isinstance(stop.code, int | None) and not stop.code and _is_lost(name, output):
            raise SystemExit(NOT_DONE) from None
        raise
    except (ImportError, SystemError, AttributeError, RuntimeError) as error:
        status = _status_of(error, name, when_interrupted)
    is_lost = _is_lost(name, output)
    if errors:
        errors.flush()
    return status or (NOT_DONE if is_lost else DONE)


def _status_after(interruption):
    return _SIGNAL_BASE + getattr(interruption, "number", signal.SIGINT)


def _is_lost(name, output):
    """Whether what was printed could not be written, which is said; a reader
    that has gone wanted no more.
    """
    if output is None:
        return False
    output.flush()
    failure = output.failure
    if failure is None or failure.errno in _HUNG_UP:
        return False
    print(f"{name}: standard output cannot be written ({failure.strerror})", file=sys.stderr)
    return True


def _status_of(error, name, when_interrupted):
    """The status after an error that may be no bug: a part that is not installed,
    or an interrupted import.
    """
    # Native modules that are interrupted while they load come back as errors of their own.
    if _caught is not None:
        print(f"{name}: {when_interrupted}", file=sys.stderr)
        return _SIGNAL_BASE + _caught
    missing = of_missing_module(error) if isinstance(error, ModuleNotFoundError) else None
    if missing is None:
        raise error
    print(f"{name}: {_line(missing)}", file=sys.stderr)
    return NOT_DONE


class StandardStream:
    """A text stream that may break without stopping the program.

    Attributes:
        failure: why nothing can be written any more; None while all is well.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.failure: OSError | None = None
        with suppress(AttributeError, ValueError):
            # File names need not be text in any encoding; what cannot be shown as
            # it is, is shown escaped.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]

    def write(self, text: str) -> int:
        """Writes `text`, or drops it where the stream is broken."""
        if self.failure is None:
            self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Writes what is still held back."""
        if self.failure is None:
            self._try(self._stream.flush)

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def _try(self, act):
        try:
            act()
        except OSError as error:
            self.failure = error
            self.let_go()

    def let_go(self) -> None:
        """Sends what Python still holds back to nowhere, so that it does not
        complain while it shuts down.
        """
        # A stream in memory, as in tests, has no descriptor.
        with suppress(OSError, ValueError, AttributeError):
            descriptor = self._stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
            self._stream.flush()


@contextmanager
def _unbreakable_streams() -> Iterator[tuple[StandardStream | None, StandardStream | None]]:
    """Puts `StandardStream`s in place of stdout and stderr; None where
    Python was started without.
    """
    before = sys.stdout, sys.stderr
    output, errors = (None if stream is None else StandardStream(stream) for stream in before)
    sys.stdout, sys.stderr = output, errors  # type: ignore[assignment]
    try:
        yield output, errors
    finally:
        sys.stdout, sys.stderr = before
