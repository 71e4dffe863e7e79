"""A result: kept whole on disk beside others, read again whatever version wrote it, and what it
says on a terminal and by the exit status.
"""

import concurrent.futures
import io
import json
import multiprocessing
from dataclasses import replace

import pytest
from rich.console import Console

from bokeh_tf.bench.report import terminal
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.measurement import RunVerdict, StartCache, Startup, make_measurement
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.results.reading import from_json, read_result
from bokeh_tf.bench.results.result import Result, to_json, write_result
from bokeh_tf.commands.bench import exit_status
from bokeh_tf.errors import CheckError, OutputError
from tests.bench.steady_samples import STEADY


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
