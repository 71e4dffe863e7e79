"""Children whose threads wait for each other and will for ever, which a time limit finds late."""

import subprocess
import time
from pathlib import Path

_POLL_S = 0.2
_SLEEPS = "S"


def wait(child: subprocess.Popen, timeout_s: float, standstill_s: float) -> bool:
    """Waits for a child that computes without reading or waiting for anything outside it.

    Returns:
        Whether it stands still: at every look in `standstill_s` seconds each of its threads slept,
        none ran, wanted to run or read a disk. Never where there is no /proc.

    Raises:
        subprocess.TimeoutExpired: it is not done after `timeout_s`.
    """
    end_s = time.monotonic() + timeout_s
    looks_asleep = 0
    while looks_asleep * _POLL_S < standstill_s:
        left_s = end_s - time.monotonic()
        try:
            child.wait(timeout=max(0, min(_POLL_S, left_s)))
        except subprocess.TimeoutExpired:
            if left_s <= _POLL_S:
                raise
        else:
            return False
        looks_asleep = looks_asleep + 1 if _sleeps(child.pid) else 0
    return True


def _sleeps(pid):
    """Whether all threads of a process sleep."""
    try:
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        # A thread that ended in between did something.
        return False
    # The name before the state may hold anything but is closed by the last parenthesis.
    return bool(stats) and all(stat.rpartition(")")[2].split()[0] == _SLEEPS for stat in stats)
