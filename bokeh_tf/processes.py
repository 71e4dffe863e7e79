"""Child processes for risky native code: a time limit, a memory limit, and
nothing left running afterwards.

The parent calls `run_module`; the child calls `confine` first. A child that dies, hangs, spams its
stderr or loses its parent is an ordinary result here, never an exception and never an orphan.

A child that has more to say than its exit status is asked by `ask_module` and answers by
`answer_job`. What they say to each other lies in one folder: `request.json` is the question,
`<job>.json` first the stage that the child is in, so that the parent can say where it died, and at
the end the answer or the error that the child foresaw.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bokeh_tf import standstill
from bokeh_tf.paths import is_file

_STDERR_TAIL_BYTES = 1_000_000
# How long a killed process may take to go.
KILL_GRACE_S = 5.0
# Share of the physical memory a child may fill with private data before its allocations fail.
_MEMORY_SHARE = 0.9
_PR_SET_PDEATHSIG = 1

# Stages of a job that are the same for all; those in between are words for people ("compiling").
STARTING, DONE, ERROR = "starting", "done", "error"
REQUEST_NAME = "request.json"
# The job of a child that has but one.
_ONLY_JOB = "answer"
_TRACEBACK = "Traceback (most recent call last)"
# How C++, Python, the GPU's drivers and Vulkan say it.
_OUT_OF_MEMORY = (
    "std::bad_alloc",
    "MemoryError",
    "OUT_OF_MEMORY",
    "OUT_OF_DEVICE_MEMORY",
    "Out of memory",
)


@dataclass(frozen=True)
class ChildResult:
    """How a child process ended. `return_code` is negative for a signal,
    `stderr` is its last megabyte. One that stood still was killed.
    """

    return_code: int
    stderr: str
    timed_out: bool
    wall_s: float
    stood_still: bool = False

    @property
    def signal_name(self) -> str | None:
        """`"SIGSEGV"` and the like for a child that a signal ended, else None."""
        return signal_name(self.return_code)

    @property
    def last_line(self) -> str:
        """The last line of its stderr."""
        lines = self.stderr.strip().splitlines() or ["no message"]
        return lines[-1]

    @property
    def ending(self) -> str:
        """How it failed, in the few words that a message has room for."""
        if self.stood_still:
            return "it stands still, as its threads wait for each other"
        if self.timed_out:
            return f"not done after {self.wall_s:.0f} s"
        lines = self.stderr.strip().splitlines()
        return self.signal_name or (lines[-1][:200] if lines else f"exit status {self.return_code}")


def signal_name(return_code: int) -> str | None:
    """`"SIGSEGV"` and the like for the return code of a child that a signal ended, else None."""
    if return_code >= 0:
        return None
    try:
        return signal.Signals(-return_code).name
    except ValueError:
        return f"signal {-return_code}"


def tells_of_full_memory(log: str) -> bool:
    """Whether what a child wrote to its stderr says that it ran out of memory."""
    return any(sign in log for sign in _OUT_OF_MEMORY)


def run_module(module, arguments, *, timeout_s, environment=None) -> ChildResult:
    """Runs `python -m module arguments…` in its own process group and kills
    the whole group at the end.

    Args:
        environment: variables to add to the child's environment.
    """
    # -P keeps the current folder off the child's module path: a numpy.py next to
    # the photos is not ours.
    command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    return run_command(command, timeout_s=timeout_s, environment=environment)


def run_command(
    command, *, timeout_s, environment=None, standstill_s: float | None = None
) -> ChildResult:
    """Runs a program in its own process group and kills the whole group at the end.

    Args:
        environment: variables to add to the child's environment.
        standstill_s: after how long without a thread that runs it is given up, for a program that
            computes and waits for nothing outside it; None for others.
    """
    with tempfile.TemporaryFile() as stderr:
        start_ns = time.perf_counter_ns()
        child = start_child(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            environment=environment,
        )
        timed_out = stands_still = False
        try:
            if standstill_s is None:
                child.wait(timeout=max(timeout_s, 0))
            else:
                stands_still = standstill.wait(child, timeout_s, standstill_s)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            kill_group(child)
        wall_s = (time.perf_counter_ns() - start_ns) / 1e9
        text = stderr_tail(stderr)
    return ChildResult(
        -signal.SIGKILL if child.returncode is None else child.returncode,
        text,
        timed_out,
        wall_s,
        stands_still,
    )


def start_child(command, *, stdin, stdout, stderr: IO[bytes], environment=None) -> subprocess.Popen:
    """Starts a program in a process group of its own, with this package on its module path.

    Args:
        stdin: as `subprocess.Popen` takes it, like `stdout`.
        stderr: an open file; see `stderr_tail`.
        environment: variables to add to the child's environment.
    """
    package_root = str(Path(__file__).resolve().parent.parent)
    search_path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    variables = {**os.environ, "PYTHONPATH": search_path, "PYTHONUTF8": "1", **(environment or {})}
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=variables,
        start_new_session=True,
    )


def kill_group(child: subprocess.Popen):
    """Ends the child and everything it started; the group outlives its leader, so it
    is signalled in any case.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    # A process stuck inside a driver cannot be reaped; waiting for it for
    # ever would hang us as well.
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=KILL_GRACE_S)


