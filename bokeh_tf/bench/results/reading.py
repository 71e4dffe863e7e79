"""The one reader of results: whatever it returns, every value is of its type and in its range.

Read are schema version 3, version 2, which did not say what kind of warm a start was, and version
1, which knew the CPU of the host only. A suite's file around a result is read as the result in it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bokeh_tf.bench.results.measurement import SAME_PROCESS, SERIALISED
from bokeh_tf.bench.results.result import SCHEMA_VERSION, Result
from bokeh_tf.bench.results.validation import problem_of
from bokeh_tf.documents import DocumentError, parse, read, typed
from bokeh_tf.errors import CheckError
from bokeh_tf.paths import printable

_LIMIT_BYTES = 64_000_000
_READABLE_VERSIONS = (1, 2, SCHEMA_VERSION)
# How the sentences of version 2 about warm starts begin.
_KINDS_OF_VERSION_2 = {"second load": SAME_PROCESS, "from the delegate's cache": SERIALISED}


def read_result(path: str | Path) -> Result:
    """The `Result` in the file `path`.

    Raises:
        CheckError: it cannot be read, or holds no sound result; one line that begins with the path.
    """
    try:
        content = read(path, limit_bytes=_LIMIT_BYTES)
    except DocumentError as error:
        raise CheckError(
            f"{printable(path)}: cannot read this result ({error}). Check the path."
        ) from error
    return from_json(content, source=str(path))


def from_json(content: bytes | str, *, source: str = "result") -> Result:
    """The `Result` in JSON; `CheckError` naming `source` where it is
    damaged or of another schema.
    """
    try:
        document = parse(content)
        if (
            isinstance(document, dict)
            and "suite" in document
            and isinstance(document.get("timing"), dict)
        ):
            document = document["timing"]
        version = typed(document, _Versioned).schema_version
        if version not in _READABLE_VERSIONS:
            known = ", ".join(map(str, _READABLE_VERSIONS))
            text = f"has schema version {version}, this package reads {known}. Measure again."
            raise CheckError(f"{printable(source)}: {text}")
        result = typed(_upgraded(document, version), Result)
    except DocumentError as error:
        raise _not_a_result(source, error) from error
    problem = problem_of(result)
    if problem:
        raise _not_a_result(source, problem)
    return result


@dataclass(frozen=True)
class _Versioned:
    schema_version: int


def _not_a_result(source, reason):
    text = f"not a benchmark result ({reason}). Give a file that bokeh-tf bench wrote."
    return CheckError(f"{printable(source)}: {text}")


def _upgraded(document: dict[str, Any], version: int) -> dict[str, Any]:
    """A document of any version as one of this; what has a wrong type in it is left to be found."""
    entries = document.get("measurements")
    if not isinstance(entries, list):
        return document
    if version == 1:
        entries = [_with_startup(entry, document.get("environment")) for entry in entries]
    entries = [_with_warm_kind(entry) for entry in entries]
    return {**document, "measurements": entries, "schema_version": SCHEMA_VERSION}


def _with_startup(entry, environment):
    """An entry that knew the CPU of the host only: its start-up and its runtime
    are put where they are now.
    """
    if not isinstance(entry, dict) or not isinstance(environment, dict):
        return entry
    load_ns, backend = entry.get("load_ns"), entry.get("backend")
    is_ours = isinstance(backend, str) and backend.startswith("litert")
    return {
        **entry,
        "startup": None if load_ns is None else {"cold_init_ns": load_ns},
        "runtime": environment.get("runtime") if is_ours else backend,
    }


def _with_warm_kind(entry):
    """An entry whose start does not say in one word how it was warm gets that from its sentence."""
    startup = entry.get("startup") if isinstance(entry, dict) else None
    if not isinstance(startup, dict) or "warm_init_kind" in startup:
        return entry
    how = startup.get("warm_init_how")
    kinds = (kind for start, kind in _KINDS_OF_VERSION_2.items() if str(how).startswith(start))
    return {**entry, "startup": {**startup, "warm_init_kind": next(kinds, None)}}
