"""The timing machinery: order of the samples, statistics, results on disk, and damaged models."""

import concurrent.futures
import io
import itertools
import json
import multiprocessing
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from bokeh_tf.bench.host.cpu import open_model
from bokeh_tf.bench.host.sampling import Contender, sample_interleaved
from bokeh_tf.bench.report import terminal
from bokeh_tf.bench.results.environment import (
    find_environment_doubts,
    read_environment,
    usable_cores,
)
from bokeh_tf.bench.results.measurement import RunVerdict, StartCache, Startup, make_measurement
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.results.reading import from_json, read_result
from bokeh_tf.bench.results.result import Result, to_json, write_result
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.bench.results.statistics import find_doubts, paired_ratio, summarise
from bokeh_tf.commands.bench import exit_status
from bokeh_tf.errors import CheckError, OutputError
from tests.bench.tiny_models import tiny_model

MS = 1_000_000
STEADY = Samples(
    first_ns=30 * MS,
    warmup_ns=(11 * MS,) * 6,
    warmup_was_flat=True,
    rounds_ns=((11 * MS,) * 3,) * 6,
)


class FakeClock:
    """A clock that only the contenders' runs advance."""

    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        return self.now_ns

    def run_for(self, durations_ns):
        """A run that takes the next of `durations_ns`."""
        durations = iter(durations_ns)

        def run():
            self.now_ns += next(durations)

        return run


def steady_result():
    measurement = make_measurement(
        "näme [x], 1 thread",
        STEADY,
        backend="litert-xnnpack",
        threads=1,
        model="näme [x].tflite",
        load_ns=5,
    )
    return Result("2025-01-02T03:04:05Z", read_environment(), ("a doubt",), (measurement,))


def test_rounds_are_interleaved_and_settle_before_timing():
    calls, clock = [], FakeClock()
    run = clock.run_for(itertools.repeat(90 * MS))
    contenders = [
        Contender(
            name,
            lambda name=name: (calls.append(name), run()),
            lambda name=name: calls.append(f"set {name}"),
        )
        for name in "AB"
    ]
    rounds_done = []
    samples = sample_interleaved(
        contenders, rounds=3, clock_ns=clock, on_round=lambda: rounds_done.append(len(calls))
    )
    # 90 ms runs: three to a turn, after one settling run; six runs are enough
    # to call the warm-up flat.
    turn = ["set A", *"AAAA", "set B", *"BBBB"]
    assert calls == [
        "set A",
        "A",
        "set B",
        "B",
        *["set A", "A"] * 6,
        *["set B", "B"] * 6,
        *turn * 3,
    ]
    assert len(rounds_done) == 3
    for sample in samples:
        assert sample == Samples(90 * MS, (90 * MS,) * 6, True, ((90 * MS,) * 3,) * 3)


