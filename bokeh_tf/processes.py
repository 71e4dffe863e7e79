"""Child processes for risky native code: a time limit, a memory limit, and nothing left running afterwards.

The parent calls `run_module`; the child calls `confine` first. A child that dies, hangs, spams its
stderr or loses its parent is an ordinary result here, never an exception and never an orphan.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_STDERR_TAIL_BYTES = 1_000_000
_KILL_GRACE_S = 5.0
# Share of the physical memory a child may fill with private data before its allocations fail.
_MEMORY_SHARE = 0.9
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class ChildResult:
    """How a child process ended. `return_code` is negative for a signal, `stderr` is its last megabyte."""

    return_code: int
    stderr: str
    timed_out: bool
    wall_s: float

    @property
    def signal_name(self) -> str | None:
        """`"SIGSEGV"` and the like for a child that a signal ended, else None."""
        if self.return_code >= 0:
            return None
        try:
            return signal.Signals(-self.return_code).name
        except ValueError:
            return f"signal {-self.return_code}"

    @property
    def ending(self) -> str:
        """How it failed, in the few words that a message has room for."""
        if self.timed_out:
            return f"not done after {self.wall_s:.0f} s"
        lines = self.stderr.strip().splitlines()
        return self.signal_name or (lines[-1][:200] if lines else f"exit status {self.return_code}")


def run_module(module, arguments, *, timeout_s, environment=None) -> ChildResult:
    """Runs `python -m module arguments…` in its own process group and kills the whole group at the end.

    Args:
        environment: variables to add to the child's environment.
    """
    package_root = str(Path(__file__).resolve().parent.parent)
    search_path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    variables = {**os.environ, "PYTHONPATH": search_path, "PYTHONUTF8": "1", **(environment or {})}
    # -P keeps the current folder off the child's module path: a numpy.py next to the photos is not ours.
    command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    with tempfile.TemporaryFile() as stderr:
        start_ns = time.perf_counter_ns()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=variables,
            start_new_session=True,
        )
        timed_out = False
        try:
            child.wait(timeout=max(timeout_s, 0))
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            _kill_group(child)
        wall_s = (time.perf_counter_ns() - start_ns) / 1e9
        stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - _STDERR_TAIL_BYTES))
        text = stderr.read().decode("utf-8", errors="replace")
    return ChildResult(-signal.SIGKILL if child.returncode is None else child.returncode, text, timed_out, wall_s)


def _kill_group(child):
    """Ends the child and everything it started; the group outlives its leader, so it is signalled in any case."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    # A process stuck inside a driver cannot be reaped; waiting for it for ever would hang us as well.
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=_KILL_GRACE_S)


def confine():
    """Called by a child before it touches untrusted bytes: dies with its parent, bounded memory, no core dumps."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    physical_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # Private data only: drivers reserve address space far beyond the memory they use, so RLIMIT_AS would stop them.
    resource.setrlimit(resource.RLIMIT_DATA, (int(physical_bytes * _MEMORY_SHARE),) * 2)
