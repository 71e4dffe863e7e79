"""The manual page and the completions of shells, made of the parser that reads the command line."""

import argparse
from pathlib import Path

from bokeh_tf import __version__
from bokeh_tf.errors import DependencyError

SHELLS = ("bash", "zsh")
# What stands for a path where the option's type does not say so.
_NAMES_OF_FILES = frozenset({"[FORMAT:]FILE", "MODEL"})
_ESCAPED = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\`", "^": "\\(ha", "~": "\\(ti"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--print-completion` and `--print-manual` to the parser of the whole command line."""
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=SHELLS,
        help="print what completes words in a shell",
    )
    parser.add_argument(
        "--print-manual", action=_PrintManual, nargs=0, help="print the manual page, for man -l -"
    )


class _PrintCompletion(argparse.Action):
    """Prints and ends."""

    def __call__(self, parser, namespace, values, option_string=None):
        try:
            import shtab
        except ModuleNotFoundError as error:
            raise DependencyError("completions need shtab. Run: pip install shtab") from error
        for _, one in _commands(parser):
            for action in one._actions:
                if action.type is Path or action.metavar in _NAMES_OF_FILES:
                    action.complete = shtab.FILE  # type: ignore[attr-defined]
        print(shtab.complete(parser, shell=values))
        parser.exit()


class _PrintManual(argparse.Action):
    """Prints and ends."""

    def __call__(self, parser, namespace, values, option_string=None):
        print(manual_of(parser), end="")
        parser.exit()


def manual_of(parser: argparse.ArgumentParser) -> str:
    """The manual page in the language of man, section 1: each command's help
    under a heading of its own.
    """
    name = parser.prog
    lines = [
        f'.TH "{_escaped(name.upper())}" 1 "" "{_escaped(f"{name} {__version__}")}" "User Commands"'
    ]
    lines += [".SH NAME", _escaped(f"{name} - {parser.description}")]
    lines += [".SH SYNOPSIS", *_verbatim(parser.format_usage().partition(":")[2])]
    for title, one in _commands(parser):
        lines += [f".SH {_escaped(title.upper())}", *_verbatim(one.format_help())]
    return "\n".join(lines) + "\n"


def _commands(parser):
    """(title, parser) of each command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield f"{parser.prog} {name}", one


def _verbatim(text):
    return [".nf", *(_line(line) for line in text.strip("\n").splitlines()), ".fi"]


def _line(text):
    # A line that begins with a dot would be an order to man.
    return f"\\&{_escaped(text)}"


def _escaped(text):
    return "".join(_ESCAPED.get(character) or _in_ascii(character) for character in text)


def _in_ascii(character):
    # groff takes bytes for characters unless a preprocessor is told the encoding.
    return character if character.isascii() else f"\\[u{ord(character):04X}]"
