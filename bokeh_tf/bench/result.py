"""What a timing run leaves behind: raw samples, conditions and doubts, as JSON that later runs can read.

A `Result` holds everything a report needs, so that reports never measure.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bokeh_tf import files
from bokeh_tf.bench.environment import Environment
from bokeh_tf.bench.sampling import Samples
from bokeh_tf.bench.statistics import Interval, Summary, find_doubts, summarise
from bokeh_tf.errors import CheckError

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Measurement:
    """One contender's times.

    Attributes:
        name: unique in its result.
        model, model_sha256: file name and digest, `None` for what is not a model.
        backend: what computed it, for example `"litert-xnnpack"`.
        load_ns: from the file's bytes to a runner with allocated tensors, once.
        doubts: why the times are unstable; empty when they are not.
    """

    name: str
    model: str | None
    model_sha256: str | None
    backend: str
    threads: int
    load_ns: int | None
    samples: Samples
    summary: Summary
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """One interleaved run; only measurements of the same run may be divided by each other."""

    created_utc: str
    environment: Environment
    doubts: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    schema_version: int = SCHEMA_VERSION

    def find(self, name):
        """The measurement called `name`."""
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        known = ", ".join(measurement.name for measurement in self.measurements)
        raise ValueError(f"No such measurement. Received: {name!r}. Known: {known}")


def make_measurement(name, samples, *, backend, threads, model=None, model_sha256=None, load_ns=None):
    """A `Measurement` of `samples`, with its summary and doubts."""
    summary = summarise(samples.rounds_ns)
    doubts = find_doubts(samples, summary)
    return Measurement(name, model, model_sha256, backend, threads, load_ns, samples, summary, doubts)


def utc_now():
    """The time now, as ISO 8601 in UTC to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_json(result):
    """The result as JSON text."""
    return json.dumps(asdict(result), indent=1, allow_nan=False) + "\n"


def from_json(text, *, source="result"):
    """The `Result` in `text`; `CheckError` naming `source` where it is damaged or of another schema."""
    try:
        content = json.loads(text)
        version = content["schema_version"]
        if version == SCHEMA_VERSION:
            return Result(
                created_utc=content["created_utc"],
                environment=Environment(**content["environment"]),
                doubts=tuple(content["doubts"]),
                measurements=tuple(_measurement(entry) for entry in content["measurements"]),
            )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CheckError(f"{source}: not a benchmark result ({type(error).__name__}: {error})") from error
    raise CheckError(f"{source}: has schema version {version}, this package reads {SCHEMA_VERSION}. Measure again.")


def _measurement(entry):
    samples, summary = entry["samples"], entry["summary"]
    rounds_ns = tuple(tuple(round_ns) for round_ns in samples["rounds_ns"])
    samples = Samples(**{**samples, "warmup_ns": tuple(samples["warmup_ns"]), "rounds_ns": rounds_ns})
    summary = Summary(**{**summary, "median_ms": Interval(**summary["median_ms"])})
    return Measurement(**{**entry, "samples": samples, "summary": summary, "doubts": tuple(entry["doubts"])})


def write_result(result, folder):
    """Writes the result into `folder` as `cpu_<UTC time>.json`, never over another, and returns the path."""
    path = new_path(files.make_folder(folder), "cpu", result.created_utc)
    files.write_text(path, to_json(result))
    return path


def new_path(folder, prefix, created_utc, *, suffix=".json"):
    """A path `<prefix>_<UTC time><suffix>` in `folder` that nothing has yet."""
    stem = f"{prefix}_{created_utc.replace('-', '').replace(':', '')}"
    path, attempt = Path(folder) / f"{stem}{suffix}", 2
    while path.exists():
        path, attempt = Path(folder) / f"{stem}_{attempt}{suffix}", attempt + 1
    return path
