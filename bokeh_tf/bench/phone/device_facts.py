"""What a phone says about itself, read from the text of its own tools;
nothing here talks to a phone.

Temperatures are in °C, clocks in kHz, charge in percent. What a phone does not say is None or
empty, never a made-up number.
"""

import re
from dataclasses import dataclass

from bokeh_tf.bench.digits import whole

# Kinds of the thermal service whose values are temperatures near the processor or the hand. Others
# are voltages and currents (BCL_*) or parts that a benchmark does not heat.
_KINDS = {0: "cpu", 1: "gpu", 2: "battery", 3: "skin", 9: "npu"}
_ZONE_KINDS = (
    ("gpu", "gpu"),
    ("kgsl", "gpu"),
    ("cpu", "cpu"),
    ("skin", "skin"),
    ("batt", "battery"),
    ("npu", "npu"),
)
# Kernels put 0, negative numbers or the trip point of 105 °C where a sensor gives nothing.
_LOWEST_C, _HIGHEST_C = 1.0, 104.9
_THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_BATTERY_CHARGING = 2
_POWER = ("AC", "USB", "Wireless", "Dock")

THERMAL_ZONES_SCRIPT = (
    "for zone in /sys/class/thermal/thermal_zone*; do "
    'echo "$(cat $zone/type 2>/dev/null) $(cat $zone/temp 2>/dev/null)"; done; '
    'echo "kgsl-gpu $(cat /sys/class/kgsl/kgsl-3d0/temp 2>/dev/null)"'
)
# One line a core; a missing file leaves its value empty.
CORES_SCRIPT = (
    "for core in /sys/devices/system/cpu/cpu[0-9]*; do f=$core/cpufreq; "
    'echo "${core##*/cpu} $(cat $core/online 2>/dev/null)|$(cat $f/cpuinfo_max_freq 2>/dev/null)|'
    "$(cat $f/scaling_max_freq 2>/dev/null)|$(cat $f/scaling_cur_freq 2>/dev/null)|"
    '$(cat $f/scaling_governor 2>/dev/null)"; done'
)


@dataclass(frozen=True)
class Temperature:
    """One sensor. `kind` is cpu, gpu, battery, skin, npu or other."""

    name: str
    kind: str
    celsius: float


@dataclass(frozen=True)
class Thermal:
    """`status` is Android's, 0 (none) to 6 (shutdown), or None where the
    phone has no thermal service.
    """

    status: int | None
    temperatures: tuple[Temperature, ...]

    @property
    def status_name(self) -> str:
        """Android's word for the status."""
        return (
            "unknown"
            if self.status is None
            else _THERMAL_STATUS[min(self.status, len(_THERMAL_STATUS) - 1)]
        )

    @property
    def hottest(self) -> Temperature | None:
        """The hottest sensor of a kind that matters, or of all where no name says its kind."""
        known = [temperature for temperature in self.temperatures if temperature.kind != "other"]
        return max(
            known or self.temperatures, key=lambda temperature: temperature.celsius, default=None
        )


@dataclass(frozen=True)
class Battery:
    """`powered_by` lists the supplies that are plugged in: AC, USB, Wireless, Dock."""

    level_percent: int | None
    celsius: float | None
    charging: bool | None
    powered_by: tuple[str, ...]


@dataclass(frozen=True)
class Core:
    """One processor core. `limit_khz` under `max_khz` means that the phone holds it back."""

    index: int
    online: bool
    max_khz: int | None
    limit_khz: int | None
    current_khz: int | None
    governor: str

    @property
    def capped(self) -> bool:
        """Whether the phone lets the core run below its own maximum only."""
        return (
            self.max_khz is not None
            and self.limit_khz is not None
            and self.limit_khz < self.max_khz
        )


@dataclass(frozen=True)
class Gpu:
    """From the line `GLES: …` of SurfaceFlinger."""

    vendor: str
    renderer: str
    driver: str


@dataclass(frozen=True)
class Fingerprint:
    """A phone and its condition at one moment; goes into every result as it is."""

    manufacturer: str
    model: str
    soc: str
    gpu: Gpu | None
    abi: str
    android_release: str
    android_sdk: str
    build: str
    thermal: Thermal
    battery: Battery
    cores: tuple[Core, ...]
    core_masks: dict[str, str]


def parse_properties(text) -> dict[str, str]:
    """Reads `[key]: [value]` lines; a value may go over several lines."""
    return dict(re.findall(r"^\[([^\]\n]+)\]: \[(.*?)\]$", text, re.MULTILINE | re.DOTALL))


def parse_thermal_service(text) -> Thermal:
    """Reads `dumpsys thermalservice`; its cached block comes first and is used only
    where the other is empty.
    """
    status = re.search(r"^\s*Thermal Status:\s*(\d+)", text, re.MULTILINE)
    _, _, current = text.partition("Current temperatures from HAL")
    current = re.split(r"\n\s*(?:Current|Temperature) \w+ .*", current)[0]
    temperatures = _service_temperatures(current) or _service_temperatures(text)
    return Thermal(whole(status[1]) if status else None, temperatures)