def test_warm_up_lasts_until_flat_and_short_runs_repeat_within_a_turn():
    clock = FakeClock()
    falling_ns = [40 * MS, 30 * MS, 20 * MS, 15 * MS, 12 * MS, 11 * MS]
    run = clock.run_for([99 * MS, *falling_ns, *itertools.repeat(10 * MS, 100)])
    (sample,) = sample_interleaved([Contender("A", run)], rounds=2, clock_ns=clock)
    assert sample.first_ns == 99 * MS
    # Flat when the medians of the last two windows of three agree: (11, 10, 10) and (10, 10, 10).
    assert sample.warmup_was_flat
    assert [time // MS for time in sample.warmup_ns] == [40, 30, 20, 15, 12, 11, 10, 10, 10, 10, 10]
    assert [len(times) for times in sample.rounds_ns] == [10, 10]


@pytest.mark.parametrize(
    ("run_ms", "runs"), [(0.001, 30), (20, 5), (50, 3), (300, 3), (400, 2), (4000, 1)]
)
def test_slow_contenders_get_fewer_runs_in_a_turn(run_ms, runs):
    clock = FakeClock()
    run = clock.run_for(itertools.repeat(int(run_ms * MS)))
    (sample,) = sample_interleaved([Contender("A", run)], rounds=1, clock_ns=clock)
    assert len(sample.rounds_ns[0]) == runs


def test_a_warm_up_that_never_becomes_flat_ends_and_says_so():
    clock = FakeClock()
    run = clock.run_for(round(MS * 1.3**step) for step in itertools.count())
    (sample,) = sample_interleaved([Contender("A", run)], rounds=1, clock_ns=clock)
    assert not sample.warmup_was_flat
    assert "not flat" in find_doubts(sample, summarise(sample.rounds_ns))[0]


@pytest.mark.parametrize("names", ["", "AA"])
def test_contenders_need_distinct_names(names):
    with pytest.raises(ValueError, match="distinct names"):
        sample_interleaved([Contender(name, int) for name in names])


def test_rounds_must_be_positive():
    with pytest.raises(ValueError, match="Received: 0"):
        sample_interleaved([Contender("A", int)], rounds=0)


def test_summary_by_hand():
    summary = summarise([(1 * MS, 2 * MS, 3 * MS), (4 * MS, 5 * MS, 9 * MS)])
    assert (summary.n, summary.min_ms, summary.median_ms.value) == (6, 1.0, 3.5)
    # |x - 3.5| = 2.5 1.5 0.5 0.5 1.5 5.5, whose median is 1.5; percentiles
    # interpolate at 0.25, 4.5 and 4.75.
    assert summary.mad_ms == 1.5
    assert (summary.p5_ms, summary.p90_ms, summary.p95_ms) == pytest.approx((1.25, 7.0, 8.0))


def test_bootstrap_interval_is_deterministic_and_covers_the_median():
    rounds_ns = np.random.default_rng(1).normal(10 * MS, MS, (20, 5))
    interval = summarise(rounds_ns).median_ms
    assert interval == summarise(rounds_ns).median_ms
    assert interval != summarise(rounds_ns, seed=7).median_ms
    assert 9 < interval.low < interval.value < interval.high < 11


def test_bootstrap_resamples_whole_rounds():
    # Two rounds, each constant: a resample is all 10, all 20, or half and half, so
    # the interval spans both.
    interval = summarise([(10 * MS,) * 50, (20 * MS,) * 50]).median_ms
    assert (interval.low, interval.value, interval.high) == (10.0, 15.0, 20.0)


def test_ratio_is_paired_by_round():
    # The machine slows down threefold; round by round the ratio is 1/2 throughout.
    slow_ns = [(20, 22, 21), (60, 66, 63), (40, 44, 42)]
    fast_ns = [(10, 11, 10.5), (30, 33, 31.5), (20, 22, 21)]
    ratio = paired_ratio(fast_ns, slow_ns)
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match="equally many rounds"):
        paired_ratio(fast_ns[:2], slow_ns)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"warmup_was_flat": False}, "not flat after 6 warm-up runs"),
        ({"rounds_ns": STEADY.rounds_ns[:4]}, "fewer than 5 rounds"),
        ({"rounds_ns": ((9 * MS, 11 * MS, 12 * MS),) * 6}, "the spread (MAD) is 9% of the median"),
        (
            {"rounds_ns": ((10 * MS,) * 3,) * 3 + ((12 * MS,) * 3,) * 3},
            "20% longer than the first: let the",
        ),
        # It was warm or busy before: cooling down is no help here.
        (
            {"rounds_ns": ((10 * MS,) * 3,) * 3 + ((8 * MS,) * 3,) * 3},
            "20% less than the first: end other work",
        ),
        ({"rounds_ns": ((10 * MS,) * 3, (12 * MS,) * 3) * 3}, "only known to 18%"),
    ],
)
def test_unstable_measurements_say_why(changes, reason):
    assert find_doubts(STEADY, summarise(STEADY.rounds_ns)) == ()
    samples = replace(STEADY, **changes)
    assert reason in "; ".join(find_doubts(samples, summarise(samples.rounds_ns)))


def test_a_busy_or_small_machine_is_a_doubt():
    quiet = replace(
        read_environment(), load_average_1min=0.1, usable_cores=2, governor=None, on_battery=None
    )
    assert find_environment_doubts(quiet, threads=2) == ()
    assert (
        "load 1.5 on 2 cores: end other work"
        in find_environment_doubts(replace(quiet, load_average_1min=1.5), threads=2)[0]
    )
    assert "4 threads on 2" in find_environment_doubts(quiet, threads=4)[0]
    assert (
        "runs on its battery"
        in find_environment_doubts(replace(quiet, on_battery=True), threads=2)[0]
    )
    assert find_environment_doubts(replace(quiet, on_battery=False), threads=2) == ()


