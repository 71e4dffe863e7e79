"""`python -m benchmarks SUITE`: runs a suite from a checkout, prints its table and keeps its result."""

import argparse
import sys
from pathlib import Path

from benchmarks.suites import SUITES
from bokeh_tf.errors import BokehError

_RESULTS = Path(__file__).parent / "results"
_EXIT_FAILED = 1
_EXIT_INTERRUPTED = 130


def main(arguments=None):
    """Runs the suite named in `arguments` (default: the command line) and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        path = SUITES[options.suite].run(options)
    except BokehError as error:
        print(f"error: {error}", file=sys.stderr)
        return _EXIT_FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _EXIT_INTERRUPTED
    print(f"written: {path}")
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    suites = parser.add_subparsers(dest="suite", required=True, metavar="SUITE")
    for name, suite in SUITES.items():
        suite_parser = suites.add_parser(name, help=suite.summary, description=suite.summary)
        suite_parser.add_argument(
            "--out", type=Path, default=_RESULTS, help="folder for the result (default: %(default)s)"
        )
        suite.add_options(suite_parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
