"""A page that doubles its inputs, in the place of a browser: it speaks to a `Tab` as the real one does."""

import contextlib
import http.client
import json
import threading
from urllib.parse import urlsplit

import numpy as np

TIMEOUT_S = 600
HERE = {
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36",
    "logical_cores": 4,
    "is_isolated": True,
}
GPU = {
    "vendor": "arm",
    "architecture": "valhall",
    "device": "",
    "description": "",
    "is_fallback": False,
    "has_float16": True,
}
SOFTWARE = {**GPU, "vendor": "google", "architecture": "swiftshader"}
RUN_NS = 2_000_000


class FakePage:
    """One page at an address; `work` is what it does otherwise for a request of that name, a
    function of the page and the request that returns the answer's content.
    """

    def __init__(self, address, *, name="a1", facts=HERE, adapter=GPU, factors=(2, 2, 2), **work):
        self.address, self._parts = address, urlsplit(address)
        self.name, self._facts, self._adapter = name, facts, adapter
        self._factors = list(factors)
        self._work = work
        self._inputs = {}
        self.asked = []

    def post(self, name, body, **headers):
        """(status, answer) to something that is sent."""
        with self._connection() as connection:
            connection.request("POST", self._parts.path + name, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def exchange(self, **message):
        """What the command answers to a message."""
        body = json.dumps({"page": self.name, "facts": self._facts, **message})
        status, answer = self.post("exchange", body)
        assert status == 200, status
        return json.loads(answer)

    def fetch(self, name):
        """The content of one of the page's files."""
        with self._connection() as connection:
            connection.request("GET", self._parts.path + name)
            return connection.getresponse().read()

    def _connection(self):
        """One that is closed at the end of its block, also where the command has ended first."""
        return contextlib.closing(http.client.HTTPConnection(self._parts.netloc, timeout=TIMEOUT_S))

    def serve(self):
        """Does what it is asked for until it is told to stop, or loses its connection; returns
        what it was told, None where it lost it.
        """
        answer = None
        while True:
            try:
                told = self.exchange(answer=answer)
            except (OSError, http.client.HTTPException):
                return None
            if "stop" in told:
                return told["stop"]
            answer = None
            if told.get("request"):
                answer = self.answer(told["number"], told["request"])

    def start(self):
        """Serves in a thread."""
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def answer(self, number, request):
        """The answer to one request."""
        self.asked.append(request["do"])
        work = self._work.get(request["do"]) or getattr(FakePage, request["do"])
        return {"number": number, "content": work(self, {**request, "number": number})}

    def open(self, request):
        [port] = request["inputs"]
        self._inputs[request["key"]] = np.frombuffer(self.fetch(port["place"]), port["type"])
        return {
            "cold_init_ns": 8_000_000,
            "runtime_load_ns": 5_000_000,
            "clock_step_ns": 5_000,
            "is_fully_accelerated": True,
            "adapter": self._adapter if request["accelerator"] == "webgpu" else None,
        }

    def run(self, request):
        return {"times_ns": [RUN_NS] * request["runs"]}

    def read(self, request):
        """Sends what was computed: the input times the next of its factors."""
        factor = self._factors.pop(0) if len(self._factors) > 1 else self._factors[0]
        made = self._inputs[request["key"]] * np.float32(factor)
        status, _ = self.post(f"output/{request['number']}/0", made.tobytes())
        assert status == 200
        return {}

    def recompile(self, request):
        return {"warm_init_ns": 3_000_000}
