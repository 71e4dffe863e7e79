"""The results that a report is made of, each with the name of its file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf import paths
from bokeh_tf.bench.results.reading import read_result
from bokeh_tf.bench.results.result import Result
from bokeh_tf.errors import CheckError


@dataclass(frozen=True)
class Run:
    """A result and the name of the file it is from."""

    file: str
    result: Result


def read_runs(given: Iterable[str | Path]) -> tuple[Run, ...]:
    """The results in files, and in the `.json` files of folders; each file once."""
    return tuple(Run(path.name, read_result(path)) for path in find_results(given))


def find_results(given: Iterable[str | Path]) -> tuple[Path, ...]:
    """The files that `read_runs` reads."""
    found: list[Path] = []
    for path in map(Path, given):
        inside = _results_in(path) if paths.is_dir(path) else [path]
        if not inside:
            raise CheckError(
                f"{paths.printable(path)}: this folder has no results (*.json). Check the path."
            )
        found += inside
    return tuple({path.absolute(): path for path in found}.values())


def _results_in(folder):
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError as error:
        reason = error.strerror or error
        raise CheckError(
            f"{paths.printable(folder)}: cannot be read ({reason}). Check its rights."
        ) from error
