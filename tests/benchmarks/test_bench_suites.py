"""The suites that time files, on a tiny one; and the command, interrupted in
the middle and given again.
"""

import json
import signal
import subprocess
import sys
import time

import pytest

from benchmarks import repeatability, zoo
from benchmarks.__main__ import main as run_suite
from bokeh_tf import models
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.measurement import make_measurement
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.bench.results.result import Result
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.errors import CheckError
from tests.bench.tiny_models import tiny_model

INTERRUPTION_TIMEOUT_S = 600
# Enough turns of some milliseconds to be interrupted in the middle of.
ROUNDS = 400


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "größe.tflite"
    path.write_bytes(tiny_model((1, 256, 256, 3)))
    return path


def test_flagship_suite_times_files_and_keeps_the_result(model, tmp_path, capsys):
    options = [
        "--models",
        str(model),
        "--rounds",
        "2",
        "--threads",
        "1",
        "--out",
        str(tmp_path / "results"),
    ]
    assert run_suite(["flagship", *options]) == 0
    (path,) = (tmp_path / "results").iterdir()
    assert path.name.startswith("flagship_") and f"written: {path}" in capsys.readouterr().out
    assert [one.name for one in read_result(path).measurements] == ["größe, 1 thread"]


def test_overhead_suite_compares_both_loops(model, tmp_path, capsys):
    options = ["--models", str(model), "--rounds", "4", "--out", str(tmp_path / "results")]
    assert run_suite(["overhead", *options]) == 0
    (path,) = (tmp_path / "results").iterdir()
    (entry,) = json.loads(path.read_text(encoding="utf-8"))["models"]
    assert entry["model"] == model.name and len(entry["bare_ns"]) == 4
    for (reported_ns,), (elapsed_ns,) in zip(
        entry["reported_ns"], entry["elapsed_ns"], strict=True
    ):
        # What is reported is a part of what elapses.
        assert 0 < reported_ns <= elapsed_ns
    for name in ("reported_over_bare", "elapsed_over_bare"):
        assert entry[name]["low"] <= entry[name]["value"] <= entry[name]["high"]


def test_repeatability_suite_runs_whole_suites_and_counts_earlier_ones(model, tmp_path, capsys):
    folder = tmp_path / "results"
    options = ["--models", str(model), "--rounds", "1", "--threads", "1", "--out", str(folder)]
    assert run_suite(["repeatability", *options, "--suites", "2"]) == 0
    done = sorted(folder.glob("flagship_*.json"))
    first = json.loads(next(folder.glob("repeatability_*.json")).read_text(encoding="utf-8"))
    (spread,) = first["spreads"].values()
    assert (
        first["results"] == [path.name for path in done] and len(done) == spread["pairs"] + 1 == 2
    )
    medians_ms = [read_result(path).measurements[0].summary.median_ms.value for path in done]
    assert spread["medians_ms"] == medians_ms
    assert spread["median_ms"] == pytest.approx(sum(medians_ms) / 2)
    # Nothing is run: the spread of what is there.
    assert run_suite(["repeatability", *options, "--suites", "0", "--done", *map(str, done)]) == 0
    assert "größe, 1 thread" in capsys.readouterr().out and len(list(folder.iterdir())) == 4


def timed(median_ms, *, sha="ab", name="a"):
    """A result with one measurement whose every run takes that long."""
    rounds_ns = ((round(median_ms * 1e6),) * 3,) * 6
    samples = Samples(first_ns=9, warmup_ns=(2,) * 6, warmup_was_flat=True, rounds_ns=rounds_ns)
    measurement = make_measurement(
        name, samples, backend="litert", threads=1, model="a.tflite", model_sha256=sha
    )
    return Result("2031-02-03T04:05:06Z", read_environment(), (), (measurement,))


def test_the_spread_by_hand():
    (spread,) = repeatability.find_spreads(
        [timed(10.0), timed(10.1), timed(10.5), timed(9.95)]
    ).values()
    assert (spread.median_ms, spread.doubtful_suites) == (pytest.approx(10.05), 0)
    assert spread.range_share == pytest.approx(0.55 / 10.05)
    # Of 0.05, 0.05, 0.45 and 0.1 the median is 0.075.
    assert spread.mad_share == pytest.approx(0.075 / 10.05)
    # Beyond the 2 % that compare allows for: 10.5 against each of the others.
    assert (spread.pairs, spread.pairs_called_different) == (6, 3)


def test_suites_of_other_files_have_no_spread(capsys, tmp_path):
    with pytest.raises(CheckError, match="not alike"):
        repeatability.find_spreads([timed(10), timed(10, sha="cd")])
    assert run_suite(["repeatability", "--suites", "1", "--out", str(tmp_path)]) == 1
    assert "at least 2 suites" in capsys.readouterr().err


def start_command(model, folder):
    command = [sys.executable, "-m", "bokeh_tf", "bench", str(model), "--threads", "1", "2"]
    command += ["--rounds", str(ROUNDS), "--out", str(folder)]
    # Job runners start their jobs with the signal ignored, which children inherit.
    restore = (
        "import signal, runpy, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    )
    command[1:3] = [
        "-c",
        restore + "runpy.run_module('bokeh_tf', run_name='__main__', alter_sys=True)",
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_command_continues_and_loses_no_turn(model, tmp_path, ending):
    folder = tmp_path / "zeiten"
    child = start_command(model, folder)
    kept = b""
    deadline = time.monotonic() + INTERRUPTION_TIMEOUT_S
    while kept.count(b'"turn"') < 5 and time.monotonic() < deadline and child.poll() is None:
        kept = b"".join(path.read_bytes() for path in folder.glob("unfinished_*"))
        time.sleep(0.01)
    child.send_signal(ending)
    _, complaint = child.communicate(timeout=INTERRUPTION_TIMEOUT_S)
    if ending == signal.SIGINT:
        assert (
            child.returncode == 130
            and "the same command continues" in complaint
            and "Traceback" not in complaint
        )
    (journal,) = folder.iterdir()
    turns = [
        record
        for record in map(json.loads, journal.read_text(encoding="utf-8").splitlines())
        if "turn" in record
    ]
    assert 5 <= len(turns) < 2 * ROUNDS

    child = start_command(model, folder)
    _, said = child.communicate(timeout=INTERRUPTION_TIMEOUT_S)
    assert child.returncode == 0 and "continuing an interrupted run" in said
    (path,) = folder.iterdir()
    result = read_result(path)
    assert len(result.sessions_utc) == 2
    for one in result.measurements:
        own = [tuple(record["turn"]) for record in turns if record["of"] == one.name]
        assert (
            one.samples.rounds_ns[: len(own)] == tuple(own) and len(one.samples.rounds_ns) == ROUNDS
        )
    assert not journal.exists()


@pytest.mark.slow
def test_zoo_suite_exports_every_model_the_same_each_time(tmp_path):
    (tmp_path / "again").mkdir()
    first, again = (zoo.export_models(folder) for folder in (tmp_path, tmp_path / "again"))
    names = [path.name.removesuffix("_float16_256x384.tflite") for path in first]
    assert names == [
        f"{name}_base" if name == "dbsi_mobile" else f"{name}_tiny" for name in models.MODELS
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
