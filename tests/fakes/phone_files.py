"""The files of the fake phone: its properties, thermal and battery services,
kernel files, own programs.
"""

import shutil
import textwrap

PROPERTIES = {
    "ro.product.manufacturer": "Example",
    "ro.soc.manufacturer": "Acme",
    "ro.soc.model": "AC8650",
    "ro.board.platform": "acme",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
    "ro.build.fingerprint": "example/pixel0/pixel0:14/AB1.240000.001/1:user/release-keys",
}
GLES = "GLES: Acme, Trigon (TM) 750, OpenGL ES 3.2 V@0800.0 (GIT@0a1b2c3, build, 2025)"
# Four slow, three fast, one fastest core.
CORE_MAX_KHZ = (2_000_000,) * 4 + (3_000_000,) * 3 + (3_300_000,)

# The first file of a service's folder is what it says now; while others wait
# behind it, it is said once.
_DUMPSYS = """\
folder="$FAKE_PHONE/services/$1"
[ -d "$folder" ] || { echo "Can't find service: $1"; exit 0; }
set -- "$folder"/*
cat "$1"
[ $# -lt 2 ] || rm "$1"
"""
_TASKSET = """\
case "$1" in ''|*[!0-9a-f]*) echo "taskset: bad mask '$1'" >&2; exit 1;; esac
shift
exec "$@"
"""


def write(root, name, *, old):
    for folder in ("data/local/tmp", "system/bin", "services"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    properties = {
        **PROPERTIES,
        "ro.product.model": name,
        "ro.serialno": name.replace(" ", "").upper() + str(root),
    }
    if old:
        properties |= {"ro.build.version.release": "6.0", "ro.build.version.sdk": "23"}
    (root / "properties").write_text(
        "".join(f"[{key}]: [{value}]\n" for key, value in properties.items())
    )
    write_program(root / "system/bin/getprop", 'cat "$FAKE_PHONE/properties"\n')
    write_program(root / "system/bin/dumpsys", _DUMPSYS)
    write_program(root / "system/bin/taskset", _TASKSET)
    if old:
        write_program(
            root / "system/bin/sha256sum", 'echo "sh: sha256sum: not found" >&2; exit 127\n'
        )
    else:
        says(root, "thermalservice", thermal_service(0, skin=31.0))
    says(root, "battery", battery(80))
    says(root, "SurfaceFlinger", f"Display 0\n{GLES}\nmore\n")
    _write_kernel_files(root)


def write_program(path, script):
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def says(root, service, *texts):
    """What `dumpsys service` prints: each text once, then the last one for ever."""
    folder = root / "services" / service
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for index, text in enumerate(texts):
        (folder / f"{index:04}").write_text(text)


def thermal_service(status, *, skin, cached=20.0):
    return textwrap.dedent(f"""\
        IsStatusOverride: false
        Thermal Status: {status}
        Cached temperatures:
        \tTemperature{{mValue={cached}, mType=3, mName=skin, mStatus=0}}
        HAL Ready: true
        Current temperatures from HAL:
        \tTemperature{{mValue={skin}, mType=3, mName=skin, mStatus={status}}}
        \tTemperature{{mValue=30.5, mType=0, mName=CPU0, mStatus=0}}
        \tTemperature{{mValue=4100.0, mType=6, mName=vbat, mStatus=0}}
        Current cooling devices from HAL:
        \tCoolingDevice{{mValue=0, mType=2, mName=thermal-cpufreq-0}}
        Temperature static thresholds from HAL:
        \tTemperatureThreshold{{mType=3, mName=skin, mHotThrottlingThresholds=[NaN, 39.0, 43.0]}}
        """)


def battery(level, *, tenths=285, usb=True, status=2):
    return textwrap.dedent(f"""\
        Current Battery Service state:
          AC powered: false
          USB powered: {str(usb).lower()}
          Wireless powered: false
          status: {status}
          health: 2
          level: {level}
          temperature: {tenths}
          technology: Li-ion
        """)


def _write_kernel_files(root):
    for index, most in enumerate(CORE_MAX_KHZ):
        folder = root / f"sys/devices/system/cpu/cpu{index}/cpufreq"
        folder.mkdir(parents=True, exist_ok=True)
        if index:
            (folder.parent / "online").write_text("1\n")
        # The fastest core is held back, as phones do when they are warm.
        limit = most - 300_000 if index == 7 else most
        for file, value in (
            ("cpuinfo_max_freq", most),
            ("scaling_max_freq", limit),
            ("scaling_cur_freq", 1_000_000),
            ("scaling_governor", "walt"),
        ):
            (folder / file).write_text(f"{value}\n")
    for index, (kind, value) in enumerate(
        (("cpu-0-0", 33_400), ("trip", 105_000), ("none", 0), ("gpuss-0", 35_100))
    ):
        folder = root / f"sys/class/thermal/thermal_zone{index}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "type").write_text(f"{kind}\n")
        (folder / "temp").write_text(f"{value}\n")
