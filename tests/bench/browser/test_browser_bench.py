"""`bokeh-tf bench --on browser` with a page that doubles its inputs: who computed it, whether its values
agree in each run that is read, and what is kept of a run whose page goes away.
"""

import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from bokeh_tf.bench.browser.judging import browser_name, is_elsewhere
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.cli import main
from bokeh_tf.web import runtime
from bokeh_tf.web.server import is_own_address
from tests.bench.tiny_models import tiny_model
from tests.fakes.page import GPU, HERE, RUN_NS, SOFTWARE, FakePage

OUTCOME = DelegateOutcome
# Equal times are flat at once.
WARM_UP_RUNS = 6
NVIDIA = {**GPU, "vendor": "nvidia"}


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """The command, opened in a fake page; a function of the page's properties, and of those of
    another page that is there until it is told to stop.
    """
    monkeypatch.setattr("bokeh_tf.bench.browser.tab.runtime_files", dict)
    model = tmp_path / "net.tflite"
    model.write_bytes(tiny_model())
    pages = []

    def run(*arguments, settings=("webgpu",), rounds=2, opened_before=None, **page):
        def open_page(address):
            pages.append(FakePage(address, **page))
            if opened_before is None:
                pages[-1].start()
            else:
                other = FakePage(address, name="z1", **opened_before)
                threading.Thread(target=lambda: (other.serve(), pages[-1].serve())).start()

        monkeypatch.setattr("webbrowser.open", open_page)
        command = ["bench", str(model), "--on", "browser", "--open", "--rounds", str(rounds)]
        command += ["--browser-settings", *settings, "--out", str(tmp_path / "out"), *arguments]
        return main(command)

    run.folder, run.pages, run.model = tmp_path / "out", pages, model
    return run


def interrupt(page, request):
    """Ctrl-C after some of six rounds."""
    if page.asked.count("run") == 12:
        os.kill(os.getpid(), signal.SIGINT)
    return page.run(request)


def only_measurement(folder):
    (path,) = folder.glob("bench_*.json")
    (one,) = read_result(path).measurements
    return one


def test_a_run_in_a_browser_is_a_result_like_any_other(bench, capsys):
    assert bench("--threads", "1", "4", settings=("wasm", "webgpu", "webgpu-fp16")) == 0
    (path,) = bench.folder.iterdir()
    measurements = read_result(path).measurements
    assert [(one.backend, one.threads, one.precision) for one in measurements] == [
        ("litertjs-wasm", 1, None),
        ("litertjs-wasm", 4, None),
        ("litertjs-webgpu", None, "float32"),
        ("litertjs-webgpu", None, "float16"),
    ]
    assert [one.verdict.outcome for one in measurements] == [OUTCOME.CPU] * 2 + [
        OUTCOME.FULL_GPU
    ] * 2
    one = measurements[2]
    assert one.accelerator == "arm valhall" and one.stamp is None
    assert one.runtime == f"LiteRT.js {runtime.VERSION}, Chrome 156 on Linux"
    assert one.startup.cold_init_ns == 8_000_000 and one.startup.warm_init_ns == 3_000_000
    assert one.samples.first_ns == RUN_NS and one.summary.median_ms.value == 2
    assert one.details["opened"]["adapter"] == GPU
    assert list(one.details["agreement"]) == ["run 1", "run 2", "last run"]
    assert main(["report", str(path), "-o", str(bench.folder / "report.md")]) == 0
    assert "browser WebGPU" in (bench.folder / "report.md").read_text(encoding="utf-8")
    assert main(["compare", str(path), str(path), "--budget", "5%"]) == 0
    assert "no difference" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("page", "outcome", "status", "told"),
    [
        ({"factors": (3, 2)}, OUTCOME.BAD_OUTPUT, 3, "doubled of run 1"),
        ({"factors": (2, 3)}, OUTCOME.BAD_OUTPUT, 3, "doubled of run 2"),
        ({"factors": (2, 2, 3)}, OUTCOME.BAD_OUTPUT, 3, "doubled of last run"),
        ({"adapter": {**GPU, "vendor": "", "architecture": ""}}, OUTCOME.UNPROVEN, 0, "not known"),
        ({"adapter": SOFTWARE}, OUTCOME.WRONG_BACKEND, 1, "--allow-software"),
        ({"adapter": {**GPU, "is_fallback": True}}, OUTCOME.WRONG_BACKEND, 1, "software adapter"),
        ({"adapter": None}, OUTCOME.FAILED_INIT, 1, "names no adapter"),
        ({"run": lambda *_: {"times_ns": [5] * 7}}, OUTCOME.FAILED_INIT, 1, "ran 7 times"),
    ],
)
def test_times_count_only_where_a_gpu_computed_the_right_values(page, outcome, status, told, bench):
    assert bench(**page) == status
    one = only_measurement(bench.folder)
    assert one.verdict.outcome is outcome and told in one.verdict.why
    assert (one.verdict.outcome.passed) == (outcome is OUTCOME.FULL_GPU)


def test_a_phone_is_another_device_than_this_machine(bench, capsys):
    phone = {**HERE, "user_agent": "Mozilla/5.0 (Linux; Android 10; K) Chrome/137.0.0.0 Mobile"}
    assert bench(facts=phone) == 0
    here, there = bench.folder / "here", bench.folder / "there"
    (path,) = bench.folder.glob("bench_*.json")
    one = only_measurement(bench.folder)
    assert one.device == "Chrome 137 on Android"
    assert read_result(path).devices[one.device]["browser"] == phone
    path.rename(there)
    assert bench() == 0
    next(bench.folder.glob("bench_*.json")).rename(here)
    for form in ("page.html", "page.md"):
        assert main(["report", str(there), "-o", str(bench.folder / form)]) == 0
        report = (bench.folder / form).read_text(encoding="utf-8")
        assert re.search(f"Browser `?{one.device}", report) and "Phone" not in report
    assert main(["compare", str(here), str(there)]) == 1
    assert "machine: " in capsys.readouterr().err


