"""What can go wrong with a phone, one test a case: a clear message, nothing
left on the phone, no hang.

The real adb works with the fake phone of tests/fakes, in which the faults are.
"""

import os
import subprocess

import pytest

from bokeh_tf.bench.phone import adb as adb_module
from bokeh_tf.bench.phone.adb import Adb
from bokeh_tf.bench.phone.device import Device
from bokeh_tf.bench.phone.thermal_gate import wait_until_fit
from bokeh_tf.errors import DeviceError
from tests.fakes import benchmark_model, phone_files
from tests.fakes.expectations import assert_clear, assert_nothing_left, assert_nothing_runs

pytest_plugins = ["tests.fakes.fixtures"]
pytestmark = pytest.mark.usefixtures("no_hang")


def tool(tmp_path, text):
    path = tmp_path / "tool"
    path.write_text(text)
    return path


# ---- copying


def test_drop_during_push(device, phone, model, folder_of):
    phone.faults.drop_push_after_bytes = 100_000
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        folder.push(model)
    assert_clear(error, phone.serial, "model.tflite")
    assert_nothing_left(phone)


def test_drop_during_push_and_away_for_a_second(device, phone, model, folder_of):
    phone.faults.drop_push_after_bytes, phone.faults.away_s = 100_000, 1.0
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        folder.push(model)
    assert_clear(error, phone.serial, "model.tflite", "could not be copied")
    assert_nothing_left(phone)


