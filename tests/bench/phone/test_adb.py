"""The adb layer with a healthy phone: the list of phones, quoting, verified copies,
facts, gate, private folders.
"""

import shutil
import stat
import sys
from pathlib import Path

import pytest

from bokeh_tf.bench.phone import device_facts as facts
from bokeh_tf.bench.phone.adb import Adb, find_adb
from bokeh_tf.bench.phone.device import Device
from bokeh_tf.bench.phone.device_state import DeviceState, absent, parse_devices
from bokeh_tf.bench.phone.run_folder import RunFolder
from bokeh_tf.bench.phone.thermal_gate import wait_until_fit
from bokeh_tf.errors import DeviceError
from tests.fakes import benchmark_model, phone_files
from tests.fakes.expectations import assert_clear, assert_nothing_left

pytest_plugins = ["tests.fakes.fixtures"]

NO_PERMISSIONS = (
    "no permissions (missing udev rules? user is in the plugdev group); see"
    " [http://example.org/device.html]"
)
LISTING = f"""\
* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
0A1B2C3D               device usb:1-2 product:p model:Pixel_8_Pro device:husky transport_id:3
adb-XY (2)._adb-tls-connect._tcp device product:p model:A_B device:d transport_id:4
my device 1            offline transport_id:5
[::1]:5555             unauthorized transport_id:6
serial [7]\tauthorizing
USB7                   {NO_PERMISSIONS} usb:3-1 transport_id:8
emulator-5554          recovery product:p model:m device:d transport_id:9
X                      sleeping usb:9
"""


def test_devices_are_read_by_their_states():
    found = {phone.serial: phone for phone in parse_devices(LISTING)}
    assert {serial: phone.state for serial, phone in found.items()} == {
        "0A1B2C3D": DeviceState.READY,
        "adb-XY (2)._adb-tls-connect._tcp": DeviceState.READY,
        "my device 1": DeviceState.OFFLINE,
        "[::1]:5555": DeviceState.UNAUTHORIZED,
        "serial [7]": DeviceState.AUTHORIZING,
        "USB7": DeviceState.NO_PERMISSIONS,
        "emulator-5554": DeviceState.RECOVERY,
        "X": DeviceState.UNKNOWN,
    }
    assert found["0A1B2C3D"].model == "Pixel 8 Pro"
    assert found["USB7"].state_text == NO_PERMISSIONS
    assert "sleeping" in found["X"].sentence


@pytest.mark.parametrize(
    "text", ["", "* daemon started successfully\n", "List of devices attached\r\n\r\n"]
)
def test_an_empty_list_has_no_phones(text):
    assert parse_devices(text) == ()


def test_every_state_has_a_sentence_of_its_own():
    states = [
        state.value
        for state in DeviceState
        if state not in (DeviceState.NO_PERMISSIONS, DeviceState.ABSENT)
    ]
    phones = [
        parse_devices(f"List of devices attached\nS {state}\n")[0]
        for state in [*states, NO_PERMISSIONS]
    ]
    sentences = {phone.sentence for phone in [*phones, absent("S")]}
    assert len(sentences) == len(DeviceState)
    assert all(sentence.startswith("S: ") and "\n" not in sentence for sentence in sentences)


@pytest.mark.parametrize("serial", [line.serial for line in parse_devices(LISTING)[2:]])
def test_a_phone_that_is_not_ready_is_not_chosen(tmp_path, serial):
    (tmp_path / "listing").write_text(LISTING)
    listing = program(tmp_path / "adb", f"#!/bin/sh\ncat '{tmp_path}/listing'\n")
    with pytest.raises(DeviceError) as error:
        Adb(listing).choose(serial)
    assert_clear(error, f"{serial}: this phone ")