def test_the_page_is_told_the_names_of_the_signature(bench):
    asked = []

    def open_noted(page, request):
        asked.append(([port["name"] for port in request["inputs"]], request["outputs"]))
        return page.open(request)

    bench.model.write_bytes(tiny_model(signature=(0, "photo", "twice")))
    assert bench(open=open_noted) == 0
    bench.model.write_bytes(tiny_model())
    assert bench(open=open_noted) == 0
    assert asked == [(["photo"], ["twice"]), (["image"], ["doubled"])]


def test_a_signature_of_another_graph_is_not_timed(bench):
    bench.model.write_bytes(tiny_model(signature=(1, "photo", "twice")))
    assert bench() == 1
    why = only_measurement(bench.folder).verdict.why
    assert why == "its first signature, serve, is not its main graph's"


def test_models_are_not_read_by_code_that_trusts_them():
    program = (
        "import sys, bokeh_tf.bench.browser.contestant;"
        " print(*(name for name in sys.modules if name.startswith('ai_edge_litert')))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_software_adapter_that_is_allowed_is_stamped(bench):
    assert bench("--allow-software", adapter=SOFTWARE) == 0
    one = only_measurement(bench.folder)
    assert one.stamp == "not a GPU timing: google swiftshader computes on the CPU"
    assert one.verdict.outcome is OUTCOME.WRONG_BACKEND and one.summary is not None


def test_a_page_that_is_loaded_anew_goes_on_where_the_other_was(bench):
    newer = []

    def lose_the_page(page, request):
        if page.asked.count("run") == 4:
            # Another page comes before this one has answered.
            newer.append(FakePage(page.address, name="b2"))
            newer[0].exchange(is_hidden=True)
            newer[0].start()
            assert "stop" in page.exchange()
        return page.run(request)

    assert bench(rounds=4, run=lose_the_page) == 0
    one = only_measurement(bench.folder)
    assert len(one.samples.rounds_ns) == 4 and one.verdict.outcome is OUTCOME.FULL_GPU
    assert newer[0].asked[0] == "open"


def test_a_page_whose_adapter_is_another_is_turned_away(bench, capsys):
    told = []

    def change_the_adapter(page, request):
        if page.asked.count("run") == 4:
            told.append(FakePage(page.address, name="b2", adapter=NVIDIA).serve())
            FakePage(page.address, name="c3").start()
        return page.run(request)

    assert bench(rounds=2, run=change_the_adapter) == 0
    one = only_measurement(bench.folder)
    assert one.accelerator == "arm valhall" and one.verdict.outcome is OUTCOME.FULL_GPU
    assert "of adapter arm valhall, and this page is in adapter nvidia valhall" in told[0]
    assert told[0] in capsys.readouterr().err


@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"facts": {**HERE, "logical_cores": 8}}, "of Chrome 156 on Linux, and this page is in an"),
        ({"adapter": NVIDIA}, "of adapter arm valhall, and this page is in adapter nvidia"),
    ],
)
def test_a_run_is_continued_in_its_own_browser_only(other, told, bench, capsys):
    assert bench(rounds=6, run=interrupt) == 130
    assert bench(rounds=6, opened_before=other) == 0
    assert told in capsys.readouterr().err
    one = only_measurement(bench.folder)
    assert one.details["browser"] == HERE and one.details["opened"]["adapter"] == GPU


@pytest.mark.usefixtures("hears_ctrl_c")
def test_what_is_finished_is_kept_of_a_run_that_is_interrupted(bench, capsys):
    assert bench(rounds=6, run=interrupt) == 130
    assert "what was finished is kept" in capsys.readouterr().err
    (journal,) = bench.folder.glob("unfinished_*.jsonl")
    turns = journal.read_text(encoding="utf-8").count('"turn"')
    assert 0 < turns < 6
    assert bench(rounds=6) == 0
    assert "continuing an interrupted run" in capsys.readouterr().err
    assert len(only_measurement(bench.folder).samples.rounds_ns) == 6
    # Two runs that are looked at, the warm-up, and no turn a second time.
    assert bench.pages[1].asked.count("run") == 2 + WARM_UP_RUNS + 6 - turns


def test_a_browser_is_elsewhere_by_its_address_or_its_system(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    here, phone = HERE["user_agent"], "Mozilla/5.0 (Linux; Android 10; K) Chrome/137.0.0.0 Mobile"
    assert not is_elsewhere(here, is_here=True) and is_elsewhere(here, is_here=False)
    # Over a cable a phone speaks through this machine.
    assert is_elsewhere(phone, is_here=True)
    assert is_own_address("192.168.1.5", "192.168.1.5") and is_own_address("127.0.0.1", "127.0.0.1")
    assert not is_own_address("192.168.1.6", "192.168.1.5")


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0"
            " Mobile Safari/537.36",
            "Chrome 137 on Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
            " Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
            "Safari 26 on iPhone",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0",
            "Edge 137 on Windows",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox 140 on Linux",
        ),
        ("x" * 900, "a browser"),
    ],
)
def test_browsers_are_called_by_their_names(user_agent, name):
    assert browser_name(user_agent) == name
