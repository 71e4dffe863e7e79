"""Reading results for a report: every value is of the type and in the range that the writers rely on."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.bench.results.result import Result, from_json, not_a_result
from bokeh_tf.errors import CheckError
from bokeh_tf.escaping import printable

_MOST_BYTES = 64_000_000
# In nanoseconds: thirty years. No time, size or count of a benchmark is beyond it.
_LARGEST = 1e18


@dataclass(frozen=True)
class Run:
    """A result and the name of the file it is from."""

    file: str
    result: Result


def read_runs(paths: Iterable[str | Path]) -> tuple[Run, ...]:
    """The results in files, and in the `.json` files of folders; each file once."""
    files: list[Path] = []
    for path in map(Path, paths):
        found = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not found:
            raise CheckError(f"{printable(path)}: this folder has no results (*.json). Check the path.")
        files += found
    return tuple(_read(path) for path in {path.absolute(): path for path in files}.values())


def _read(path):
    try:
        if path.exists() and not path.is_file():
            raise CheckError(f"{path}: not a file. Check the path.")
        if path.exists() and path.stat().st_size > _MOST_BYTES:
            raise not_a_result(path, f"larger than {_MOST_BYTES // 10**6} MB")
        result = from_json(_result_text(path), source=str(path))
    except RecursionError as error:
        raise not_a_result(printable(path), "nested too deeply") from error
    except OSError as error:
        raise CheckError(f"{printable(path)}: cannot read this result ({error.strerror}). Check the path.") from error
    except CheckError as error:
        # The message may quote the file.
        raise CheckError(printable(error)) from error
    problem = _problem(result, Result, "result") or next(filter(None, map(_broken_times, result.measurements)), None)
    if problem:
        raise not_a_result(printable(path), printable(problem))
    return Run(path.name, result)


def _result_text(path):
    """The result's JSON: the file's, or in a suite's file the part that was timed."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
    except ValueError as error:
        raise not_a_result(path, "not JSON text") from error
    is_suite = isinstance(content, dict) and "suite" in content and isinstance(content.get("timing"), dict)
    return json.dumps(content["timing"]) if is_suite else text


def _problem(value, hint, where):
    """What in `value` is not as its type hint says, None where all is well."""
    options = typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        (kind,) = (option for option in options if option is not types.NoneType)
        return None if value is None else _problem(value, kind, where)
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, tuple):
            return f"{where} is not a list"
        return next(filter(None, (_problem(entry, options[0], where) for entry in value)), None)
    if origin is Mapping:
        return None if isinstance(value, dict) else f"{where} is not an object"
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if not isinstance(value, hint):
            return f"{where} is not an object"
        hints = typing.get_type_hints(hint)
        return next(filter(None, (_problem(getattr(value, name), hints[name], name) for name in hints)), None)
    return _scalar_problem(value, hint, where)


def _scalar_problem(value, kind, where):
    if kind in (int, float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # An integer may be too large for a float, so the comparison comes first.
        is_fine = is_number and abs(value) < _LARGEST and math.isfinite(value)
        is_time = where.endswith(("_ns", "_ms", "_bytes", "nodes", "nodes_delegated"))
        return None if is_fine and not (is_time and value < 0) else f"{where} is not a plausible number"
    return None if isinstance(value, kind) else f"{where} is not {'text' if kind is str else 'a yes or no'}"


def _broken_times(measurement):
    summary, samples = measurement.summary, measurement.samples
    if summary is not None and not 0 < summary.median_ms.low <= summary.median_ms.value <= summary.median_ms.high:
        return "median_ms is not inside its interval above 0"
    if summary is not None and (summary.min_ms <= 0 or summary.n < 1):
        return "the summary is of nothing"
    if samples is not None and not all(time_ns > 0 for round_ns in samples.rounds_ns for time_ns in round_ns):
        return "rounds_ns holds no times"
    return None
