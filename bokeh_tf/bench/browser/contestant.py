"""A model in a browser, by LiteRT.js, on WASM or WebGPU.

Timed is one run, from its call until its outputs are there: on the GPU until its queue is empty, for
the call returns before. The inputs are in their buffers already, and outputs are read back for runs
1, 2 and the last only, untimed.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bokeh_tf.bench.browser import messages
from bokeh_tf.bench.browser.judging import (
    Agreement,
    browser_name,
    is_elsewhere,
    is_software,
    stamp_of,
    verdict_of_gpu,
    verdict_of_wasm,
)
from bokeh_tf.bench.browser.origin import Origin, Visit
from bokeh_tf.bench.browser.tab import PageLostError, Tab
from bokeh_tf.bench.contestant import Failed, Finished, Known, Started, WarmStart
from bokeh_tf.bench.host.timing_worker import random_input
from bokeh_tf.bench.host.worker_process import WorkerError
from bokeh_tf.bench.results.measurement import SAME_PROCESS, RunVerdict
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.subject import SEED, Subject
from bokeh_tf.bench.vocabulary import BROWSER_SETTINGS
from bokeh_tf.documents import DocumentError, typed
from bokeh_tf.errors import BokehError
from bokeh_tf.paths import printable
from bokeh_tf.web.runtime import VERSION

_WASM, _, _FLOAT16 = BROWSER_SETTINGS
# The types that LiteRT.js has arrays of.
_TYPES = ("float32", "int32", "uint8")
# A page that is lost is asked again when it is back, but not by something that kills it each time.
_MOST_LOSSES = 3
_SECOND_COMPILATION = "second compilation in the same page"
T = TypeVar("T")


class SoftwareAdapterError(WorkerError):
    """A software adapter that was not allowed."""


@dataclass(frozen=True)
class BrowserSetting:
    """How a page runs a model: one of `BROWSER_SETTINGS`, with threads on WASM.

    `tab` is the page that all settings of a run share; it is no field, for what tells runs apart is
    what is measured, and not where the page is.
    """

    kind: str
    threads: int | None = None
    allow_software: bool = False
    tab: InitVar[Tab | None] = None

    def __post_init__(self, tab):
        object.__setattr__(self, "_tab", tab)

    @property
    def is_on_gpu(self) -> bool:
        """Whether WebGPU is asked to compute it."""
        return self.kind != _WASM

    @property
    def is_half(self) -> bool:
        """Whether it computes in half precision."""
        return self.kind == _FLOAT16

    @property
    def label(self) -> str:
        """What is added to a model's name to tell contestants apart."""
        if self.is_on_gpu:
            return f"browser WebGPU{' float16' if self.is_half else ''}"
        return f"browser WASM, {self.threads} thread{'' if self.threads == 1 else 's'}"

    def contestant(self, subject: Subject, *, timeout_s: float) -> "BrowserContestant":
        """The model with this setting, not yet started; `timeout_s` is for one request."""
        return BrowserContestant(subject, self, vars(self)["_tab"], timeout_s=timeout_s)