def program(path, text="#!/bin/sh\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_adb_is_found_in_this_order(tmp_path, monkeypatch):
    explicit, variable = program(tmp_path / "a" / "adb"), program(tmp_path / "b" / "my adb")
    on_path, bundled = (
        program(tmp_path / "c" / "adb"),
        program(tmp_path / "d" / "adbutils" / "binaries" / "adb"),
    )
    (bundled.parent.parent / "__init__.py").write_text("raise ImportError('never imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "d")])
    monkeypatch.setenv("BOKEH_ADB", str(variable))
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_adb(explicit=explicit) == explicit
    assert find_adb() == variable
    monkeypatch.delenv("BOKEH_ADB")
    assert find_adb() == on_path
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_adb() == bundled
    shutil.rmtree(bundled.parent)
    with pytest.raises(DeviceError, match="adb was not found"):
        find_adb()
    with pytest.raises(DeviceError, match="BOKEH_ADB names no program"):
        monkeypatch.setenv("BOKEH_ADB", str(tmp_path / "none"))
        find_adb()


def test_a_serial_with_spaces_is_one_argument(tmp_path):
    echo = program(tmp_path / "adb", '#!/bin/sh\nprintf "%s|" "$@"\n')
    told = Adb(echo, serial="adb-X (2)._adb-tls-connect._tcp").run("get-state")
    assert told.stdout == "-s|adb-X (2)._adb-tls-connect._tcp|get-state|"


def test_a_call_ends_at_its_time_limit(tmp_path):
    slow = program(tmp_path / "adb", "#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(DeviceError, match=r"S: `adb wait-for-device` did not end within 0.3 s and"):
        Adb(slow, serial="S").run("wait-for-device", timeout_s=0.3)


def test_a_server_that_inherits_the_output_does_not_hold_the_call(tmp_path):
    forking = program(tmp_path / "adb", "#!/bin/sh\nsleep 60 &\necho started\n")
    told = Adb(forking).run("start-server", timeout_s=50)
    assert told.stdout == "started\n" and told.wall_s < 50


def test_what_is_no_adb_is_refused(tmp_path):
    with pytest.raises(DeviceError, match="cannot be started"):
        Adb(program(tmp_path / "adb", "\x7fELF damaged")).run("devices")


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
@pytest.mark.parametrize(
    "argument",
    ["a b", "it's", '"$HOME"', "`id`; false", "*", "", "größe\u3000𝄞", "a\nb", "-n", "\\"],
)
def test_arguments_arrive_as_they_are(start_phone, adb, old, argument):
    phone = start_phone(old=old)
    adb.connect(phone.serial)
    told = Device(adb.on(phone.serial)).shell("printf", "%s", "<", argument, ">")
    assert told.stdout == f"<{argument}>"
    assert told.return_code == 0


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_codes_arrive(start_phone, adb, old, code):
    phone = start_phone(old=old)
    adb.connect(phone.serial)
    told = Device(adb.on(phone.serial)).script('echo out; echo err >&2; exit "$1"', code)
    assert told.return_code == code
    assert told.stdout + told.stderr == "out\nerr\n"


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_files_go_there_and_back(start_phone, adb, tmp_path, old):
    phone = start_phone(old=old)
    adb.connect(phone.serial)
    local, back = tmp_path / "mein modell 'größe' $x.tflite", tmp_path / "back"
    local.write_bytes(bytes(range(256)) * 3000)
    with RunFolder(Device(adb.on(phone.serial))) as folder:
        remote = folder.push(local)
        assert phone.local(remote).read_bytes() == local.read_bytes()
        folder.pull(local.name, back)
        assert back.read_bytes() == local.read_bytes()
    assert_nothing_left(phone)


def test_a_serial_with_brackets(start_phone, adb):
    try:
        phone = start_phone(host="::1")
    except OSError:
        pytest.skip("no IPv6 loopback here")
    adb.connect(phone.serial)
    assert phone.serial.startswith("[::1]:")
    assert Device(adb.choose(phone.serial)).shell("echo", "yes").stdout == "yes\n"


def test_the_only_phone_is_chosen(phone, adb):
    assert adb.choose().serial == phone.serial
    assert adb.choose(phone.serial).listed().model == "Pixel 0"


def test_a_private_folder_is_private(device, phone):
    with RunFolder(device) as folder:
        assert stat.S_IMODE(phone.local(folder.path).stat().st_mode) == 0o700
        for name in ("../x", "", "a/b", "pid"):
            with pytest.raises(ValueError, match="plain file name"):
                folder.pull(name, "unused")
    assert_nothing_left(phone)


def test_only_own_folders_are_removed(device, phone):
    strangers = ["bokeh-tf-00000000-aa", "model.tflite", "bokeh-tf-"]
    for name in strangers:
        phone.local(f"/data/local/tmp/{name}").mkdir()
    with RunFolder(device):
        pass
    assert phone.temporary_files() == sorted(strangers)


@pytest.mark.parametrize("program_name", ["classic", "litert"])
def test_the_stand_in_runs_the_model(device, phone, tmp_path, tiny_convolution, program_name):
    tool = benchmark_model.write(tmp_path / "benchmark_model", program_name)
    with RunFolder(device) as folder:
        remote, model = folder.push(tool, executable=True), folder.push(tiny_convolution)
        flags = (
            f"--graph={model}",
            "--use_gpu=true",
            "--num_runs=3",
            "--min_secs=0",
            "--not_a_flag=1",
        )
        told = folder.run(remote, *flags, timeout_s=60, core_mask="f0")
    assert told.return_code == 0
    assert "Unconsumed cmdline flags: --not_a_flag=1" in told.stderr
    assert (
        "Created 1 GPU delegate kernels." in told.stderr and "INFO: count=3 first=" in told.stderr
    )
    assert_nothing_left(phone)


def test_fingerprint(device):
    found = device.fingerprint()
    assert (found.manufacturer, found.model, found.soc, found.abi) == (
        "Example",
        "Pixel 0",
        "Acme AC8650",
        "arm64-v8a",
    )
    assert found.gpu == facts.Gpu(
        "Acme", "Trigon (TM) 750", "OpenGL ES 3.2 V@0800.0 (GIT@0a1b2c3, build, 2025)"
    )
    assert found.thermal.status == 0 and found.thermal.hottest == facts.Temperature(
        "skin", "skin", 31.0
    )
    assert found.battery == facts.Battery(80, 28.5, True, ("USB",))
    assert found.core_masks == {"all": "ff", "big": "f0", "prime": "80"}
    assert [core.index for core in found.cores if core.capped] == [7]
    assert found.cores[0].governor == "walt"


def test_old_phones_show_temperatures_of_the_kernel(start_phone, adb):
    phone = start_phone(old=True)
    adb.connect(phone.serial)
    thermal = Device(adb.on(phone.serial)).thermal()
    assert thermal.status is None
    assert [(one.name, one.kind, one.celsius) for one in thermal.temperatures] == [
        ("cpu-0-0", "cpu", 33.4),
        ("gpuss-0", "gpu", 35.1),
    ]


@pytest.mark.parametrize(
    ("line", "celsius"),
    [
        *(("cpu 45000", 45.0), ("cpu 451", 45.1), ("cpu 45", 45.0)),
        *(
            (line, None)
            for line in ("cpu 0", "cpu -40000", "cpu 105000", "cpu 127000", "cpu", "", "cpu x")
        ),
    ],
)
def test_units_of_thermal_zones(line, celsius):
    assert [one.celsius for one in facts.parse_thermal_zones(line)] == (
        [] if celsius is None else [celsius]
    )


def test_cached_temperatures_are_used_only_where_there_are_no_others():
    text = phone_files.thermal_service(2, skin=44.0, cached=20.0)
    assert facts.parse_thermal_service(text).hottest.celsius == 44.0
    assert facts.parse_thermal_service(text.partition("HAL Ready")[0]).hottest.celsius == 20.0
    assert facts.parse_thermal_service(text.replace("44.0", "NaN")).hottest.celsius == 30.5


@pytest.mark.parametrize(
    "text", ["", "garbage\0\x01", "Thermal Status: ", "Temperature{mValue=, mType=0, mName=x}"]
)
def test_facts_of_garbage_are_unknown(text):
    assert facts.parse_thermal_service(text) == facts.Thermal(None, ())
    assert facts.parse_battery(text) == facts.Battery(None, None, None, ())
    assert facts.parse_cores(text) == () and facts.core_masks(()) == {}
    assert facts.parse_gpu(text) is None and facts.parse_properties(text) == {}


def test_properties_over_several_lines():
    assert facts.parse_properties("[a]: [1]\n[b]: [x\ny]\n[c]: []\n") == {
        "a": "1",
        "b": "x\ny",
        "c": "",
    }


def test_masks_leave_out_cores_that_are_off():
    def core(index, most, online=True):
        return facts.Core(index, online, most, most, None, "")

    same = [core(index, 2_000_000) for index in range(4)]
    assert facts.core_masks(same) == {"all": "f", "big": "f", "prime": "f"}
    assert facts.core_masks([core(0, 1), core(1, 2), core(2, 2, online=False)]) == {
        "all": "3",
        "big": "2",
        "prime": "2",
    }


def test_the_gate_waits_until_the_phone_is_cool(device, phone):
    states = ((2, 46.0), (0, 41.0), (0, 39.0))
    texts = [phone_files.thermal_service(status, skin=skin) for status, skin in states]
    phone_files.says(phone.root, "thermalservice", *texts)
    seen = []
    reading = wait_until_fit(device, poll_s=0.01, timeout_s=10, on_wait=seen.append)
    assert [thermal.hottest.celsius for thermal in seen] == [46.0, 41.0]
    assert reading.thermal.hottest.celsius == 39.0 and reading.doubts == ()


def test_the_gate_doubts_a_phone_without_thermometer(device, phone):
    phone_files.says(phone.root, "thermalservice", "nothing")
    phone_files.says(phone.root, "battery", "nothing")
    shutil.rmtree(phone.root / "sys" / "class")
    doubts = wait_until_fit(device, pause_s=0.01).doubts
    assert len(doubts) == 3 and "no temperatures" in doubts[0]


def test_callers_mistakes_are_refused(device, adb):
    with pytest.raises(ValueError, match="needs an adb with a serial"):
        Device(adb)
    with pytest.raises(ValueError, match="starts with '/'"):
        device.push(__file__, "model.tflite")
    with pytest.raises(ValueError, match="NUL"):
        device.shell("echo", "a\0b")


def test_missing_local_file(device):
    with pytest.raises(DeviceError) as error:
        device.push(Path("none.tflite"), "/data/local/tmp/x")
    assert_clear(error, "none.tflite", "No such file")
