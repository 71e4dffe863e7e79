"""The one reader of results: compare, report and the import of the app's
sheet refuse the same files.
"""

import copy
import json

import pytest

from bokeh_tf.ai_benchmark.own_runs import find_own_runs
from bokeh_tf.bench.report.runs import read_runs
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.bench.results.result import as_json
from bokeh_tf.cli import main
from bokeh_tf.errors import CheckError
from tests.ai_benchmark.ai_benchmark_files import own_result
from tests.bench.kept_results import KEPT, TIMED

NAN, INFINITY = float("nan"), float("inf")
BROKEN = {
    "NaN": ("samples", "rounds_ns", [[NAN, 10], [10, 30]]),
    "infinity": ("samples", "rounds_ns", [[INFINITY, 10], [10, 30]]),
    "beyond floats": ("samples", "rounds_ns", [[10**400, 10], [10, 30]]),
    "negative": ("samples", "rounds_ns", [[-5, 10], [10, 30]]),
    "zero": ("samples", "rounds_ns", [[0, 10], [10, 30]]),
    "text": ("samples", "rounds_ns", [["10", 10], [10, 30]]),
    "a yes": ("samples", "rounds_ns", [[True, 10], [10, 30]]),
    "no rounds": ("samples", "rounds_ns", []),
    "empty rounds": ("samples", "rounds_ns", [[], []]),
    "uneven rounds": ("samples", "rounds_ns", [[10], [10, 30]]),
    "other starts": ("samples", "rounds_start_ns", [1, 2, 3]),
    "no median": ("summary", "median_ms", {"value": NAN, "low": 1, "high": 2}),
    "a median outside": ("summary", "median_ms", {"value": 3, "low": 1, "high": 2}),
    "a negative shortest": ("summary", "min_ms", -1),
    "no summary": ("summary", None),
    "a number for a digest": ("model_sha256", 5),
    "a number for a backend": ("backend", 5),
    "an unknown verdict": ("verdict", {"outcome": "FAST", "why": "", "evidence": []}),
    "a list for details": ("details", []),
}


def document(*change):
    content = json.loads(json.dumps(as_json(own_result())))
    *way, last, value = ("measurements", 0, *change)
    inner = content
    for key in way:
        inner = inner[key]
    inner[last] = copy.deepcopy(value)
    return content


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.json"
    path.write_text(json.dumps(as_json(own_result())))
    return path


def refused(path, good, capsys):
    """The one line with which every reader refuses `path`."""
    assert [run.file for run in find_own_runs(path.parent)] in (["good.json"], [])
    lines = set()
    for arguments in (
        ("compare", good, path, "--budget", "5%"),
        ("compare", path, good, "--budget", "5%"),
        ("report", path, "-o", good.with_suffix(".html")),
    ):
        assert main(list(map(str, arguments))) == 1
        out, err = capsys.readouterr()
        assert out == ""
        lines.add(err)
    (line,) = lines
    assert line.startswith(f"bokeh-tf: {path}: ") and line.count("\n") == 1
    assert line[:-1].isprintable() and len(line) < 400
    assert not good.with_suffix(".html").exists()
    return line


@pytest.mark.parametrize("case", BROKEN)
def test_every_command_refuses_what_is_no_sound_result(tmp_path, good, capsys, case):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document(*BROKEN[case])))
    assert "not a benchmark result" in refused(path, good, capsys)


HOSTILE = {
    "deep": b"[" * 100_000,
    "deep inside": b'{"schema_version": 3, "measurements": ' + b'{"a":' * 100_000,
    "many digits": b'{"schema_version": ' + b"9" * 5000 + b"}",
    "half a character": b'{"schema_version": 3, "created_utc": "\\ud800"}',
    "not UTF-8": b'{"schema_version": 3, "created_utc": "\xff"}',
    "NUL": b"\0" * 100,
    "empty": b"",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_every_command_refuses_hostile_json(tmp_path, good, capsys, case):
    path = tmp_path / "bad.json"
    path.write_bytes(HOSTILE[case])
    refused(path, good, capsys)


def test_a_sound_result_passes_everywhere(tmp_path, good, capsys):
    assert main(["compare", str(good), str(good), "--budget", "5%"]) == 0
    assert main(["report", str(good), "-o", str(tmp_path / "report.html")]) == 0
    assert len(find_own_runs(tmp_path)) == 1
    assert "no difference" in capsys.readouterr().out


def test_escapes_in_a_result_reach_no_terminal(tmp_path, good, capsys):
    content = json.loads(json.dumps(as_json(own_result())))
    hostile = "\x1b]0;owned\x07\x1b[31mred\u202e\r\n" + "x" * 5000
    content["doubts"] = [hostile]
    content["environment"]["cpu"] += hostile
    content["measurements"][0] |= {"name": hostile, "doubts": [hostile], "stamp": hostile}
    path = tmp_path / "hostile\x1b[2J.json"
    path.write_text(json.dumps(content))
    for arguments in (
        ("compare", path, path, "--budget", "5%"),
        ("compare", good, path),
        ("report", path, "-o", tmp_path / "re\x1bport.html"),
        ("report", tmp_path / "no\x1b[31mne.json", "-o", tmp_path / "report.html"),
    ):
        assert main(list(map(str, arguments))) in (0, 1)
        out, err = capsys.readouterr()
        lines = (out + err).split("\n")
        assert all(map(str.isprintable, lines)) and "\\x1b" in out + err
        assert max(map(len, lines)) < 5000


def test_all_kept_results_are_read():
    assert len(TIMED) > 10
    assert all(run.result.measurements for run in read_runs(TIMED))
    for path in set(KEPT) - set(TIMED):
        with pytest.raises(CheckError, match="not a benchmark result"):
            read_result(path)
