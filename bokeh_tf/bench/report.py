"""A timing run for people: a progress bar while it lasts, then tables and the reasons to doubt them."""

import contextlib

from rich.console import Console, Group
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from bokeh_tf.bench.measurement import SAME_PROCESS, SERIALISED
from bokeh_tf.bench.reason_comparison import HEADINGS

_NS_PER_MS = 1e6
_UNSTABLE = "* unstable: "
_STEADY = ("median", "95 % interval", "fps", "n")
_SPREAD = ("min", "p5", "p90", "p95", "MAD")
_STARTUP = ("cold init", "warm init", "warm from", "first run", "peak MiB")
_WARM_FROM = {SERIALISED: "disk", SAME_PROCESS: "process"}
_MEBIBYTE = 2**20
_WIDE_COLUMNS = 120


@contextlib.contextmanager
def progress(rounds):
    """Shows a bar on a terminal's stderr while its block runs; yields what to call after each of the `rounds`."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("timing", total=rounds)
        yield lambda: bar.advance(task)


def render(result):
    """The result as something `rich` prints."""
    environment = result.environment
    lines = [f"{environment.cpu}, {environment.usable_cores} cores; {_runtimes(result)}; times in milliseconds"]
    lines += [f"{_UNSTABLE}{reason}" for reason in result.doubts]
    lines += _warm_starts(result.measurements)
    for measurement in result.measurements:
        lines += [f"! {measurement.name}: {measurement.stamp}"] if measurement.stamp else []
        lines += _about(measurement)
        lines += [f"{_UNSTABLE}{measurement.name}: {'; '.join(measurement.doubts)}"] if measurement.doubts else []
    # Text, not str: a file name may contain what rich would read as markup.
    return Group(_Tables(result.measurements), *map(Text, lines))


class _Tables:
    """The steady times, their spread, the start-up: in fewer tables where there is room for more columns."""

    def __init__(self, measurements):
        self._measurements = measurements

    def __rich_console__(self, console, options):
        parts = [(_STEADY, _steady_cells), (_SPREAD, _spread_cells), (_STARTUP, _startup_cells)]
        if options.max_width >= _WIDE_COLUMNS:
            parts[:2] = [(_STEADY + _SPREAD, lambda one: _steady_cells(one) + _spread_cells(one))]
        for headings, cells_of in parts:
            yield _table(self._measurements, headings, cells_of)


def _runtimes(result):
    named = [measurement.runtime for measurement in result.measurements if measurement.runtime]
    return ", ".join(dict.fromkeys(named)) or result.environment.runtime


def _warm_starts(measurements):
    """How the warm starts were measured, each way once."""
    startups = [one.startup for one in measurements if one.startup and one.startup.warm_init_how]
    for how in dict.fromkeys(startup.warm_init_how for startup in startups):
        is_paired = any(_written_ns(startup) for startup in startups if startup.warm_init_how == how)
        note = "; after 'of' stands the start that wrote it, which alone compares with it" if is_paired else ""
        yield f"warm init: {how}{note}"


def _written_ns(startup):
    """How long the start took that wrote the cache of the warm one; None without one."""
    return startup and startup.cache and startup.cache.cold_init_ns


def _about(measurement):
    """Lines on the verdict of a delegate, what it computed and what was predicted; nothing on an ordinary CPU run."""
    verdict, prediction = measurement.verdict, measurement.prediction
    lines = []
    if verdict is not None and (not verdict.outcome.passed or prediction is not None):
        lines.append(f"{measurement.name}: {verdict.outcome}: {verdict.why}")
        lines += [f"    {line}" for line in verdict.evidence]
    for output in measurement.outputs if prediction is not None else ():
        lines.append(f"    {output.name} against the CPU: {_difference(output)}")
    if prediction is not None:
        taken = f"{prediction.nodes_delegated} of {prediction.nodes} nodes"
        lines.append(f"    predicted by {prediction.target}, {prediction.release}: {prediction.verdict}, {taken}")
        lines += [f"        {reason}" for reason in prediction.reasons]
    compared = measurement.details.get("predicted_and_logged", {})
    for part, heading in HEADINGS.items():
        texts = (entry if isinstance(entry, str) else " / ".join(entry) for entry in compared.get(part, ()))
        lines += [f"    {heading}: {text}" for text in texts]
    return lines


def _difference(output):
    if output.non_finite_count:
        return f"{output.non_finite_count} values are not finite"
    if output.max_abs is None:
        return output.problem
    psnr = "equal" if output.psnr_db is None else f"{output.psnr_db:.1f} dB"
    return f"{psnr}, largest error {output.max_abs:.2g}" + (f": {output.problem}" if output.problem else "")


def _table(measurements, headings, cells_of):
    table = Table()
    table.add_column("", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for measurement in measurements:
        table.add_row(Text(measurement.name), *cells_of(measurement))
    return table


def _startup_cells(measurement):
    startup, samples, memory = measurement.startup, measurement.samples, measurement.memory
    times_ns = (
        startup and startup.cold_init_ns,
        startup and startup.warm_init_ns,
        samples and samples.first_ns,
    )
    peak_bytes = memory and memory.peak_bytes
    peak = "" if peak_bytes is None else f"{peak_bytes / _MEBIBYTE:.0f}"
    cold, warm, first = ("" if time_ns is None else format_ms(time_ns / _NS_PER_MS) for time_ns in times_ns)
    written_ns = _written_ns(startup)
    warm += f" of {format_ms(written_ns / _NS_PER_MS)}" if warm and written_ns else ""
    return cold, warm, _WARM_FROM.get(startup and startup.warm_init_kind, ""), first, peak


def _steady_cells(measurement):
    summary = measurement.summary
    if summary is None:
        return ("not timed",) + ("",) * (len(_STEADY) - 1)
    median = summary.median_ms
    marks = (" !" if measurement.stamp else "") + (" *" if measurement.doubts else "")
    interval = f"{format_ms(median.low)} … {format_ms(median.high)}"
    return format_ms(median.value) + marks, interval, f"{summary.fps:.1f}", str(summary.n)


def _spread_cells(measurement):
    summary = measurement.summary
    if summary is None:
        return ("",) * len(_SPREAD)
    values_ms = (summary.min_ms, summary.p5_ms, summary.p90_ms, summary.p95_ms, summary.mad_ms)
    return tuple(map(format_ms, values_ms))


def format_ms(value_ms):
    """Milliseconds with three significant digits, at most three decimals."""
    decimals = 0 if value_ms >= 100 else 1 if value_ms >= 10 else 2 if value_ms >= 1 else 3
    return f"{value_ms:.{decimals}f}"