def stderr_tail(file: IO[bytes]) -> str:
    """The last megabyte of what was written to an open file."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - _STDERR_TAIL_BYTES))
    return file.read().decode("utf-8", errors="replace")


@dataclass(frozen=True)
class Answer:
    """What a child last wrote of a job, and how it ended; a child that timed out or died
    may have written anything.
    """

    child: ChildResult
    content: dict

    @property
    def stage(self) -> str:
        """`DONE`, `ERROR`, or what the child was at when it ended;
        `STARTING` where it never said.
        """
        return self.content["stage"]

    @property
    def error_kind(self) -> str | None:
        """The kind of the error that the child foresaw, None where there is none."""
        return self.content["kind"] if self.stage == ERROR else None

    @property
    def message(self) -> str:
        """What the foreseen error says, in one line."""
        return self.content["message"]

    @property
    def is_out_of_memory(self) -> bool:
        """Whether the child ran out of memory, which says nothing about what it was asked."""
        return tells_of_full_memory(self.child.stderr)

    @property
    def traceback(self) -> str | None:
        """Where Python code of ours failed: a bug, not a finding about what the child
        was asked. None elsewhere.
        """
        if (
            self.child.return_code <= 0
            or self.is_out_of_memory
            or _TRACEBACK not in self.child.stderr
        ):
            return None
        return self.child.stderr[self.child.stderr.rindex(_TRACEBACK) :]


def ask_module(
    module: str,
    folder: Path,
    *,
    job: str = _ONLY_JOB,
    request: dict | None = None,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> Answer:
    """Runs `python -m module FOLDER JOB`, whose main is `answer_job`, and returns what it says.

    Args:
        folder: what parent and child exchange; whatever else lies there, the two agree upon.
        request: the question as JSON; None where it lies in the folder already.
        environment: variables to add to the child's environment.
    """
    if request is not None:
        (folder / REQUEST_NAME).write_text(json.dumps(request), encoding="utf-8")
    written = folder / f"{job}.json"
    # An answer of an earlier run must not be taken for that of a child that dies at once.
    written.unlink(missing_ok=True)
    child = run_module(module, [folder, job], timeout_s=timeout_s, environment=environment)
    if not is_file(written):
        return Answer(child, {"stage": STARTING})
    return Answer(child, json.loads(written.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Job:
    """What a child is asked, as the child sees it."""

    folder: Path
    name: str

    def read_request(self) -> dict:
        """The question, as `ask_module` was given it."""
        return json.loads((self.folder / REQUEST_NAME).read_text(encoding="utf-8"))

    def enter(self, stage: str):
        """Says what is done next ("compiling"), should the process die of it."""
        self.write({"stage": stage})

    def write(self, content: dict):
        """Replaces what was said so far, whole or not at all."""
        temporary = self.folder / f"{self.name}.partial"
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(self.folder / f"{self.name}.json")


def failed(kind: str, error: BaseException, **more) -> dict:
    """The answer of a job that met an error which it foresaw; `more` is
    JSON beside kind and message.
    """
    message = " ".join(str(error).split()) or type(error).__name__
    return {"stage": ERROR, "kind": kind, "message": message, **more}


def answer_job(work: Callable[[Job], dict], *, error_kinds: Mapping[type[BaseException], str]):
    """The main of a child that `ask_module` starts: confines itself, calls
    `work`, writes what it returns.

    Args:
        work: gets the `Job` and returns its answer, or what `failed` made.
        error_kinds: the exceptions that are answers too, each with its kind; the first that fits
            counts. Any other ends the child with a traceback.
    """
    confine()
    folder, name = sys.argv[1:]
    job = Job(Path(folder), name)
    try:
        content = {"stage": DONE, **work(job)}
    except tuple(error_kinds) as error:
        kind = next(kind for known, kind in error_kinds.items() if isinstance(error, known))
        content = failed(kind, error)
    job.write(content)


def memory_bytes() -> int:
    """The physical memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def confine():
    """Called by a child before it touches untrusted bytes: dies with its parent,
    bounded memory, no core dumps.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Private data only: drivers reserve address space far beyond the memory they use, so
    # RLIMIT_AS would stop them.
    resource.setrlimit(resource.RLIMIT_DATA, (int(memory_bytes() * _MEMORY_SHARE),) * 2)
