"""Where a measurement was made: the machine, the runtime and this package's version.
Names no user and no host.
"""

import os
import platform
import statistics
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import bokeh_tf
from bokeh_tf.checkout import git_commit

# More than this share of the cores already at work when the run starts disturbs what is timed.
_LOAD_LIMIT = 0.5
_CPU_FOLDER = Path("/sys/devices/system/cpu")
_THERMAL_FOLDER = Path("/sys/class/thermal")
_POWER_FOLDER = Path("/sys/class/power_supply")
# Sensors that are switched off report 0 or less, broken ones their trip point or nonsense.
_PLAUSIBLE_CELSIUS = (1.0, 120.0)


@dataclass(frozen=True)
class Environment:
    """The machine and the software of a run; `None` where this system does
    not say, or has no battery.
    """

    cpu: str
    architecture: str
    usable_cores: int
    operating_system: str
    python: str
    runtime: str
    package_version: str
    git_commit: str | None
    load_average_1min: float | None
    governor: str | None = None
    memory_bytes: int | None = None
    on_battery: bool | None = None
    battery_percent: int | None = None


@dataclass(frozen=True)
class Conditions:
    """What changes while a run lasts, at `at_ns` after its start; `None` where
    this system does not say.

    `clock_mhz` is the median over the cores, `temperature_celsius` the hottest sensor's.
    """

    at_ns: int
    load_average_1min: float | None
    clock_mhz: float | None
    temperature_celsius: float | None


def read_environment():
    """The `Environment` of this process, now."""
    on_battery, battery_percent = _battery()
    return Environment(
        cpu=_cpu_name(),
        architecture=platform.machine(),
        usable_cores=usable_cores(),
        operating_system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        runtime=f"ai-edge-litert {metadata.version('ai-edge-litert')}",
        package_version=bokeh_tf.__version__,
        git_commit=git_commit(),
        load_average_1min=_load_average(),
        governor=_read_text(_CPU_FOLDER / "cpu0" / "cpufreq" / "scaling_governor"),
        memory_bytes=_memory_bytes(),
        on_battery=on_battery,
        battery_percent=battery_percent,
    )


def read_conditions(at_ns) -> Conditions:
    """The `Conditions` now, which is `at_ns` after the run's start."""
    return Conditions(at_ns, _load_average(), _clock_mhz(), _temperature_celsius())


def usable_cores():
    """Logical cores this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_environment_doubts(environment, *, threads):
    """Why the machine itself makes a run with up to `threads` threads
    doubtful, and what to do about it.
    """
    load, cores, governor = (
        environment.load_average_1min,
        environment.usable_cores,
        environment.governor,
    )
    doubts = []
    if load is not None and load > _LOAD_LIMIT * cores:
        doubts.append(
            f"the machine was busy at the start, load {load:.1f} on {cores} cores: end other work"
            " and measure again"
        )
    if threads > cores:
        doubts.append(f"{threads} threads on {cores} usable cores: ask for at most {cores}")
    if environment.on_battery:
        doubts.append(
            "the machine runs on its battery, where it may slow itself down: plug it in and"
            " measure again"
        )
    if governor is not None and governor != "performance":
        doubts.append(
            f"the CPU's clocks follow the governor {governor!r}: set it to performance for exact"
            " comparisons"
        )
    return tuple(doubts)


def _load_average():
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _cpu_name():
    return (
        next(_cpuinfo("model name", "Hardware"), None)
        or platform.processor()
        or platform.machine()
        or "unknown"
    )


def _clock_mhz():
    governed = [_read_text(path) for path in _CPU_FOLDER.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    clocks = [int(text) / 1000 for text in governed if text and text.isdigit()]
    clocks = clocks or [float(text) for text in _cpuinfo("cpu MHz")]
    return statistics.median(clocks) if clocks else None


def _temperature_celsius():
    low, high = _PLAUSIBLE_CELSIUS
    readings = [_read_text(path) for path in _THERMAL_FOLDER.glob("thermal_zone*/temp")]
    temperatures = [int(text) / 1000 for text in readings if text and text.lstrip("-").isdigit()]
    return max((value for value in temperatures if low <= value <= high), default=None)


def _battery():
    """(whether the machine lives on its battery, its charge in percent);
    None for what is not known.
    """
    for supply in sorted(_POWER_FOLDER.glob("*")):
        # A battery of a mouse or a headset has the scope of a device.
        if _read_text(supply / "type") == "Battery" and _read_text(supply / "scope") != "Device":
            status, charge = _read_text(supply / "status"), _read_text(supply / "capacity") or ""
            known = status in ("Charging", "Discharging", "Full", "Not charging")
            return (status == "Discharging" if known else None), (
                int(charge) if charge.isdigit() else None
            )
    return None, None


def _cpuinfo(*keys):
    text = _read_text(Path("/proc/cpuinfo"))
    for line in text.splitlines() if text else ():
        key, _, value = line.partition(":")
        if key.strip() in keys:
            yield value.strip()


def _memory_bytes():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _read_text(path):
    """The text of a file of the system; None where there is none or it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
