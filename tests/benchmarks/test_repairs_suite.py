"""The suite "repairs": on files of one node, interrupted, and its counts by hand."""

import json

import pytest

from benchmarks import repairs, repairs_tables
from benchmarks.__main__ import main
from benchmarks.repairs_journal import Journal
from bokeh_tf.delegate import engines
from tests.delegate.rules.mldrift_graphs import OP, ints, one, options

SHAPE = (1, 6, 8, 4)
PLAN = {"suite": "repairs"}


@pytest.fixture
def files(tmp_path):
    """A file that a recipe mends, one that none does, and one that is no model; by size."""
    folder = tmp_path / "files"
    folder.mkdir()
    squeeze = options("Squeeze", squeezeDims=ints(0, 1))
    (folder / "mended.tflite").write_bytes(one(OP.SQUEEZE, [(1, 1, 6, 8)], (6, 8), kept=squeeze))
    (folder / "left.tflite").write_bytes(one(OP.ATAN2, [SHAPE, SHAPE], SHAPE))
    (folder / "none.tflite").write_bytes(b"no model" * 1000)
    return folder


def test_the_suite_by_the_rules_alone(files, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["repairs", "--files", str(files), "--engines", "none", "--out", str(out)]) == 0
    (path,) = out.iterdir()
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["schema_version"] == repairs.SCHEMA_VERSION and result["engines"] == []
    rows = {row["file"]: row for row in result["files"]}
    sizes_bytes = [(files / name).stat().st_size for name in rows]
    assert len(rows) == 3 and sizes_bytes == sorted(sizes_bytes)
    mended, left = rows["mended.tflite"], rows["left.tflite"]
    assert mended["is_whole_by_rules"] and mended["recipes"] == ["squeeze"]
    assert mended["targets"]["v2"]["before"] > 0 == mended["targets"]["v2"]["after"]
    assert not left["is_whole_by_rules"] and not left["is_changed"]
    assert "none.tflite" in rows["none.tflite"]["error"]
    said = capsys.readouterr().out
    assert "3 files, 1 whole by the rules" in said and "mended.tflite" not in said
    assert f"left.tflite: not whole: {left['left'][0]}" in said


def test_a_repaired_file_runs_on_the_engines_that_are_asked_for(files, gpu):
    examination = repairs.Examination({engines.ML_DRIFT}, None, 600)
    row = examination.row(files / "mended.tflite", None)
    answer = row["engines"][engines.ML_DRIFT]
    assert answer["precisions"] == {"float32": "full", "default": "full"}
    # Nothing is asked of the file as it was where all is well.
    assert answer["before"] is None and not answer["is_worse"]
    assert examination.row(files / "left.tflite", None)["engines"] == {}


def test_an_interrupted_run_does_no_file_twice(files, tmp_path):
    done = []

    def make(path, shapes):
        done.append((path.name, shapes))
        return {"is_whole_by_rules": True}

    mended, left = files / "mended.tflite", files / "left.tflite"
    with Journal(tmp_path / "out", PLAN) as journal:
        first = [journal.row(path, None, make) for path in (mended, left)]
    (kept,) = (tmp_path / "out").iterdir()
    # As if the second line had not been written to its end.
    kept.write_bytes(kept.read_bytes()[:-9])
    with Journal(tmp_path / "out", PLAN) as journal:
        assert [journal.row(path, None, make) for path in (mended, left)] == first
    with Journal(tmp_path / "out", PLAN) as journal:
        assert [journal.row(path, None, make) for path in (mended, left)] == first
        # Another size, another content or another plan is another thing to do.
        journal.row(mended, [(1, 1, 6, 8)], make)
        mended.write_bytes(left.read_bytes())
        journal.row(mended, None, make)
        journal.remove()
    with Journal(tmp_path / "out", {**PLAN, "timeout_s": 1}) as journal:
        journal.row(left, None, make)
    names = [name for name, _ in done]
    assert names == ["mended.tflite", *["left.tflite"] * 2, *["mended.tflite"] * 2, "left.tflite"]
    assert not kept.exists()


def entry(verdict, **precisions):
    return {"verdict": verdict, "reasons": ["why"], "precisions": precisions, "figure": ""}


@pytest.mark.parametrize(
    ("before", "after", "is_worse"),
    [
        ("refused", "wrong", True),
        ("full", "refused", True),
        ("wrong", "crashed", True),
        ("wrong", "refused", False),
        ("crashed", "crashed", False),
        # Who did not answer said nothing good of the file.
        ("timed out", "wrong", False),
        (None, "crashed", False),
        ("full", "timed out", False),
    ],
)
def test_what_made_worse_means(before, after, is_worse):
    assert repairs.compared(entry(after), entry(before))["is_worse"] is is_worse


def test_counts_and_exceptions_by_hand():
    def row(name, *, is_whole=True, **answers):
        asked = {
            engine: repairs.compared(after, before) for engine, (after, before) in answers.items()
        }
        whole = {"error": None, "is_whole_by_rules": is_whole, "rolled_back": [], "notes": []}
        return {"file": name, **whole, "left": ["WHILE: never"], "engines": asked}

    right = entry("full", float32="full", default="full")
    half_wrong = entry("wrong", float32="full", default="wrong")
    rows = [
        row("a", mldrift=(right, None), openvino=(entry("unavailable"), None)),
        row("b", mldrift=(half_wrong, entry("refused")), openvino=(entry("full"), None)),
        row("c", is_whole=False, mldrift=(entry("crashed"), entry("wrong"))),
        {"file": "d", "error": "d: damaged"},
    ]
    counts = repairs_tables.counts(rows, ["mldrift", "openvino"])
    assert {name: dict(+counter) for name, counter in counts.items()} == {
        "mldrift": {"full": 1, "wrong": 1, "made worse": 2},
        "mldrift, float32": {"full": 2},
        "mldrift, default": {"full": 1, "wrong": 1},
        "openvino": {"full": 1, "no answer": 1},
    }
    assert list(repairs_tables.exceptions(rows)) == [
        "a: openvino: no answer (why)",
        "b: mldrift: WORSE: wrong (why); before: refused",
        "c: not whole: WHILE: never",
        "c: mldrift: WORSE: crashed (why); before: wrong",
        "d: not whole: d: damaged",
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--engines", "auto"], "Name engines of these: mldrift, classic-gl, openvino."),
        (["--engines", "npu-compiler"], "Name engines of these"),
        (["--engines", "phone"], "--engines takes a list of names"),
        (["--engines", "classic-gl"], "needs --classic-gl-python"),
        (["--timeout", "nan"], "--timeout takes a number of seconds above 0."),
        (["--sizes", "sizes.csv"], "no table with the columns file and static_input"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(more, words, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    monkeypatch.delenv("BOKEH_CLASSIC_GL_PYTHON", raising=False)
    (files / "sizes.csv").write_text("file,static_input\nmended.tflite,1xA\n", encoding="utf-8")
    assert main(["repairs", "--files", ".", "--out", "out", *more]) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and not (files / "out").exists()
