"""Options of several commands about how a file is checked: on what, by what, for how long."""

from collections.abc import Iterable
from pathlib import Path

from bokeh_tf.commands.console import positive
from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.errors import CheckError
from bokeh_tf.paths import printable, why_no_file


def add_photo(parser) -> None:
    """Adds `--photo`."""
    parser.add_argument(
        "--photo", type=Path, metavar="FILE", help="photograph to run instead of the packaged one"
    )


def add_no_probe(parser) -> None:
    """Adds `--no-probe`."""
    parser.add_argument(
        "--no-probe",
        action="store_true",
        help="check by the rules alone, not on the real delegate: no GPU is needed",
    )


def add_runtime(parser) -> None:
    """Adds `--runtime`."""
    parser.add_argument(
        "--runtime",
        metavar="RELEASE",
        help="judge by the rules of this release of LiteRT, such as 2.1.5 (default: the newest"
        " that the rules know); what really runs is the one installed, and says nothing of another",
    )


def check_runtime(options) -> None:
    """Ends with status 2 where the rules do not know the release of `--runtime`."""
    from bokeh_tf.delegate.check import require_release

    try:
        require_release(options.runtime, TARGETS)
    except ValueError as error:
        options.usage_error(str(error))


def add_timeout(parser, *, what: str, default_s: float) -> None:
    """Adds `--timeout`; `what` says of which work, whose own limit is `default_s`."""
    parser.add_argument(
        "--timeout", type=positive, metavar="SECONDS", help=f"{what} (default {default_s:g})"
    )


def require_files(given: Iterable[Path | None]) -> None:
    """Raises `CheckError` where one of the files that a long run will read is none; None is no
    file.
    """
    for path in given:
        reason = "" if path is None else why_no_file(path)
        if reason:
            raise CheckError(f"{printable(path)}: {reason}. Check the path.")
