"""Everything that speaks against a file in one form, wherever it was found:
lint, real delegate, or audit.

Writers and the policy work on `Problem`s, so that a new kind of check needs
no change in any of them.
"""

import enum
import itertools
from dataclasses import dataclass, replace

from bokeh_tf.delegate.engines import BESIDE_PROBE, OPENGL
from bokeh_tf.delegate.findings import WITHOUT_OPENCL, Kind
from bokeh_tf.delegate.judging.symptoms import symptoms
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.tflite.running.agreement import failed_outputs, outputs_not_finite

PROBE, AUDIT = "probe", "fp16"
# Names of `--fail-on`, beside those of the engines.
REFUSED, WRONG, FLOAT16 = "refused", "wrong", "fp16"
_CRITERIA = {
    Kind.REFUSED: REFUSED,
    Kind.FAILS: REFUSED,
    Kind.WRONG: WRONG,
    **dict.fromkeys(WITHOUT_OPENCL, OPENGL),
}
_PROBE_INSTEAD = {
    Verdict.WRONG: "Run again with --bisect: it names the first node whose value differs.",
    Verdict.REFUSED: "Look up the operation among the mldrift findings, or replace it.",
    Verdict.CRASHED: "Look at the mldrift findings, or halve the model until it compiles: one"
    " operation does it.",
}


class Standing(enum.StrEnum):
    """Whether a problem makes the check fail."""

    FAILS = "fails"
    TOLERATED = "tolerated"
    """The policy does not fail on this kind of problem."""
    KNOWN = "known"
    """The baseline has it."""
    OVERRULED = "overruled"
    """The real delegate shows that it is none here."""
    OTHER_RELEASE = "other_release"
    """The real delegate that ran is not of the release by whose rules the file is judged."""


@dataclass(frozen=True)
class Problem:
    """One thing that speaks against a file.

    `source` is "v2", "mldrift", "probe", "fp16" or an engine's name; `criterion` the name in --fail-on
    that it falls under, `kind` its word for people. `is_warning` problems never fail. `node`,
    `version` and `layer` are None where there is none, and so are `cause`, the pattern that the
    node is a part of, and `site`, the first node of this occurrence of it. `symptoms` are what an
    engine's failure is recognised by where it names no operator; others have none.
    """

    source: str
    criterion: str
    kind: str
    rule: str
    node: int | None
    op: str
    version: int | None
    layer: str | None
    tensors: tuple[str, ...]
    reason: str
    instead: str
    is_warning: bool = False
    standing: Standing = Standing.TOLERATED
    cause: str | None = None
    site: int | None = None
    symptoms: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it is, for people: node, operator and layer."""
        parts = [] if self.node is None else [f"node {self.node}"]
        if self.op:
            parts.append(self.op if self.version is None else f"{self.op} v{self.version}")
        if self.layer:
            parts.append(f"(layer {self.layer})")
        return " ".join(parts) or "the file"


def problems_of(report) -> tuple[Problem, ...]:
    """All problems of a `check.Report`: lint by target, then the real delegate, then the audit."""
    overruled = {(item.target, kind) for item in report.reconciliation for kind in item.overruled}
    found = [
        _of_finding(target.target, finding, overruled)
        for target in report.targets
        for finding in (*target.findings, *target.without_opencl)
    ]
    for engine in BESIDE_PROBE:
        found += _of_engine(engine, engine.answer(report))
    if report.probe is not None and not isinstance(report.probe, Unchecked):
        is_other = report.is_probed_by_another_release
        standing = Standing.OTHER_RELEASE if is_other else Standing.TOLERATED
        found += [replace(problem, standing=standing) for problem in _of_probe(report.probe)]
    if report.audit is not None and not isinstance(report.audit, Unchecked):
        found += [_of_audit(finding) for finding in report.audit.findings]
    return tuple(found)


def _of_finding(target, finding, overruled):
    problem = Problem(
        source=target,
        criterion=_CRITERIA[finding.kind],
        kind=str(finding.kind),
        rule=finding.rule,
        node=finding.node,
        op=finding.op,
        version=finding.version,
        layer=finding.layer,
        tensors=finding.tensors,
        reason=finding.reason,
        instead=finding.instead,
        cause=finding.cause,
        site=finding.site,
    )
    return (
        replace(problem, standing=Standing.OVERRULED)
        if (target, finding.kind) in overruled
        else problem
    )


def _of_probe(probe):
    """One problem per different way to fail; precisions that fail alike share it."""
    parts: dict[tuple, list] = {}
    for part in probe.precisions:
        if part.verdict in _PROBE_INSTEAD:
            parts.setdefault(_of_part(part), []).append(part)
    return [
        Problem(
            source=PROBE,
            criterion=WRONG if verdict is Verdict.WRONG else REFUSED,
            kind=str(verdict),
            rule=f"{PROBE}.{verdict}",
            node=None,
            op="",
            version=None,
            layer=None,
            tensors=outputs,
            reason=f"{_precisions(alike)} precision: {'; '.join(reasons) or verdict}",
            instead=_PROBE_INSTEAD[verdict],
            symptoms=tuple(itertools.chain.from_iterable(map(_symptoms_of_part, alike))),
        )
        for (verdict, reasons, outputs), alike in parts.items()
    ]


def _precisions(parts):
    return " and ".join(part.precision for part in parts)


def _symptoms_of_part(part):
    return symptoms(
        part.verdict,
        part.reasons,
        failed_outputs(part.outputs),
        outputs_not_finite(part.outputs),
        precision=part.precision,
    )


def _of_engine(engine, answer):
    """What an engine beside the probe has against a file: one problem per operator that it names,
    so that in a baseline the next one is new.
    """
    if answer is None or isinstance(answer, Unchecked) or answer.verdict not in engine.instead:
        return []
    problem = Problem(
        source=engine.name,
        criterion=REFUSED if answer.counts_for_target else engine.criterion,
        kind=str(answer.verdict),
        rule=f"{engine.name}.{answer.verdict}",
        node=None,
        op="",
        version=None,
        layer=None,
        tensors=answer.wrong_outputs,
        reason="; ".join(answer.reasons) or str(answer.verdict),
        instead=engine.instead[answer.verdict],
    )
    if answer.operators_left:
        return [replace(problem, op=name) for name in answer.operators_left]
    said = symptoms(answer.verdict, answer.reasons, answer.wrong_outputs, answer.not_finite)
    return [replace(problem, symptoms=said)]


def _of_part(part):
    return part.verdict, part.reasons, failed_outputs(part.outputs)


def _of_audit(finding):
    return Problem(
        source=AUDIT,
        criterion=FLOAT16,
        kind=str(finding.severity),
        rule=finding.rule,
        node=finding.node,
        op=finding.op or "",
        version=None,
        layer=finding.layer,
        tensors=(),
        reason=finding.reason,
        instead=finding.instead,
        is_warning=str(finding.severity) != "error",
    )
