"""What is read for a report, however damaged, and what the command writes."""

import copy
import json
from argparse import ArgumentParser

import pytest

from bokeh_tf.bench.report.runs import read_runs
from bokeh_tf.bench.results.result import as_json
from bokeh_tf.cli import main
from bokeh_tf.commands import report
from bokeh_tf.errors import CheckError, OutputError
from tests.bench.made_results import full_result, pages, result


def leaves(content, path=()):
    """Paths of everything in a document."""
    entries = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in entries:
        yield (*path, key)
        if not isinstance(value, list) or len(value) < 20:
            yield from leaves(value, (*path, key))


def changed(content, path, value):
    made = copy.deepcopy(content)
    *way, last = path
    inner = made
    for key in way:
        inner = inner[key]
    inner[last] = value
    return made


@pytest.mark.parametrize(
    "value",
    [None, "x", -1, 0, True, 1e300, 10**400, float("nan"), [], [[]], {}, {"x": 1}],
    ids=lambda value: str(value)[:8],
)
def test_every_value_may_be_wrong(tmp_path, value):
    plain = json.loads(json.dumps(as_json(full_result())))
    path = tmp_path / "bench.json"
    refused = 0
    for where in leaves(plain):
        path.write_text(json.dumps(changed(plain, where, value)))
        try:
            runs = read_runs([path])
        except CheckError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            refused += 1
        else:
            assert all(pages(*runs))
    assert refused


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        *(
            "",
            "{",
            "[]",
            "null",
            "3",
            '{"schema_version": 9}',
            b"\xff\xfe\x00",
            "[" * 100_000,
            "9" * 5000,
        ),
        json.dumps({**as_json(result()), "schema_version": [2]}),
        json.dumps({**as_json(result()), "environment": {"\x1b[2J\n": 1}}),
    ],
    ids=lambda content: str(content)[:12],
)
def test_damaged_files_give_one_line(tmp_path, content):
    path = write(tmp_path / "bench.json", content)
    with pytest.raises(CheckError) as caught:
        read_runs([path])
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()


def test_files_that_are_no_results(tmp_path):
    with pytest.raises(CheckError, match=r"none\.json: cannot read this result"):
        read_runs([tmp_path / "none.json"])
    with pytest.raises(CheckError, match="this folder has no results"):
        read_runs([tmp_path])
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(70_000_000)
    with pytest.raises(CheckError, match="larger than 64 MB"):
        read_runs([tmp_path / "huge.json"])


def test_folders_and_suites_are_read_and_each_file_once(tmp_path):
    plain = as_json(result())
    write(tmp_path / "a.json", json.dumps(plain))
    write(
        tmp_path / "b.json",
        json.dumps({"schema_version": 1, "suite": "blur_bank", "timing": plain}),
    )
    write(tmp_path / "unfinished_1.jsonl", "{}")
    assert [run.file for run in read_runs([tmp_path, tmp_path / "a.json"])] == ["a.json", "b.json"]
    (tmp_path / "before").mkdir()
    older = write(tmp_path / "before" / "a.json", json.dumps(plain))
    runs = read_runs([tmp_path, older])
    assert [run.file for run in runs] == [f"{tmp_path.name}/a.json", "b.json", "before/a.json"]


def call(*arguments):
    parser = ArgumentParser()
    report.add(parser.add_subparsers())
    options = parser.parse_args(["report", *map(str, arguments)])
    return options.run(options)


def test_command_keeps_what_it_reads_and_what_is_not_ours(tmp_path, capsys):
    source, target = (
        write(tmp_path / "run.json", json.dumps(as_json(result()))),
        tmp_path / "report.md",
    )
    target.hardlink_to(source)
    with pytest.raises(OutputError, match="this run reads that file"):
        call(source, "-o", target, "--overwrite")
    target.unlink()
    write(target, "my notes")
    with pytest.raises(OutputError, match=r"report\.md: exists already.*--overwrite"):
        call(source, "-o", target)
    assert target.read_text() == "my notes"
    assert call(source, "-o", target, "--overwrite") == 0
    for suffix in (".md", ".html", ".csv"):
        # The second time it is known as ours.
        assert [call(source, "-o", target.with_suffix(suffix)) for _ in range(2)] == [0, 0]


@pytest.mark.parametrize(
    ("suffix", "start"), [("html", "<!DOCTYPE html>"), ("md", "# "), ("csv", "result_file,")]
)
def test_command_writes_by_suffix(tmp_path, capsys, suffix, start):
    source, target = (
        write(tmp_path / "ä b.json", json.dumps(as_json(result()))),
        tmp_path / f"report.{suffix}",
    )
    assert call(source, "-o", target) == 0
    assert target.read_text(encoding="utf-8").startswith(start)
    assert capsys.readouterr().out == f"written: {target}\n"


def test_command_refuses_other_suffixes_and_folders(tmp_path, capsys):
    source = write(tmp_path / "a.json", json.dumps(as_json(result())))
    with pytest.raises(SystemExit, match="2"):
        call(source, "-o", source)
    assert "must end in .html, .md, .csv" in capsys.readouterr().err
    with pytest.raises(OutputError):
        call(source, "-o", tmp_path / "none" / "report.md")


def test_a_bad_result_costs_itself_alone(tmp_path, capsys):
    results, page = tmp_path / "results", tmp_path / "page.md"
    results.mkdir()
    (results / "a.json").write_text(json.dumps(as_json(full_result())), encoding="utf-8")
    (results / "b.json").write_bytes(b"{")
    missing = tmp_path / "none"
    assert main(["report", str(results), str(missing), "-o", str(page)]) == 1
    captured = capsys.readouterr()
    bad = {str(results / "b.json"), str(missing)}
    assert {line.split(": ")[1] for line in captured.err.splitlines()} == bad
    assert "without 2 that could not be read" in captured.out
    assert "a.json" in page.read_text(encoding="utf-8")
    page.unlink()
    assert main(["report", str(results / "b.json"), "-o", str(page)]) == 1
    assert not page.exists()
