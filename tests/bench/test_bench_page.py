"""The report of timing results: what stands on the page, and that nothing in a
result can be more than text.
"""

import copy
import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bokeh_tf.bench.report import columns, csv_table, facts, markdown, terminal
from bokeh_tf.bench.report.html import page as html_page
from bokeh_tf.bench.report.html.scale import Scale
from bokeh_tf.bench.report.runs import Run, read_runs
from bokeh_tf.bench.results.environment import Conditions, read_environment
from bokeh_tf.bench.results.measurement import (
    Memory,
    OutputComparison,
    Prediction,
    RunVerdict,
    StartCache,
    Startup,
    backend_family,
    make_measurement,
)
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.results.result import Result, as_json
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.commands import report
from bokeh_tf.errors import CheckError, OutputError

MS, SECOND = 10**6, 10**9
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
# Those of the other kinds hold no measurements.
KEPT = sorted(
    {*RESULTS.glob("*.json")} - {*RESULTS.glob("overhead_*"), *RESULTS.glob("repeatability_*")}
)
HOSTILE = """=1+1<script>alert("x")</script> & 'q' | `c` [l](http://e.vil) {x} \x1b[31m\n\n# h \ud800 @all"""
ALLOWED_TAGS = {
    *(
        "html",
        "head",
        "body",
        "main",
        "meta",
        "title",
        "style",
        "section",
        "figure",
        "figcaption",
        "details",
        "summary",
    ),
    *("h1", "h2", "h3", "h4", "p", "div", "span", "b", "ul", "li", "dl", "dt", "dd", "wbr"),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "line", "rect", "circle", "text"),
}


def samples(*, median_ms=20, rounds=6, starts=True):
    turn = tuple(int(time * MS) for time in (median_ms * 0.99, median_ms, median_ms * 1.01))
    starts_ns = tuple(number * SECOND for number in range(rounds)) if starts else ()
    return Samples(3 * median_ms * MS, (median_ms * MS,) * 6, True, (turn,) * rounds, starts_ns)


def measured(name="net, 1 thread", *, median_ms=20, **changes):
    measurement = make_measurement(
        name,
        samples(median_ms=median_ms),
        backend="litert-xnnpack",
        threads=1,
        model="net.tflite",
        model_sha256="ab" * 32,
    )
    return replace(measurement, **changes)


def full(text="plain"):
    """A measurement in which every optional thing is present, with `text` wherever text may be."""
    return replace(
        measured(text),
        **{
            "model": text,
            "backend": f"{text} gpu",
            "runtime": text,
            "precision": text,
            "device": text,
            "doubts": (text,),
        },
        **{"accelerator": text, "sample_kind": text, "stamp": text, "model_sha256": text},
        startup=Startup(5 * MS, 4 * MS, text, "serialised", StartCache(2**12, 7 * MS, None)),
        memory=Memory(2**27, 2**25),
        verdict=RunVerdict(DelegateOutcome.PARTIAL, text, (text,)),
        outputs=(
            OutputComparison(text, 51.23, 0.25, 0, text),
            OutputComparison(text, None, None, 3, None),
        ),
        prediction=Prediction(text, text, text, 8, 6, (text,)),
        details={
            text: {"log": [text, {"deep": [[[[[[text]]]]]]}]},
            "predicted_and_logged": {"only_logged": [text]},
        },
    )


def result(*measurements, **changes):
    made = Result("2031-02-03T04:05:06Z", read_environment(), (), measurements or (measured(),))
    return replace(made, **changes)


def full_result(text="plain"):
    warm = [Conditions(number * SECOND, 0.5, 2000.0, 40.0 + number) for number in range(7)]
    thermal = {
        "status": 1,
        "temperatures": [{"kind": "cpu", "celsius": 43.5}, {"kind": "other", "celsius": 99.0}],
    }
    phone = {
        "fingerprint": {"manufacturer": text, "model": text},
        "rounds": [{"at_ns": 7, "thermal": thermal}],
    }
    environment = replace(read_environment(), cpu=text, git_commit=text, governor=text)
    made = result(
        measured(), full(text), conditions=tuple(warm), devices={text: phone}, doubts=(text,)
    )
    return replace(made, environment=environment, created_utc=text, sessions_utc=(text, text))


def pages(*runs):
    return html_page.write(runs), markdown.write(runs), csv_table.write(runs)


