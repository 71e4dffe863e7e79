"""Reading what a program called benchmark_model printed: the classic TFLite one and
LiteRT's, of any version.

`parse_log` takes any text and never raises. Every line keeps its place, with what it is; lines of
no known form are kept as they are. A number that is missing, damaged, negative, NaN or infinite is
None, never 0 and never a guess. A last line without its end of line may have been cut in the middle
of a number, so it is kept and not believed.

Times are in microseconds, as both programs count them. "First inference" is the first warm-up run.
"""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from bokeh_tf.bench.benchmark_model.grammar import (
    LONGEST_LINE,
    Kind,
    classify,
    finite,
    strip_prefixes,
)
from bokeh_tf.bench.benchmark_model.profile import ProfileReader, ProfileRow
from bokeh_tf.bench.digits import whole

_LINE_END = re.compile(r"\r\r\n|\r\n|\n|\r")
# "ADD: Max version supported: 2. …", "CUSTOM Resampler: …", "DEQUANTIZE: " with nothing after it.
_REASON = re.compile(r"(?P<op>[A-Z][A-Z0-9_]+(?: \w+)?):(?: (?P<reason>.*))?$")
# What a terminal would obey instead of show.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# A line of the first group opens a new run where one of the second stands before it.
_OPENINGS = frozenset(
    {Kind.REASONS, Kind.REPLACED, Kind.APPLIED, Kind.CREATED, Kind.ACCELERATORS, Kind.SESSION}
)
_CLOSINGS = frozenset({Kind.TIMINGS})
_MS_TO_US = 1000
_LITERT_NAMES = {
    "Model initialization": "init",
    "Warmup (first)": "first",
    "Warmup (avg)": "warmup",
    "Inference (avg)": "inference",
}


@dataclass(frozen=True)
class LogLine:
    """One line: `number` counts from 1 in the whole text, `values` are its parts by name.

    `text` is without prefixes, without control characters, and cut where it is absurdly long.
    """

    number: int
    level: str | None
    text: str
    kind: Kind
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self):
        return f"line {self.number}: {self.text}"


@dataclass(frozen=True)
class Statistics:
    """One statistics line ("count=… avg=…"), in microseconds; None for what it does not say.

    Percentiles are printed since TensorFlow 2.15 or so.
    """

    count: int
    first_us: float | None = None
    min_us: float | None = None
    max_us: float | None = None
    mean_us: float | None = None
    std_us: float | None = None
    p5_us: float | None = None
    median_us: float | None = None
    p95_us: float | None = None


@dataclass(frozen=True)
class Memory:
    """Memory of the process in MB: after initialisation, at the end, and the
    peak where it was watched.
    """

    init_mb: float | None = None
    overall_mb: float | None = None
    peak_mb: float | None = None


@dataclass(frozen=True)
class Replacement:
    """A delegate that claims nodes. `total` counts the nodes before this delegate; it
    and the rest may be unsaid.
    """

    delegate: str
    replaced: int
    total: int | None
    partitions: int | None
    subgraph: int
    line: LogLine

    @property
    def is_whole(self) -> bool:
        """Whether it claims all nodes in one piece; a claim made before any
        kernel is built, so no proof.
        """
        return self.replaced > 0 and self.total in (None, self.replaced) and self.partitions == 1

    @property
    def is_partial(self) -> bool:
        """Whether it leaves nodes to others, as far as it says."""
        return (self.total is not None and self.replaced < self.total) or (self.partitions or 1) > 1


