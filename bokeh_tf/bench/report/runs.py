"""The results that a report is made of, each with the name of its file."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf import paths
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.bench.results.result import Result
from bokeh_tf.errors import CheckError, Refuse, spared


@dataclass(frozen=True)
class Run:
    """A result and the name of the file it is from, with folders where others have the same."""

    file: str
    result: Result


def read_runs(given: Iterable[str | Path], *, refuse: Refuse | None = None) -> tuple[Run, ...]:
    """The results in files, and in the `.json` files of folders; each file once.

    Args:
        refuse: gets the error of each file that is passed over; None raises the first.
    """
    found = find_results(given, refuse=refuse)
    named = zip(paths.names_apart(found), found, strict=True)
    return tuple(spared(named, lambda one: Run(one[0], read_result(one[1])), refuse=refuse))


def find_results(given: Iterable[str | Path], *, refuse: Refuse | None = None) -> tuple[Path, ...]:
    """The files that `read_runs` reads."""
    found = itertools.chain.from_iterable(spared(map(Path, given), _results_at, refuse=refuse))
    return tuple({paths.resolved(path): path for path in found}.values())


def _results_at(path):
    inside = _results_in(path) if paths.is_dir(path) else [path]
    if not inside:
        raise CheckError(
            f"{paths.printable(path)}: this folder has no results (*.json). Check the path."
        )
    return inside


def _results_in(folder):
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError as error:
        reason = error.strerror or error
        raise CheckError(
            f"{paths.printable(folder)}: cannot be read ({reason}). Check its rights."
        ) from error
