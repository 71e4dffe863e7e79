"""The command line: parse, call, print.

Exit status of every command: 0 done, 1 something could not be done (one line on stderr says what),
2 wrong usage, 3 checked and failed, 130 interrupted. Modules are imported where a command needs
them, so that `--help` is instant and no command of the base install touches TensorFlow. absl's
`--helpfull` stands before the command.
"""

import argparse
import importlib
import re
import sys
from collections.abc import Sequence

from bokeh_tf import __version__, commands
from bokeh_tf.program import guarded

# In the order of the help; each is a module of `commands` with `add(subparsers)`.
COMMANDS = (
    *("convert", "check", "repair", "bench", "compare", "report", "ai-benchmark", "app", "render"),
    *("models", "export", "port", "data", "evaluate", "train", "web"),
)
_DESCRIPTION = "Bokeh networks for phones: check, time and render .tflite files; train models."
# Files of absl's flags: any file would become arguments, and a pipe would be waited for.
_FLAG_FILE = re.compile(r"--?flagfile(=.*)?", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line, guarded as a program is; returns the exit status."""
    return guarded("bokeh-tf", lambda: run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line and runs its command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = _parser_of(given[0]) if given and given[0] in COMMANDS else parser()
    before_rest = given[: given.index("--")] if "--" in given else given
    if any(_FLAG_FILE.fullmatch(argument) for argument in before_rest):
        chosen.error("--flagfile is not taken. Give the options themselves")
    options = chosen.parse_args(given)
    return options.run(options)


def parser() -> argparse.ArgumentParser:
    """The parser of every command, and of absl's flags before it."""
    from absl.flags import argparse_flags

    from bokeh_tf.commands import manual

    whole = argparse_flags.ArgumentParser(prog="bokeh-tf", description=_DESCRIPTION)
    manual.add_options(whole)
    return _with_commands(whole, COMMANDS)


def _parser_of(command):
    """A parser that knows one command alone: what the others and absl would load takes
    longer than a small check.
    """
    return _with_commands(
        argparse.ArgumentParser(prog="bokeh-tf", description=_DESCRIPTION), (command,)
    )


def _with_commands(parser, names):
    parser.add_argument("--version", action="version", version=f"bokeh-tf {__version__}")
    subparsers = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser
    )
    for name in names:
        importlib.import_module(f"{commands.__name__}.{name.replace('-', '_')}").add(subparsers)
    return parser
