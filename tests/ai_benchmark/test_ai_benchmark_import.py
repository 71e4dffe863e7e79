"""The filled-in sheet: what spreadsheet programs make of it, what is refused, and how
it lies beside our results.
"""

import json

import pytest
from rich.console import Console

from bokeh_tf.ai_benchmark.comparison import compare
from bokeh_tf.ai_benchmark.importing import import_sheet
from bokeh_tf.ai_benchmark.own_runs import find_own_runs
from bokeh_tf.ai_benchmark.sheet import COLUMNS, read_sheet
from bokeh_tf.bench.results.result import as_json, to_json, write_result
from bokeh_tf.commands import ai_benchmark as command
from bokeh_tf.errors import CheckError, OutputError
from tests.ai_benchmark.ai_benchmark_files import SHA256, own_result, row, sheet_text, write_sheet

# Windows programs write these; "ö" is where the encodings differ.
GERMAN = row(phone="Größe 8", mean_ms="53,6", iterations="100,0")
SAVED_AS = {
    "utf-8": sheet_text(row(phone="Größe 8")).encode(),
    "with a byte order mark": sheet_text(row(phone="Größe 8")).encode("utf-8-sig"),
    "semicolons and decimal commas": sheet_text(GERMAN, delimiter=";").encode("utf-8-sig"),
    "Windows-1252": sheet_text(GERMAN, delimiter=";").encode("cp1252"),
    "tabs in UTF-16": sheet_text(GERMAN, delimiter="\t").encode("utf-16"),
    "separator line": b"sep=;\r\n" + sheet_text(GERMAN, delimiter=";").encode(),
    "quoted decimal comma": sheet_text(GERMAN).encode(),
    "other order, capitals": sheet_text(row(phone="Größe 8"), columns=COLUMNS[::-1])
    .replace("phone", " Phone ")
    .encode(),
    "newlines of old": sheet_text(row(phone="Größe 8")).replace("\r\n", "\n").encode(),
    "empty rows and columns": sheet_text(row(phone="Größe 8")).replace("\r\n", ",,\r\n").encode()
    + b",,,\r\n\r\n",
}


@pytest.mark.parametrize("case", SAVED_AS)
def test_sheets_are_read_however_they_were_saved(case, tmp_path):
    path = tmp_path / "Blätter.csv"
    path.write_bytes(SAVED_AS[case])
    (read,) = read_sheet(path)
    assert (read.row, read.mean_ms, read.iterations, read.threads) == (2, 53.6, 100, None)
    assert (read.phone, read.backend, read.precision, read.model_sha256) == (
        "Größe 8",
        "gpu",
        "fp16",
        SHA256,
    )


def test_rows_without_a_time_are_passed_over_and_counted(tmp_path):
    sheet = write_sheet(
        tmp_path / "s.csv", row(mean_ms=""), row(notes="two\nlines"), row(mean_ms=" 5e1 ")
    )
    assert [(read.row, read.mean_ms, read.notes) for read in read_sheet(sheet)] == [
        (3, 53.6, "two lines"),
        (4, 50.0, None),
    ]


WRONG_CELLS = [
    ("mean_ms", "about 50", "is not a number"),
    ("mean_ms", "53.6 ms", "is not a number"),
    ("mean_ms", "-3", "must be above 0"),
    ("mean_ms", "0", "must be above 0"),
    ("mean_ms", "NaN", "not a finite number"),
    ("mean_ms", "-inf", "not a finite number"),
    ("mean_ms", "1e999", "not a finite number"),
    ("mean_ms", "#DIV/0!", "not a finite number"),
    ("mean_ms", "1,234", "can be read as 1.234 or 1234"),
    ("mean_ms", "1.234,5", "is not a number"),
    ("mean_ms", "1_000", "is not a number"),
    ("mean_ms", "٣", "is not a number"),
    ("iterations", "0", "must be above 0"),
    ("iterations", "2.5", "whole number"),
    ("threads", "four", "is not a number"),
    ("backend", "tpu", "Known: gpu, cpu, nnapi"),
    ("precision", "half", "Known: fp16"),
    ("model_sha256", "1.23E+45", "is not a sha256"),
    ("model_sha256", "", "is empty"),
    ("phone", " ", "is empty"),
    ("phone", "a\x07b", "cannot be printed"),
    ("notes", "x" * 501, "longer than 500"),
]


@pytest.mark.parametrize(("column", "cell", "words"), WRONG_CELLS)
def test_wrong_cells_are_named(tmp_path, column, cell, words):
    sheet = write_sheet(tmp_path / "s.csv", row(), row(**{column: cell}))
    with pytest.raises(CheckError) as error:
        read_sheet(sheet)
    assert f"s.csv: row 3, column {column}: " in str(error.value)
    assert (
        words in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400
    )


