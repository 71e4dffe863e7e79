"""Timing on phones, end to end: the real adb, fake phones, and stand-ins for both
programs that run the model.
"""

import json
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from bokeh_tf.bench.phone import run as android
from bokeh_tf.bench.phone.program import Amount, PhoneSetting
from bokeh_tf.bench.phone.session import Gate
from bokeh_tf.bench.report.facts import warnings
from bokeh_tf.bench.results.measurement import StartCache
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.bench.results.result import to_json
from bokeh_tf.errors import CheckError, DependencyError, DeviceError
from tests.fakes import benchmark_model, phone_files
from tests.fakes.expectations import assert_clear, assert_nothing_left

pytest_plugins = ["tests.fakes.fixtures"]

CPU, GPU = PhoneSetting("cpu"), PhoneSetting("gpu", "fp16")
TURN = Amount(runs=3, warmup_runs=2, max_seconds=5)
GATE = Gate(pause_s=0, timeout_s=1)


@pytest.fixture
def tool_of(tmp_path):
    return lambda program: benchmark_model.write(tmp_path / f"benchmark_model_{program}", program)


@pytest.fixture
def bench(adb, phone, tiny_convolution, tool_of, tmp_path):
    """`bench("classic", CPU, GPU, …)`: a short run on the connected
    phone; results go to `folder`.
    """

    def run(
        kind,
        *settings,
        folder=tmp_path / "results",
        on_round=lambda: None,
        say=lambda _: None,
        **changes,
    ):
        plan = {"rounds": 2, "turn": TURN, "gate": GATE, "timeout_s": 60, "return_timeout_s": 5}
        plan |= changes if "program" in changes else {"program": tool_of(kind), **changes}
        wanted = android.AndroidRun(models=(tiny_convolution,), settings=settings, **plan)
        return android.bench(wanted, adb=adb, folder=folder, on_round=on_round, say=say)

    return run


def trouble(phone, name):
    (phone.root / "benchmark_fault").write_text(name)


def measurement_of(done, setting):
    return next(one for one in done.result.measurements if one.name.endswith(setting.label))


@pytest.mark.parametrize(
    ("program", "prefix", "target"), [("classic", "tflite", "v2"), ("litert", "litert", "mldrift")]
)
def test_cpu_and_gpu_end_to_end(bench, phone, program, prefix, target):
    rounds = []
    done = bench(program, CPU, GPU, PhoneSetting("gpu", "fp32"), on_round=lambda: rounds.append(1))
    assert done.failures == () and len(rounds) == 2
    assert to_json(read_result(done.path)) == to_json(done.result)
    cpu, half, full = done.result.measurements
    assert [one.backend for one in (cpu, half, full)] == [
        f"{prefix}-cpu",
        f"{prefix}-gpu",
        f"{prefix}-gpu",
    ]
    assert [one.verdict.outcome for one in (cpu, half, full)] == ["CPU", "FULL_GPU", "FULL_GPU"]
    assert all(one.stamp is None and one.sample_kind == "round median" for one in (cpu, half, full))
    assert all(
        np.shape(one.samples.rounds_ns) == (2, 1) and one.startup.cold_init_ns > 0
        for one in (cpu, half, full)
    )
    assert half.accelerator == "Trigon (TM) 750" and half.startup.warm_init_ns > 0
    assert half.startup.warm_init_kind == "serialised" and half.startup.cache.was_read
    # Only LiteRT's program has a flag for XNNPACK's cache.
    assert (cpu.startup.cache is None) is (program == "classic")
    assert half.details["predicted_and_logged"]["is_same"] and half.prediction.target == target
    assert any(line.endswith("Initialized OpenCL-based API.") for line in half.verdict.evidence)
    assert_nothing_left(phone)


