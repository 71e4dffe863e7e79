"""What one contender of a timing run leaves behind: times, start-up, memory, verdict,
outputs, prediction, doubts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.bench.results.statistics import Summary, find_doubts, summarise

HOST = "host"
# What a sample is: one run, or what a tool that keeps no raw times said about a round.
RUN, ROUND_MEDIAN, ROUND_MEAN = "run", "round median", "round mean"
# What made a second start warm: a cache on disk that a new process read, or the process
# that had loaded it before.
SERIALISED, SAME_PROCESS = "serialised", "same process"
# A part of a backend's name, and its family; the first that fits counts.
_FAMILIES = (
    ("nnapi", "NNAPI"),
    ("gpu", "GPU"),
    ("opengl", "GPU"),
    ("opencl", "GPU"),
    ("cpu", "CPU"),
    ("xnnpack", "CPU"),
    ("litert", "CPU"),
    ("tflite", "CPU"),
)


def backend_family(backend: str) -> str | None:
    """CPU, GPU or NNAPI: what was asked to compute, by the name of a
    backend; None for any other.
    """
    name = backend.lower()
    return next((family for part, family in _FAMILIES if part in name), None)


@dataclass(frozen=True)
class StartCache:
    """A cache on disk: one start wrote it, a new process started from it, both
    through the same interface.

    Attributes:
        size_bytes: of the files written; `None` where the phone does not say.
        cold_init_ns: of the start that wrote them, which is what the warm one compares with.
        was_read: whether the warm start is known to have used them; `None` where nothing tells.
    """

    size_bytes: int | None
    cold_init_ns: int | None
    was_read: bool | None


@dataclass(frozen=True)
class Startup:
    """Times from a model's bytes to one that can run.

    Attributes:
        cold_init_ns: of the process that is then timed.
        warm_init_kind: `SERIALISED` or `SAME_PROCESS`.
        warm_init_how: the same in a sentence.
        cache: for `SERIALISED` only.
    """

    cold_init_ns: int | None
    warm_init_ns: int | None = None
    warm_init_how: str | None = None
    warm_init_kind: str | None = None
    cache: StartCache | None = None


def read_startup(facts: Mapping) -> Startup | None:
    """The start-up among a contestant's facts, which may hold more; None where there is none."""
    if facts.get("cold_init_ns") is None:
        return None
    cache = facts.get("cache")
    names = ("cold_init_ns", "warm_init_ns", "warm_init_how", "warm_init_kind")
    return Startup(
        **{name: facts.get(name) for name in names},
        cache=None if cache is None else StartCache(**cache),
    )


@dataclass(frozen=True)
class Memory:
    """Most memory the measuring process ever held (resident), and what it held
    before it loaded the model.
    """

    peak_bytes: int | None
    before_load_bytes: int | None


@dataclass(frozen=True)
class RunVerdict:
    """Who computed the model, why that is believed, and the lines it rests on."""

    outcome: DelegateOutcome
    why: str
    evidence: tuple[str, ...] = ()


def read_verdict(entry: Mapping[str, Any]) -> RunVerdict:
    """A verdict from JSON; `ValueError` or `KeyError` where it is none."""
    outcome = DelegateOutcome(entry["outcome"])
    return RunVerdict(**{**entry, "outcome": outcome, "evidence": tuple(entry["evidence"])})


@dataclass(frozen=True)
class OutputComparison:
    """One output against the CPU's. `psnr_db` is None where it is not a number: equal
    arrays, or values not finite.

    `problem` says why the difference is too large, None where it is not.
    """

    name: str
    psnr_db: float | None
    max_abs: float | None
    non_finite_count: int
    problem: str | None


@dataclass(frozen=True)
class Prediction:
    """What the static check says a delegate does with the model, before anything runs."""

    target: str
    release: str
    verdict: str
    nodes: int
    nodes_delegated: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Measurement:
    """One contender of a result.

    Attributes:
        name: unique in its result.
        model, model_sha256: file name and digest, `None` for what is not a model.
        backend: what computed it, for example "litert-xnnpack" or "litert-gpu".
        runtime: name and version of the library that ran it.
        threads, precision: `None` where the backend has no such setting.
        device: "host", or a key of the result's `devices`.
        accelerator: the GPU adapter's or the driver's name.
        samples, summary: `None` where nothing could be timed; the verdict then says why.
        sample_kind: "run", or "round median" where a tool keeps no times of single runs.
        stamp: what must be said wherever the times are shown, for example "not a GPU timing".
        doubts: why the times are unstable and what to do; empty when they are not.
        details: whatever else the backend knows, as JSON: flags as
            understood, thermal state, log file.
    """

    name: str
    model: str | None
    model_sha256: str | None
    backend: str
    threads: int | None
    samples: Samples | None
    summary: Summary | None
    doubts: tuple[str, ...]
    runtime: str | None = None
    precision: str | None = None
    device: str = HOST
    accelerator: str | None = None
    startup: Startup | None = None
    memory: Memory | None = None
    sample_kind: str = RUN
    verdict: RunVerdict | None = None
    outputs: tuple[OutputComparison, ...] = ()
    prediction: Prediction | None = None
    stamp: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


def make_measurement(
    name: str,
    samples: Samples,
    *,
    backend: str,
    threads: int | None,
    model: str | None = None,
    model_sha256: str | None = None,
    load_ns: int | None = None,
    runtime: str | None = None,
) -> Measurement:
    """A `Measurement` of `samples` on the host, with its summary and doubts."""
    summary = summarise(samples.rounds_ns)
    return Measurement(
        name=name,
        model=model,
        model_sha256=model_sha256,
        backend=backend,
        threads=threads,
        samples=samples,
        summary=summary,
        doubts=find_doubts(samples, summary),
        runtime=runtime,
        startup=None if load_ns is None else Startup(load_ns),
    )