@pytest.mark.parametrize(
    ("supplies", "expected"),
    [
        ({}, (None, None)),
        ({"AC": {"type": "Mains", "online": "1"}}, (None, None)),
        ({"BAT0": {"type": "Battery", "status": "Discharging", "capacity": "57"}}, (True, 57)),
        ({"BAT0": {"type": "Battery", "status": "Not charging", "capacity": "100"}}, (False, 100)),
        ({"BAT0": {"type": "Battery", "status": "Unknown", "capacity": "?"}}, (None, None)),
        (
            {
                "mouse": {
                    "type": "Battery",
                    "scope": "Device",
                    "status": "Discharging",
                    "capacity": "9",
                }
            },
            (None, None),
        ),
    ],
)
def test_a_laptops_battery_is_seen(tmp_path, monkeypatch, supplies, expected):
    for name, files in supplies.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(f"{text}\n")
    monkeypatch.setattr("bokeh_tf.bench.results.environment._POWER_FOLDER", tmp_path)
    environment = read_environment()
    assert (environment.on_battery, environment.battery_percent) == expected


def test_environment_names_the_machine_and_the_versions():
    environment = read_environment()
    assert environment.cpu
    assert environment.usable_cores == usable_cores() >= 1
    assert environment.runtime.startswith("ai-edge-litert 2")


def test_result_survives_json_and_keeps_its_schema_version():
    result = steady_result()
    assert from_json(to_json(result)) == result
    content = json.loads(to_json(result))
    assert content["schema_version"] == 3
    # 1000 ms over a median of 11 ms.
    assert content["measurements"][0]["summary"]["fps"] == pytest.approx(90.909, abs=0.001)


def test_results_of_version_1_are_still_read():
    entry = {
        "name": "a, 1 thread",
        "model": "a.tflite",
        "model_sha256": "ab" * 32,
        "backend": "litert-xnnpack",
        "threads": 1,
        "load_ns": 5,
        "samples": {
            "first_ns": 3,
            "warmup_ns": [2, 2],
            "warmup_was_flat": True,
            "rounds_ns": [[2, 2], [2, 3]],
        },
        "summary": {
            **{"n": 4, "median_ms": {"value": 2e-6, "low": 2e-6, "high": 3e-6}, "min_ms": 2e-6},
            **{"p5_ms": 2e-6, "p90_ms": 3e-6, "p95_ms": 3e-6, "mad_ms": 0.0},
        },
        "doubts": ["fewer than 5 rounds"],
    }
    environment = {
        **{
            "cpu": "A CPU",
            "architecture": "x86_64",
            "usable_cores": 2,
            "operating_system": "Linux 6",
        },
        **{"python": "3.11.7", "runtime": "ai-edge-litert 2.3.0", "package_version": "0.1.0"},
        **{"git_commit": None, "load_average_1min": 0.4},
    }
    content = {
        "schema_version": 1,
        "created_utc": "2025-01-02T03:04:05Z",
        "environment": environment,
    }
    result = from_json(
        json.dumps({**content, "doubts": [], "measurements": [entry, {**entry, "load_ns": None}]})
    )
    measurement, without_load = result.measurements
    assert (measurement.startup.cold_init_ns, without_load.startup) == (5, None)
    assert measurement.runtime == "ai-edge-litert 2.3.0"
    assert measurement.samples.rounds_ns == ((2, 2), (2, 3))
    assert from_json(to_json(result)) == result


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("second load in the same process", "same process"),
        ("from the delegate's cache of compiled kernels (as its log says)", "serialised"),
        ("it failed: no flag", None),
        (None, None),
    ],
)
def test_results_of_version_2_say_how_their_starts_were_warm(how, kind):
    content = json.loads(to_json(steady_result()))
    startup = {"cold_init_ns": 9, "warm_init_ns": 4, "warm_init_how": how}
    content["measurements"][0]["startup"] = startup
    result = from_json(json.dumps({**content, "schema_version": 2}))
    assert result.measurements[0].startup == Startup(**startup, warm_init_kind=kind)
    assert from_json(to_json(result)) == result


def test_the_cache_of_a_start_survives_json():
    startup = Startup(9, 4, "a new process", "serialised", StartCache(2048, 8, True))
    (measurement,) = steady_result().measurements
    result = replace(steady_result(), measurements=(replace(measurement, startup=startup),))
    assert from_json(to_json(result)) == result


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema_version": 1}', '"schema_version"', "null"]
)
def test_damaged_results_are_refused_in_one_line(text):
    with pytest.raises(CheckError, match=r"^x\.json: not a benchmark result.*$"):
        from_json(text, source="x.json")


def test_results_of_another_schema_are_refused():
    content = {**json.loads(to_json(steady_result())), "schema_version": 99}
    with pytest.raises(CheckError, match="schema version 99"):
        from_json(json.dumps(content))