class BrowserContestant:
    """A model with a setting in the page; a `contestant.Contestant`."""

    def __init__(self, subject: Subject, setting: BrowserSetting, tab: Tab, *, timeout_s: float):
        self.subject, self.setting = subject, setting
        self.name = f"{subject.name}, {setting.label}"
        self.backend = "litertjs-webgpu" if setting.is_on_gpu else "litertjs-wasm"
        self.threads = None if setting.is_on_gpu else setting.threads
        self.precision = None
        if setting.is_on_gpu:
            self.precision = "float16" if setting.is_half else "float32"
        self._tab, self._timeout_s = tab, timeout_s
        self._files = _Files(subject)
        self._tab.join(self._files.content())
        is_coarse = setting.is_half or subject.is_quantised
        self._agreement = Agreement(subject, is_coarse=is_coarse)
        self._visit: Visit | None = None
        self._opened: messages.Opened

    def recall(self, facts: Mapping[str, Any]) -> None:
        """A continued run goes on in the browser that it began in."""
        # What is damaged counts as not written, as everywhere in a journal.
        with contextlib.suppress(DocumentError):
            if "origin" in facts:
                self._tab.expect(typed(facts["origin"], Origin))

    def start(self) -> Started:
        """Compiles the model, looks at the adapter, runs twice and reads both runs."""
        return self._in_a_page(self._start)

    def take(self, runs: int, *, settle: bool = False) -> Sequence[int]:
        """Times runs."""
        return self._in_a_page(lambda: self._run(runs, settle=settle))

    def finish(self) -> Finished:
        """Reads the last run, and compiles once more in the same page."""
        return self._in_a_page(self._finish)

    def explain(self, error: BokehError) -> Failed:
        """The page's own words."""
        is_software_only = isinstance(error, SoftwareAdapterError)
        outcome = DelegateOutcome.WRONG_BACKEND if is_software_only else DelegateOutcome.FAILED_INIT
        return Failed(str(error), RunVerdict(outcome, str(error)))

    def close(self) -> None:
        """Leaves the page."""
        self._tab.leave()

    def prediction(self) -> None:
        """The static checks are those of other releases."""

    def details(self, known: Known) -> dict[str, object]:
        """What the browser says of itself, and how each run that was read agreed."""
        if self._visit is None:
            return {}
        return {
            "browser": asdict(self._visit.facts),
            "opened": asdict(self._opened),
            "agreement": self._agreement.details(),
        }

    def _in_a_page(self, act: Callable[[], T]) -> T:
        """Does `act` in a page that has the model; once more in the next page where it is lost."""
        for _ in range(_MOST_LOSSES):
            try:
                visit = self._tab.wait_for_page(timeout_s=self._timeout_s)
                if visit != self._visit:
                    self._open(visit)
                return act()
            except PageLostError:
                continue
        raise WorkerError(f"its page was lost {_MOST_LOSSES} times in the same place", kind="died")

    def _open(self, visit):
        self._check_threads(visit.facts)
        request = {
            "do": "open",
            "key": self.name,
            "accelerator": "webgpu" if self.setting.is_on_gpu else "wasm",
            "precision": "fp16" if self.setting.is_half else "fp32",
            "threads": self.threads or 1,
            **self._files.request(),
        }
        opened = self._tab.ask(visit, request, messages.Opened, timeout_s=self._timeout_s)
        if self.setting.is_on_gpu:
            self._check_adapter(opened.adapter)
        self._opened, self._visit = opened, visit

    def _check_threads(self, page):
        """Refuses threads that never come: whoever waits for one waits for ever."""
        threads = self.threads or 1
        if threads > 1 and not page.is_isolated:
            raise WorkerError("this browser gives the page no threads", kind="runtime")
        if threads > max(1, page.logical_cores):
            raise WorkerError(
                f"this browser has {page.logical_cores} threads, not {threads}", kind="runtime"
            )

    def _check_adapter(self, adapter):
        if adapter is None:
            raise WorkerError("its page names no adapter", kind="died")
        if is_software(adapter) and not self.setting.allow_software:
            raise SoftwareAdapterError(
                f"{adapter.name} is a software adapter, so its times say nothing about a GPU."
                " --allow-software times it all the same",
                kind="runtime",
            )
        self._tab.keep_to(adapter)

    def _start(self) -> Started:
        (first_ns,) = self._run(1)
        visit, adapter = self._opened_in, self._opened.adapter
        origin = self._tab.bind(visit, adapter)
        self._read("run 1")
        self._run(1)
        self._read("run 2")
        user_agent = visit.facts.user_agent
        name = browser_name(user_agent)
        return Started(
            first_ns=first_ns,
            cold_init_ns=self._opened.cold_init_ns,
            runtime=f"LiteRT.js {VERSION}, {name}",
            device=name if is_elsewhere(user_agent, is_here=visit.is_here) else None,
            accelerator=None if adapter is None else adapter.name or None,
            outputs=self._agreement.worst(),
            verdict=self._verdict(),
            stamp=None if adapter is None else stamp_of(adapter),
            origin=asdict(origin),
        )

    def _finish(self) -> Finished:
        self._read("last run")
        warm = self._ask({"do": "recompile", "key": self.name}, messages.Recompiled)
        return Finished(
            warm=WarmStart(warm.warm_init_ns, _SECOND_COMPILATION, SAME_PROCESS),
            outputs=self._agreement.worst(),
            verdict=self._verdict(),
        )

    def _verdict(self):
        opened = self._opened
        if opened.adapter is None:
            return verdict_of_wasm(self._agreement)
        return verdict_of_gpu(
            self._agreement, opened.adapter, is_fully_accelerated=opened.is_fully_accelerated
        )

    @property
    def _opened_in(self):
        """The page that has the model."""
        assert self._visit is not None
        return self._visit

    def _run(self, runs, *, settle=False):
        request = {"do": "run", "key": self.name, "runs": runs, "settle": settle}
        times_ns = self._ask(request, messages.Ran).times_ns
        if len(times_ns) != runs:
            raise WorkerError(f"its page ran {len(times_ns)} times, not {runs}", kind="died")
        return times_ns

    def _read(self, run):
        request = {"do": "read", "key": self.name}
        sizes_bytes = self._files.output_sizes_bytes()
        bodies = self._tab.read(self._opened_in, request, sizes_bytes, timeout_s=self._timeout_s)
        self._agreement.add(run, self._files.arrays(bodies))

    def _ask(self, request, kind):
        return self._tab.ask(self._opened_in, request, kind, timeout_s=self._timeout_s)