def test_what_a_result_keeps_of_the_phone(bench, tool_of, device):
    done = bench("classic", CPU)
    (name,) = done.result.devices
    facts = json.loads(done.path.read_text())["devices"][name]
    assert name.startswith("Example Pixel 0 #") and device.serial not in name
    assert (
        facts["fingerprint"]["soc"] == "Acme AC8650"
        and facts["fingerprint"]["cores"][0]["governor"] == "walt"
    )
    assert (
        facts["benchmark_model"]["kind"] == "classic"
        and len(facts["benchmark_model"]["sha256"]) == 64
    )
    assert [len(one["clocks_khz"]) for one in facts["rounds"]] == [8, 8]
    assert (
        facts["after"]["thermal"]["status"] == 0
        and facts["after"]["battery"]["level_percent"] == 80
    )
    details = done.result.measurements[0].details
    assert (
        "--use_xnnpack=true" in details["arguments"]
        and details["rounds"][0]["inference"]["count"] == 3
    )
    assert "STARTING!" in details["log"] and details["flags_as_understood"]["Graph"].endswith(
        "model0.tflite"
    )


def test_rounds_are_interleaved(bench):
    done = bench("classic", CPU, GPU)
    starts = [one.samples.rounds_start_ns for one in done.result.measurements]
    assert starts[0][0] < starts[1][0] < starts[0][1] < starts[1][1]


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        *(("partial", "PARTIAL"), ("silent_cpu", "SILENT_CPU"), ("opengl", "WRONG_BACKEND")),
        *(("nan_output", "BAD_OUTPUT"), ("zero_output", "BAD_OUTPUT")),
    ],
)
def test_times_that_are_not_the_gpus_are_stamped(bench, phone, tool_of, name, outcome):
    tool = tool_of("classic")
    # The CPU's values must stay right, for they are what the others are compared with.
    tool.write_text(
        tool.read_text().replace(
            "if fault() in (", "if flags['use_gpu'] == 'true' and fault() in ("
        )
    )
    trouble(phone, name)
    found = measurement_of(bench("classic", CPU, GPU, program=tool), GPU)
    assert found.verdict.outcome == outcome
    assert found.stamp == f"not a timing of GPU fp16: {outcome}" and found.summary is not None


@pytest.mark.parametrize(
    ("name", "outcome", "words"),
    [
        ("", "FULL_NNAPI", "all nodes ran on the delegate"),
        ("partial", "PARTIAL", "the delegate took 6 of 7 nodes, in 2 pieces of delegate and CPU"),
        ("nnapi_reference", "SILENT_CPU", "its CPU reference alone"),
        ("nnapi_unsupported", "SILENT_CPU", "took no node"),
    ],
)
def test_nnapi_ends_with_a_verdict(bench, phone, name, outcome, words):
    trouble(phone, name)
    found = bench("classic", PhoneSetting("nnapi", "fp16")).result.measurements[0]
    assert (
        found.verdict.outcome == outcome and words in found.verdict.why and found.verdict.evidence
    )
    assert found.summary is not None and found.backend == "tflite-nnapi"
    assert found.stamp == (
        None if outcome == "FULL_NNAPI" else f"not a timing of NNAPI fp16: {outcome}"
    )
    assert any(severity == "bad" for severity, _ in warnings(found)) is (found.stamp is not None)
    flags = {"--use_nnapi=true", "--nnapi_allow_fp16=true", "--disable_nnapi_cpu=true"}
    assert flags <= set(found.details["arguments"])
    assert found.details["flags_as_understood"]["Disable NNAPI cpu"] == "1"


@pytest.mark.parametrize(
    ("name", "words", "cache"),
    [
        ("", "as its log says", StartCache(1234, 0, True)),
        ("cache_ignored", "does not say whether it used it", StartCache(1234, 0, None)),
        ("cache_unwritten", "wrote no cache", None),
    ],
)
def test_what_a_warm_start_rests_on(bench, phone, name, words, cache):
    trouble(phone, name)
    startup = measurement_of(bench("classic", GPU), GPU).startup
    assert words in startup.warm_init_how and (startup.warm_init_ns is None) is (cache is None)
    assert (startup.cache and replace(startup.cache, cold_init_ns=0)) == cache
    assert startup.warm_init_kind == (cache and "serialised")


def test_reasons_that_nobody_predicted_are_listed(bench, phone):
    trouble(phone, "partial")
    details = measurement_of(bench("classic", GPU), GPU).details
    logged = "CONV_2D: Max version supported: 6. Requested version 9."
    assert list(details["reasons"]) == [logged]
    assert list(details["predicted_and_logged"]["only_logged"]) == [logged]
    assert details["predicted_and_logged"]["is_same"] is False


