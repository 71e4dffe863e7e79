"""The figures of a measurement: a line here is a column of every table, in the terminal,
on the page and in the CSV.

A result that does not have a figure, because it is older than the figure or could not
know it, has an empty cell.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bokeh_tf.bench.report import facts
from bokeh_tf.bench.report.facts import format_ms
from bokeh_tf.bench.results.measurement import SAME_PROCESS, SERIALISED, Measurement, Startup
from bokeh_tf.bench.results.result import Result
from bokeh_tf.bench.results.statistics import Summary

_NS_PER_MS = 1e6
_MEBIBYTE = 2**20
_WARM_FROM = {SERIALISED: "disk", SAME_PROCESS: "process"}

Cell = Callable[[Measurement, Result], str]
Value = Callable[[Measurement], object]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        heading: on the page, with the unit.
        text: its cell.
        short: the heading in the terminal, which says the unit above the table; None: not there.
        short_text: the cell in the terminal where that is another one.
        is_first: it stays in the first table of a narrow terminal.
        kind: what it looks like on the page: "wide", "text", or "" for a number.
        values: (column's name, value) of what the CSV says of it, in units that the name gives.
    """

    heading: str
    text: Cell
    short: str | None = None
    short_text: Cell | None = None
    is_first: bool = False
    kind: str = ""
    values: tuple[tuple[str, Value], ...] = ()

    def short_cell(self, one: Measurement, result: Result) -> str:
        """The cell in the terminal."""
        return (self.short_text or self.text)(one, result)


def _of_summary(value: Callable[[Summary], object]) -> Value:
    return lambda one: None if one.summary is None else value(one.summary)


def _of_startup(value: Callable[[Startup], object]) -> Value:
    return lambda one: None if one.startup is None else value(one.startup)


def _of_cache(name: str) -> Value:
    return lambda one: (
        getattr(one.startup.cache, name) if one.startup and one.startup.cache else None
    )


def _of_memory(name: str) -> Value:
    return lambda one: None if one.memory is None else getattr(one.memory, name)


def _shown(value: Value, form: Callable[..., str]) -> Cell:
    """The cell of a value; empty where there is none."""

    def cell(one: Measurement, _: Result) -> str:
        found = value(one)
        return "" if found is None else form(found)

    return cell


def _milliseconds(value: Value) -> Value:
    """The same value, which is in nanoseconds, in milliseconds."""

    def in_ms(one: Measurement) -> float | None:
        found = value(one)
        return found / _NS_PER_MS if isinstance(found, int | float) else None

    return in_ms


def _mebibytes(size_bytes: float) -> str:
    return f"{size_bytes / _MEBIBYTE:.0f}"


def _fps(fps: float) -> str:
    return f"{fps:.3g}" if fps < 10 else f"{fps:.1f}"


def _statistic(heading: str, short: str, name: str) -> Column:
    """A time of the summary."""
    value = _of_summary(lambda summary: getattr(summary, name))
    return Column(heading, _shown(value, format_ms), short, values=((name, value),))


def _median(one: Measurement, _: Result) -> str:
    return "not timed" if one.summary is None else format_ms(one.summary.median_ms.value)


def _interval(one: Measurement, _: Result) -> str:
    if one.summary is None:
        return ""
    median = one.summary.median_ms
    return f"{format_ms(median.low)} … {format_ms(median.high)}"


def _warm_of(one: Measurement, result: Result) -> str:
    """The warm start, and where another start alone compares with it, that one."""
    warm = _shown(_WARM_INIT, format_ms)(one, result)
    written_ns = facts.written_ns(one.startup)
    return f"{warm} of {format_ms(written_ns / _NS_PER_MS)}" if warm and written_ns else warm


def _warm_from(one: Measurement, _: Result) -> str:
    return _WARM_FROM.get(one.startup.warm_init_kind or "", "") if one.startup else ""


_COLD_INIT = _milliseconds(_of_startup(lambda startup: startup.cold_init_ns))
_WARM_INIT = _milliseconds(_of_startup(lambda startup: startup.warm_init_ns))
_FIRST_RUN = _milliseconds(lambda one: one.samples and one.samples.first_ns)
_COUNT = _of_summary(lambda summary: summary.n)
_FRAMES = _of_summary(lambda summary: summary.fps)
_PEAK = _of_memory("peak_bytes")
_BEFORE = _of_memory("before_load_bytes")

STEADY = (
    Column(
        "median ms",
        _median,
        "median",
        is_first=True,
        values=(("median_ms", _of_summary(lambda summary: summary.median_ms.value)),),
    ),
    Column(
        "95 % interval ms",
        _interval,
        "95 % interval",
        is_first=True,
        kind="wide",
        values=(
            ("median_low_ms", _of_summary(lambda summary: summary.median_ms.low)),
            ("median_high_ms", _of_summary(lambda summary: summary.median_ms.high)),
        ),
    ),
    _statistic("p5 ms", "p5", "p5_ms"),
    _statistic("p90 ms", "p90", "p90_ms"),
    _statistic("p95 ms", "p95", "p95_ms"),
    _statistic("min ms", "min", "min_ms"),
    _statistic("MAD ms", "MAD", "mad_ms"),
    Column("n", _shown(_COUNT, str), "n", is_first=True, values=(("sample_count", _COUNT),)),
    Column(
        "fps", _shown(_FRAMES, _fps), "fps", is_first=True, values=(("frames_per_second", _FRAMES),)
    ),
)
STARTUP = (
    Column(
        "cold init ms",
        _shown(_COLD_INIT, format_ms),
        "cold init",
        values=(("cold_init_ms", _COLD_INIT),),
    ),
    Column(
        "warm init ms",
        _shown(_WARM_INIT, format_ms),
        "warm init",
        short_text=_warm_of,
        values=(("warm_init_ms", _WARM_INIT),),
    ),
    Column(
        "warm from",
        lambda one, _: facts.warm_from(one.startup),
        "warm from",
        short_text=_warm_from,
        kind="text",
        values=(
            ("warm_init_how", _of_startup(lambda startup: startup.warm_init_how)),
            ("warm_init_kind", _of_startup(lambda startup: startup.warm_init_kind)),
            ("cache_bytes", _of_cache("size_bytes")),
            ("cache_cold_init_ms", _milliseconds(_of_cache("cold_init_ns"))),
            ("cache_was_read", _of_cache("was_read")),
        ),
    ),
    Column(
        "first run ms",
        _shown(_FIRST_RUN, format_ms),
        "first run",
        values=(("first_run_ms", _FIRST_RUN),),
    ),
    Column(
        "peak memory MiB",
        _shown(_PEAK, _mebibytes),
        "peak MiB",
        values=(("peak_memory_bytes", _PEAK),),
    ),
    Column(
        "before loading MiB",
        _shown(_BEFORE, _mebibytes),
        values=(("before_load_memory_bytes", _BEFORE),),
    ),
)
# What was asked for; the CSV says it in columns of its own.
HOW = (
    Column("backend", lambda one, _: one.backend, kind="text"),
    Column("runtime", lambda one, _: one.runtime or "", kind="text"),
    Column("threads", _shown(lambda one: one.threads, str), kind="wide"),
    Column("precision", lambda one, _: one.precision or "", kind="text"),
    Column("device", facts.device_name, kind="text"),
    Column("model sha256", lambda one, _: facts.short_sha(one), kind="text digest"),
)


def cells(columns: tuple[Column, ...], one: Measurement, result: Result) -> list[str]:
    """A measurement's cells under some columns, for the page."""
    return [column.text(one, result) for column in columns]
