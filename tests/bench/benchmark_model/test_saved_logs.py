"""`bench read`: the runs in logs that somebody has, as lines for people and as
a result that others read.
"""

import shutil
from pathlib import Path

import pytest

from bokeh_tf.bench.benchmark_model.saved import read_logs
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.cli import main

TRANSCRIPTS = Path(__file__).parent / "transcripts"


def read(capsys, *arguments):
    status = main(["bench", "read", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_whole_run_has_numbers_verdict_and_evidence(capsys, tmp_path):
    log = TRANSCRIPTS / "classic_gpu_full.txt"
    status, out, _ = read(capsys, log, "--wanted", "gpu", "--out", tmp_path)
    assert status == 0
    assert out.startswith("FULL_GPU  classic_gpu_full: all nodes ran on the delegate, by OpenCL\n")
    assert "round median 9.02 ms of 50 runs, first run 31.0 ms, init 1599 ms" in out
    assert ": Initialized OpenCL-based API.\n" in out and "no exit status" in out
    [written] = tmp_path.iterdir()
    [measurement] = read_result(written).measurements
    assert measurement.samples.rounds_ns == ((9_017_000,),)
    assert (measurement.model, measurement.precision) == ("model.tflite", "fp16")
    assert measurement.verdict.outcome == "FULL_GPU"
    assert any("Initialized OpenCL-based API." in line for line in measurement.verdict.evidence)


@pytest.mark.parametrize(
    ("name", "wanted", "outcome", "status"),
    [
        ("classic_gpu_partial", "gpu", "PARTIAL", 3),
        ("classic_gpu_none", "gpu", "SILENT_CPU", 3),
        ("classic_gpu_opengl_wanted", "opengl", "FULL_GPU", 0),
        ("classic_cpu", "cpu", "CPU", 0),
        ("classic_nnapi_full", "nnapi", "FULL_NNAPI", 0),
        ("litert_gpu_full", "gpu", "FULL_GPU", 0),
        ("shell_cannot_link", "gpu", "FAILED_INIT", 3),
    ],
)
def test_the_verdict_is_that_of_the_log(capsys, name, wanted, outcome, status):
    code, out, _ = read(capsys, TRANSCRIPTS / f"{name}.txt", "--wanted", wanted)
    assert (code, out.split()[0]) == (status, outcome)


def test_the_exit_code_counts_where_it_is_known(capsys):
    log = TRANSCRIPTS / "classic_gpu_full.txt"
    assert read(capsys, log, "--exit-code", "139")[:2][1].startswith("FAILED_INIT")
    status, out, _ = read(capsys, log, "--exit-code", "0")
    assert status == 0 and "no exit status" not in out


def test_each_run_of_a_log_is_told_apart(tmp_path):
    both = tmp_path / "both.txt"
    full, partial = (
        (TRANSCRIPTS / f"classic_gpu_{name}.txt").read_bytes() for name in ("full", "partial")
    )
    both.write_bytes(full + partial)
    copy = tmp_path / "more" / "both.txt"
    copy.parent.mkdir()
    shutil.copy(TRANSCRIPTS / "classic_gpu_full.txt", copy)
    result = read_logs([both, copy], wanted_backend="gpu")
    found = [(one.name, str(one.verdict.outcome)) for one in result.measurements]
    assert found == [("both, run 1", "FULL_GPU"), ("both, run 2", "PARTIAL"), ("both", "FULL_GPU")]
    assert {one.device for one in result.measurements}.isdisjoint({"host"}), (
        "nobody takes it for this machine"
    )


def test_a_bad_log_costs_itself_alone(tmp_path, capsys):
    bad = tmp_path / "notes.txt"
    bad.write_bytes(b"no log\n")
    good = TRANSCRIPTS / "classic_gpu_full.txt"
    status, out, error = read(capsys, bad, good, tmp_path / "missing", "--out", tmp_path / "out")
    assert status == 1 and "FULL_GPU" in out
    assert [Path(line.split(": ")[1]) for line in error.splitlines()] == [bad, tmp_path / "missing"]
    [written] = (tmp_path / "out").iterdir()
    [measurement] = read_result(written).measurements
    assert measurement.name == good.stem
    # A gate that failed stays failed.
    failed = TRANSCRIPTS / "classic_gpu_failed.txt"
    assert read(capsys, bad, good, failed)[0] == 3


def test_a_run_that_measured_nothing_is_kept_and_readable(tmp_path, capsys):
    status, out, _ = read(capsys, TRANSCRIPTS / "classic_gpu_failed.txt", "--out", tmp_path)
    assert status == 3 and "no measured run" in out
    [written] = tmp_path.iterdir()
    assert read_result(written).measurements[0].samples is None


def test_options_of_timing_do_not_go_with_reading(capsys):
    for arguments in (
        ["bench", "read"],
        ["bench", "read", "x", "--rounds", "3"],
        ["bench", "x", "--wanted", "gpu"],
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    assert "does not go with read" in capsys.readouterr().err
