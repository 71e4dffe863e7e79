"""`python -m benchmarks SUITE`: runs a suite from a checkout, prints its
table and keeps its result.
"""

import argparse
import sys
from pathlib import Path

import bokeh_tf.quiet_start  # noqa: F401 (before what takes time to import)
from benchmarks.suites import SUITES
from bokeh_tf.program import DONE, guarded, run_program

_RESULTS = Path(__file__).parent / "results"


def main(arguments=None):
    """Runs the suite named in `arguments` (default: the command line) and returns the exit code."""
    options = _parser().parse_args(arguments)
    return guarded("benchmarks", lambda: _run(options))


def _run(options):
    path = SUITES[options.suite].run(options)
    print(f"written: {path}")
    return DONE


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    suites = parser.add_subparsers(dest="suite", required=True, metavar="SUITE")
    for name, suite in SUITES.items():
        suite_parser = suites.add_parser(name, help=suite.summary, description=suite.summary)
        suite_parser.add_argument(
            "--out",
            type=Path,
            default=_RESULTS,
            help="folder for the result (default: %(default)s)",
        )
        suite.add_options(suite_parser)
    return parser


if __name__ == "__main__":
    sys.exit(run_program("benchmarks", lambda: main))
