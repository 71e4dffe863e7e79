"""`manifest.json` of a run: what it does, with what, and what it left out;
checked when a run is resumed.

{"schema_version": 1, "plan": {...}, "conditions": {...}, "versions": {...}, "commit": "..." or null,
 "phases": {NAME: {"is_finished": bool, "skipped": [{"batch": 17, "ids": ["12", "80"]}]}}}
"""

import dataclasses
import json
import platform
from typing import Any

import keras
import numpy as np

import bokeh_tf
from bokeh_tf import documents
from bokeh_tf.checkout import git_commit
from bokeh_tf.errors import TrainingError
from bokeh_tf.files import write_text
from bokeh_tf.paths import exists, is_file, printable

_NAME = "manifest.json"
_SCHEMA_VERSION = 1


class Manifest:
    """The record of one run; `start` makes or reads it."""

    def __init__(self, path, document, *, is_writing):
        self._path, self._document, self._is_writing = path, document, is_writing

    def skipped(self, phase):
        """Numbers of the batches that a phase leaves out."""
        return frozenset(entry["batch"] for entry in self._phase(phase)["skipped"])

    def skip(self, phase, batch, ids):
        """Records a batch that is left out."""
        self._phase(phase)["skipped"].append({"batch": batch, "ids": list(ids)})
        self.write()

    def finish(self, phase):
        """Records the end of a phase."""
        self._phase(phase)["is_finished"] = True
        self.write()

    def write(self):
        """Replaces the file in one step."""
        if self._is_writing:
            write_text(self._path, json.dumps(self._document, indent=1, sort_keys=True) + "\n")

    def _phase(self, name):
        return self._document["phases"][name]


def start(out, plan, conditions, *, resume, is_writing=True):
    """The manifest of a new run in the folder `out`, yet to be written, or
    that of the run to resume.

    Raises:
        TrainingError: there is a run and no `resume`, or the other way round; or it had
            another plan or conditions.
    """
    path = out / _NAME
    promised = json.loads(json.dumps({"plan": dataclasses.asdict(plan), "conditions": conditions}))
    if resume:
        document = _read(path, plan)
        for part, value in promised.items():
            differing = [key for key in value if document[part].get(key) != value[key]]
            if differing:
                raise TrainingError(
                    f"{path}: this run began with another {', '.join(differing)}. Use the same"
                    " options to resume."
                )
        return Manifest(path, document, is_writing=is_writing)
    if exists(path):
        raise TrainingError(
            f"{path}: there is a run in this folder. Add --resume or choose another --out."
        )
    phases = {phase.name: {"is_finished": False, "skipped": []} for phase in plan.phases}
    facts = {
        "schema_version": _SCHEMA_VERSION,
        "versions": _versions(),
        "commit": git_commit(),
        "phases": phases,
    }
    return Manifest(path, {**facts, **promised}, is_writing=is_writing)


@dataclasses.dataclass(frozen=True)
class _Skipped:
    batch: int
    ids: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Phase:
    is_finished: bool
    skipped: tuple[_Skipped, ...]


@dataclasses.dataclass(frozen=True)
class _Document:
    """What a manifest must hold to be gone on from."""

    schema_version: int
    plan: dict[str, Any]
    conditions: dict[str, Any]
    phases: dict[str, _Phase]


def _read(path, plan):
    if not is_file(path):
        raise TrainingError(f"{path}: no run to resume. Leave out --resume to start.")
    try:
        document = documents.parse(documents.read(path))
        read = documents.typed(document, _Document)
    except documents.DocumentError as error:
        raise TrainingError(f"{path}: damaged manifest ({error}). Choose another --out.") from error
    if read.schema_version != _SCHEMA_VERSION:
        raise TrainingError(
            f"{path}: written by another version of this package. Choose another --out."
        )
    name = read.plan.get("name")
    if name != plan.name:
        raise TrainingError(
            f"{path}: this run is of the plan {printable(name)}, not of {plan.name}. Choose"
            " another --out."
        )
    lacking = [phase.name for phase in plan.phases if phase.name not in read.phases]
    if lacking:
        raise TrainingError(
            f"{path}: damaged manifest (no phase {lacking[0]}). Choose another --out."
        )
    return document


def _versions():
    backend = keras.backend.backend()
    return {
        "bokeh_tf": bokeh_tf.__version__,
        "keras": keras.__version__,
        "backend": backend,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