def test_outputs_are_compared_where_they_can_be_saved(bench, phone):
    assert [one.problem for one in measurement_of(bench("classic", GPU), GPU).outputs] == [None]
    found = measurement_of(bench("litert", GPU), GPU)
    assert found.outputs == () and "not compared" in found.details["outputs_note"]


@pytest.mark.parametrize("name", ["init_failed", "no_opencl"])
def test_a_gpu_that_fails_is_out_and_the_cpu_goes_on(bench, phone, name):
    trouble(phone, name)
    done = bench("classic", GPU, CPU)
    failed, cpu = done.result.measurements
    assert (
        failed.summary is None
        and failed.verdict.outcome == "FAILED_INIT"
        and "exit code 1" in failed.verdict.why
    )
    assert "failed after 0 of 2 rounds" in failed.doubts[0] and failed.verdict.evidence
    assert cpu.summary is not None and done.failures == ()
    assert_nothing_left(phone)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("crashed", "SIGSEGV"),
        ("killed", "SIGKILL"),
        ("garbage", "no measured run"),
        ("truncated", "no measured run"),
    ],
)
def test_a_program_that_dies_is_no_phone_that_is_gone(bench, phone, name, words):
    trouble(phone, name)
    done = bench("classic", CPU)
    assert done.failures == () and words in done.result.measurements[0].verdict.why
    assert done.result.measurements[0].summary is None
    assert_nothing_left(phone)


def test_a_program_that_hangs_is_ended(bench, phone, no_hang):
    trouble(phone, "hang")
    verdict = bench("classic", CPU, timeout_s=4).result.measurements[0].verdict
    assert verdict.outcome == "FAILED_INIT" and "did not end within 4 s" in verdict.why
    assert_nothing_left(phone)


def test_a_flag_that_was_not_understood_is_an_error(bench, tool_of):
    tool = tool_of("classic")
    tool.write_text(
        tool.read_text().replace(
            "flags, unknown = parse(",
            "FLAGS[program].pop('use_xnnpack')\n    flags, unknown = parse(",
        )
    )
    found = bench("classic", CPU, program=tool).result.measurements[0]
    assert found.summary is None and found.verdict.outcome == "UNPROVEN"
    assert "does not know --use_xnnpack=true" in found.verdict.why


def test_what_a_build_cannot_do_is_said(bench):
    nnapi = measurement_of(
        bench("litert", PhoneSetting("nnapi", "fp16"), CPU), PhoneSetting("nnapi", "fp16")
    )
    assert nnapi.summary is None and "LiteRT's program has no NNAPI" in nnapi.verdict.why


@pytest.mark.parametrize("away_s", [0, 600], ids=["comes back", "stays away"])
def test_a_drop_during_a_round_loses_no_finished_round(
    bench, phone, adb, tmp_path, no_hang, away_s
):
    def unplug():
        phone.faults.on_command, phone.faults.drop_after_s, phone.faults.away_s = (
            "--num_runs=3",
            0.05,
            away_s,
        )

    slow = Amount(runs=3, warmup_runs=3, max_seconds=5)
    done = bench("classic", CPU, GPU, on_round=unplug, turn=slow, return_timeout_s=2, rounds=3)
    assert len(done.failures) == 1 and phone.serial in done.failures[0]
    assert "the same command continues from there" in done.failures[0]
    kept = [one.samples.rounds_ns for one in done.result.measurements]
    assert (
        list(map(len, kept)) == [1, 1]
        and "stopped after 1 of 3 rounds" in done.result.measurements[0].doubts[0]
    )
    (journal,) = (tmp_path / "results").glob("unfinished_*.jsonl")

    phone.faults.away_s, phone.faults.drop_after_s = 0, None
    phone.drop()
    adb.on(phone.serial).wait_until_ready(timeout_s=8)
    again = bench("classic", CPU, GPU, turn=slow, rounds=3)
    assert again.failures == () and not journal.exists() and again.path != done.path
    assert [one.samples.rounds_ns[:1] for one in again.result.measurements] == kept
    assert [len(one.samples.rounds_ns) for one in again.result.measurements] == [3, 3]
    assert (
        len(again.result.sessions_utc) >= 1
        and len(again.result.devices[again.result.measurements[0].device]["sessions_utc"]) == 2
    )
    assert_nothing_left(phone)