class _Files:
    """What the page fetches and sends for a model, and where."""

    def __init__(self, subject: Subject):
        self._subject = subject
        file = subject.model_file
        self._inputs, self._outputs = file.inputs, file.outputs
        self._signature = next(iter(file.signatures), None)

    def content(self) -> dict[str, bytes | Path]:
        """What can be fetched, by its place."""
        inputs = {
            self._input_place(place): random_input(
                tuple(tensor.shape), tensor.dtype, SEED, tensor.index
            ).tobytes()
            for place, tensor in enumerate(self._inputs)
        }
        return {self._place(): self._subject.path, **inputs}

    def request(self) -> dict[str, object]:
        """Where to fetch what; names are the signature's."""
        input_names, output_names = self._names()
        for tensor in (*self._inputs, *self._outputs):
            if tensor.dtype not in _TYPES:
                known = ", ".join(_TYPES)
                raise WorkerError(
                    f"LiteRT.js has no arrays of {tensor.dtype}, only of {known}", kind="model"
                )
        inputs = [
            {
                "name": name,
                "shape": list(tensor.shape),
                "type": tensor.dtype,
                "place": self._input_place(place),
            }
            for place, (name, tensor) in enumerate(zip(input_names, self._inputs, strict=True))
        ]
        return {
            "model": self._place(),
            "inputs": inputs,
            "outputs": output_names,
        }

    def _names(self):
        """(inputs', outputs') as LiteRT.js calls them, which takes the first signature."""
        signature = self._signature
        if signature is None:
            return [one.name for one in self._inputs], [one.name for one in self._outputs]
        names = (
            _names_in(signature.inputs, self._inputs),
            _names_in(signature.outputs, self._outputs),
        )
        if signature.subgraph != 0 or None in (*names[0], *names[1]):
            raise WorkerError(
                f"its first signature, {printable(signature.key)}, is not its main graph's",
                kind="model",
            )
        return names

    def output_sizes_bytes(self) -> tuple[int, ...]:
        """Of the outputs, in the graph's order."""
        expected = self._subject.expected
        return tuple(expected[tensor.index].nbytes for tensor in self._outputs)

    def arrays(self, bodies: Sequence[bytes]) -> dict[int, np.ndarray]:
        """What was sent, by tensor index."""
        arrays = {}
        for tensor, body in zip(self._outputs, bodies, strict=True):
            expected = self._subject.expected[tensor.index]
            arrays[tensor.index] = np.frombuffer(body, expected.dtype).reshape(expected.shape)
        return arrays

    def _place(self):
        return f"models/{self._subject.sha256}.tflite"

    def _input_place(self, place):
        return f"inputs/{self._subject.sha256}/{place}"


def _names_in(ports, tensors):
    """The names of tensors among a signature's ports, None for one that is not there."""
    names = {index: name for name, index in ports.items()}
    return [names.get(tensor.index) for tensor in tensors]