def test_results_are_never_overwritten(tmp_path):
    result = steady_result()
    first, second = write_result(result, tmp_path / "ä"), write_result(result, tmp_path / "ä")
    assert [path.name for path in (first, second)] == [
        "bench_20250102T030405Z.json",
        "bench_20250102T030405Z_2.json",
    ]
    assert from_json(first.read_text(encoding="utf-8")) == result
    assert write_result(result, tmp_path / "ä").name.endswith("_3.json")


def write_many(folder, writer, count=40):
    """Writes results of one moment as one of several processes; returns
    the paths that it was told.
    """
    result = replace(steady_result(), doubts=(f"of writer {writer}",))
    return [write_result(result, folder) for _ in range(count)]


def test_results_that_end_in_one_moment_are_all_kept(tmp_path):
    with concurrent.futures.ProcessPoolExecutor(
        4, mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        told = list(pool.map(write_many, [tmp_path] * 4, range(4)))
    assert len({path for paths in told for path in paths}) == 160 == len(list(tmp_path.iterdir()))
    for writer, paths in enumerate(told):
        assert {read_result(path).doubts for path in paths} == {(f"of writer {writer}",)}


def test_a_result_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        write_result(steady_result(), tmp_path / "file")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 0),
        ({"verdict": RunVerdict(DelegateOutcome.FULL_GPU, "")}, 0),
        ({"verdict": RunVerdict(DelegateOutcome.BAD_OUTPUT, "")}, 3),
        ({"verdict": RunVerdict(DelegateOutcome.SILENT_CPU, "")}, 3),
        (
            {"verdict": RunVerdict(DelegateOutcome.WRONG_BACKEND, ""), "stamp": "not a GPU timing"},
            0,
        ),
        (
            {
                "samples": None,
                "summary": None,
                "verdict": RunVerdict(DelegateOutcome.FAILED_INIT, ""),
            },
            1,
        ),
    ],
)
def test_exit_status_says_whether_what_was_asked_for_was_timed(changes, status):
    (measurement,) = steady_result().measurements
    assert (
        exit_status(
            replace(steady_result(), measurements=(measurement, replace(measurement, **changes)))
        )
        == status
    )


def test_find_knows_the_measurements():
    result = steady_result()
    assert result.find("näme [x], 1 thread") is result.measurements[0]
    with pytest.raises(ValueError, match=r"Received: 'b'\. Known: näme"):
        result.find("b")


def test_report_shows_names_and_doubts_as_they_are():
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(terminal.render(steady_result()))
    text = console.export_text()
    assert "näme [x], 1 thread" in text
    assert "11.0 … 11.0" in text
    assert "* unstable: a doubt" in text


def test_open_model_runs_on_the_inputs_given():
    with pytest.raises(ValueError, match="one array per input"):
        open_model(tiny_model(), threads=1, inputs=())
    run, load_ns = open_model(tiny_model(), threads=1, inputs=(np.ones((1, 4, 6, 3), np.float32),))
    run()
    assert load_ns > 0


def test_bench_never_imports_keras_or_tensorflow():
    program = (
        "import sys, bokeh_tf.bench.host.run, bokeh_tf.bench.host.gpu_worker,"
        " bokeh_tf.bench.report.terminal\n"
        "sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=600).returncode == 0


def test_outcomes_are_strings_in_a_file_and_members_in_the_program():
    (measurement,) = steady_result().measurements
    measurements = [
        replace(measurement, verdict=RunVerdict(outcome, "why", ("a line",)))
        for outcome in DelegateOutcome
    ]
    result = replace(steady_result(), measurements=tuple(measurements))
    text = to_json(result)
    written = [entry["verdict"]["outcome"] for entry in json.loads(text)["measurements"]]
    assert written == list(map(str, DelegateOutcome)) and type(written[0]) is str
    assert from_json(text) == result
    assert {type(one.verdict.outcome) for one in from_json(text).measurements} == {DelegateOutcome}
    with pytest.raises(CheckError, match="Invalid enum value 'FAST'"):
        from_json(text.replace('"FULL_GPU"', '"FAST"'))


def test_the_host_is_timed_without_the_reader_of_phones_logs():
    program = (
        "import sys, bokeh_tf.bench.host.run, bokeh_tf.bench.report.terminal\n"
        "print([name for name in sys.modules if 'benchmark_log' in name or 'log_grammar' in name])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, timeout=600, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
