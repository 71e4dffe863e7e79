"""Checking several files one after the other; a file that cannot be checked does not stop the others."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bokeh_tf.delegate.probe import DEFAULT_TIMEOUT_S, ProbeReport, probe
from bokeh_tf.delegate.verdicts import PRECISIONS
from bokeh_tf.errors import CheckError, ModelFileError

PASSED, NOT_CHECKED, FAILED = 0, 1, 3


@dataclass(frozen=True)
class Unchecked:
    """A file whose check could not be carried out, and why in one line."""

    path: str
    reason: str


def check_file(path, *, photo=None, timeout_s=DEFAULT_TIMEOUT_S, precisions=PRECISIONS) -> ProbeReport | Unchecked:
    """Checks one file on the real delegate; see `probe` for the arguments. A photo that cannot be read raises."""
    try:
        return probe(path, photo=photo, timeout_s=timeout_s, precisions=precisions)
    except (ModelFileError, CheckError) as error:
        return Unchecked(str(path), str(error))


def check_files(
    paths, *, photo=None, timeout_s=DEFAULT_TIMEOUT_S, precisions=PRECISIONS
) -> Iterator[ProbeReport | Unchecked]:
    """Yields one result per path as it comes; `timeout_s` is the limit for each file."""
    for path in paths:
        yield check_file(path, photo=photo, timeout_s=timeout_s, precisions=precisions)


def exit_code(results: Iterable[ProbeReport | Unchecked]) -> int:
    """3 if any file failed its check, else 1 if any could not be checked, else 0."""
    codes = [NOT_CHECKED if isinstance(result, Unchecked) else result.verdict.exit_code for result in results]
    return max(codes, default=PASSED)
