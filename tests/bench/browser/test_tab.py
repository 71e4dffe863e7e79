"""What a page may send, and what becomes of the rest: pages that come, go, are hidden, or lie."""

import json
import queue
import threading

import pytest

from bokeh_tf.bench.browser import messages
from bokeh_tf.bench.browser.tab import PageLostError, Tab
from bokeh_tf.bench.host.worker_process import WorkerError
from bokeh_tf.errors import CheckError
from tests.fakes.page import HERE, FakePage

RUN = {"do": "run", "key": "net", "runs": 2, "settle": False}
TIMEOUT_S = 600


class Served:
    """A tab at its address, and what it said."""

    def __init__(self):
        self.said, self.addresses = [], queue.SimpleQueue()
        self.tab = Tab(open_address=self.addresses.put, say=self.said.append, runtime={})
        self.tab.join({"models/net.tflite": b"net"})

    def open(self):
        """Waits for a page; returns the thread that does."""
        waiting = threading.Thread(target=self.tab.wait_for_page, kwargs={"timeout_s": TIMEOUT_S})
        waiting.start()
        self.address = self.addresses.get(timeout=TIMEOUT_S)
        return waiting

    def page(self, name="a1", **work):
        """A page that has arrived."""
        waiting = self.open()
        page = FakePage(self.address, name=name, **work)
        page.exchange(is_hidden=True)
        waiting.join()
        return page

    def visit(self):
        """Of the page that is there."""
        return self.tab.wait_for_page(timeout_s=TIMEOUT_S)

    def ask_in_background(self, request=RUN, kind=messages.Ran):
        """Asks the page that is there; the dictionary that is returned holds what came, once its thread has ended."""
        held, visit = {}, self.visit()

        def ask():
            try:
                held["answer"] = self.tab.ask(visit, request, kind, timeout_s=TIMEOUT_S)
            except (WorkerError, PageLostError, CheckError) as error:
                held["error"] = error

        held["thread"] = threading.Thread(target=ask)
        held["thread"].start()
        return held


@pytest.fixture
def served():
    made = Served()
    yield made
    made.tab.leave()


def told(held):
    held["thread"].join(TIMEOUT_S)
    return held.get("error") or held["answer"]


def test_a_request_reaches_the_page_and_its_answer_comes_back_once(served):
    page = served.page()
    held = served.ask_in_background()
    asked = page.exchange()
    assert asked["request"] == RUN
    # A page whose connection was lost asks again, and sends again.
    assert page.exchange() == asked
    answer = {"number": asked["number"], "content": {"times_ns": [3, 4]}}
    for _ in range(2):
        page.exchange(answer=answer, is_hidden=True)
    assert told(held) == messages.Ran((3, 4))
    held = served.ask_in_background()
    asked = page.exchange(answer=answer)
    assert asked["number"] == answer["number"] + 1
    page.exchange(answer={"number": asked["number"], "error": "no  such\nthing"}, is_hidden=True)
    assert str(told(held)) == "no such thing"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"times_ns": []},
        {"times_ns": [0, 5]},
        {"times_ns": [-1, 5]},
        {"times_ns": [1.5, 2]},
        {"times_ns": ["1", "2"]},
        {"times_ns": [10**30, 1]},
        {"times_ns": [1] * 100_001},
        {"times_ns": {"0": 1}},
    ],
    ids=lambda content: json.dumps(content)[:30],
)
def test_a_hostile_result_is_no_result(content, served):
    page = served.page()
    held = served.ask_in_background()
    number = page.exchange()["number"]
    page.exchange(answer={"number": number, "content": content}, is_hidden=True)
    assert isinstance(told(held), WorkerError) and "nonsense to 'run'" in str(told(held))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[" * 100_000, 400),
        (b'{"page": "../../etc"}', 400),
        (b'{"page": "new"}', 400),
        (json.dumps({"page": "a2", "facts": {**HERE, "user_agent": "x" * 2000}}), 400),
        (json.dumps({"page": "a2", "facts": {**HERE, "logical_cores": -1}}), 400),
        (json.dumps({"page": "a1", "answer": {"number": 1}}), 400),
        (b" " * (messages.LIMIT_BYTES + 1), 413),
    ],
    ids=range(8),
)
def test_what_is_no_message_is_refused(body, status, served):
    page = served.page()
    assert page.post("exchange", body)[0] == status
    assert served.visit().facts == messages.PageFacts(**HERE) and served.tab.visits == 1


def test_only_the_page_with_the_token_may_send(served):
    page = served.page()
    body = json.dumps({"page": "a1", "is_hidden": True})
    for origin in ("https://evil.example", "http://[", "null"):
        assert page.post("exchange", body, Origin=origin)[0] == 403
    assert page.post("exchange", body, **{"Content-Length": "9" * 5_000})[0] == 413
    assert page.post("exchange", body, Host="evil.example")[0] == 404
    for name in ("elsewhere", "../exchange", "models/net.tflite", "output/1/0", "output/0/0"):
        assert page.post(name, body)[0] == 404
    address = served.address
    wrong = FakePage(address.replace(address.split("/")[3], "wrong-token"))
    assert wrong.post("exchange", body)[0] == 404