def elements(page):
    """All elements of a page, which is well-formed XML but for two elements
    that HTML does not close.
    """
    text = page.removeprefix("<!DOCTYPE html>\n").replace("<wbr>", "<wbr/>")
    for line in text.split("<meta ")[1:]:
        text = text.replace(f"<meta {line.split('>')[0]}>", f"<meta {line.split('>')[0]}/>")
    return list(ElementTree.fromstring(text).iter())


def text_of(page):
    return " ".join("".join(one.itertext()) for one in elements(page) if one.tag == "main")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_numbers_stand_in_every_format():
    one = measured(startup=Startup(5 * MS, 4 * MS), memory=Memory(128 * 2**20, None))
    page, marked, listed = pages(Run("a.json", result(one)))
    # 3 runs a round, 6 rounds of 19.8, 20 and 20.2 ms.
    for text in (
        "20.0",
        "20.0 … 20.0",
        "19.8",
        "20.2",
        "18",
        "50.0",
        "5.00",
        "4.00",
        "60.0",
        "128",
    ):
        assert f">{text}<" in page
        assert f" {text} " in marked
    (row,) = rows_of(listed)
    assert tuple(row) == csv_table.COLUMNS
    assert (row["median_ms"], row["sample_count"], row["frames_per_second"]) == (
        "20.0",
        "18",
        "50.0",
    )
    assert (row["cold_init_ms"], row["first_run_ms"], row["peak_memory_bytes"]) == (
        "5.0",
        "60.0",
        str(2**27),
    )
    assert row["before_load_memory_bytes"] == row["stamp"] == row["predicted_nodes"] == ""


def test_columns_of_the_table_are_stable():
    assert csv_table.COLUMNS[:5] == ("result_file", "created_utc", "name", "model", "model_sha256")
    assert len(csv_table.COLUMNS) == len(set(csv_table.COLUMNS)) == 49


def test_nothing_in_a_result_becomes_markup():
    page, marked, _ = pages(Run(HOSTILE, full_result(HOSTILE)))
    assert {one.tag for one in elements(page)} <= ALLOWED_TAGS
    for one in elements(page):
        assert not [
            key
            for key in one.attrib
            if key.startswith("on") or key in ("href", "src", "style", "srcdoc")
        ]
    assert "alert(" in text_of(page)
    page.encode("utf-8")
    assert "\x1b" not in page + marked
    assert (
        "<script" not in marked
        and "](http" not in marked
        and "\n# h" not in marked
        and "@all" not in marked
    )


def test_markdown_tables_keep_their_columns():
    _, marked, _ = pages(Run(HOSTILE, full_result(HOSTILE)))
    tables = [block.splitlines() for block in marked.split("\n\n") if block.startswith("| |")]
    assert len(tables) == 3
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t=", "＝"])
def test_no_cell_is_a_formula(start):
    text = f"{start}HYPERLINK(1)"
    for row in rows_of(pages(Run(text, full_result(text)))[2]):
        for value in row.values():
            assert not value.lstrip().startswith(("=", "+", "-", "@", "＝"))


def test_page_needs_nothing_else():
    page = html_page.write([Run("a.json", full_result())])
    for text in ("http", "url(", "src=", "<script", "<link", "@import"):
        assert text not in page.replace('http-equiv="Content-Security-Policy"', "")
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert "prefers-color-scheme:dark" in page and "width=device-width" in page


def test_warnings_stand_with_the_number_they_concern():
    stamped = measured(
        "b", stamp="not a GPU timing: soft", backend="litert-gpu", doubts=("it drifts: cool it",)
    )
    page, marked, listed = pages(Run("a.json", result(measured("a"), stamped)))
    first, second = [body for body in page.split("<tbody>") if 'data-label="median ms"' in body]
    assert "not a GPU timing" not in first
    assert (
        "20.0 ! *" in second
        and "not a GPU timing: soft" in second
        and "unstable: it drifts: cool it" in second
    )
    assert r"| `b` | 20.0 **!** \* | 20.0 … 20.0 |" in marked and "| `a` | 20.0 | 20.0" in marked
    # Beside its row in the plots of medians, of samples, and of time too.
    assert page.count('<span class="about stamp">not a GPU timing: soft</span>') == 3
    assert "1 of 2 measurements not what was asked for" in page
    assert (
        "**!** `b`: not a GPU timing: soft" in marked and r"\* `b`: unstable: it drifts" in marked
    )
    assert [row["stamp"] for row in rows_of(listed)] == ["", "not a GPU timing: soft"]


