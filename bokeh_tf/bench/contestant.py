"""What a run needs of whatever it times, and what is known of it besides its times.

What is known comes in three parts, when a contestant was started, when it has finished and when it
failed. Each part is laid over the earlier ones as JSON in the journal, so that a run can be
continued, and read back as `Known`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from bokeh_tf.bench.results.measurement import (
    Memory,
    OutputComparison,
    Prediction,
    RunVerdict,
    StartCache,
    Startup,
    read_startup,
    read_verdict,
)
from bokeh_tf.bench.subject import Subject
from bokeh_tf.errors import BokehError


@dataclass(frozen=True)
class Started:
    """What the first run showed; the names that measurements share mean the same here.

    Attributes:
        first_ns: time of the first run.
        cold_init_ns: from the model's bytes to one that can run.
        before_load_bytes: memory that the process held before it loaded the model.
        reasons: of the delegate, against parts of the model.
        device: what it runs on, where that is not this machine.
        origin: what a run that is continued must find again, as JSON, where the run's key does not
            hold it.
    """

    first_ns: int
    cold_init_ns: int | None = None
    before_load_bytes: int | None = None
    runtime: str | None = None
    accelerator: str | None = None
    outputs: tuple[OutputComparison, ...] = ()
    verdict: RunVerdict | None = None
    stamp: str | None = None
    reasons: tuple[str, ...] = ()
    device: str | None = None
    origin: Mapping[str, Any] | None = None

    def facts(self) -> dict[str, Any]:
        """As JSON; what an earlier session recorded of a failure no longer holds."""
        return {"failure": None, **asdict(self)}


@dataclass(frozen=True)
class WarmStart:
    """A second start: the fields of `Startup` that it fills; `warm_init_ns` is None
    where it could not be timed.
    """

    warm_init_ns: int | None = None
    warm_init_how: str | None = None
    warm_init_kind: str | None = None
    cache: StartCache | None = None


@dataclass(frozen=True)
class Finished:
    """What is known after the last turn; `outputs` and `verdict` are there where that
    turn's outputs were looked at too.
    """

    peak_bytes: int | None = None
    warm: WarmStart = field(default_factory=WarmStart)
    outputs: tuple[OutputComparison, ...] | None = None
    verdict: RunVerdict | None = None

    def facts(self) -> dict[str, Any]:
        """As JSON; what was not looked at again is as it was."""
        known = asdict(self)
        later = {name: known[name] for name in ("outputs", "verdict") if known[name] is not None}
        return {"peak_bytes": self.peak_bytes, **known["warm"], **later}


@dataclass(frozen=True)
class Failed:
    """Why it is out of the run; `reasons` None leaves those that are known already."""

    failure: str
    verdict: RunVerdict
    reasons: tuple[str, ...] | None = None

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Known:
    """All of a contestant's parts together; `failure` is None where it is well,
    or was when last started.
    """

    failure: str | None
    runtime: str | None
    accelerator: str | None
    startup: Startup | None
    memory: Memory
    outputs: tuple[OutputComparison, ...]
    verdict: RunVerdict | None
    stamp: str | None
    reasons: tuple[str, ...]
    device: str | None


def read_known(facts: Mapping[str, Any]) -> Known:
    """What a journal holds of a contestant; there may be more in it, and
    any of it may be missing.
    """
    verdict = facts.get("verdict")
    return Known(
        failure=facts.get("failure"),
        runtime=facts.get("runtime"),
        accelerator=facts.get("accelerator"),
        startup=read_startup(facts),
        memory=Memory(facts.get("peak_bytes"), facts.get("before_load_bytes")),
        outputs=tuple(OutputComparison(**entry) for entry in facts.get("outputs", ())),
        verdict=None if verdict is None else read_verdict(verdict),
        stamp=facts.get("stamp"),
        reasons=tuple(facts.get("reasons", ())),
        device=facts.get("device"),
    )


class Timeable(Protocol):
    """Something that can take turns. Every method may raise `WorkerError`."""

    @property
    def name(self) -> str:
        """Unique in the run, and the same whenever the same thing is measured."""

    def start(self) -> Started:
        """Gets ready and runs once."""

    def take(self, runs: int, *, settle: bool = False) -> Sequence[int]:
        """Times of `runs` runs in nanoseconds, after an untimed one if `settle`."""

    def finish(self) -> Finished:
        """Called after the last turn."""

    def explain(self, error: BokehError) -> Failed:
        """What to record when a method raised `error`."""

    def close(self) -> None:
        """Frees everything; called once, whatever happened."""


class Contestant(Timeable, Protocol):
    """A model with a setting on a backend of this machine, and all that its
    measurement says of them.
    """

    @property
    def subject(self) -> Subject:
        """The model."""

    @property
    def backend(self) -> str:
        """What computes it, as `Measurement.backend`."""

    @property
    def threads(self) -> int | None:
        """None where the backend has no such setting."""

    @property
    def precision(self) -> str | None:
        """None where the backend has no such setting."""

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Hears what an earlier session recorded of it, which may be nothing, before it is started."""

    def prediction(self) -> Prediction | None:
        """What the static check says of the model on this backend; None where
        there is nothing to check.
        """

    def details(self, known: Known) -> Mapping[str, object]:
        """What only this backend's measurements say, as JSON."""


class Setting(Protocol):
    """A way to run models on a backend of this machine; a frozen dataclass,
    whose fields tell runs apart.
    """

    @property
    def label(self) -> str:
        """What is added to a model's name to tell contestants apart."""

    def contestant(self, subject: Subject, *, timeout_s: float) -> Contestant:
        """The model with this setting, not yet started; `timeout_s` is for one request."""
