"""How well the flagship suite repeats itself: whole suites one after the other, and
the spread of their medians.

Every suite starts its processes anew, so the spread holds what changes from run to run: the
layout of memory, the weather of the machine. A suite's own interval knows only what changes
within it, so beside the spread stands how many pairs of suites `bokeh-tf compare` takes for
different, which for the same files on the same machine is a false alarm. Each suite's result is
kept as a flagship result. After an interruption, give those of the suites that are done with
--done, and fewer --suites.
"""

import itertools
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from benchmarks import flagship
from bokeh_tf.bench.report.facts import format_ms
from bokeh_tf.bench.results.comparison import Outcome, compare_results
from bokeh_tf.bench.results.environment import find_environment_doubts, read_environment
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.bench.results.result import Result, utc_now, write_document
from bokeh_tf.errors import CheckError
from bokeh_tf.paths import names_apart

SCHEMA_VERSION = 1
_FEWEST = 2


@dataclass(frozen=True)
class Spread:
    """One measurement over all suites; the shares are of `median_ms`, the
    median of the suites' medians.
    """

    medians_ms: tuple[float, ...]
    median_ms: float
    range_share: float
    mad_share: float
    doubtful_suites: int
    pairs: int
    pairs_called_different: int


def add_options(parser):
    """Adds this suite's options to an argparse parser."""
    flagship.add_options(parser)
    parser.add_argument(
        "--suites", type=int, default=10, help="whole suites to run (default: %(default)s)"
    )
    parser.add_argument(
        "--done", type=Path, nargs="+", default=[], metavar="FILE", help="results to count in"
    )


def run(options):
    """Runs the suites, prints the spread and returns the path of the JSON it wrote."""
    if options.suites < 0 or options.suites + len(options.done) < _FEWEST:
        raise CheckError(
            f"repeatability: a spread needs at least {_FEWEST} suites, with those of --done."
        )
    environment, created_utc = read_environment(), utc_now()
    paths = list(options.done)
    for _ in range(options.suites):
        paths.append(flagship.run(options))
    spreads = find_spreads([read_result(path) for path in paths])
    _print(spreads)
    content = {
        "schema_version": SCHEMA_VERSION,
        "suite": "repeatability",
        "created_utc": created_utc,
        "environment": asdict(environment),
        "doubts": find_environment_doubts(environment, threads=max(options.threads)),
        "results": names_apart(paths),
        "spreads": {name: asdict(spread) for name, spread in spreads.items()},
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_document(text, options.out, "repeatability", created_utc)


def find_spreads(results: Sequence[Result]) -> dict[str, Spread]:
    """The spread of each measurement, by its name.

    Raises:
        CheckError: the results are not of the same files, settings and machine,
            or something was not timed.
    """
    alarms = dict.fromkeys((measurement.name for measurement in results[0].measurements), 0)
    for first, second in itertools.combinations(results, 2):
        # With a budget, everything of the first must have its like in the second.
        compared = compare_results(first, second, budget=0)
        if compared.only_in_second:
            raise CheckError(
                f"{compared.only_in_second[0]}: not in every suite. Give results of the same suite."
            )
        for pair in compared.pairs:
            alarms[pair.first.name] += pair.outcome is not Outcome.NO_DIFFERENCE
    return {
        name: _spread([result.find(name) for result in results], alarms[name]) for name in alarms
    }


def _spread(measurements, alarms):
    if any(measurement.summary is None for measurement in measurements):
        raise CheckError(f"{measurements[0].name}: not timed in every suite. Measure again.")
    medians_ms = tuple(measurement.summary.median_ms.value for measurement in measurements)
    median_ms = statistics.median(medians_ms)
    return Spread(
        medians_ms=medians_ms,
        median_ms=median_ms,
        range_share=(max(medians_ms) - min(medians_ms)) / median_ms,
        mad_share=statistics.median(abs(value_ms - median_ms) for value_ms in medians_ms)
        / median_ms,
        doubtful_suites=sum(bool(measurement.doubts) for measurement in measurements),
        pairs=len(medians_ms) * (len(medians_ms) - 1) // 2,
        pairs_called_different=alarms,
    )


def _print(spreads):
    # Of names that are cut short, the ends alone would tell which size and how many threads.
    heading = Column("", overflow="fold", min_width=24)
    table = Table(
        heading, "median, ms", "lowest … highest", "spread", "MAD", "unstable", "called different"
    )
    for name, spread in spreads.items():
        low, high = (
            format_ms(value_ms) for value_ms in (min(spread.medians_ms), max(spread.medians_ms))
        )
        table.add_row(
            name,
            format_ms(spread.median_ms),
            f"{low} … {high}",
            f"{spread.range_share:.1%}",
            f"{spread.mad_share:.1%}",
            f"{spread.doubtful_suites} of {len(spread.medians_ms)}",
            f"{spread.pairs_called_different} of {spread.pairs}",
        )
    Console().print(table)