def test_two_phones_at_once_and_one_is_lost(bench, phone, start_phone, adb):
    other = start_phone()
    adb.connect(other.serial)
    other.faults.on_command, other.faults.drop_after_s, other.faults.away_s = (
        "--num_runs=3",
        0.05,
        600,
    )
    done = bench("classic", CPU, serials=("all",), return_timeout_s=1)
    assert len(done.failures) == 1 and other.serial in done.failures[0]
    good, bad = sorted(done.result.measurements, key=lambda one: one.samples is None)
    assert good.summary is not None and bad.summary is None and good.device != bad.device
    assert set(done.result.devices) == {good.device, bad.device}
    assert_nothing_left(phone)


def test_a_phone_that_is_too_hot_or_empty_is_refused(bench, phone):
    phone_files.says(phone.root, "thermalservice", phone_files.thermal_service(0, skin=47.0))
    with pytest.raises(DeviceError) as error:
        bench("classic", CPU, gate=Gate(timeout_s=0.1))
    assert_clear(error, phone.serial, "too hot", "47.0 °C")
    phone_files.says(phone.root, "battery", phone_files.battery(12))
    with pytest.raises(DeviceError, match="battery is at 12 %"):
        bench("classic", CPU)
    assert_nothing_left(phone)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_an_interruption_cleans_up_every_phone(bench, phone, start_phone, adb, no_hang):
    other = start_phone()
    adb.connect(other.serial)
    for each in (phone, other):
        trouble(each, "hang")

    def interrupt():
        deadline = time.monotonic() + 20
        while not (phone.running() and other.running()) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        bench("classic", CPU, serials=("all",))
    for each in (phone, other):
        assert_nothing_left(each)


def test_no_phone_and_no_program(bench, phone, adb, monkeypatch, tmp_path):
    with pytest.raises(DeviceError, match="nobody: "):
        bench("classic", CPU, serials=("nobody",))
    monkeypatch.delenv(android.PROGRAM_VARIABLE, raising=False)
    with pytest.raises(DependencyError, match="BOKEH_BENCHMARK_MODEL"):
        android.find_program()
    with pytest.raises(DependencyError, match="names no file"):
        android.find_program(explicit=tmp_path / "none")
    monkeypatch.setenv(android.PROGRAM_VARIABLE, __file__)
    assert str(android.find_program()) == __file__


def test_what_is_no_benchmark_model_is_refused(bench, phone, tmp_path):
    stranger = tmp_path / "stranger"
    stranger.write_text("#!/bin/sh\necho usage: something else\n")
    with pytest.raises(DeviceError, match="not that of a benchmark_model"):
        bench("classic", CPU, program=stranger)
    assert_nothing_left(phone)


def test_what_would_be_one_file_on_the_phone_is_refused(bench, phone, tool_of, tmp_path):
    libraries = [tmp_path / name / "libgpu.so" for name in ("old", "new")]
    for number, library in enumerate(libraries):
        library.parent.mkdir()
        library.write_bytes(bytes([number]))
    with pytest.raises(CheckError, match=r"new/libgpu\.so: has the name of .*old/libgpu\.so"):
        bench("classic", CPU, libraries=libraries)
    named_alike = tmp_path / tool_of("classic").name
    program = named_alike.rename(tmp_path / "old" / named_alike.name)
    tool_of("classic")
    with pytest.raises(CheckError, match="both go into one folder of the phone"):
        bench("classic", CPU, program=program, libraries=[named_alike])
    assert_nothing_left(phone)


def test_settings_by_name():
    found = android.parse_settings(["cpu", "gpu-fp16", "nnapi"], threads=[1, 4], cores="big")
    assert [one.label for one in found] == [
        *("CPU fp32, 1 thread, big cores", "CPU fp32, 4 threads, big cores"),
        *("GPU fp16, big cores", "NNAPI fp16, big cores"),
    ]
    with pytest.raises(ValueError, match="Received: tpu"):
        android.parse_settings(["tpu"])
