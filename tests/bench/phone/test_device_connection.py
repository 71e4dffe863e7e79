"""Phones that are not ready, that go away, or that are several; the adb server
and our own program ending.

The real adb works with the fake phone of tests/fakes.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bokeh_tf.bench.phone.device import Device
from bokeh_tf.errors import DeviceError
from tests.fakes.adb_server import AdbServer
from tests.fakes.expectations import assert_clear, assert_nothing_left

pytest_plugins = ["tests.fakes.fixtures"]
pytestmark = pytest.mark.usefixtures("no_hang")

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT_S = 25.0


# ---- states, several phones, the adb server


@pytest.mark.parametrize(
    ("mode", "word"),
    [
        ("recovery", "recovery"),
        ("sideload", "sideload"),
        ("rescue", "rescue"),
        ("bootloader", "fastboot reboot"),
    ],
)
def test_phone_is_not_in_android(start_phone, adb, mode, word):
    phone = start_phone(mode=mode)
    with pytest.raises(DeviceError) as error:
        adb.connect(phone.serial)
    assert_clear(error, phone.serial, word)
    with pytest.raises(DeviceError, match=word):
        adb.choose(phone.serial)


@pytest.mark.parametrize(
    ("trust", "word"), [("unauthorized", "Allow USB debugging"), ("authorizing", "key")]
)
def test_phone_does_not_trust(start_phone, adb, trust, word):
    phone = start_phone(trust=trust)
    with pytest.raises(DeviceError) as error:
        adb.connect(phone.serial, timeout_s=2)
    assert_clear(error, phone.serial, word)


def test_nobody_there(adb):
    with pytest.raises(DeviceError, match="no phone is connected"):
        adb.choose()
    with pytest.raises(DeviceError) as error:
        adb.choose("SERIAL")
    assert_clear(error, "SERIAL", "is not connected")
    with pytest.raises(DeviceError) as error:
        Device(adb.on("SERIAL")).shell("true")
    assert_clear(error, "SERIAL", "is not connected")
    with pytest.raises(DeviceError) as error:
        adb.connect("127.0.0.1:1")
    assert_clear(error, "127.0.0.1:1", "Connection refused")


def test_phone_is_offline(phone, adb):
    phone.faults.away_s = 600
    phone.drop()
    phone.trust = "authorizing"
    with pytest.raises(DeviceError) as error:
        adb.on(phone.serial).wait_until_ready(timeout_s=0)
        time.sleep(0.3)
        adb.choose(phone.serial)
    assert_clear(error, phone.serial, "offline")


def test_two_phones_one_gone(start_phone, adb, model, folder_of):
    first, second = start_phone(), start_phone()
    for phone in (first, second):
        adb.connect(phone.serial)
    with pytest.raises(DeviceError) as error:
        adb.choose()
    assert_clear(error, first.serial, second.serial, "name one")
    with folder_of(Device(adb.on(second.serial))) as kept:
        with (
            pytest.raises(DeviceError) as error,
            folder_of(Device(adb.on(first.serial)), return_timeout_s=0.5) as lost,
        ):
            first.faults.away_s = 600
            first.drop()
            lost.push(model)
        assert_clear(error, first.serial, lost.path)
        assert phone.local(kept.push(model)).read_bytes() == model.read_bytes()
    assert_nothing_left(second)


def test_two_phones_at_the_same_time(start_phone, adb, model, folder_of):
    phones = [start_phone(), start_phone()]
    together = threading.Barrier(len(phones), timeout=TIMEOUT_S)

    def run(phone):
        adb.connect(phone.serial)
        with folder_of(Device(adb.on(phone.serial))) as folder:
            together.wait()
            return phone.local(folder.push(model)).read_bytes() == model.read_bytes()

    with ThreadPoolExecutor(len(phones)) as pool:
        assert list(pool.map(run, phones)) == [True, True]
    for phone in phones:
        assert_nothing_left(phone)


def test_one_run_at_a_time(device, folder_of, phone):
    with folder_of(device), pytest.raises(DeviceError) as error, folder_of(device):
        pass
    assert_clear(error, phone.serial, "another run uses this phone")
    assert_nothing_left(phone)


@pytest.fixture
def own_server(adb_path, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with AdbServer(adb_path, home) as server:
        yield server


def test_adb_server_restarts_between_calls(own_server, start_phone, folder_of, model):
    phone, adb = start_phone(), own_server.adb(timeout_s=15)
    adb.connect(phone.serial)
    with (
        pytest.raises(DeviceError) as error,
        folder_of(Device(adb.on(phone.serial)), return_timeout_s=10) as folder,
    ):
        own_server.stop()
        folder.push(model)
    assert_clear(error, phone.serial, "is not connected")
    assert_nothing_left(phone)


def test_adb_server_dies_during_run(own_server, start_phone, sleeper, folder_of):
    phone, adb = start_phone(), own_server.adb(timeout_s=15)
    adb.connect(phone.serial)
    with (
        pytest.raises(DeviceError) as error,
        folder_of(Device(adb.on(phone.serial)), return_timeout_s=10) as folder,
    ):
        remote = folder.push(sleeper, executable=True)
        stop = (
            "import sys, time; time.sleep(0.5); from tests.fakes.adb_server import kill;"
            " kill(*sys.argv[1:])"
        )
        port = own_server.environment["ANDROID_ADB_SERVER_PORT"]
        with subprocess.Popen(
            [sys.executable, "-c", stop, str(own_server.path), port], cwd=ROOT
        ) as stopping:
            try:
                folder.run(remote, timeout_s=10)
            finally:
                stopping.wait()
    assert_clear(error, phone.serial)
    assert_nothing_left(phone)


def test_port_of_the_adb_server_is_taken(own_server, sleeper):
    port = int(own_server.environment["ANDROID_ADB_SERVER_PORT"])
    with socket.create_server(("127.0.0.1", port)), pytest.raises(DeviceError) as error:
        own_server.adb(timeout_s=2).devices()
    assert_clear(error, "`adb devices` did not end within 2 s", "port of the adb server")


# ---- ends of our own program


RUN_UNTIL_STOPPED = """\
    import signal, sys, tempfile
    from bokeh_tf.bench.phone.adb import Adb
    from bokeh_tf.bench.phone.device import Device
    from bokeh_tf.bench.phone.run_folder import RunFolder
    # Jobs in the background may start with the signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tempfile.tempdir = sys.argv[4]
    with RunFolder(Device(Adb(sys.argv[1], serial=sys.argv[2], timeout_s=10))) as folder:
        remote = folder.push(sys.argv[3], executable=True)
        folder.run(remote, timeout_s=60)
