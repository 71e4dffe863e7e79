"""Phones, and builds of adb, that say too much, too little, or what nobody expects."""

import re
from pathlib import Path

import pytest

from bokeh_tf.bench.benchmark_model.flags import BACKENDS
from bokeh_tf.bench.benchmark_model.log import parse_log
from bokeh_tf.bench.benchmark_model.verdict import judge
from bokeh_tf.bench.digits import whole
from bokeh_tf.bench.phone import device_facts as facts
from bokeh_tf.bench.phone.adb import Adb
from bokeh_tf.bench.phone.device import Device
from bokeh_tf.bench.phone.run_folder import RunFolder
from bokeh_tf.errors import DeviceError

pytest_plugins = ["tests.fakes.fixtures"]

DIGITS = "9" * 5000
TRANSCRIPTS = sorted(
    (Path(__file__).parents[1] / "benchmark_model" / "transcripts").glob("*gpu*.txt")
)


def program(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def device(adb, phone):
    return Device(adb.choose(phone.serial))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("12", 12), (" -3\n", -3), ("+4", 4), ("0", 0), (None, None), ("", None), ("x", None)],
        *[
            (DIGITS, None),
            ("1.5", None),
            ("²", None),
            ("٣", None),
            ("1_000", None),
            ("9" * 18, 10**18 - 1),
        ],
    ],
)
def test_whole_numbers(text, number):
    assert whole(text) == number


def test_facts_of_a_phone_with_endless_numbers_are_unknown():
    assert facts.parse_thermal_service(f"Thermal Status: {DIGITS}\n").status is None
    text = (
        f"Current temperatures from HAL:\nTemperature{{mValue=40.0, mType={DIGITS}, mName=x,"
        f" mStatus=0}}"
    )
    assert facts.parse_thermal_service(text).temperatures == ()
    assert facts.parse_thermal_zones(f"cpu {DIGITS}\ngpu 40\n")[0].celsius == 40
    assert facts.parse_battery(f"  level: {DIGITS}\n  temperature: 300\n").level_percent is None
    cores = facts.parse_cores(f"{DIGITS} 1|1|1|1|g\n99999999999 1|1|1|1|g\n0 1|{DIGITS}|1|1|g\n")
    assert [(core.index, core.max_khz) for core in cores] == [(0, None)]
    assert facts.core_masks(cores) == {}


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_log_with_endless_numbers_is_read(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    numbers = list(re.finditer(r"(?<![\d.])\d+(?![\d.])", text))
    for number in numbers[:: max(1, len(numbers) // 12)]:
        log = parse_log(text[: number.start()] + DIGITS + text[number.end() :])
        for backend in BACKENDS:
            judge(log, wanted_backend=backend, exit_code=0)
    parse_log(re.sub(r"\d+", DIGITS, text))


@pytest.mark.parametrize(
    "said", ["echo 'sh: sha256sum: not found' >&2", "echo 'toybox: Unknown command sha256sum'"]
)
def test_a_phone_whose_shell_ends_with_1_for_a_missing_sha256sum(device, phone, tmp_path, said):
    phone.command("sha256sum", f"{said}; exit 1")
    (tmp_path / "file").write_bytes(b"content")
    device.push(tmp_path / "file", "/data/local/tmp/file")
    assert phone.local("/data/local/tmp/file").read_bytes() == b"content"


def test_an_adb_that_chats_on_stdout_is_no_damage(adb, phone, tmp_path):
    chatty = program(
        tmp_path / "adb", f'echo "* daemon started successfully"\nexec {adb.path} "$@"'
    )
    device = Device(Adb(chatty, environment=adb.environment, serial=phone.serial))
    (tmp_path / "file").write_bytes(b"content")
    device.push(tmp_path / "file", "/data/local/tmp/file")
    device.pull("/data/local/tmp/file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"content"


def test_a_sha256sum_that_talks_nonsense_is_not_called_damage(device, phone, tmp_path):
    phone.command("sha256sum", "echo hello")
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(DeviceError, match=r"gave no digest .*'hello'") as caught:
        device.push(tmp_path / "file", "/data/local/tmp/file")
    assert "cable" not in str(caught.value)


LISTING = """cat <<'END'
List of devices attached
10.0.0.1:5555 offline transport_id:1
one device usb:1-1 transport_id:2
{more}
END"""


def test_an_offline_phone_is_no_choice(tmp_path):
    adb = Adb(program(tmp_path / "adb", LISTING.format(more="")))
    assert adb.choose().serial == "one"
    adb = Adb(program(tmp_path / "adb", LISTING.format(more="two device transport_id:3")))
    with pytest.raises(DeviceError, match=r"several phones .* Known: one, two\.$"):
        adb.choose()


def test_a_frozen_mkdir_is_named(adb, phone):
    phone.command("mkdir", "sleep 60")
    device = Device(Adb(adb.path, environment=adb.environment, serial=phone.serial, timeout_s=2))
    with (
        pytest.raises(DeviceError, match="`mkdir` on the phone did not end within 2 s"),
        RunFolder(device),
    ):
        pass


def test_a_program_called_as_our_own_file_runs(device, tmp_path):
    with RunFolder(device) as folder:
        remote = folder.push(program(tmp_path / "pid", "echo ran"), executable=True)
        assert folder.run(remote, timeout_s=20).stdout.strip() == "ran"
