"""The timing page's own script, run by Node against the real command: a page that is never in sight at
first, one whose LiteRT.js is not there, and one of another browser.
"""

import contextlib
import queue
import shutil
import subprocess
import threading
from importlib.resources import files
from pathlib import Path

import pytest

from bokeh_tf.bench.browser import messages
from bokeh_tf.bench.browser.tab import Tab
from bokeh_tf.bench.host.worker_process import WorkerError
from tests.fakes.page import FakePage

TIMEOUT_S = 600
PAGE = files("bokeh_tf.bench.browser") / "page"
OPEN = {"do": "open", "key": "net, browser WASM"}


@pytest.fixture
def folder(tmp_path):
    """The page's scripts, without LiteRT.js beside them."""
    for name in ("bench.js", "work.js"):
        (tmp_path / name).write_bytes((PAGE / name).read_bytes())
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="ascii")
    return tmp_path


@pytest.fixture
def served():
    """(tab, address, what it said)."""
    if shutil.which("node") is None:
        pytest.skip("no node here")
    said, addresses = [], queue.SimpleQueue()
    tab = Tab(open_address=addresses.put, say=said.append, runtime={})
    tab.join({})
    threading.Thread(target=tab.wait_for_page, kwargs={"timeout_s": TIMEOUT_S}).start()
    yield tab, addresses.get(timeout=TIMEOUT_S), said
    tab.leave()


@contextlib.contextmanager
def page_at(address, folder, sight):
    """The page as a process."""
    program = Path(__file__).with_name("page_in_node.mjs")
    command = [shutil.which("node"), program, address, folder, sight]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as page:
        try:
            yield page
        finally:
            page.kill()


def test_a_page_that_is_hidden_from_the_start_is_waited_for_until_it_is_seen(served, folder):
    tab, address, said = served
    with page_at(address, folder, "hidden") as page:
        visit = tab.wait_for_page(timeout_s=TIMEOUT_S)
        assert visit.facts.user_agent == "Node" and visit.facts.logical_cores == 2
        assert "hidden" in said[-1]
        page.stdin.write("now")
        page.stdin.flush()
        with pytest.raises(WorkerError, match=r"LiteRT\.js"):
            tab.ask(visit, OPEN, messages.Opened, timeout_s=TIMEOUT_S)


def test_a_page_without_its_runtime_says_so(served, folder):
    tab, address, _ = served
    with page_at(address, folder, "shown"):
        visit = tab.wait_for_page(timeout_s=TIMEOUT_S)
        with pytest.raises(WorkerError, match=r"LiteRT.js cannot be loaded: .*@litertjs/core"):
            tab.ask(visit, OPEN, messages.Opened, timeout_s=TIMEOUT_S)


def test_what_is_refused_is_said_instead_of_being_sent_for_ever(served, folder):
    (folder / "work.js").write_text("export const work = {open: () => 'no object'};")
    tab, address, _ = served
    with page_at(address, folder, "shown"):
        visit = tab.wait_for_page(timeout_s=TIMEOUT_S)
        with pytest.raises(WorkerError, match="refused what came out, with status 400"):
            tab.ask(visit, OPEN, messages.Opened, timeout_s=TIMEOUT_S)


def test_a_page_of_another_browser_stops_and_says_why(served, folder):
    tab, address, said = served
    FakePage(address).exchange(is_hidden=True)
    tab.bind(tab.wait_for_page(timeout_s=TIMEOUT_S), None)
    with page_at(address, folder, "shown") as page:
        told, _ = page.communicate(timeout=TIMEOUT_S)
    assert "This run's times are of Chrome 156 on Linux, and this page is in a browser" in told
    assert "--out" in said[-1] and tab.visits == 1