def _service_temperatures(block):
    found = re.findall(
        r"Temperature\{mValue=([-+.\deE]+|NaN), mType=(-?\d+), mName=([^,}]*)", block
    )
    return tuple(
        Temperature(name, _KINDS[number], float(value))
        for value, kind, name in dict.fromkeys(found)
        if (number := whole(kind)) in _KINDS
        and _is_number(value)
        and _LOWEST_C <= float(value) <= _HIGHEST_C
    )


def parse_thermal_zones(text) -> tuple[Temperature, ...]:
    """Reads `type value` lines of the kernel; values come in °C, tenths or
    thousandths, sentinels are dropped.
    """
    temperatures = []
    for line in text.splitlines():
        name, _, value = line.strip().rpartition(" ")
        number = whole(value)
        celsius = None if number is None else _plausible_celsius(number)
        if name and celsius is not None:
            kind = next((kind for part, kind in _ZONE_KINDS if part in name.lower()), "other")
            temperatures.append(Temperature(name, kind, celsius))
    return tuple(temperatures)


def _plausible_celsius(value):
    # 1050 and more are thousandths or a sentinel; 150 to 1049 can only be tenths.
    celsius = value / (1000 if value >= 1050 else 10 if value >= 150 else 1)
    return celsius if _LOWEST_C <= celsius <= _HIGHEST_C else None


def parse_battery(text) -> Battery:
    """Reads `dumpsys battery`; its temperature is in tenths of a degree."""
    entries = dict(re.findall(r"^\s*([\w ]+): (\S+)\s*$", text, re.MULTILINE))
    level, tenths, status = (
        whole(entries.get(key, "")) for key in ("level", "temperature", "status")
    )
    return Battery(
        level_percent=level,
        celsius=None if tenths is None else tenths / 10,
        charging=None if status is None else status == _BATTERY_CHARGING,
        powered_by=tuple(supply for supply in _POWER if entries.get(f"{supply} powered") == "true"),
    )


def parse_cores(text) -> tuple[Core, ...]:
    """Reads what `CORES_SCRIPT` prints, sorted by core."""
    cores = []
    for line in text.splitlines():
        match = re.fullmatch(
            r"([0-9]{1,4}) ([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)", line.strip()
        )
        if match:
            index, online, most, limit, current, governor = (
                part.strip() for part in match.groups()
            )
            # Core 0 often has no `online` file, because it cannot be switched off.
            cores.append(
                Core(int(index), online != "0", whole(most), whole(limit), whole(current), governor)
            )
    return tuple(sorted(cores, key=lambda core: core.index))


def core_masks(cores) -> dict[str, str]:
    """Masks for `taskset`, in hex without 0x: `all`, `prime` (the fastest kind) and `big`
    (all but the slowest kind).

    Cores that are switched off, or whose clock is not known, are in none but `all`.
    """
    usable = [core for core in cores if core.online]
    speeds = sorted({core.max_khz for core in usable if core.max_khz is not None})
    if not speeds:
        return {}
    slowest = speeds[0] if len(speeds) > 1 else 0
    timed = [core for core in usable if core.max_khz is not None]
    return {
        "all": _mask(usable),
        "big": _mask([core for core in timed if core.max_khz > slowest]),
        "prime": _mask([core for core in timed if core.max_khz == speeds[-1]]),
    }


def _mask(cores):
    return f"{sum(1 << core.index for core in cores):x}"


def parse_gpu(text) -> Gpu | None:
    """Reads `GLES: vendor, renderer, version and driver`; a renderer's name
    may hold commas in brackets.
    """
    match = re.search(r"GLES: ([^,\n]+), (.+?), (OpenGL ES[^\n]*)", text)
    return Gpu(*(part.strip() for part in match.groups())) if match else None


def fingerprint(properties, *, gpu, thermal, battery, cores) -> Fingerprint:
    """Puts the parts together; the processor's name has moved between Android releases."""

    def first(*keys):
        return next(
            (
                properties[key]
                for key in keys
                if properties.get(key, "unknown") not in ("", "unknown")
            ),
            "",
        )

    maker = first("ro.soc.manufacturer")
    chip = first(
        "ro.soc.model", "ro.board.platform", "ro.hardware.chipname", "ro.chipname", "ro.hardware"
    )
    return Fingerprint(
        manufacturer=first("ro.product.manufacturer", "ro.product.vendor.manufacturer"),
        model=first("ro.product.model", "ro.product.vendor.model"),
        soc=f"{maker} {chip}".strip(),
        gpu=gpu,
        abi=first("ro.product.cpu.abi"),
        android_release=first("ro.build.version.release"),
        android_sdk=first("ro.build.version.sdk"),
        build=first("ro.build.fingerprint", "ro.build.display.id"),
        thermal=thermal,
        battery=battery,
        cores=tuple(cores),
        core_masks=core_masks(cores),
    )


def _is_number(text):
    try:
        return float(text) == float(text)
    except ValueError:
        return False
