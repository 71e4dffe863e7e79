"""A baseline: the problems a project lives with, so that only new ones
fail. JSON, schema version 3.

`{"schema_version": 3, "problems": [{"file", "rule", "op", "place", "count"}]}`. A problem is known
by the file's path as seen from the baseline's folder, rule, operator and layer, or the tensors
where no layer is known; not by its node's number, which any change of the model moves. What an
engine has against a file without naming an operator has an entry for each of its symptoms instead
(`symptoms.py`), and is known where all of them are. `count` such problems are known; one more is
new. Version 2, which knows no symptoms, and version 1, whose `file` is a name without its folder as
well, are read as they were meant, and `Baseline.warning` says what that lets through.
"""

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from bokeh_tf import documents
from bokeh_tf.delegate.engines import BESIDE_PROBE
from bokeh_tf.delegate.judging.problems import PROBE, Problem, Standing
from bokeh_tf.documents import DocumentError
from bokeh_tf.errors import CheckError
from bokeh_tf.escaping import json_text
from bokeh_tf.paths import is_file, printable, resolved

SCHEMA_VERSION = 3
_WITHOUT_SYMPTOMS_VERSION, _BY_NAME_VERSION = 2, 1
_KEYS = ("file", "rule", "op", "place")
_LIMIT_BYTES = 64_000_000
# What the rules of engines' failures start with.
_OF_ENGINES = tuple(f"{name}." for name in (PROBE, *(engine.name for engine in BESIDE_PROBE)))


@dataclass(frozen=True)
class Baseline:
    """Known problems: how often each fingerprint may occur.

    Attributes:
        folder: the one that files are named from; None for the names alone, without their folders.
        warning: what is to be said about it, in one line; empty for nothing.
        knows_symptoms: whether engines' failures without an operator are told apart.
    """

    counts: Counter = field(default_factory=Counter)
    folder: Path | None = None
    warning: str = ""
    knows_symptoms: bool = True

    def mark(self, path: str, problems) -> tuple[Problem, ...]:
        """The problems of the file `path`, those that would fail and are known marked so."""
        left = Counter(self.counts)
        marked = []
        for problem in problems:
            keys = Counter(self._keys(path, problem))
            if problem.standing is Standing.FAILS and keys <= left:
                left -= keys
                problem = replace(problem, standing=Standing.KNOWN)
            marked.append(problem)
        return tuple(marked)

    @classmethod
    def of(cls, judged, folder: Path | str) -> "Baseline":
        """All problems of a run that fail or are known already, for a baseline file in `folder`."""
        baseline = cls(folder=Path(folder))
        for one in judged:
            # A file that was given twice, or as bytes like others, has one entry:
            # the one with most decides.
            baseline.counts.update(
                Counter(
                    key
                    for problem in one.problems
                    if problem.standing in (Standing.FAILS, Standing.KNOWN)
                    for key in baseline._keys(one.report.path, problem)
                )
                - baseline.counts
            )
        return baseline

    def to_json(self) -> str:
        """The document, in a stable order."""
        entries = [
            {**dict(zip(_KEYS, key, strict=True)), "count": n}
            for key, n in sorted(self.counts.items())
        ]
        return json_text({"schema_version": SCHEMA_VERSION, "problems": entries})

    def _keys(self, path, problem):
        name = Path(path).name if self.folder is None else _seen_from(self.folder, path)
        known_by = identities if self.knows_symptoms else _without_symptoms
        return [(name, *identity) for identity in known_by(problem)]


def identities(problem: Problem) -> list[tuple[str, str, str]]:
    """What a problem is recognised by in a later version of its file: rule, operator and place;
    of a failure with symptoms, one for each.
    """
    if not problem.symptoms:
        return _without_symptoms(problem)
    return [(problem.rule, problem.op, symptom) for symptom in problem.symptoms]


def _without_symptoms(problem):
    return [(problem.rule, problem.op, problem.layer or " ".join(problem.tensors))]


def _seen_from(folder, path):
    """The file `path` relative to `folder`, with slashes; what is no
    file keeps its name as it is.
    """
    if not is_file(path):
        return path
    # Folders by their real places, so that a link on the way (as `/tmp` may be
    # one) makes no difference.
    place = resolved(Path(path).parent) / Path(path).name
    try:
        return Path(os.path.relpath(place, resolved(folder))).as_posix()
    except OSError:
        # The working folder was deleted, and with it whatever is named from there.
        return path


@dataclass(frozen=True)
class _Entry:
    """One kind of known problem, as the file has it."""

    file: str
    rule: str
    op: str
    place: str
    count: int

    def __post_init__(self):
        if self.count < 1:
            raise ValueError(f"count must be a whole number from 1. Received: {self.count}.")


@dataclass(frozen=True)
class _Document:
    problems: list[_Entry]


def read(path: Path | str) -> Baseline:
    """Reads a baseline file; `CheckError` where it is none."""
    shown = printable(path)
    try:
        content = documents.read(path, limit_bytes=_LIMIT_BYTES)
    except DocumentError as error:
        raise CheckError(
            f"{shown}: cannot read this baseline ({error}). Write one with --write-baseline."
        ) from error
    try:
        document = documents.parse(content)
        version = document.get("schema_version") if isinstance(document, dict) else None
        if version not in (SCHEMA_VERSION, _WITHOUT_SYMPTOMS_VERSION, _BY_NAME_VERSION):
            raise DocumentError(f"not of schema version {SCHEMA_VERSION}")
        entries = documents.typed(document, _Document).problems
    except DocumentError as error:
        raise CheckError(
            f"{shown}: not a usable baseline ({error}). Write a new one with --write-baseline."
        ) from error
    counts: Counter = Counter()
    for entry in entries:
        counts[entry.file, entry.rule, entry.op, entry.place] += entry.count
    if version == SCHEMA_VERSION:
        return Baseline(counts, Path(path).parent)
    folder = None if version == _BY_NAME_VERSION else Path(path).parent
    return Baseline(counts, folder, _warning(shown, version, entries), knows_symptoms=False)


def _warning(shown, version, entries):
    """What an older baseline lets through; empty where that is nothing."""
    if version == _BY_NAME_VERSION:
        passes = "lets any file of a known name pass"
    elif any(entry.rule.startswith(_OF_ENGINES) and not entry.op for entry in entries):
        passes = "lets an engine's failure pass whatever its reason"
    else:
        return ""
    why = f"of schema version {version}, which {passes}"
    return f"{shown}: {why}. Write it anew with --write-baseline."