REFUSALS = {
    "no_space": ("No space left on device", "Free some storage"),
    "read_only": ("couldn't create file: Read-only file system", "reboot the phone"),
    "permission": ("couldn't create file: Permission denied", "the shell may write to"),
    "quota": ("write failed: Disk quota exceeded", "Disk quota exceeded"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_push_refused(device, phone, model, folder_of, refusal):
    phone.faults.push_refusal, advice = REFUSALS[refusal]
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        folder.push(model)
    assert_clear(error, phone.serial, "model.tflite", advice)
    assert str(model.parent) not in str(error.value)
    assert_nothing_left(phone)


def test_push_arrives_with_one_wrong_bit(device, phone, model, folder_of):
    phone.faults.flip_pushed_bit = True
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        try:
            folder.push(model)
        finally:
            assert not phone.local(f"{folder.path}/{model.name}").exists()
    assert_clear(error, "arrived damaged", "sha256")
    assert_nothing_left(phone)


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_push_arrives_cut(start_phone, adb, model, folder_of, old):
    phone = start_phone(old=old)
    adb.connect(phone.serial)
    phone.faults.cut_pushed_bytes = 1
    with pytest.raises(DeviceError) as error, folder_of(Device(adb.on(phone.serial))) as folder:
        folder.push(model)
    assert_clear(error, "arrived damaged")
    assert_nothing_left(phone)


def test_pull_arrives_with_one_wrong_bit(device, phone, model, folder_of, tmp_path):
    back = tmp_path / "results" / "back"
    back.parent.mkdir()
    phone.faults.flip_pulled_bit = True
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        folder.push(model)
        folder.pull(model.name, back)
    assert_clear(error, "arrived damaged")
    assert list(back.parent.iterdir()) == []
    assert_nothing_left(phone)


def test_pull_of_a_missing_file(device, phone, folder_of, tmp_path):
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        folder.pull("results.pb", tmp_path / "results.pb")
    assert_clear(error, "results.pb", "No such file")
    assert_nothing_left(phone)


def test_slow_link_is_only_slow(device, phone, model, folder_of):
    phone.faults.bytes_per_s = 1_000_000
    with folder_of(device) as folder:
        assert phone.local(folder.push(model)).read_bytes() == model.read_bytes()
    assert_nothing_left(phone)


def test_link_too_slow(device, phone, model, folder_of):
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        phone.faults.bytes_per_s = 100_000
        try:
            device.push(model, f"{folder.path}/model", timeout_s=0.5)
        finally:
            phone.faults.bytes_per_s = None
    assert_clear(error, phone.serial, "`adb push` did not end within 0.5 s")
    assert_nothing_left(phone)


# ---- running


def test_drop_during_run(device, phone, sleeper, folder_of):
    phone.faults.on_command, phone.faults.drop_after_s = "exec ", 0.5
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        folder.run(folder.push(sleeper, executable=True), timeout_s=5)
    assert_clear(error, phone.serial)
    assert_nothing_left(phone)


def test_goes_offline_during_run_and_the_next_run_cleans_up(device, phone, sleeper, folder_of):
    phone.faults.on_command, phone.faults.drop_after_s, phone.faults.away_s = "exec ", 0.3, 600
    with pytest.raises(DeviceError) as error, folder_of(device, return_timeout_s=1.0) as folder:
        folder.run(folder.push(sleeper, executable=True), timeout_s=5)
    assert_clear(error, phone.serial, folder.path, "the next run there removes it")
    assert phone.temporary_files() and phone.running()
    phone.faults.away_s = 0
    phone.drop()
    device.adb.wait_until_ready(timeout_s=6)
    with folder_of(device):
        assert len(phone.temporary_files()) == 1 and not phone.running()
    assert_nothing_left(phone)


def test_debugging_is_revoked_during_run(device, phone, sleeper, folder_of):
    phone.faults.on_command, phone.faults.drop_after_s = "exec ", 0.3
    phone.trust = "unauthorized"
    with pytest.raises(DeviceError) as error, folder_of(device, return_timeout_s=1.0) as folder:
        folder.run(folder.push(sleeper, executable=True), timeout_s=5)
    assert_clear(error, phone.serial, folder.path)
    phone.trust = "accept"
    phone.drop()
    device.adb.wait_until_ready(timeout_s=10)
    with folder_of(device):
        pass
    assert_nothing_left(phone)


def test_remote_hang(device, phone, sleeper, folder_of):
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        try:
            folder.run(folder.push(sleeper, executable=True), timeout_s=0.7)
        finally:
            # At once, not only with the folder.
            assert_nothing_runs(phone)
    assert_clear(error, phone.serial, "tool did not end within 0.7 s and was stopped")
    assert_nothing_left(phone)


def test_frozen_phone(phone, adb, tmp_path, folder_of, sleeper):
    quick = Device(Adb(adb.path, serial=phone.serial, timeout_s=1.0, environment=adb.environment))
    with pytest.raises(DeviceError) as error, folder_of(quick, return_timeout_s=1.0) as folder:
        phone.faults.frozen = True
        folder.push(sleeper)
    assert_clear(error, phone.serial, "did not end within", folder.path)
    phone.faults.frozen = False
    phone.drop()
    quick.adb.wait_until_ready(timeout_s=6)
    with folder_of(quick):
        pass
    assert_nothing_left(phone)


def benchmark(folder, tmp_path, model, *flags, timeout_s=10.0):
    remote = folder.push(
        benchmark_model.write(tmp_path / "benchmark_model", "classic"), executable=True
    )
    flags = (f"--graph={folder.push(model)}", "--num_runs=3", "--min_secs=0", *flags)
    return folder.run(remote, *flags, timeout_s=timeout_s)


STOPPED = {
    "killed": ("ended by SIGKILL", "out of memory"),
    "crashed": ("ended by SIGSEGV", "Initialized session"),
    "linker": ("lacks a library", "libOpenCL.so", "ABI"),
    "hang": ("benchmark_model did not end within 3 s",),
}


@pytest.mark.parametrize("fault", STOPPED)
def test_benchmark_is_stopped(device, phone, tmp_path, tiny_convolution, folder_of, fault):
    (phone.root / "benchmark_fault").write_text(fault)
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        benchmark(folder, tmp_path, tiny_convolution, timeout_s=3.0)
    assert_clear(error, phone.serial, *STOPPED[fault])
    assert_nothing_left(phone)


TOLD = {
    "no_opencl": (1, "Can not open OpenCL library"),
    "init_failed": (1, "Restored original execution plan"),
    "opengl": (0, "Falling back to OpenGL"),
    "partial": (0, "partially executed by the delegate"),
    "silent_cpu": (0, "GPU acceleration is unsupported on this platform."),
    "garbage": (0, "STARTING!"),
    "truncated": (0, "count=12 first=98"),
}


@pytest.mark.parametrize("fault", TOLD)
def test_benchmark_ends_by_itself_and_its_log_is_kept(
    device, phone, tmp_path, tiny_convolution, folder_of, fault
):
    (phone.root / "benchmark_fault").write_text(fault)
    with folder_of(device) as folder:
        told = benchmark(folder, tmp_path, tiny_convolution, "--use_gpu=true")
    assert told.return_code == TOLD[fault][0]
    assert TOLD[fault][1] in told.stderr
    assert_nothing_left(phone)


def test_endless_output(device, phone, tmp_path, tiny_convolution, folder_of, monkeypatch):
    monkeypatch.setattr(adb_module, "MOST_OUTPUT_BYTES", 1_000_000)
    (phone.root / "benchmark_fault").write_text("endless")
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        benchmark(folder, tmp_path, tiny_convolution)
    assert_clear(error, phone.serial, "printed over 1 MB")
    assert_nothing_left(phone)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ("was not found on the phone", "removed during the run")),
        ("\x7fELF\x02\x01\x01 for another processor", ("processor",)),
        ("#!/system/bin/none\n", ("not found",)),
    ],
    ids=["missing", "wrong_processor", "no_interpreter"],
)
def test_benchmark_model_cannot_start(device, phone, tmp_path, folder_of, text, words):
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        remote = folder.push(tool(tmp_path, text or ""), executable=True)
        if text is None:
            phone.local(remote).unlink()
        folder.run(remote, timeout_s=5)
    assert_clear(error, phone.serial, "tool", *words)
    assert_nothing_left(phone)


