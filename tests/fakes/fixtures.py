"""Fixtures around the fake phone; a test file takes them with `pytest_plugins =
["tests.fakes.fixtures"]`.
"""

import os
import sys
import tempfile
import time

import pytest

from bokeh_tf.bench.phone.adb import find_adb
from bokeh_tf.bench.phone.device import Device
from bokeh_tf.bench.phone.run_folder import RunFolder
from bokeh_tf.errors import DeviceError
from tests.fakes.adb_server import AdbServer
from tests.fakes.phone import Phone

TIMEOUT_S = 8.0
# Faults last twice as long: whoever waits for the end of one takes longer than this, and
# no loaded machine does.
HANG_S = 300.0


@pytest.fixture(scope="session")
def adb_path():
    """The real adb; skips where there is none, and fails in CI, where there must be one."""
    if sys.platform != "linux":
        pytest.skip("the fake phone borrows /proc from this computer")
    try:
        return find_adb()
    except DeviceError as error:
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def shared_server(adb_path, tmp_path_factory):
    with AdbServer(adb_path, tmp_path_factory.mktemp("adb_home")) as server:
        yield server


@pytest.fixture
def adb(shared_server):
    """A client of the tests' own adb server."""
    return shared_server.adb(timeout_s=TIMEOUT_S)


@pytest.fixture
def start_phone(adb, tmp_path, monkeypatch):
    """`start_phone(name=…, old=…, …)`: a running `Phone`, not connected yet."""
    locks = tmp_path / "locks"
    locks.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(locks))
    phones = []

    def start(**settings):
        # A short path of its own: the kernel limits how long a script's first line may be.
        phone = Phone(
            tmp_path / f"phone{len(phones)}", **{"name": f"Pixel {len(phones)}", **settings}
        )
        phones.append(phone.__enter__())
        return phone

    yield start
    for phone in phones:
        adb.run("disconnect", phone.serial)
        phone.__exit__()


@pytest.fixture
def phone(start_phone, adb):
    """A connected phone."""
    phone = start_phone()
    adb.connect(phone.serial)
    return phone


@pytest.fixture
def device(phone, adb):
    return Device(adb.on(phone.serial))


@pytest.fixture
def folder_of():
    """`folder_of(device)`: a run folder that does not wait long for a phone that is gone."""
    return lambda device, **settings: RunFolder(device, **{"return_timeout_s": 6.0, **settings})


@pytest.fixture
def model(tmp_path):
    """Some bytes that are not all alike, in more than one packet."""
    path = tmp_path / "model.tflite"
    path.write_bytes(bytes(range(256)) * 2000)
    return path


@pytest.fixture
def sleeper(tmp_path):
    """A program that would run for ten minutes."""
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\necho started\nsleep 600 & wait\n")
    return path


@pytest.fixture
def no_hang():
    start_s = time.monotonic()
    yield
    assert time.monotonic() - start_s < HANG_S
