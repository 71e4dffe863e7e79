"""The passes: lint, rewrite what it names, put views in order, and again until nothing changes.

A rewriting that leaves the same rule at the same place is undone and not tried there again; without
that a recipe would go round for ever on tensors of a type that a delegate never takes.
"""

from dataclasses import dataclass, field

from bokeh_tf.delegate.findings import TARGETS, TargetReport
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.nodes import Declined, Node
from bokeh_tf.repairing.recipe import Recipe, apply
from bokeh_tf.repairing.tidying import tidy
from bokeh_tf.tflite.inspection import inspect

# Each pass answers one more layer of objections; the longest chain met so far took six.
_MOST_PASSES = 24


@dataclass(frozen=True)
class Applied:
    """One rewriting: which recipe, of which operator, in which Keras layer as far as known, for
    which rules.
    """

    recipe: str
    op: str
    layer: str | None
    rules: tuple[str, ...]


@dataclass
class Journal:
    """What was done, and for tensors whose node was left alone why."""

    applied: list[Applied] = field(default_factory=list)
    declined: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Attempt:
    """A rewriting of this pass, with the key under which it is blocked if it brings nothing."""

    applied: Applied
    key: tuple[str, int]
    made: tuple[Node, ...]


def lint_all(content, *, runtime: str | None = None) -> tuple[TargetReport, ...]:
    """The static check of a file for every delegate; `runtime` is the release by whose rules."""
    model_file = inspect(content)
    return tuple(lint(model_file, target, runtime=runtime) for target in TARGETS)


def run_passes(
    graph: Graph,
    recipes,
    journal: Journal,
    *,
    runtime: str | None = None,
    without_opencl: bool = False,
) -> None:
    """Rewrites the graph in place as far as the recipes go, by the rules of the release `runtime`;
    `without_opencl` adds what phones without OpenCL refuse or get wrong.
    """
    blocked: set[tuple[str, int]] = set()
    tidy(graph)
    rules, layers = _objections(graph, runtime, without_opencl)
    for _ in range(_MOST_PASSES):
        before = graph.snapshot()
        attempts = _one_pass(graph, recipes, rules, layers, blocked, journal)
        if not attempts:
            return
        tidy(graph)
        new_rules, new_layers = _objections(graph, runtime, without_opencl)
        useless = [attempt for attempt in attempts if _left_the_same(graph, attempt, new_rules)]
        if useless:
            graph.restore(before)
            blocked.update(attempt.key for attempt in useless)
            for attempt in useless:
                journal.declined[attempt.key[1]] = (
                    f"{attempt.applied.recipe}: the same objection to the new form"
                )
            continue
        rules, layers = new_rules, new_layers
        journal.applied += [attempt.applied for attempt in attempts]


def run_second_forms(graph: Graph, recipes, journal: Journal) -> None:
    """Rewrites every node that one of the recipes fits, whether a rule objects to it or not."""
    for node in list(graph.nodes):
        for recipe in recipes:
            if node.is_custom or node.name not in recipe.ops:
                continue
            try:
                apply(recipe, graph, node)
            except Declined:
                continue
            journal.applied.append(Applied(recipe.name, node.name, None, ()))
            break
    tidy(graph)


def _objections(graph, runtime, without_opencl):
    """(rules by node, layers by node), nodes by their first output."""
    rules: dict[int, tuple[str, ...]] = {}
    layers: dict[int, str | None] = {}
    for report in lint_all(graph.content(), runtime=runtime):
        others = report.without_opencl if without_opencl else ()
        for finding in (*report.findings, *others):
            if finding.node is None or not graph.nodes[finding.node].outputs:
                continue
            place = graph.nodes[finding.node].outputs[0]
            rules[place] = (*rules.get(place, ()), finding.rule)
            layers[place] = finding.layer
    return rules, layers


def _one_pass(graph, recipes: tuple[Recipe, ...], rules, layers, blocked, journal):
    attempts = []
    for node in list(graph.nodes):
        place = node.outputs[0] if node.outputs else -1
        # A rewriting of a node further up may have put another one here.
        if place not in rules or not any(other is node for other in graph.nodes):
            continue
        for recipe in recipes:
            if not recipe.answers(node, rules[place]) or (recipe.name, place) in blocked:
                continue
            try:
                made = apply(recipe, graph, node)
            except Declined as reason:
                journal.declined[place] = f"{recipe.name}: {reason}"
                continue
            journal.declined.pop(place, None)
            applied = Applied(recipe.name, node.name, layers[place], rules[place])
            attempts.append(_Attempt(applied, (recipe.name, place), made))
            break
    return attempts


def _left_the_same(graph, attempt, rules):
    """Whether a written node of the same operator meets a rule that the old one met."""
    outputs = {tensor for node in attempt.made for tensor in node.outputs}
    old_rules = set(attempt.applied.rules)
    return any(
        node.name == attempt.applied.op
        and outputs.intersection(node.outputs)
        and old_rules.intersection(rules.get(node.outputs[0], ()))
        for node in graph.nodes
    )
