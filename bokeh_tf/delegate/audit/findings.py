"""What the half-precision audit says: findings per layer, and how wrong
each output is likely to be.

The rules themselves are words in `rules/fp16.json`: what each means, how it is known,
and what to write instead.
"""

import enum
import functools
import json
import math
from dataclasses import dataclass
from importlib import resources

from bokeh_tf.delegate.rules import Explanation

TARGET = "fp16"


class Severity(enum.StrEnum):
    """Whether a finding makes values wrong on the samples, or comes close to it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class AuditFinding:
    """One place where half precision is not enough.

    `value` is what was found and `limit` what it is held against, in the unit that `reason` names.
    `node` is the node's index in the main graph, None for an input of the file. `predicted_error`
    is how far off the node's own output is, relative to its scale: infinite where it does not come
    out finite, None where no number can be given.
    """

    rule: str
    severity: Severity
    node: int | None
    op: str
    layer: str | None
    value: float
    limit: float
    reason: str
    instead: str
    predicted_error: float | None = None


@dataclass(frozen=True)
class OutputPrediction:
    """What half precision does to one output of the file, coarsely.

    `error` is the largest error that any single node before the output makes in its own
    result, relative to that result's scale: its order of magnitude is that of the probe's
    largest error in default precision. `rules` and `nodes` are of the findings that lie before
    the output, the worst first.
    """

    name: str
    error: float
    rules: tuple[str, ...]
    nodes: tuple[int, ...]


@dataclass(frozen=True)
class Peak:
    """The largest finite magnitude in the network, and where: how much
    room half precision leaves.
    """

    value: float
    node: int | None
    op: str
    layer: str | None


@dataclass(frozen=True)
class AuditReport:
    """The audit of one file: `findings` with the errors first, `predicted` in
    the file's order of outputs.

    `samples` says what was fed: "packaged" or "synthetic" for the photograph that comes with the
    package or its stand-in, else the given paths. `nodes` counts those whose values were seen,
    `nodes_unseen` the others. `doubts` weaken a report without findings.
    """

    path: str
    findings: tuple[AuditFinding, ...]
    predicted: tuple[OutputPrediction, ...]
    peak: Peak | None
    samples: tuple[str, ...]
    nodes: int
    nodes_unseen: int
    wall_s: float
    doubts: tuple[str, ...]


def worst_first(findings) -> tuple[AuditFinding, ...]:
    """One finding for each rule and node, the worst of them; errors
    before warnings, then by node.
    """
    kept: dict[tuple, AuditFinding] = {}
    for finding in findings:
        key = (finding.rule, finding.node, finding.op)
        if key not in kept or _badness(finding) > _badness(kept[key]):
            kept[key] = finding
    return tuple(
        sorted(
            kept.values(),
            key=lambda item: (item.severity is not Severity.ERROR, _place(item), item.rule),
        )
    )


def _badness(finding):
    error = finding.predicted_error
    return finding.severity is Severity.ERROR, 0.0 if error is None else error, abs(finding.value)


def _place(finding):
    return -1 if finding.node is None else finding.node


@functools.cache
def explanations() -> dict[str, Explanation]:
    """Every rule of the audit by its id."""
    text = (
        resources.files("bokeh_tf.delegate.rules")
        .joinpath(f"{TARGET}.json")
        .read_text(encoding="utf-8")
    )
    document = json.loads(text)
    return {
        entry["id"]: Explanation(
            rule=entry["id"],
            target=TARGET,
            release=document["release"],
            kind=entry["kind"],
            ops=tuple(entry["ops"]),
            reason=entry["reason"],
            instead=entry["instead"],
            source=entry["source"],
            evidence=tuple(entry["evidence"]),
            example=entry["example"],
        )
        for entry in document["rules"]
    }


def number(value: float) -> str:
    """A value as it stands in a reason."""
    return f"{value:.4g}" if math.isfinite(value) else "infinite"
