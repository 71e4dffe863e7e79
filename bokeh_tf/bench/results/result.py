"""A timing run as JSON that later runs can read: raw samples, conditions, verdicts and doubts.

A `Result` holds everything a report needs, so that reports never measure. Schema version 3; what
reads it, and older ones, is `reading`. Numbers are finite or null, never NaN.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bokeh_tf import files
from bokeh_tf.bench.results.environment import Conditions, Environment
from bokeh_tf.bench.results.measurement import Measurement
from bokeh_tf.paths import exists

SCHEMA_VERSION = 3


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
    """The result as what `json` writes; with frames a second, which are in no
    field, for other readers.
    """
    content = asdict(result)
    for entry, measurement in zip(content["measurements"], result.measurements, strict=True):
        if measurement.summary is not None:
            entry["summary"]["fps"] = measurement.summary.fps
    return content


def write_result(result: Result, folder: str | Path, *, prefix: str = "bench") -> Path:
    """Writes the result into `folder` as `<prefix>_<UTC time>.json`, never over
    another, and returns the path.
    """
    return write_document(to_json(result), folder, prefix, result.created_utc)


def write_document(text: str, folder: str | Path, prefix: str, created_utc: str) -> Path:
    """Writes JSON as `<prefix>_<UTC time>.json`, numbered from 2 where that
    is taken; returns the path.

    Of runs that end in the same moment each gets a name of its own.

    Raises:
        OutputError: the folder cannot be made, or nothing can be written there.
    """
    content = text.encode("utf-8")
    paths = possible_paths(files.make_folder(folder), prefix, created_utc)
    return next(path for path in paths if files.write_new(path, content))


def possible_paths(folder: str | Path, prefix: str, created_utc: str) -> Iterator[Path]:
    """The paths that a document may have, those left out that something had when it was asked for.

    Nothing is claimed by that: only `files.write_new` says whether a name was free.
    """
    stem = f"{prefix}_{created_utc.replace('-', '').replace(':', '')}"
    for attempt in itertools.count(1):
        number = "" if attempt == 1 else f"_{attempt}"
        path = Path(folder) / f"{stem}{number}.json"
        if not exists(path):
            yield path