@pytest.mark.parametrize(
    ("stamp", "outcome", "why", "said"),
    [
        (None, "FULL_GPU", "all of it", None),
        ("not a GPU timing", "FULL_GPU", "all of it", "not a GPU timing"),
        (None, "PARTIAL", "3 of 4", "PARTIAL: 3 of 4"),
        (
            "not a timing of GPU: PARTIAL",
            "PARTIAL",
            "3 of 4",
            "not a timing of GPU: PARTIAL: 3 of 4",
        ),
        (
            "not a GPU timing: soft",
            "WRONG_BACKEND",
            "not a GPU timing: soft",
            "not a GPU timing: soft (WRONG_BACKEND)",
        ),
    ],
)
def test_stamp_and_verdict_are_said_once(stamp, outcome, why, said):
    warned = facts.warnings(
        measured(stamp=stamp, verdict=RunVerdict(DelegateOutcome(outcome), why))
    )
    assert [pair for pair in warned if pair[0] == "bad"] == (
        [] if said is None else [("bad", said)]
    )


def test_nested_facts_are_listed_and_cut():
    cores = [{"index": 0, "governor": "a"}, {"index": 1, "governor": None}]
    assert facts.nested_facts(
        {"soc": "x", "empty": [], "gpu": {"masks": [1, 2]}, "cores": cores}
    ) == [
        ("soc", "x"),
        ("gpu / masks", "1, 2"),
        ("cores / 0", "index 0, governor a"),
        ("cores / 1", "index 1, governor None"),
    ]
    assert len(facts.nested_facts({str(number): number for number in range(999)})) == 201


def test_doubts_of_a_run_and_verdicts_are_shown():
    page = html_page.write([Run("a.json", full_result())])
    assert "unstable: plain" in page and "plain (PARTIAL)" in page
    assert "said by the device, not predicted: plain" in page
    assert "51.2 dB, largest error 0.25: plain" in page and "3 values are not finite" in page
    assert "6 / 8" in page


@pytest.mark.parametrize(
    "name", ["samples", "summary", "startup", "memory", "verdict", "model", "threads", "runtime"]
)
def test_optional_parts_may_be_missing(name):
    every = pages(Run("a.json", result(replace(full(), **{name: None}), measured())))
    assert all(every)


def test_a_run_without_times_is_still_reported():
    failed = measured(
        samples=None,
        summary=None,
        verdict=RunVerdict(DelegateOutcome.FAILED_INIT, "no such delegate"),
    )
    page, marked, listed = pages(Run("a.json", result(failed)))
    assert "not timed" in page and "FAILED_INIT: no such delegate" in page and "<figure" not in page
    assert "not timed" in marked
    assert rows_of(listed)[0]["median_ms"] == ""


def test_runs_are_not_averaged():
    runs = [
        Run(f"{number}.json", result(measured(median_ms=time)))
        for number, time in enumerate((10, 1000))
    ]
    page, _, listed = pages(*runs)
    assert [row["median_ms"] for row in rows_of(listed)] == ["10.0", "1000.0"]
    assert (
        re.findall('class="main">([^<]*)<', page) == ["10.0", "1000"]
        and "nothing is averaged" in page
    )
    assert "run 1, litert-xnnpack" in page and "run 2, litert-xnnpack" in page
    assert "logarithmic" in page


def test_models_have_plots_of_their_own():
    other = measured("big, 1 thread", model="big.tflite", model_sha256="cd" * 32)
    headings = [
        heading for heading, _ in facts.by_model([measured(), other, measured("net, 2 threads")])
    ]
    assert headings == ["net.tflite (sha256 abababababab…)", "big.tflite (sha256 cdcdcdcdcdcd…)"]
    nameless = [measured(model=None, model_sha256=None)] * 2
    assert len(facts.by_model(nameless)) == 1
    assert len(facts.by_model(nameless, runs=[1, 2])) == 2


def test_timeline_shows_temperature_where_it_was_recorded():
    assert "The temperature was not recorded." in html_page.write([Run("a.json", result())])
    page = html_page.write([Run("a.json", full_result())])
    assert "46.0 °C" in page and "Timeline of plain" in page
    # The phone's hottest sensor of a kind that matters, with room above and below.
    assert facts.phone_states(full_result().devices["plain"])[0] == facts.PhoneState(7, 43.5, 1)