"""


def stop_a_run(server, phone, tool, signal_number, *, reached):
    """Starts a run in a process of its own and ends that as soon as `reached()`;
    its return code and stderr.
    """
    command = [sys.executable, "-c", textwrap.dedent(RUN_UNTIL_STOPPED), server.path, phone.serial]
    command += [tool, tempfile.gettempdir()]
    environment = {**os.environ, **server.environment}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        while not reached():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        process.send_signal(signal_number)
        _, stderr = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, stderr


def test_ctrl_c_during_run(shared_server, phone, sleeper):
    return_code, stderr = stop_a_run(
        shared_server, phone, sleeper, signal.SIGINT, reached=phone.process_files
    )
    assert return_code != 0 and "KeyboardInterrupt" in stderr and "DeviceError" not in stderr
    assert_nothing_left(phone)


def test_ctrl_c_during_push(shared_server, phone, tmp_path):
    large = tmp_path / "large"
    large.write_bytes(bytes(2_000_000))
    phone.faults.bytes_per_s = 500_000
    return_code, stderr = stop_a_run(
        shared_server, phone, large, signal.SIGINT, reached=phone.temporary_files
    )
    phone.faults.bytes_per_s = None
    assert return_code != 0 and "KeyboardInterrupt" in stderr and "DeviceError" not in stderr
    assert_nothing_left(phone)


def test_our_program_is_killed_and_the_next_run_cleans_up(
    shared_server, phone, device, sleeper, folder_of
):
    return_code, _ = stop_a_run(
        shared_server, phone, sleeper, signal.SIGKILL, reached=phone.process_files
    )
    assert return_code == -signal.SIGKILL
    assert phone.temporary_files() and phone.running()
    with folder_of(device):
        assert len(phone.temporary_files()) == 1 and not phone.running()
    assert_nothing_left(phone)