def test_benchmark_model_is_not_executable(device, phone, sleeper, folder_of):
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        remote = folder.push(sleeper)
        phone.local(remote).chmod(0o644)
        folder.run(remote, timeout_s=5)
    assert_clear(error, "may not be run there", "Permission denied")
    assert_nothing_left(phone)


def test_answer_is_cut(device, phone):
    phone.faults.on_command, phone.faults.cut_output_bytes = "getprop", 40
    with pytest.raises(DeviceError) as error:
        device.properties()
    assert_clear(error, phone.serial, "before the command ended")


def test_exit_code_is_lost(device, phone):
    phone.faults.on_command, phone.faults.lose_exit_code = "exit 7", True
    assert device.script("echo out; exit 7").return_code == 7


def test_clock_jumps(device, phone, model, folder_of):
    phone.command("date", "echo 'Thu Jan  1 00:00:00 UTC 1970'\n")
    with folder_of(device) as folder:
        remote = folder.push(model)
        os.utime(phone.local(remote), (0, 4_000_000_000))
        assert device.sha256(remote)
    assert_nothing_left(phone)


# ---- what the phone's own programs do


BROKEN_PROGRAMS = {
    "mkdir": ("echo \"mkdir: '$1': Read-only file system\" >&2; exit 1\n", "Read-only file system"),
    "getprop": ("printf '\\001\\002 garbage'\n", "nothing that can be read"),
}


@pytest.mark.parametrize("name", BROKEN_PROGRAMS)
def test_broken_program_before_the_run(device, phone, folder_of, name):
    script, words = BROKEN_PROGRAMS[name]
    phone.command(name, script)
    with pytest.raises(DeviceError) as error, folder_of(device):
        pass
    assert_clear(error, phone.serial, words)
    assert_nothing_left(phone)


def test_folder_cannot_be_removed(device, phone, folder_of):
    phone.command("rm", 'echo "rm: $2: Read-only file system" >&2; exit 1\n')
    with pytest.raises(DeviceError) as error, folder_of(device) as folder:
        pass
    assert_clear(error, folder.path)
    (phone.root / "system" / "bin" / "rm").unlink()
    with folder_of(device):
        pass
    assert_nothing_left(phone)


def test_process_id_went_to_another_program(device, phone, folder_of):
    other = subprocess.Popen(["sleep", "60"])
    try:
        with folder_of(device) as folder:
            phone.local(f"{folder.path}/pid").write_text(f"{other.pid}\n")
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    assert_nothing_left(phone)


def test_thermal_runaway(device, phone):
    hotter = [phone_files.thermal_service(1, skin=40.0 + step) for step in range(60)]
    phone_files.says(phone.root, "thermalservice", *hotter)
    with pytest.raises(DeviceError) as error:
        wait_until_fit(device, timeout_s=0.5, poll_s=0.05)
    assert_clear(error, phone.serial, "still too hot", "thermal status 1 (light)")


def test_thermal_emergency_does_not_wait(device, phone):
    phone_files.says(phone.root, "thermalservice", phone_files.thermal_service(5, skin=60.0))
    with pytest.raises(DeviceError) as error:
        wait_until_fit(device, timeout_s=600, poll_s=60)
    assert_clear(error, phone.serial, "about to switch off")


def test_skin_too_hot_without_status(device, phone):
    phone_files.says(phone.root, "thermalservice", phone_files.thermal_service(0, skin=51.0))
    with pytest.raises(DeviceError) as error:
        wait_until_fit(device, timeout_s=0, poll_s=0.05)
    assert_clear(error, phone.serial, "skin 51.0 °C, limit 40 °C")


def test_battery_too_low(device, phone):
    phone_files.says(phone.root, "battery", phone_files.battery(12))
    with pytest.raises(DeviceError) as error:
        wait_until_fit(device)
    assert_clear(error, phone.serial, "12 %", "Charge it")