@dataclass(frozen=True)
class BenchmarkLog:
    """What one run printed.

    `warmup` and `inference` are None where the log does not tell which of its statistics they
    are. `reasons` are the delegate's own, as "OP: reason". `parameters` are the flags as the
    program understood them, by its labels. `accelerators` are those that NNAPI offers, None where
    it does not say. `runs` is more than 1 where a second start or a second line of timings shows
    that the text holds several.
    """

    lines: tuple[LogLine, ...]
    version: str | None
    parameters: Mapping[str, str]
    unconsumed_flags: tuple[str, ...]
    statistics: tuple[Statistics, ...]
    warmup: Statistics | None
    inference: Statistics | None
    init_us: float | None
    first_us: float | None
    warmup_us: float | None
    inference_us: float | None
    memory: Memory
    replacements: tuple[Replacement, ...]
    reasons: tuple[str, ...]
    accelerators: tuple[str, ...] | None
    profile: tuple[ProfileRow, ...]
    runs: int

    def of(self, *kinds: Kind) -> tuple[LogLine, ...]:
        """The lines of some kinds, in order."""
        return tuple(line for line in self.lines if line.kind in kinds)

    @property
    def started_warm(self) -> bool:
        """Whether the log says that kernels or packed weights came from a cache on disk."""
        return any("warm" in line.values for line in self.of(Kind.API, Kind.NOTE))

    @property
    def unknown(self) -> tuple[LogLine, ...]:
        """The lines of no known form."""
        return self.of(Kind.UNKNOWN, Kind.UNKNOWN_ERROR)


def parse_log(text: str | bytes) -> BenchmarkLog:
    """Parses the output of one run; see `parse_logs` for a text that holds several."""
    lines, profile = _read_lines(text)
    return _build(lines, profile)


def parse_logs(text: str | bytes) -> tuple[BenchmarkLog, ...]:
    """Parses a text that may hold the output of several runs, one after
    another; at least one log.
    """
    lines, profile = _read_lines(text)
    bounds = [0, *_run_starts(lines)[1:], len(lines)]
    return tuple(_build(lines[first:last], profile) for first, last in pairwise(bounds))


def _text(text):
    if not isinstance(text, bytes):
        return text
    # PowerShell's `>` writes UTF-16.
    is_wide = text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return text.decode("utf-16" if is_wide else "utf-8-sig", errors="replace")


def _read_lines(text):
    """The lines that hold something, and the rows of the profile tables."""
    profile, lines, is_listing = ProfileReader(), [], False
    raw_lines = _LINE_END.split(_text(text))
    for number, raw in enumerate(raw_lines, start=1):
        level, message = strip_prefixes(raw)
        if not message:
            continue
        if number == len(raw_lines):
            kind, values = Kind.UNKNOWN, {}
        elif is_listing and (reason := _REASON.match(message)):
            kind, values = (
                Kind.REASON,
                {"op": reason["op"], "reason": (reason["reason"] or "").strip()},
            )
        elif of_profile := profile.read(message, number):
            kind, values = of_profile, {}
        else:
            kind, values = classify(message, level)
        is_listing = kind in (Kind.REASONS, Kind.REASON)
        shown = _CONTROL.sub("\ufffd", message[:LONGEST_LINE])
        lines.append(LogLine(number, level, shown, kind, values))
    return tuple(lines), tuple(profile.rows)


def _run_starts(lines):
    """Indices of the lines at which a run begins."""
    starts, has_ended = [], True
    for index, line in enumerate(lines):
        if line.kind is Kind.START or (has_ended and line.kind in _OPENINGS):
            starts.append(index)
            has_ended = False
        elif line.kind in _CLOSINGS:
            has_ended = True
    return starts


def _build(lines, profile):
    values = _Values(lines)
    statistics = tuple(filter(None, map(_statistics, values.all(Kind.STATISTICS))))
    stated_us, rounded_us = _stated_us(values), _rounded_us(values)
    warmup, inference = _assigned(lines, statistics, stated_us.get("inference"))
    within = [row for row in profile if lines and lines[0].number <= row.line <= lines[-1].number]
    flags = [flag for found in values.all(Kind.UNCONSUMED) for flag in found["flags"].split()]
    accelerators = [found["names"] for found in values.all(Kind.ACCELERATORS)]
    return BenchmarkLog(
        lines=lines,
        version=values.first(Kind.VERSION, "version"),
        parameters={found["label"]: found["value"] for found in values.all(Kind.PARAMETER)},
        unconsumed_flags=tuple(dict.fromkeys(flags)),
        statistics=statistics,
        warmup=warmup,
        inference=inference,
        init_us=_first_known(stated_us.get("init"), rounded_us.get("init")),
        # Without a warm-up run the line of timings says 0.
        first_us=None
        if warmup and warmup.count == 0
        else _first_known(
            stated_us.get("first"), warmup and warmup.first_us, rounded_us.get("first")
        ),
        warmup_us=_first_known(
            stated_us.get("warmup"), warmup and warmup.mean_us, rounded_us.get("warmup")
        ),
        inference_us=_first_known(
            stated_us.get("inference"), inference and inference.mean_us, rounded_us.get("inference")
        ),
        memory=_memory(values),
        replacements=tuple(
            map(_replacement, (line for line in lines if line.kind is Kind.REPLACED))
        ),
        reasons=_reasons(values),
        accelerators=tuple(filter(None, accelerators[0].split(","))) if accelerators else None,
        profile=tuple(within),
        runs=max(1, len(values.all(Kind.START)), len(values.all(Kind.TIMINGS))),
    )