WRONG_FILES = {
    "empty": (b"", "row 1 lacks the columns model,"),
    "no header": (b"1,2,3\r\n", "row 1 lacks the columns"),
    "column missing": (
        sheet_text(columns=[c for c in COLUMNS if c != "phone"]).encode(),
        "lacks the columns phone.",
    ),
    "column twice": (
        sheet_text(columns=[*COLUMNS, "phone"]).encode(),
        "has the columns twice phone.",
    ),
    "column unknown": (
        sheet_text(columns=[*COLUMNS, "median"]).encode(),
        "unknown columns: 'median'",
    ),
    "cell beyond": (
        sheet_text(row()).replace("6.0.1,,,", "6.0.1,,,,,7").encode(),
        "row 2 has '7' in column 16",
    ),
    "workbook": (b"PK\x03\x04rest", "Save it as CSV"),
    "half of UTF-16": (b"\xff\xfea", "not text"),
    "picture": (b"\x89PNG\r\n\x1a\n\x00\x81", "not text"),
    "open quote": (sheet_text(row()).encode() + b'"open', "line 3 is not CSV"),
    "huge": (b"x" * 1_000_001, "larger than 1 MB"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_what_is_no_sheet_is_refused_in_one_line(case, tmp_path):
    content, words = WRONG_FILES[case]
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    with pytest.raises(CheckError) as error:
        read_sheet(path)
    assert (
        words in str(error.value) and "s.csv" in str(error.value) and "\n" not in str(error.value)
    )


def test_missing_sheets_and_folders_are_refused(tmp_path):
    with pytest.raises(CheckError, match="cannot read this sheet"):
        read_sheet(tmp_path / "none.csv")
    with pytest.raises(CheckError, match="not a file"):
        read_sheet(tmp_path)
    with pytest.raises(CheckError, match="no row has a time"):
        import_sheet(write_sheet(tmp_path / "s.csv", row(mean_ms="")), tmp_path)
    with pytest.raises(OutputError):
        import_sheet(write_sheet(tmp_path / "s.csv", row()), tmp_path / "s.csv")


def compared(tmp_path, result=None, **cells):
    """One row held against one result of ours."""
    if result is not None:
        write_result(result, tmp_path)
    (read,) = read_sheet(write_sheet(tmp_path / "s.csv", row(**cells)))
    return compare(read, find_own_runs(tmp_path))


def test_our_means_are_those_of_the_raw_times(tmp_path):
    found = compared(tmp_path, own_result(), iterations="3")
    # Runs in order: 100, 40 | 10, 10, 10, 30.
    assert found.own.median_ms == 10
    assert found.own.steady_mean_ms == pytest.approx(15)
    assert found.own.mean_from_start_ms(3) == pytest.approx(50)
    assert found.own.mean_from_start_ms(None) == pytest.approx(200 / 6)
    assert found.ratio == pytest.approx(5.36)


def test_statistics_that_explain_the_gap_are_said_to(tmp_path):
    found = compared(tmp_path, own_result(), mean_ms="30")
    assert "our own mean is 15.0 ms, and 33.3 ms with the first run" in found.explanation[0]
    assert found.explanation[1] == "so the statistic alone explains the app's 30.0 ms"


def test_what_is_left_is_a_factor_of_the_nearest_statistic(tmp_path):
    assert (
        "a factor of 3.00 is left" in compared(tmp_path, own_result(), mean_ms="100").explanation[1]
    )
    assert "a factor of 0.50 is left" in compared(tmp_path, mean_ms="5").explanation[1]


def test_other_conditions_are_named(tmp_path):
    content = json.loads(to_json(own_result(backend="litert-xnnpack", device="Some Xeon")))
    content["measurements"][0] |= {
        "precision": "fp32",
        "stamp": "not a GPU timing",
        "doubts": ["too hot"],
    }
    (tmp_path / "own.json").write_text(json.dumps(content))
    text = "\n".join(compared(tmp_path, backend="cpu", threads="1").explanation)
    for words in (
        "ours ran on Some Xeon, not on Pixel 8",
        "threads: 1 in the app, 4 in ours",
        "the app computed in fp16, ours in fp32",
        "ours is stamped: not a GPU timing",
        "ours is unstable: too hot",
    ):
        assert words in text


def test_a_phones_name_comes_from_its_facts(tmp_path):
    content = json.loads(to_json(own_result()))
    content["measurements"][0] |= {
        "device": "SERIAL",
        "verdict": {"outcome": "SILENT_CPU", "why": "", "evidence": []},
    }
    content["devices"] = {"SERIAL": {"fingerprint": {"manufacturer": "Google", "model": "Pixel 8"}}}
    (tmp_path / "own.json").write_text(json.dumps(content))
    found = compared(tmp_path, phone="pixel-8")
    assert found.own.device == "Google Pixel 8"
    assert not any("not on" in line for line in found.explanation)
    assert any("verdict SILENT_CPU" in line for line in found.explanation)


def test_medians_of_rounds_are_no_runs(tmp_path):
    content = json.loads(to_json(own_result()))
    content["measurements"][0]["sample_kind"] = "round median"
    (tmp_path / "own.json").write_text(json.dumps(content))
    found = compared(tmp_path)
    assert (
        found.own.steady_mean_ms is None and "without times of single runs" in found.explanation[0]
    )


def test_the_same_phone_is_preferred(tmp_path):
    write_result(own_result(device="Pixel 8"), tmp_path)
    write_result(own_result(device="Galaxy S24"), tmp_path)
    assert compared(tmp_path).own.device == "Pixel 8"
    assert compared(tmp_path, phone="Galaxy S24").own.device == "Galaxy S24"


def test_nothing_to_compare_with_is_said(tmp_path):
    assert "no measurement of ours is of this file" in compared(tmp_path).explanation[0]
    found = compared(tmp_path, own_result(backend="litert-xnnpack"))
    assert found.ratio is None and found.explanation == (
        "ours of this file ran on cpu only, not on gpu",
    )


@pytest.mark.parametrize(
    ("backend", "family"),
    [
        *[
            ("litert-xnnpack", "cpu"),
            ("litert", "cpu"),
            ("tflite-runtime-xnnpack", "cpu"),
            ("cpu", "cpu"),
        ],
        *[
            ("litert-gpu", "gpu"),
            ("webgpu", "gpu"),
            ("opengl", "gpu"),
            ("nnapi", "nnapi"),
            ("opencv", "opencv"),
        ],
    ],
)
def test_our_backends_have_the_sheets_names(tmp_path, backend, family):
    write_result(own_result(backend=backend), tmp_path)
    assert [run.family for run in find_own_runs(tmp_path)] == [family]


GARBAGE = {
    "text": b"no JSON",
    "deep": b"[" * 100_000,
    "number": b"7",
    "not UTF-8": b'"\xff"',
    "strings for numbers": to_json(own_result()).replace("100000000", '"x"').encode(),
    "huge numbers": to_json(own_result()).replace("100000000", "9" * 400).encode(),
    "no median": to_json(own_result()).replace('"median_ms"', '"mean_ms"').encode(),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_other_files_in_the_folder_do_no_harm(case, tmp_path):
    (tmp_path / "a.json").write_bytes(GARBAGE[case])
    (tmp_path / "folder.json").mkdir()
    write_result(own_result(), tmp_path)
    assert find_own_runs(tmp_path)[-1].steady_mean_ms == pytest.approx(15)


def test_import_writes_one_file_beside_ours(tmp_path):
    runs = tmp_path / "läufe"
    suite = {"suite": "flagship", "timing": as_json(own_result())}
    runs.mkdir()
    (runs / "suite.json").write_text(json.dumps(suite))
    sheet = write_sheet(tmp_path / "s.csv", row(), row(backend="nnapi", mean_ms="70"))
    imported = import_sheet(sheet, runs)
    assert (imported.new_count, imported.path.name.split("_")[:2]) == (2, ["ai", "benchmark"])
    document = json.loads(imported.path.read_text(encoding="utf-8"))
    assert (document["schema_version"], document["kind"]) == (1, "ai_benchmark")
    first, second = document["entries"]
    assert (first["app"]["mean_ms"], first["app"]["phone"]) == (53.6, "Pixel 8")
    assert (first["ours"]["file"], first["ours"]["median_ms"], first["ratio"]) == (
        "suite.json",
        10,
        pytest.approx(5.36),
    )
    assert second["ours"] is None and "ran on gpu only" in second["explanation"][0]


def test_a_second_import_adds_only_what_is_new(tmp_path):
    sheet = write_sheet(tmp_path / "s.csv", row())
    first = import_sheet(sheet, tmp_path / "runs").path
    assert import_sheet(sheet, tmp_path / "runs").path is None
    write_sheet(sheet, row(mean_ms=""), row(), row(phone="Galaxy S24"))
    second = import_sheet(sheet, tmp_path / "runs")
    assert (second.new_count, len(second.comparisons)) == (1, 2)
    assert sorted((tmp_path / "runs").iterdir()) == sorted([first, second.path])
    # A measurement of ours that came later makes the comparison a new one.
    write_result(own_result(), tmp_path / "runs")
    assert import_sheet(sheet, tmp_path / "runs").new_count == 2


def test_table_shows_hostile_names_as_they_are(tmp_path):
    sheet = write_sheet(tmp_path / "s.csv", row(phone="[red]Pixel[/red]"))
    comparisons = import_sheet(sheet, tmp_path / "runs").comparisons
    console = Console(width=200, record=True, file=(tmp_path / "out").open("w", encoding="utf-8"))
    with console.file:
        console.print(command._table(comparisons))
    assert "[red]Pixel[/red]" in (tmp_path / "out").read_text(encoding="utf-8")
