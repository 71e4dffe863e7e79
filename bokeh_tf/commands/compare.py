"""`bokeh-tf compare`: its options, what it calls, and what it prints."""

import argparse
import math
from pathlib import Path

from bokeh_tf.commands.console import open_console

_PASSED, _EXCEEDED = 0, 3
_DESCRIPTION = """Says whether the second result is faster or slower than the first, by what ratio
of the medians, and how sure that is. Only like is compared with like: the same model, backend,
threads, precision, machine and runtime."""
_EPILOG = """exit status:
  0  compared, and within the budget if there is one
  1  could not be compared: a file that cannot be read, or results that are not alike
  2  wrong usage
  3  something is slower, by more than the budget

With a budget, everything in the first result must be in the second one. A pair that only might be beyond the budget,
because too little was measured, passes with a note.

examples:
  bokeh-tf compare before.json after.json
  bokeh-tf compare main.json branch.json --across model --budget 5%"""


def add(commands):
    """Adds the command's parser to the subparsers `commands`."""
    parser = commands.add_parser(
        "compare",
        help="say whether one timing result is faster or slower than another",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("first", type=Path, metavar="A.json", help="the result to compare with")
    parser.add_argument("second", type=Path, metavar="B.json", help="the result to judge")
    parser.add_argument(
        "--budget", type=_share, metavar="PERCENT", help="how much slower B may be, for example 5%%"
    )
    parser.add_argument(
        "--noise", type=_share, metavar="PERCENT", help="smaller differences are none (default 2%%)"
    )
    parser.add_argument(
        "--across",
        action="append",
        default=[],
        metavar="NAME",
        help="let this differ: model, backend, threads, precision, machine or runtime; may be"
        " given again",
    )
    parser.set_defaults(run=run, usage_error=parser.error)


def run(options):
    """Runs the command with parsed `options`; returns the exit status."""

    from bokeh_tf.bench.report import comparison as comparison_text
    from bokeh_tf.bench.results import comparison
    from bokeh_tf.bench.results.reading import read_result

    across = [name.strip() for names in options.across for name in names.split(",")]
    for name in across:
        if name not in comparison.FIELDS:
            options.usage_error(
                f"--across: unknown name {name!r}. Known: {', '.join(comparison.FIELDS)}"
            )
    first, second = read_result(options.first), read_result(options.second)
    noise = comparison.NOISE if options.noise is None else options.noise
    compared = comparison.compare_results(
        first, second, across=across, budget=options.budget, noise=noise
    )
    console = open_console()
    console.print(comparison_text.render(compared))
    return _EXCEEDED if compared.exceeds_budget else _PASSED


def _share(text):
    value = float(text.strip().removesuffix("%")) / 100
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError
    return value


_share.__name__ = "percentage"
