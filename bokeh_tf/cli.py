"""The command line: parse, call, print.

Exit status of every command: 0 done, 1 something could not be done (one line on stderr says what), 2 wrong usage,
3 checked and failed, 130 interrupted. Modules are imported where a command needs them, so that `--help` is instant
and no command of the base install touches TensorFlow.
"""

import re
import sys
from collections.abc import Sequence

from absl.flags import argparse_flags

from bokeh_tf import __version__
from bokeh_tf.commands import (
    ai_benchmark,
    bench,
    check,
    compare,
    data,
    export,
    models,
    port,
    render,
    repair,
    report,
    train,
)
from bokeh_tf.program import guarded

_FLAG_FILE = re.compile(r"--?flagfile(=.*)?", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line, guarded as a program is; returns the exit status."""
    return guarded("bokeh-tf", lambda: run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line and runs its command; returns the exit status."""
    options = _parser().parse_args(arguments)
    return options.run(options)


class _Parser(argparse_flags.ArgumentParser):
    """Takes absl's flags, but no files of them: any file would become arguments, and a pipe would be waited for."""

    def parse_known_args(self, args=None, namespace=None):
        args = sys.argv[1:] if args is None else list(args)
        before_rest = args[: args.index("--")] if "--" in args else args
        if any(_FLAG_FILE.fullmatch(argument) for argument in before_rest):
            self.error("--flagfile is not taken. Give the options themselves")
        return super().parse_known_args(args, namespace)


def _parser():
    parser = _Parser(
        prog="bokeh-tf", description="Bokeh networks for phones: check, time and render .tflite files; train models."
    )
    parser.add_argument("--version", action="version", version=f"bokeh-tf {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check.add(commands)
    repair.add(commands)
    bench.add(commands)
    compare.add(commands)
    report.add(commands)
    ai_benchmark.add(commands)
    render.add(commands)
    models.add(commands)
    export.add(commands)
    port.add(commands)
    data.add(commands)
    train.add(commands)
    return parser
