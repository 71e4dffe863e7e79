"""A timing run as JSON that later runs can read: raw samples, conditions, verdicts and doubts.

A `Result` holds everything a report needs, so that reports never measure. Schema version 3. Still read are version 2,
which did not say what kind of warm a start was, and version 1, which knew the CPU of the host only. Numbers are finite
or null, never NaN.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bokeh_tf import files
from bokeh_tf.bench.results.environment import Conditions, Environment
from bokeh_tf.bench.results.measurement import (
    SAME_PROCESS,
    SERIALISED,
    Measurement,
    Memory,
    OutputComparison,
    Prediction,
    StartCache,
    Startup,
    read_verdict,
)
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.bench.results.statistics import Interval, Summary
from bokeh_tf.errors import CheckError

SCHEMA_VERSION = 3
_READABLE_VERSIONS = (1, 2, SCHEMA_VERSION)
# How the sentences of version 2 about warm starts begin.
_KINDS_OF_VERSION_2 = {"second load": SAME_PROCESS, "from the delegate's cache": SERIALISED}


@dataclass(frozen=True)
class Result:
    """One interleaved run; only measurements of the same run may be divided by each other.

    Attributes:
        environment: of the host.
        doubts: about the whole run, each with what to do.
        conditions: the host's, at the start and after every round.
        sessions_utc: when the run was started and, if it was interrupted, continued.
        devices: facts of every phone by the name that measurements give as their device.
    """

    created_utc: str
    environment: Environment
    doubts: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    conditions: tuple[Conditions, ...] = ()
    sessions_utc: tuple[str, ...] = ()
    devices: Mapping[str, object] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def find(self, name: str) -> Measurement:
        """The measurement called `name`."""
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        known = ", ".join(measurement.name for measurement in self.measurements)
        raise ValueError(f"No such measurement. Received: {name!r}. Known: {known}")


def utc_now() -> str:
    """The time now, as ISO 8601 in UTC to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_json(result: Result) -> str:
    """The result as JSON text."""
    return json.dumps(as_json(result), indent=1, allow_nan=False) + "\n"


def as_json(result: Result) -> dict[str, Any]:
    """The result as what `json` writes; with frames a second, which are in no field, for other readers."""
    content = asdict(result)
    for entry, measurement in zip(content["measurements"], result.measurements, strict=True):
        if measurement.summary is not None:
            entry["summary"]["fps"] = measurement.summary.fps
    return content


def not_a_result(source: str | Path, reason: str) -> CheckError:
    """What to raise where `source` is no result that this package wrote."""
    return CheckError(f"{source}: not a benchmark result ({reason}). Give a file that bokeh-tf bench wrote.")


def from_json(text: str, *, source: str = "result") -> Result:
    """The `Result` in `text`; `CheckError` naming `source` where it is damaged or of another schema."""
    try:
        content = json.loads(text)
        version = content["schema_version"]
        if version in _READABLE_VERSIONS:
            return _result(content, version)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise not_a_result(source, f"{type(error).__name__}: {error}") from error
    known = ", ".join(map(str, _READABLE_VERSIONS))
    raise CheckError(f"{source}: has schema version {version}, this package reads {known}. Measure again.")


def read_result(path: str | Path) -> Result:
    """The `Result` in the file `path`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise not_a_result(path, "not text") from error
    except OSError as error:
        raise CheckError(f"{path}: cannot read this result ({error.strerror}). Check the path.") from error
    return from_json(text, source=str(path))


def _result(content, version):
    environment = Environment(**content["environment"])
    entries = content["measurements"]
    if version == 1:
        entries = [_upgraded(entry, environment) for entry in entries]
    return Result(
        created_utc=content["created_utc"],
        environment=environment,
        doubts=tuple(content["doubts"]),
        measurements=tuple(map(_measurement, entries)),
        conditions=tuple(Conditions(**entry) for entry in content.get("conditions", ())),
        sessions_utc=tuple(content.get("sessions_utc", ())),
        devices=content.get("devices", {}),
    )


def _upgraded(entry, environment):
    """An entry of version 1 as one of version 2."""
    entry = dict(entry)
    load_ns = entry.pop("load_ns")
    is_ours = entry["backend"].startswith("litert")
    return {
        **entry,
        "startup": None if load_ns is None else {"cold_init_ns": load_ns},
        "runtime": environment.runtime if is_ours else entry["backend"],
    }


def _measurement(entry):
    def optional(make, name):
        return None if entry.get(name) is None else make(entry[name])

    read = {
        "samples": optional(_samples, "samples"),
        "summary": optional(_summary, "summary"),
        "doubts": tuple(entry["doubts"]),
        "startup": optional(_startup, "startup"),
        "memory": optional(lambda part: Memory(**part), "memory"),
        "verdict": optional(read_verdict, "verdict"),
        "outputs": tuple(OutputComparison(**part) for part in entry.get("outputs", ())),
        "prediction": optional(lambda part: Prediction(**{**part, "reasons": tuple(part["reasons"])}), "prediction"),
    }
    return Measurement(**{**entry, **read})


def _startup(part):
    cache, how = part.get("cache"), part.get("warm_init_how") or ""
    kind = next((kind for start, kind in _KINDS_OF_VERSION_2.items() if how.startswith(start)), None)
    read = {"cache": None if cache is None else StartCache(**cache)}
    return Startup(**{"warm_init_kind": kind, **part, **read})


def _samples(part):
    rounds_ns = tuple(tuple(round_ns) for round_ns in part["rounds_ns"])
    listed = {"warmup_ns": tuple(part["warmup_ns"]), "rounds_ns": rounds_ns}
    return Samples(**{**part, **listed, "rounds_start_ns": tuple(part.get("rounds_start_ns", ()))})


def _summary(part):
    fields = {name: value for name, value in part.items() if name != "fps"}
    return Summary(**{**fields, "median_ms": Interval(**part["median_ms"])})


def write_result(result: Result, folder: str | Path, *, prefix: str = "bench") -> Path:
    """Writes the result into `folder` as `<prefix>_<UTC time>.json`, never over another, and returns the path."""
    path = new_path(files.make_folder(folder), prefix, result.created_utc)
    files.write_text(path, to_json(result))
    return path


def new_path(folder: str | Path, prefix: str, created_utc: str, *, suffix: str = ".json") -> Path:
    """A path `<prefix>_<UTC time><suffix>` in `folder` that nothing has yet."""
    stem = f"{prefix}_{created_utc.replace('-', '').replace(':', '')}"
    path, attempt = Path(folder) / f"{stem}{suffix}", 2
    while path.exists():
        path, attempt = Path(folder) / f"{stem}_{attempt}{suffix}", attempt + 1
    return path
