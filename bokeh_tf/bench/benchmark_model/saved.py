"""Logs that somebody already has: each run in them as a measurement, with the
verdict on who computed it.

A log holds no exit status. One that ends with its results and without an error is taken as that of
a program that ended well, and the measurement says so.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from bokeh_tf.bench.benchmark_model.grammar import Kind
from bokeh_tf.bench.benchmark_model.log import BenchmarkLog, parse_logs
from bokeh_tf.bench.benchmark_model.times import steady_us, to_ns, was_flat
from bokeh_tf.bench.benchmark_model.verdict import judge
from bokeh_tf.bench.results.environment import read_environment
from bokeh_tf.bench.results.measurement import Measurement, Memory, RunVerdict, Startup
from bokeh_tf.bench.results.result import Result, utc_now
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.bench.results.statistics import summarise
from bokeh_tf.errors import CheckError, Refuse, spared
from bokeh_tf.paths import printable, read_bytes

_LIMIT_BYTES = 64_000_000
_MEGABYTE = 1_000_000
_ENDED_WELL = 0
# Lines that any program might print; a text with no other is no log of ours.
_ANYBODYS = frozenset({Kind.UNKNOWN, Kind.UNKNOWN_ERROR, Kind.COMMENT, Kind.PARAMETER, Kind.VALUES})
_PRECISIONS = {"1": "fp16", "0": "fp32"}
_PRECISION_LABEL = "Allow lower precision in gpu"
_ELSEWHERE = (
    "read from logs: the machine above read them, the times are of the devices that wrote them"
)
_UNEVEN = "its last warm-up runs did not take as long as the measured ones"
_NO_STATUS = (
    "a log holds no exit status; its results were taken for a good end (--exit-code says otherwise)"
)


def read_logs(
    paths: Sequence[Path | str],
    *,
    wanted_backend: str,
    exit_code: int | None = None,
    refuse: Refuse | None = None,
) -> Result:
    """Every run in the files `paths`, in order.

    Args:
        wanted_backend: one of `flags.BACKENDS`, which the runs were meant to use.
        exit_code: that the programs ended with; None where nobody knows.
        refuse: gets the error of each file that is passed over; None raises the first.

    Raises:
        CheckError: a file cannot be read or holds no line of a benchmark_model, in one line.
    """
    measurements: list[Measurement] = []
    for path, logs in spared(paths, lambda path: (path, _runs_in(path)), refuse=refuse):
        for number, log in enumerate(logs, start=1):
            name = Path(path).stem if len(logs) == 1 else f"{Path(path).stem}, run {number}"
            name = _distinct(printable(name), measurements)
            measurements.append(_measurement(log, name, wanted_backend, exit_code))
    return Result(
        created_utc=utc_now(),
        environment=read_environment(),
        doubts=(_ELSEWHERE,),
        measurements=tuple(measurements),
        devices={measurement.device: {} for measurement in measurements},
    )


def _runs_in(path):
    shown = printable(path)
    try:
        content = read_bytes(path, limit_bytes=_LIMIT_BYTES)
    except OSError as error:
        text = f"cannot read this log ({error.strerror or error}). Check the path."
        raise CheckError(f"{shown}: {text}") from error
    logs = [
        log for log in parse_logs(content) if any(line.kind not in _ANYBODYS for line in log.lines)
    ]
    if not logs:
        text = "no line of a benchmark_model in it. Give what the program printed, or a logcat."
        raise CheckError(f"{shown}: {text}")
    return logs


def _distinct(name, measurements):
    taken, candidate, number = {one.name for one in measurements}, name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name} #{number}"
    return candidate


def _measurement(log, name, wanted_backend, exit_code):
    ended = _ENDED_WELL if exit_code is None else exit_code
    verdict = judge(log, wanted_backend=wanted_backend, exit_code=ended)
    evidence = tuple(map(str, verdict.evidence))
    kind, samples = _samples(log)
    is_assumed = exit_code is None and verdict.outcome.passed
    flat = () if samples is None or samples.warmup_was_flat else (_UNEVEN,)
    return Measurement(
        name=name,
        model=_model_name(log),
        model_sha256=None,
        backend=f"benchmark_model-{wanted_backend}",
        threads=_threads(log) if wanted_backend == "cpu" else None,
        samples=samples,
        summary=None if samples is None else summarise(samples.rounds_ns),
        doubts=(*flat, *((_NO_STATUS,) if is_assumed else ())),
        runtime=f"benchmark_model {log.version}" if log.version else "benchmark_model",
        precision=_PRECISIONS.get(log.parameters.get(_PRECISION_LABEL, "")),
        device=f"unknown device ({name})",
        startup=None if log.init_us is None else Startup(to_ns(log.init_us)),
        memory=_memory(log),
        sample_kind=kind,
        verdict=RunVerdict(verdict.outcome, verdict.why, evidence),
        stamp=None if verdict.outcome.passed else f"not a timing of {wanted_backend}",
        details=_details(log),
    )


def _samples(log: BenchmarkLog) -> tuple[str, Samples | None]:
    """What the log keeps of its measured runs: one number, as one round of one run."""
    kind, time_us = steady_us(log)
    if time_us is None or to_ns(time_us) < 1:
        return kind, None
    warmup_us = [] if log.warmup_us is None else [log.warmup_us]
    first_us = log.first_us or (warmup_us or [time_us])[0]
    rounds_ns = ((to_ns(time_us),),)
    return kind, Samples(to_ns(first_us), tuple(map(to_ns, warmup_us)), was_flat(log), rounds_ns)


def _model_name(log):
    path = log.parameters.get("Graph", "")
    return PurePosixPath(path.replace("\\", "/")).name or None


def _threads(log):
    text = log.parameters.get("Num threads", "")
    return int(text) if text.isdecimal() and 0 < int(text) < 1000 else None


def _memory(log):
    peak_mb = log.memory.peak_mb
    return None if peak_mb is None else Memory(round(peak_mb * _MEGABYTE), None)


def _details(log):
    found = {"reasons": list(log.reasons), "flags_as_understood": dict(log.parameters)}
    return {**found, "unknown_lines": len(log.unknown), "inference": _statistics(log)}


def _statistics(log):
    measured = log.inference
    if measured is None:
        return None
    names = (
        "count",
        "first_us",
        "min_us",
        "max_us",
        "mean_us",
        "std_us",
        "p5_us",
        "median_us",
        "p95_us",
    )
    return {name: getattr(measured, name) for name in names}