class _Values:
    """The named parts of lines, by kind."""

    def __init__(self, lines):
        self._lines = lines

    def all(self, *kinds):
        return [line.values for line in self._lines if line.kind in kinds]

    def first(self, kind, name):
        return next((values[name] for values in self.all(kind) if name in values), None)


def _statistics(values):
    count = whole(values["count"])
    if count is None:
        return None
    current = finite(values.get("current"))
    if count == 0:
        return Statistics(0)
    names = ("first", "min", "max", "mean", "std", "p5", "median", "p95")
    found = {name: finite(values.get(name)) for name in names}
    # A lone run, and runs that all took the same time, are printed as the last value alone.
    if "first" not in values and (count == 1 or "same" in values):
        found |= dict.fromkeys(("first", "min", "max", "mean"), current)
    if found["mean"] is None:
        return None
    return Statistics(count, **{f"{name}_us": value for name, value in found.items()})


def _assigned(lines, statistics, inference_us):
    """Which statistics are the warm-up's and which the measured runs'."""
    if len(statistics) >= 2:
        return statistics[0], statistics[1]
    if not statistics:
        return None, None
    kinds = [line.kind for line in lines]
    runs_before = kinds[: kinds.index(Kind.STATISTICS)].count(Kind.RUNNING)
    mean_us = statistics[0].mean_us
    if (
        mean_us is not None
        and inference_us is not None
        and abs(mean_us - inference_us) <= 1e-5 * inference_us
    ):
        return None, statistics[0]
    if runs_before == 1:
        return statistics[0], None
    return (None, statistics[0]) if runs_before == 2 else (None, None)


def _stated_us(values):
    """init, first, warmup and inference as the line of timings says them, or where
    there is none, what stands in.
    """
    found = {}
    for entry in values.all(Kind.SESSION):
        init_ms = finite(entry["init_ms"])
        found["init"] = None if init_ms is None else init_ms * _MS_TO_US
    for entry in values.all(Kind.TIMINGS):
        found |= {name: finite(text) for name, text in entry.items()}
    return found


def _rounded_us(values):
    """The same from LiteRT's own block, which has two decimals of a millisecond only."""
    found = {
        _LITERT_NAMES.get(entry["what"]): finite(entry["ms"])
        for entry in values.all(Kind.LITERT_RESULT)
    }
    return {name: ms * _MS_TO_US for name, ms in found.items() if name and ms is not None}


def _first_known(*candidates):
    return next((candidate for candidate in candidates if candidate is not None), None)


def _memory(values):
    found: dict[str, float | None] = {}
    for entry in values.all(Kind.MEMORY):
        for name, text in entry.items():
            found[f"{name}_mb"] = finite(text)
    return Memory(**found)


def _replacement(line):
    numbers = {
        name: line.values.get(name) for name in ("replaced", "total", "partitions", "subgraph")
    }
    replaced, total, partitions, subgraph = map(whole, numbers.values())
    return Replacement(line.values["name"], replaced or 0, total, partitions, subgraph or 0, line)


def _reasons(values):
    """The distinct reasons. An empty one is collateral (a DEQUANTIZE beside a
    refused operation) and left out.
    """
    found = (
        f"{entry['op']}: {entry['reason']}" for entry in values.all(Kind.REASON) if entry["reason"]
    )
    return tuple(dict.fromkeys(found))
