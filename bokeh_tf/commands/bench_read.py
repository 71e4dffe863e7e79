"""`bokeh-tf bench read`: logs that somebody already has, judged and kept as a result."""

import argparse

from bokeh_tf.bench.vocabulary import LOG_BACKENDS
from bokeh_tf.commands import outputs
from bokeh_tf.commands.console import Refusals, say

WORD = "read"
_NOT_DONE, _FAILED = 1, 3
_OPTIONS = frozenset({"models", "out", "wanted", "exit_code", "run", "usage_error", "default_of"})


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that `bench read` alone takes."""
    group = parser.add_argument_group("bench read: logs of benchmark_model that somebody has")
    group.add_argument(
        "--wanted", choices=LOG_BACKENDS, help="what the runs were meant to use (default gpu)"
    )
    group.add_argument(
        "--exit-code",
        type=int,
        metavar="N",
        help="that the program ended with (default: not known)",
    )


def run(options: argparse.Namespace) -> int:
    """Reads, judges and prints the logs; returns the exit status."""
    logs = options.models[1:]
    if not logs:
        options.usage_error("read needs a log: bokeh-tf bench read LOG [LOG ...] [--wanted gpu]")
    for name, value in vars(options).items():
        if name not in _OPTIONS and value != options.default_of(name):
            options.usage_error(f"--{name.replace('_', '-')} does not go with read")
    outputs.claim_in_folder(options.out)
    from bokeh_tf.bench.benchmark_model.saved import read_logs
    from bokeh_tf.bench.results.result import write_result

    wanted = options.wanted or LOG_BACKENDS[0]
    refusals = Refusals()
    result = read_logs(
        logs, wanted_backend=wanted, exit_code=options.exit_code, refuse=refusals.say
    )
    if not result.measurements:
        return _NOT_DONE
    for measurement in result.measurements:
        _print(measurement)
    if options.out:
        say(f"written: {write_result(result, options.out)}")
    verdicts = [one.verdict for one in result.measurements if one.verdict and one.summary]
    passed = [verdict for verdict in verdicts if verdict.outcome.passed]
    is_failed = len(passed) < len(result.measurements)
    return _FAILED if is_failed else refusals.status


def _print(measurement):
    """A run in a few lines: verdict, times, the lines it rests on."""
    verdict = measurement.verdict
    say(f"{verdict.outcome}  {measurement.name}: {verdict.why}")
    say(f"  {_times(measurement)}")
    for line in verdict.evidence:
        say(f"  {line}")
    for reason in measurement.details["reasons"]:
        say(f"  refused: {reason}")
    for doubt in measurement.doubts:
        say(f"  note: {doubt}")


def _times(measurement):
    from bokeh_tf.bench.report.facts import format_ms

    if measurement.summary is None:
        return "no measured run"
    samples = measurement.samples
    parts = [f"{measurement.sample_kind} {format_ms(measurement.summary.median_ms.value)} ms"]
    counted = measurement.details["inference"]
    if counted is not None:
        parts[0] += f" of {counted['count']} runs"
    parts.append(f"first run {format_ms(samples.first_ns / 1e6)} ms")
    if measurement.startup is not None:
        parts.append(f"init {format_ms(measurement.startup.cold_init_ns / 1e6)} ms")
    if measurement.memory is not None:
        parts.append(f"peak {measurement.memory.peak_bytes / 1e6:.0f} MB")
    return ", ".join(parts)
