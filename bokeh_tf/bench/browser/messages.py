"""What a page may send, as types that check their own values: it is as foreign as any file."""

from dataclasses import dataclass
from typing import Any

from bokeh_tf.bench.results.validation import LARGEST

LIMIT_BYTES = 1_000_000
_MOST_CHARACTERS = 1000
_MOST_TIMES = 100_000
_PAGE_CHARACTERS = 32


@dataclass(frozen=True)
class Adapter:
    """The GPU as WebGPU names it; browsers leave out what could tell people apart."""

    vendor: str
    architecture: str
    device: str
    description: str
    is_fallback: bool
    has_float16: bool

    def __post_init__(self):
        _check_texts(self.vendor, self.architecture, self.device, self.description)

    @property
    def name(self) -> str:
        """All that is known of it; empty where that is nothing."""
        parts = (self.vendor, self.architecture, self.device, self.description)
        return " ".join(dict.fromkeys(part for part in parts if part.strip()))


@dataclass(frozen=True)
class PageFacts:
    """What a page says of its browser when it arrives; where it is isolated it may use threads."""

    user_agent: str
    logical_cores: int
    is_isolated: bool

    def __post_init__(self):
        _check_texts(self.user_agent)
        _check_numbers(self.logical_cores)


@dataclass(frozen=True)
class Answer:
    """What came of request `number`: `content`, or an error."""

    number: int
    content: dict[str, Any] | None = None
    error: str | None = None

    def __post_init__(self):
        if (self.content is None) == (self.error is None):
            raise ValueError("an answer has content or an error")
        _check_texts(self.error or "")


@dataclass(frozen=True)
class Exchange:
    """One message: a page says that it is there, and what it has finished.

    Attributes:
        page: a page's own name, made when it was loaded.
        facts: with its first message.
        is_hidden: nobody sees it, so its browser may slow it down: it times nothing until then.
        is_leaving: it is closed or loaded anew.
    """

    page: str
    facts: PageFacts | None = None
    is_hidden: bool = False
    is_leaving: bool = False
    answer: Answer | None = None

    def __post_init__(self):
        if not (self.page.isascii() and self.page.isalnum()) or len(self.page) > _PAGE_CHARACTERS:
            raise ValueError("a page has a name")


@dataclass(frozen=True)
class Opened:
    """A model was compiled.

    Attributes:
        runtime_load_ns: how long LiteRT.js took to load, before.
        clock_step_ns: the smallest step of the page's clock; shorter runs count as one step.
        is_fully_accelerated: what LiteRT.js says; it is true on WASM too, so alone it proves nothing.
        adapter: what computes; None on WASM.
    """

    cold_init_ns: int
    runtime_load_ns: int
    clock_step_ns: int
    is_fully_accelerated: bool
    adapter: Adapter | None

    def __post_init__(self):
        _check_times((self.cold_init_ns, self.runtime_load_ns, self.clock_step_ns))


@dataclass(frozen=True)
class Ran:
    """Times of runs."""

    times_ns: tuple[int, ...]

    def __post_init__(self):
        if not 0 < len(self.times_ns) <= _MOST_TIMES:
            raise ValueError("runs have times")
        _check_times(self.times_ns)


@dataclass(frozen=True)
class Read:
    """The outputs of the last run were sent."""


@dataclass(frozen=True)
class Recompiled:
    """The model was dropped and compiled for a second time."""

    warm_init_ns: int

    def __post_init__(self):
        _check_times((self.warm_init_ns,))


def _check_texts(*texts):
    if any(len(text) > _MOST_CHARACTERS for text in texts):
        raise ValueError(f"a text is longer than {_MOST_CHARACTERS} characters")


def _check_numbers(*numbers):
    if not all(0 <= number < LARGEST for number in numbers):
        raise ValueError("a number is not plausible")


def _check_times(times_ns):
    if not all(0 < time_ns < LARGEST for time_ns in times_ns):
        raise ValueError("a time is not plausible")
