"""The report of timing results: what stands on the page, and that nothing in a
result can be more than text.
"""

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from rich.console import Console

from bokeh_tf.bench.report import columns, csv_table, facts, terminal
from bokeh_tf.bench.report.html import page as html_page
from bokeh_tf.bench.report.html.scale import Scale
from bokeh_tf.bench.report.runs import Run, read_runs
from bokeh_tf.bench.results.measurement import (
    Memory,
    RunVerdict,
    Startup,
    backend_family,
)
from bokeh_tf.bench.results.outcome import DelegateOutcome
from tests.bench.kept_results import TIMED
from tests.bench.made_results import MS, full, full_result, measured, pages, result, samples

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


@pytest.mark.parametrize("path", TIMED, ids=lambda path: path.stem)
def test_results_that_were_ever_kept_are_still_read(path):
    runs = read_runs([path])
    timed = [one for one in runs[0].result.measurements if one.summary]
    rows = rows_of(csv_table.write(runs))
    assert timed and [row["median_ms"] for row in rows] == [
        str(one.summary.median_ms.value) for one in timed
    ]
    assert all(pages(*runs)) and timed[0].name in shown_in_terminal(runs[0].result)
