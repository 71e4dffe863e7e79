"""The static check: what one GPU delegate objects to in a `.tflite` file, node by node, by
the rules of that target.

Nothing runs: the file's bytes may come from anywhere, and any graph that `inspect`
could read gets a report.
"""

import re
from collections.abc import Iterator
from itertools import islice

from bokeh_tf.delegate.findings import WITHOUT_OPENCL, Finding, Kind, TargetReport, TargetVerdict
from bokeh_tf.delegate.linting.causes import explained
from bokeh_tf.delegate.linting.coverage import find_coverage
from bokeh_tf.delegate.rules import Rule, RuleSet, load_rules
from bokeh_tf.delegate.rules.conditions import compile_subject
from bokeh_tf.delegate.rules.views import Found, GraphView, NodeView
from bokeh_tf.tflite.model_file import ModelFile

_PLACE = re.compile(r"\{([^{}]+)\}")


def lint(model_file: ModelFile, target: str, *, runtime: str | None = None) -> TargetReport:
    """Checks `model_file` against the rules of `target`, "v2" or "mldrift".

    Args:
        runtime: a release whose rules to take, see `load_rules`.
    """
    rule_set = load_rules(target, runtime=runtime)
    found = find_findings(model_file, rule_set)
    findings = tuple(finding for finding in found if finding.kind not in WITHOUT_OPENCL)
    refused = {
        finding.node
        for finding in findings
        if finding.kind is Kind.REFUSED and finding.node is not None
    }
    fails = any(
        finding.kind is Kind.FAILS or (finding.kind is Kind.REFUSED and finding.node is None)
        for finding in findings
    )
    return TargetReport(
        target=target,
        release=rule_set.release,
        verdict=_verdict(findings),
        coverage=find_coverage(model_file, refused, fails=fails),
        findings=explained(model_file, findings),
        without_opencl=tuple(finding for finding in found if finding.kind in WITHOUT_OPENCL),
    )


def find_findings(model_file: ModelFile, rule_set: RuleSet) -> tuple[Finding, ...]:
    """The findings of one set of rules: those about the file, then those of
    the nodes in their order.
    """
    graph = GraphView(model_file, rule_set.versions)
    of_file = [rule for rule in rule_set.rules if rule.scope == "file"]
    of_nodes = [rule for rule in rule_set.rules if rule.scope == "node"]
    findings = [
        _finding(rule, found, graph, None) for rule, found in _matches(of_file, None, graph)
    ]
    rules_of: dict[str, tuple[list[Rule], list[Rule]]] = {}
    for node in graph.nodes:
        if node.key not in rules_of:
            covering = [rule for rule in of_nodes if rule.covers(node.key)]
            rules_of[node.key] = (
                [rule for rule in covering if rule.kind is Kind.REFUSED],
                [rule for rule in covering if rule.kind is not Kind.REFUSED],
            )
        refusals, others = rules_of[node.key]
        # One reason to refuse is enough, and what is refused can neither fail nor be wrong.
        matches = list(islice(_matches(refusals, node, graph), 1)) or _matches(others, node, graph)
        findings += [_finding(rule, found, graph, node) for rule, found in matches]
    return tuple(findings)


def _matches(
    rules: list[Rule], node: NodeView | None, graph: GraphView
) -> Iterator[tuple[Rule, Found]]:
    """(rule, what its condition found) of the rules that hold."""
    for rule in rules:
        found = Found(graph)
        if rule.holds(node, found):
            yield rule, found


def _verdict(findings):
    kinds = {finding.kind for finding in findings}
    if kinds & {Kind.REFUSED, Kind.FAILS}:
        return TargetVerdict.INCOMPATIBLE
    return TargetVerdict.ACCEPTED_BUT_WRONG if kinds else TargetVerdict.COMPATIBLE


def _finding(rule: Rule, found: Found, graph: GraphView, node: NodeView | None) -> Finding:
    return Finding(
        rule=rule.id,
        kind=rule.kind,
        node=node.index if node else None,
        op=node.name if node else "",
        version=node.version if node else None,
        layer=graph.model_file.layer(node.index) if node else None,
        tensors=tuple(str(tensor) for tensor in node.tensors if tensor is not None) if node else (),
        reason=_filled(rule.reason, node, found),
        instead=rule.instead,
    )


def _filled(template, node, found):
    """A reason with its places filled: "{detail}" and the rules' subjects."""

    def value(match):
        return (
            found.detail if match[1] == "detail" else _text(compile_subject(match[1])(node, found))
        )

    return _PLACE.sub(value, template)


def _text(value):
    if isinstance(value, tuple):
        return "x".join(map(str, value)) or "scalar"
    return str(value)
