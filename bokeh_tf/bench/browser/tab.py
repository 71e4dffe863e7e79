"""The page that models are timed in, seen from here: one request at a time, each answered.

The page asks for work again and again and is kept waiting while there is none. What it sends counts
for the request that it was given and no other, and only from the page that came last: a page that is
loaded anew is another one, which has none of the models, and whoever asks the one before hears of
that by `PageLostError`. Once something was timed, a page of another browser is told so and changes
nothing. Messages that are lost are sent again and do no harm twice.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.resources import files
from typing import TypeVar

from bokeh_tf.bench.browser import messages
from bokeh_tf.bench.browser.origin import Origin, Visit
from bokeh_tf.bench.host.worker_process import WorkerError
from bokeh_tf.documents import DocumentError, parse, typed
from bokeh_tf.errors import BokehError, CheckError
from bokeh_tf.web.lan import open_lan
from bokeh_tf.web.runtime import runtime_files
from bokeh_tf.web.server import SiteServer
from bokeh_tf.web.site import INDEX, content_policy, with_import_map

_EXCHANGE = "exchange"
_OUTPUT = "output/"
_PAGE = ("bench.js", "work.js")
# How long a page that asks is kept waiting; proxies and phones cut what lasts longer than a minute.
_POLL_S = 20.0
_SHUTDOWN_POLL_S = 0.05
_OVER = "Another page took over, or the run is over. This one can be closed."
T = TypeVar("T")


class PageLostError(BokehError):
    """The page that was asked is gone; another one may be there already."""


class Tab:
    """One page for a whole run; it is waited for when something is asked for the first time.

    Attributes:
        visits: how many pages there were.
        origin: the browser that the run's times are of; None until something was timed.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        is_lan: bool = False,
        open_address: Callable[[str], object],
        say: Callable[[str], object],
        runtime: Mapping | None = None,
    ):
        """`open_address` is called with the page's address once it is served.

        With `is_lan` it is served to this machine's network.
        """
        self.visits = 0
        self.origin: Origin | None = None
        self._port, self._is_lan, self._runtime = port, is_lan, runtime
        self._open_address, self._say = open_address, say
        self._content: dict = {}
        self._server: SiteServer | None = None
        self._users = 0
        self._changed = threading.Condition()
        self._page: str | None = None
        self._present: Visit | None = None
        # Pages that are to stop, and what they are told.
        self._gone: dict[str, str] = {}
        self._is_hidden = False
        self._last_seen_s = time.monotonic()
        self._number = self._asked_visit = 0
        self._request: dict | None = None
        self._sizes_bytes: tuple[int, ...] = ()
        self._outputs: dict[int, bytes] = {}
        self._answer: messages.Answer | None = None

    def join(self, content: Mapping) -> None:
        """Adds to what the page may fetch; each `join` has its `leave`."""
        self._content |= content
        self._users += 1

    def leave(self) -> None:
        """The page is served no longer once all have left."""
        self._users -= 1
        if self._users == 0 and self._server is not None:
            with self._changed:
                self._gone[self._page or ""] = _OVER
                self._changed.notify_all()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def expect(self, origin: Origin) -> None:
        """Hears which browser an earlier session's times are of, before the first page comes."""
        if self.origin is None or self.origin.adapter is None:
            self.origin = origin

    def keep_to(self, adapter: messages.Adapter) -> None:
        """Turns the page away where the run's times are another adapter's, by `PageLostError`."""
        with self._changed:
            refusal = None if self.origin is None else self.origin.refusal_of_adapter(adapter)
            if refusal is not None:
                self._turn_away_present(refusal)
                raise PageLostError(refusal)

    def bind(self, visit: Visit, adapter: messages.Adapter | None) -> Origin:
        """Hears that a page was timed, on that adapter if any; from now on the run's times are of
        its browser, which is returned. One that came meanwhile and is another is turned away.
        """
        with self._changed:
            origin = self.origin or Origin(visit.facts, visit.is_here)
            if origin.adapter is None:
                origin = replace(origin, adapter=adapter)
            self.origin = origin
            present = self._present
            if present is not None:
                refusal = origin.refusal(present.facts, is_here=present.is_here)
                if refusal is not None:
                    self._turn_away_present(refusal)
            return origin

    def ask(self, visit: Visit, request: dict, kind: type[T], *, timeout_s: float) -> T:
        """What the page of a visit answers, as an object of `kind`.

        Raises:
            PageLostError: that page was closed or loaded anew, before or meanwhile.
            WorkerError: the page could not do it, or answers nonsense.
            CheckError: it has not answered for `timeout_s`.
        """
        answer, _ = self._ask(visit, request, (), timeout_s)
        return _content(answer, kind, request)

    def read(
        self, visit: Visit, request: dict, sizes_bytes: tuple[int, ...], *, timeout_s: float
    ) -> list[bytes]:
        """The outputs that the page sends, of exactly these sizes; raises what `ask` raises."""
        answer, outputs = self._ask(visit, request, sizes_bytes, timeout_s)
        _content(answer, messages.Read, request)
        if len(outputs) != len(sizes_bytes):
            raise _nonsense(request)
        return [outputs[place] for place in range(len(sizes_bytes))]

    def wait_for_page(self, *, timeout_s: float) -> Visit:
        """Returns once a page is there; `CheckError` where none comes."""
        self._serve()
        with self._changed:
            self._last_seen_s = time.monotonic()
            while self._present is None:
                self._wait(timeout_s)
            return self._present

    def _ask(self, visit, request, sizes_bytes, timeout_s):
        with self._changed:
            self._asked_visit = visit.number
            self._number += 1
            self._request, self._answer = request, None
            self._sizes_bytes, self._outputs = sizes_bytes, {}
            self._last_seen_s = time.monotonic()
            self._changed.notify_all()
            try:
                while self._answer is None:
                    if self._present != visit:
                        raise PageLostError("the page was closed or loaded anew")
                    self._wait(timeout_s)
                return self._answer, self._outputs
            finally:
                self._request = None

    def _wait(self, timeout_s):
        """Waits for a change; called with the lock."""
        left_s = self._last_seen_s + timeout_s - time.monotonic()
        if left_s <= 0:
            assert self._server is not None
            raise CheckError(
                f"no page answers at {self._server.address} since {timeout_s:g} s. Give the same"
                " command again and open its page: with --out, what was finished is kept."
            )
        self._changed.wait(left_s)

    def _serve(self):
        if self._server is not None:
            return
        folder = files("bokeh_tf.bench.browser") / "page"
        self._content |= {name: (folder / name).read_bytes() for name in _PAGE}
        self._content[INDEX] = with_import_map((folder / INDEX).read_bytes())
        style = files("bokeh_tf.web") / "page" / "style.css"
        self._content["style.css"] = style.read_bytes()
        self._content |= runtime_files() if self._runtime is None else self._runtime
        policy = content_policy(has_frames=True)
        lan = open_lan() if self._is_lan else None
        self._server = SiteServer(
            self._content, port=self._port, receiver=self, policy=policy, lan=lan
        )
        serving = {"poll_interval": _SHUTDOWN_POLL_S}
        threading.Thread(target=self._server.serve_forever, kwargs=serving, daemon=True).start()
        self._say(f"open {self._server.address}")
        if lan is not None:
            self._say(lan.advice)
        self._open_address(self._server.address)

    # What follows is called by the server, for the page.

    def limit_bytes(self, name: str) -> int | None:
        """How much the page may send under that name, None where nothing is waited for."""
        if name == _EXCHANGE:
            return messages.LIMIT_BYTES
        place = self._place(name)
        return None if place is None else self._sizes_bytes[place]

    def receive(self, name: str, body: bytes, *, is_here: bool) -> bytes:
        """Takes what a page sends; `ValueError` where it is nothing that was asked for."""
        if name == _EXCHANGE:
            message = typed(parse(body), messages.Exchange)
            return json.dumps(self._exchange(message, is_here=is_here)).encode()
        with self._changed:
            place = self._place(name)
            if place is None or len(body) != self._sizes_bytes[place]:
                raise ValueError("an output that nobody asked for")
            self._outputs[place] = body
            self._last_seen_s = time.monotonic()
        return b"{}"

    def _place(self, name):
        """Which output of the present request is called so, None where it is none."""
        prefix = f"{_OUTPUT}{self._number}/"
        rest = name.removeprefix(prefix)
        if self._request is None or rest == name or not (rest.isascii() and rest.isdigit()):
            return None
        # Longer numbers would take long to read.
        return int(rest) if len(rest) <= 4 and int(rest) < len(self._sizes_bytes) else None

    def _exchange(self, message, *, is_here):
        """What the page is told: its next request, nothing to do yet, or to stop."""
        with self._changed:
            if message.page not in self._gone and self._is_let_in(message, is_here=is_here):
                self._note(message)
            # A page that nobody sees gets nothing to do: its browser would slow it down.
            until_s = time.monotonic() + (0 if message.is_hidden else _POLL_S)
            while message.page not in self._gone:
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    return {}
                if self._waits_for_this_page():
                    self._last_seen_s = time.monotonic()
                    return {"number": self._number, "request": self._request}
                self._changed.wait(left_s)
            return {"stop": self._gone[message.page]}

    def _waits_for_this_page(self):
        """Whether something is asked for, and not of a page that is gone."""
        is_asked = self._request is not None and self._answer is None
        return is_asked and self._asked_visit == self.visits

    def _is_let_in(self, message, *, is_here):
        """Whether it is the run's page; where it is a new one, the one before is gone."""
        if message.page == self._page:
            return True
        if message.facts is None:
            raise DocumentError("a page that comes says what it is")
        refusal = self.origin and self.origin.refusal(message.facts, is_here=is_here)
        if refusal is not None:
            self._turn_away(message.page, refusal)
            return False
        if self._page is not None:
            self._gone[self._page] = _OVER
        self.visits += 1
        self._page = message.page
        self._present = Visit(self.visits, message.facts, is_here)
        self._changed.notify_all()
        return True

    def _turn_away_present(self, refusal):
        self._turn_away(self._page or "", refusal)
        self._page = self._present = None

    def _turn_away(self, page, refusal):
        self._gone[page] = refusal
        self._say(f"a page was turned away. It is told: {refusal}")
        self._changed.notify_all()

    def _note(self, message):
        """Takes what the run's page says."""
        self._last_seen_s = time.monotonic()
        if message.is_hidden and not self._is_hidden:
            self._say("the page is hidden: it goes on once it is seen again")
        self._is_hidden = message.is_hidden
        if message.is_leaving:
            self._gone[message.page] = _OVER
            self._page = self._present = None
            self._changed.notify_all()
        if message.answer is not None:
            self._take_answer(message.answer)

    def _take_answer(self, answer):
        if answer.number == self._number and self._waits_for_this_page():
            self._answer = answer
            self._changed.notify_all()


def _content(answer: messages.Answer, kind: type[T], request: Mapping) -> T:
    if answer.error is not None:
        raise WorkerError(" ".join(answer.error.split()) or "no message", kind="model")
    try:
        return typed(answer.content, kind)
    except DocumentError as error:
        raise _nonsense(request) from error


def _nonsense(request):
    return WorkerError(f"its page answers nonsense to {request['do']!r}", kind="died")