def test_outputs_are_taken_for_their_request_and_in_their_size_only(served):
    page = served.page()
    held, visit = {}, served.visit()

    def read():
        held["bodies"] = served.tab.read(visit, {"do": "read"}, (4, 2), timeout_s=TIMEOUT_S)

    thread = threading.Thread(target=read)
    thread.start()
    number = page.exchange()["number"]
    for name, body in (
        (f"output/{number}/2", b"1234"),
        (f"output/{number + 1}/0", b"1234"),
        (f"output/{number}/0", b"123"),
        (f"output/{number}/0", b"12345"),
        (f"output/{number}/-1", b"12"),
        (f"output/{number}/{'1' * 5000}", b"12"),
    ):
        assert page.post(name, body)[0] in (400, 404, 413)
    assert page.post(f"output/{number}/1", b"ab")[0] == page.post(f"output/{number}/0", b"abcd")[0]
    page.exchange(answer={"number": number, "content": {}}, is_hidden=True)
    thread.join(TIMEOUT_S)
    assert held["bodies"] == [b"abcd", b"ab"]


def test_a_page_that_is_loaded_anew_takes_over(served):
    old = served.page("a1")
    held = served.ask_in_background()
    assert old.exchange()["request"] == RUN
    new = FakePage(served.address, name="b2")
    new.exchange(is_hidden=True)
    assert isinstance(told(held), PageLostError) and served.tab.visits == 2
    assert "stop" in old.exchange(answer={"number": 1, "content": {"times_ns": [1, 2]}})
    held = served.ask_in_background()
    assert new.exchange()["request"] == RUN
    new.exchange(is_leaving=True)
    assert isinstance(told(held), PageLostError)


def test_what_is_asked_of_a_page_is_asked_of_no_other(served):
    served.page("a1")
    visit = served.visit()
    # It is loaded anew just before something is asked of it.
    new = FakePage(served.address, name="b2")
    new.exchange(is_hidden=True)
    with pytest.raises(PageLostError):
        served.tab.ask(visit, RUN, messages.Ran, timeout_s=TIMEOUT_S)
    assert new.exchange(is_hidden=True) == {}


@pytest.mark.parametrize(
    "other",
    [{"user_agent": "Mozilla/5.0 (Android 16; Mobile) Firefox/140.0"}, {"logical_cores": 8}],
    ids=str,
)
def test_a_page_of_another_browser_is_turned_away_and_the_first_goes_on(other, served):
    first = served.page("a1")
    served.tab.bind(served.visit(), None)
    held = served.ask_in_background()
    stranger = FakePage(served.address, name="b2", facts={**HERE, **other})
    for _ in range(2):
        told_to_it = stranger.exchange()["stop"]
    assert "This run's times are of Chrome 156 on Linux, and this page is in" in told_to_it
    assert [text for text in served.said if "turned away" in text and told_to_it in text]
    number = first.exchange()["number"]
    first.exchange(answer={"number": number, "content": {"times_ns": [1, 2]}}, is_hidden=True)
    assert told(held) == messages.Ran((1, 2)) and served.tab.visits == 1


OTHER = {**HERE, "logical_cores": 8}


def test_a_page_that_was_opened_by_mistake_binds_nobody_before_it_was_timed(served):
    mistaken = served.page("a1")
    held = served.ask_in_background()
    wanted = FakePage(served.address, name="b2", facts=OTHER)
    assert wanted.exchange(is_hidden=True) == {} and isinstance(told(held), PageLostError)
    assert "stop" in mistaken.exchange() and served.tab.origin is None
    assert served.visit().facts.logical_cores == 8


def test_a_page_of_another_browser_that_came_while_the_first_was_timed_is_turned_away(served):
    served.page("a1")
    timed = served.visit()
    stranger = FakePage(served.address, name="b2", facts=OTHER)
    assert stranger.exchange(is_hidden=True) == {}
    assert served.tab.bind(timed, None).browser == timed.facts
    assert "This run's times are of Chrome 156 on Linux" in stranger.exchange()["stop"]
    with pytest.raises(CheckError, match="no page answers"):
        served.tab.wait_for_page(timeout_s=0.05)


def test_a_page_is_here_by_its_address_and_not_by_what_it_says(served):
    waiting = served.open()
    message = {"page": "a1", "facts": {**HERE, "is_here": True}, "is_here": True}
    served.tab.receive("exchange", json.dumps({**message, "is_hidden": True}), is_here=False)
    waiting.join()
    assert served.tab.bind(served.visit(), None).is_here is False
    # The same browser here is another one.
    assert "another one" in FakePage(served.address, name="b2").exchange()["stop"]


def test_a_hidden_page_gets_nothing_to_do_and_is_told_of(served):
    page = served.page()
    held = served.ask_in_background()
    assert page.exchange(is_hidden=True) == {} == page.exchange(is_hidden=True)
    assert [text for text in served.said if "hidden" in text] == [
        "the page is hidden: it goes on once it is seen again"
    ]
    number = page.exchange()["number"]
    page.exchange(answer={"number": number, "content": {"times_ns": [1, 2]}}, is_hidden=True)
    assert told(held) == messages.Ran((1, 2))


def test_a_page_that_never_comes_ends_the_run_and_says_how_to_go_on(served):
    with pytest.raises(
        CheckError, match=r"no page answers at http.* with --out, what was finished"
    ):
        served.tab.wait_for_page(timeout_s=0.05)
