"""Where a measurement was made: the machine, the runtime and this package's version. Names no user and no host."""

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import bokeh_tf

_GIT_TIMEOUT_S = 10
# More than this share of the cores already at work when the run starts disturbs what is timed.
_LOAD_LIMIT = 0.5


@dataclass(frozen=True)
class Environment:
    """The conditions of a run; `None` where this system does not say."""

    cpu: str
    architecture: str
    usable_cores: int
    operating_system: str
    python: str
    runtime: str
    package_version: str
    git_commit: str | None
    load_average_1min: float | None


def read_environment():
    """The `Environment` of this process, now."""
    return Environment(
        cpu=_cpu_name(),
        architecture=platform.machine(),
        usable_cores=usable_cores(),
        operating_system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        runtime=f"ai-edge-litert {metadata.version('ai-edge-litert')}",
        package_version=bokeh_tf.__version__,
        git_commit=_git_commit(),
        load_average_1min=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


def usable_cores():
    """Logical cores this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_environment_doubts(environment, *, threads):
    """Reasons why the machine itself makes a run with up to `threads` threads doubtful; empty when there are none."""
    load, cores = environment.load_average_1min, environment.usable_cores
    doubts = []
    if load is not None and load > _LOAD_LIMIT * cores:
        doubts.append(f"the machine was busy at the start: load {load:.1f} on {cores} cores")
    if threads > cores:
        doubts.append(f"{threads} threads on {cores} usable cores")
    return tuple(doubts)


def _cpu_name():
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Hardware"):
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def _git_commit():
    """Commit of the checkout this package runs from, with `-dirty` for uncommitted changes; `None` outside one."""
    root = Path(bokeh_tf.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return None
    return f"{commit}-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else commit


def _git(root, *arguments):
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
