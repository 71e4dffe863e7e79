"""The timing machinery: the order of the samples, their statistics, what makes them doubtful, and
what is imported meanwhile.
"""

import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bokeh_tf.bench.host.cpu import open_model
from bokeh_tf.bench.host.sampling import Contender, sample_interleaved
from bokeh_tf.bench.results.environment import (
    find_environment_doubts,
    read_environment,
    usable_cores,
)
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.bench.results.statistics import find_doubts, paired_ratio, summarise
from tests.bench.steady_samples import MS, STEADY
from tests.bench.tiny_models import tiny_model


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


def test_the_host_is_timed_without_the_reader_of_phones_logs():
    program = (
        "import sys, bokeh_tf.bench.host.run, bokeh_tf.bench.report.terminal\n"
        "print([name for name in sys.modules if 'benchmark_log' in name or 'log_grammar' in name])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, timeout=600, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
