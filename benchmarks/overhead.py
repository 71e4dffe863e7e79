"""What our timing costs: the times our loop reports against a bare loop around the same
model in the same process.

Each round does both, and in alternating order, each with as many runs; their ratio is paired by
round. A bare loop looks at the clock before its first run and after its last one, and knows a mean
only, so means are compared. "reported" is what our loop says a run takes; "elapsed" is what a run
takes while our loop watches it.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from bokeh_tf.bench.host.cpu import open_model
from bokeh_tf.bench.host.sampling import Contender, plan_turn, warm_up
from bokeh_tf.bench.results.environment import find_environment_doubts, read_environment
from bokeh_tf.bench.results.result import utc_now, write_document
from bokeh_tf.bench.results.statistics import paired_ratio
from bokeh_tf.tflite.reading import read_file

SCHEMA_VERSION = 1
TARGET = 0.02
_DEFAULT_MODEL = (
    Path(__file__).resolve().parent.parent
    / "android_assets"
    / "dbsi_mobile_base_float16_512x768.tflite"
)


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    parser.add_argument(
        "--rounds", type=_at_least_one, default=30, help="pairs of loops (default: %(default)s)"
    )
    parser.add_argument("--threads", type=_at_least_one, default=1, help="default: %(default)s")
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        default=[_DEFAULT_MODEL],
        metavar="FILE",
        help=".tflite files",
    )


def run(options):
    """Runs the suite, prints its table and returns the path of the JSON it wrote."""
    environment, created_utc = read_environment(), utc_now()
    entries = [
        {
            "model": path.name,
            **measure_overhead(read_file(path), threads=options.threads, rounds=options.rounds),
        }
        for path in options.models
    ]
    _print(entries)
    content = {
        "schema_version": SCHEMA_VERSION,
        "suite": "overhead",
        "created_utc": created_utc,
        "environment": asdict(environment),
        "doubts": find_environment_doubts(environment, threads=options.threads),
        "target": TARGET,
        "models": entries,
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_document(text, options.out, "overhead", created_utc)


def measure_overhead(model, *, threads, rounds):
    """Times of a run in nanoseconds and the ratios, as JSON holds them,
    of a model given as bytes.
    """
    invoke, _ = open_model(model, threads=threads)
    contender = Contender("ours", invoke)
    warmup_ns, _ = warm_up(contender.take)
    runs = plan_turn(warmup_ns)
    pairs = [_pair(contender, invoke, runs, ours_first=number % 2 == 0) for number in range(rounds)]
    bare_ns, reported_ns, elapsed_ns = ([[pair[place]] for pair in pairs] for place in range(3))
    return {
        "runs_per_round": runs,
        "bare_ns": bare_ns,
        "reported_ns": reported_ns,
        "elapsed_ns": elapsed_ns,
        "reported_over_bare": asdict(paired_ratio(reported_ns, bare_ns)),
        "elapsed_over_bare": asdict(paired_ratio(elapsed_ns, bare_ns)),
    }


def _pair(contender, invoke, runs, *, ours_first):
    """(bare, reported, elapsed) nanoseconds a run in one round."""
    ours = _ours(contender, runs) if ours_first else None
    bare_ns = _bare(invoke, runs)
    return (bare_ns, *(ours or _ours(contender, runs)))


def _ours(contender, runs):
    contender.run()
    start_ns = time.perf_counter_ns()
    times_ns = contender.take(runs)
    elapsed_ns = time.perf_counter_ns() - start_ns
    return sum(times_ns) / runs, elapsed_ns / runs


def _bare(invoke, runs):
    invoke()
    start_ns = time.perf_counter_ns()
    for _ in range(runs):
        invoke()
    return (time.perf_counter_ns() - start_ns) / runs


def _print(entries):
    heading = Column("time of a run against a bare loop", overflow="fold")
    table = Table(heading, "reported", "95 % interval", "elapsed", "95 % interval")
    for entry in entries:
        cells = []
        for name in ("reported_over_bare", "elapsed_over_bare"):
            ratio = entry[name]
            cells += [f"{ratio['value']:.4f}", f"{ratio['low']:.4f} … {ratio['high']:.4f}"]
        table.add_row(entry["model"], *cells)
    Console().print(table)


def _at_least_one(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return int(text)
