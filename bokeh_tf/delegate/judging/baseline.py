"""A baseline: the problems a project lives with, so that only new ones fail. JSON, schema version 1.

`{"schema_version": 1, "problems": [{"file", "rule", "op", "place", "count"}]}`. A problem is known by the file's name
(not its folder), rule, operator and layer, or the tensors where no layer is known; not by its node's number, which
any change of the model moves. `count` such problems are known; one more is new.
"""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from bokeh_tf.delegate.judging.problems import Standing
from bokeh_tf.errors import CheckError
from bokeh_tf.escaping import json_text

SCHEMA_VERSION = 1
_KEYS = ("file", "rule", "op", "place")


@dataclass(frozen=True)
class Baseline:
    """Known problems: how often each fingerprint may occur."""

    counts: Counter = field(default_factory=Counter)

    def mark(self, path, problems) -> tuple:
        """The problems of the file `path`, those that would fail and are known marked so."""
        left = Counter(self.counts)
        marked = []
        for problem in problems:
            key = fingerprint(path, problem)
            if problem.standing is Standing.FAILS and left[key] > 0:
                left[key] -= 1
                problem = replace(problem, standing=Standing.KNOWN)
            marked.append(problem)
        return tuple(marked)

    @classmethod
    def of(cls, judged) -> "Baseline":
        """All problems of a run that fail or are known already."""
        counts: Counter = Counter()
        for one in judged:
            # Files of one name in several folders share their entries: the one with most decides.
            counts |= Counter(
                fingerprint(one.report.path, problem)
                for problem in one.problems
                if problem.standing in (Standing.FAILS, Standing.KNOWN)
            )
        return cls(counts)

    def to_json(self) -> str:
        """The document, in a stable order."""
        entries = [{**dict(zip(_KEYS, key, strict=True)), "count": n} for key, n in sorted(self.counts.items())]
        return json_text({"schema_version": SCHEMA_VERSION, "problems": entries})


def fingerprint(path, problem) -> tuple[str, str, str, str]:
    """What a problem is recognised by in a later version of the file."""
    place = problem.layer or " ".join(problem.tensors)
    return (Path(path).name, problem.rule, problem.op, place)


def read(path) -> Baseline:
    """Reads a baseline file; `CheckError` where it is none."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        advice = "Write one with --write-baseline."
        raise CheckError(f"{path}: cannot read this baseline ({error.strerror or error}). {advice}") from error
    except (ValueError, RecursionError) as error:
        raise _unusable(path, "it is not JSON") from error
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA_VERSION:
        raise _unusable(path, f"it is not of schema version {SCHEMA_VERSION}")
    entries = document.get("problems")
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise _unusable(path, "its problems are not a list of entries")
    counts: Counter = Counter()
    for entry in entries:
        counts[tuple(entry[key] for key in _KEYS)] += entry["count"]
    return Baseline(counts)


def _is_entry(entry):
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in _KEYS):
        return False
    count = entry.get("count")
    return isinstance(count, int) and not isinstance(count, bool) and count > 0


def _unusable(path, why):
    return CheckError(f"{path}: not a usable baseline ({why}). Write a new one with --write-baseline.")