def test_marks_stay_inside_the_plot():
    spread = [measured(f"{time}", median_ms=time) for time in (1, 20, 3000)]
    marks = [
        float(one.attrib[key].removesuffix("%"))
        for one in elements(html_page.write([Run("a.json", result(*spread))]))
        for key in ("cx", "x1", "x2")
        if key in one.attrib
    ]
    assert len(marks) > 100 and min(marks) >= 0 and max(marks) <= 100


def test_scales():
    linear = Scale(0, 100)
    assert (linear.percent(0), linear.percent(50), linear.percent(100)) == (2, 50, 98)
    assert linear.ticks() == (0, 20, 40, 60, 80, 100)
    wide = Scale(1, 100, is_log=True)
    assert wide.percent(10) == 50
    assert wide.ticks() == (1, 3, 10, 30, 100)
    assert Scale.over([1, 11]).is_log and not Scale.over([1, 9]).is_log
    assert Scale.over([5, 5]).low < 5 < Scale.over([5, 5]).high


def test_thousands_of_samples_stay_a_light_page():
    many = measured(samples=samples(rounds=4000))
    assert len(html_page.write([Run("a.json", result(many))])) < 300_000


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


# What is said of a measurement is formed once


def shown_in_terminal(made, *, width=240):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(terminal.render(made))
    return console.export_text()


@pytest.mark.parametrize("width", [80, 240])
def test_a_new_figure_is_one_line_of_the_columns(monkeypatch, width):
    best = columns.Column(
        "best of all ms",
        lambda one, _: "" if one.summary is None else f"{one.summary.min_ms:.4f}",
        "best",
        values=(("best_ms", lambda one: one.summary and one.summary.min_ms),),
    )
    monkeypatch.setattr(columns, "STEADY", (*columns.STEADY, best))
    made = result(measured(), measured("not timed", samples=None, summary=None))
    page, marked, listed = pages(Run("a.json", made))
    for text in (page, marked, shown_in_terminal(made, width=width)):
        assert "best" in text and text.count("19.8000") == 1
    rows = rows_of(listed)
    # Whoever reads the old columns by their place still finds them there.
    assert tuple(rows[0]) == (*csv_table.COLUMNS, "best_ms")
    assert [row["best_ms"] for row in rows] == ["19.8", ""]


def test_the_terminal_says_of_a_measurement_what_the_page_says():
    one = full()
    shown = shown_in_terminal(result(one))
    said = [text for _, text in facts.warnings(one)]
    said += facts.startup_lines(one) + facts.output_lines(one) + facts.prediction_lines(one)
    said += [*facts.prediction_reasons(one), *facts.difference_lines(one)]
    assert len(said) == 9
    page, marked, _ = pages(Run("a.json", result(one)))
    for text in said:
        assert text in shown and text in text_of(page) and text in marked.replace("\\", "")
    # Bad values on the CPU count for a reason to doubt there too.
    wrong = measured(verdict=RunVerdict(DelegateOutcome.BAD_OUTPUT, "y: 20 dB"))
    shown = shown_in_terminal(result(wrong))
    assert "20.0 !" in shown and "! net, 1 thread: BAD_OUTPUT: y: 20 dB" in shown


@pytest.mark.parametrize(
    ("backend", "family"),
    [
        ("litert-xnnpack", "CPU"),
        ("tflite-runtime", "CPU"),
        ("litert-gpu", "GPU"),
        ("tflite-opengl", "GPU"),
        ("tflite-nnapi", "NNAPI"),
        ("opencv 4.10", None),
    ],
)
def test_backends_belong_to_families(backend, family):
    assert backend_family(backend) == family
    assert facts.family(measured(backend=backend)) == (family or "other")


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_results_that_were_ever_kept_are_still_read(path):
    runs = read_runs([path])
    timed = [one for one in runs[0].result.measurements if one.summary]
    rows = rows_of(csv_table.write(runs))
    assert timed and [row["median_ms"] for row in rows] == [
        str(one.summary.median_ms.value) for one in timed
    ]
    assert all(pages(*runs)) and timed[0].name in shown_in_terminal(runs[0].result)
