"""Starts from a cache on disk, with the real runtime: what is written, what is read,
and what is said where not.
"""

import csv
import io
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from bokeh_tf.bench.host.serialised_start import (
    NoCacheError,
    Start,
    cpu_start,
    gpu_start,
    measure_start,
)
from bokeh_tf.bench.report import csv_table, markdown, terminal
from bokeh_tf.bench.report.html import page as html_page
from bokeh_tf.bench.report.runs import Run
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.measurement import StartCache, Startup, make_measurement
from bokeh_tf.bench.results.result import Result
from bokeh_tf.bench.results.samples import Samples
from tests.bench.tiny_models import tiny_model

TIMEOUT_S = 600
# Bytes at the start of a file that every cache format has its header in.
HEADER_BYTES = 64


def damaging(start, *, from_call=2):
    """A start whose cache is damaged before each call from a number on."""
    calls = []

    def options(folder):
        calls.append(folder)
        for path in folder.iterdir() if len(calls) >= from_call else ():
            content = path.read_bytes()
            path.write_bytes(bytes(HEADER_BYTES) + content[HEADER_BYTES:])
            # Long ago, so that writing it anew shows whatever the clock's step is.
            os.utime(path, ns=(1, 1))
        return start.options(folder)

    return Start(start.accelerator, start.identifier, options, start.what, start.lacks, start.hit)


def assert_is_not_serialised(model, start, *words, timeout_s=TIMEOUT_S):
    with pytest.raises(NoCacheError) as failure:
        measure_start(model, start, timeout_s=timeout_s)
    assert str(failure.value) and "\n" not in str(failure.value)
    for word in words:
        assert word in str(failure.value)


def assert_is_serialised(warm):
    assert warm.warm_init_kind == "serialised" and warm.warm_init_ns > 0
    assert warm.cache.size_bytes > 0 and warm.cache.cold_init_ns > 0 and warm.cache.was_read


def test_the_cpu_starts_from_the_cache_that_a_first_process_wrote(tiny_convolution):
    assert_is_serialised(measure_start(tiny_convolution, cpu_start(threads=2), timeout_s=TIMEOUT_S))


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux lists what a process has mapped in /proc"
)
def test_the_second_start_holds_the_cache_in_memory(tiny_convolution, tmp_path):
    """The system's own word that the file was opened: it is among what the process has mapped."""
    start = cpu_start(threads=1)
    program = (
        "import sys; from bokeh_tf.bench.host.start_worker import load\n"
        "load(*sys.argv[1:]); print(open('/proc/self/maps').read())"
    )
    command = [
        sys.executable,
        "-c",
        program,
        str(tiny_convolution),
        start.accelerator,
        start.identifier,
    ]
    for _ in range(2):
        shown = subprocess.run(
            [*command, start.options(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT_S,
        )
    (cache,) = tmp_path.iterdir()
    assert str(cache) in shown.stdout


def test_a_cache_that_cannot_be_used_is_not_called_one(tiny_convolution):
    start = damaging(cpu_start(threads=1))
    assert_is_not_serialised(tiny_convolution, start, "did not use the one that it had written")


def test_a_runtime_that_writes_nothing_is_said(tiny_convolution):
    start = Start("cpu", "xnnpack", lambda folder: "num_threads = 1\n", "nothing", "")
    assert_is_not_serialised(tiny_convolution, start, "wrote none for this model")


def test_a_model_without_weights(tmp_path):
    path = tmp_path / "größe.tflite"
    path.write_bytes(tiny_model())
    assert_is_serialised(measure_start(path, cpu_start(threads=1), timeout_s=TIMEOUT_S))


def test_a_runtime_that_refuses_crashes_or_hangs_is_one_sentence(tiny_convolution, tmp_path):
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(b"\x1c\0\0\0TFL3" + b"\xff" * 400)
    assert_is_not_serialised(damaged, cpu_start(threads=1))
    stranger = Start("tpu", "xnnpack", lambda folder: "", "nothing", "")
    assert_is_not_serialised(tiny_convolution, stranger, "no answer")
    assert_is_not_serialised(
        tiny_convolution, cpu_start(threads=1), "did not end within 0 s", timeout_s=0
    )


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["default", "float32"])
def test_the_gpu_starts_from_kernels_on_disk(gpu, tiny_convolution, precision):
    assert_is_serialised(
        measure_start(tiny_convolution, gpu_start(precision=precision), timeout_s=TIMEOUT_S)
    )


@pytest.mark.gpu
def test_damaged_kernels_on_disk_are_not_a_warm_start(gpu, tiny_convolution):
    start = damaging(gpu_start(precision="default"))
    assert_is_not_serialised(tiny_convolution, start, "did not use the one that it had written")


def shown_everywhere(startup):
    """(the text report, the page, the Markdown, the row of the table) of a
    measurement with this start.
    """
    samples = Samples(
        first_ns=9, warmup_ns=(2,) * 6, warmup_was_flat=True, rounds_ns=((2,) * 3,) * 6
    )
    measurement = replace(
        make_measurement("a", samples, backend="litert-xnnpack", threads=1), startup=startup
    )
    made = Result("2031-02-03T04:05:06Z", read_environment(), (), (measurement,))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal.render(made))
    runs = [Run("a.json", made)]
    (row,) = csv.DictReader(io.StringIO(csv_table.write(runs)))
    return console.export_text(), html_page.write(runs), markdown.write(runs), row


def test_every_report_says_what_made_a_start_warm():
    cache = StartCache(3 * 2**10, 7_000_000, True)
    text, page, marked, row = shown_everywhere(
        Startup(5_000_000, 4_000_000, "from a file", "serialised", cache)
    )
    # Not the cold start of the timed process, which goes another way.
    assert " 5.00 " in text and " 4.00 of 7.00 " in text and " disk " in text
    assert "after 'of' stands the start that wrote it" in text
    for shown in (text, page, marked):
        assert "warm init: from a file" in shown
    for shown in (page, marked):
        assert (
            "3 KiB on disk, written in 7.00 ms" in shown
            and "not known to have been read" not in shown
        )
    assert (row["warm_init_kind"], row["cache_bytes"], row["cache_cold_init_ms"]) == (
        "serialised",
        "3072",
        "7.0",
    )
    unproven = replace(cache, was_read=None)
    _, page, _, row = shown_everywhere(Startup(5_000_000, 4_000_000, None, "serialised", unproven))
    assert "not known to have been read" in page and row["cache_was_read"] == ""
    text, page, _, row = shown_everywhere(
        Startup(5_000_000, 4_000_000, "second load", "same process")
    )
    assert " process " in text and ">same process<" in page and row["cache_bytes"] == ""
