"""What each GPU delegate refuses, fails on or computes wrongly, as data:
`v2.json` and `mldrift.json`.

`load_rules(target)` reads a document, `explain(rule_id)` gives one rule with its
evidence and a minimal example.

A document is one JSON object for one target:

- `schema_version` 1, `target` and `sources`: name -> what it is.
- `release`: of its runtime, in words; or
- `releases`: those of the runtime in which every rule's own graphs were run, the oldest first; a
  check judges by the last one unless it is told another.
- `groups` (optional): name -> list of operators, written "@name" in a rule's `ops`.
- `ops`: operator -> {`max_version`: n} or {`versions`: [..]} or {} for any version, with `source`;
  `older` (optional) has the highest version by release, of those where it is lower.
  A custom operator is written "CUSTOM:Name". An operator that is not in it is not supported; rules
  about that (`v2.op`, `v2.op_version`) are rules like any other, with the subjects `op.is_known`
  and `op.version_is_known`.
- `rules`: in order. For each node the first `refused` rule that holds is its finding; where none
  holds, every rule of another kind that holds is one.

A rule has
- `id`: "<target>.<topic>" or "<target>.<topic>.<what>", lower case; `kind`: one of `findings.Kind`,
  of which those "without OpenCL" are about phones that have OpenGL alone and change no verdict;
- `ops`: list of operators and "@groups", "*" for every operator; `except`
  (optional): operators left out;
  `scope`: "node" (default) or "file": looked at once, with the `graph.` subjects alone, and
      its finding names no node;
- `when`: the condition (left out: always);
- `reason`: a template in which "{subject}" stands for a value; `instead`: what to write in Keras;
- `source`: a name of `sources` with what is said there; `evidence`: list of texts (variants of the
  operator matrix, measured facts);
- one of `example`, minimal Keras code for a `model` that meets it (or for its `converter`, where
  the default one does not), and `example_graph`, for nodes that TensorFlow's converter does not
  write but other programs may;
- `since` (optional): the release that brought it, where the document's does not have it yet;
- `releases` (optional): those of the document's in which it holds; left out: all of them;
- `offline` (optional, v2 only): true where TensorFlow 2.15.1's own offline
  checker refuses the same thing.

A condition is one of
- [subject, operator, value]: operators ==, !=, <, <=, >, >=, "in", "not in" (value is a
  list), "contains" (subject is a list), "multiple of"; [subject, "exists"] and [subject,
  "missing"]. The value may be {"subject": name}. Whatever is asked of a subject that is not
  there does not hold, but for "missing".
- {"all": [..]}, {"any": [..]}, {"not": condition}
- {"some": tensors, "where": condition} and {"every": tensors, "where": condition}: `tensors` is
  "inputs", "outputs", "tensors" (both), "runtime_inputs", "constant_inputs"; inside, subjects may
  start with "tensor."; the first tensor that a "some" finds is "{tensor.…}" in the reason.
- {"is": predicate}: a function of `predicates.py` (or `mldrift_predicates.py`) for what data cannot
  say; words that it answers with are "{detail}" in the reason.

Subjects (see `views.py`)
- `op.name` (a custom operator's custom code), `op.version`, `op.is_custom`, `op.is_known`,
  `op.version_is_known`, `op.inputs`, `op.outputs` (counts, absent optional inputs among them),
  `op.runtime_inputs`, `op.constant_inputs`
- `option.<name>`: the schema's field in snake case, enums by name: `option.stride_h`,
  `option.fused_activation`
- `input.<n>.<what>`, `output.<n>.<what>`, `tensor.<what>` with <what> one of: `dtype`, `shape`,
  `rank`, `elements`, `dim.<k>` (k may be negative), `batch`, `height`, `width`, `channels` (the
  shape read as the delegates do: [b], [b,c], [b,w,c], [b,h,w,c]; missing at rank 5 and over),
  `is_constant` (also a float16 constant after its DEQUANTIZE, a sparse one after its DENSIFY: the
  delegates fold those), `is_stored` (values in the file itself), `is_dynamic`, `is_variable`,
  `is_quantised`, `is_blockwise` (its scales are those of blocks, kept in another tensor), `scale`
  (of all its values, missing where there are several), `is_sparse`, `is_graph_input`,
  `is_graph_output`, `name`, `consumers` (count), `consumer_ops`, `producer_op`, `values` (list;
  constants up to 4096 elements), `value` (of a constant of one element). `n` counts positions in
  the operator's list, absent inputs included; an absent input is missing in all of them.
- `graph.nodes`, `graph.subgraphs`, `graph.inputs`, `graph.outputs`, `graph.has_dynamic_tensors`,
  `graph.passed_through` (names of inputs that are outputs as well; missing where there are none)

An `example_graph` has a line for each node:

    ADD v1 {fused_activation=RELU}: float32[1,6,8,4], constant float32[4] (1, 2,
    3, 4) -> float32[1,6,8,4]

that is the operator ("CUSTOM:Name" for a custom one), its version, the options that are not at
their defaults (named as the subjects are), inputs and outputs. A tensor is its type and shape,
after any of the words "constant", "variable", "quantised", "blockwise", "sparse", "output"; the
values of a constant may follow in parentheses. "name = " before a tensor lets other lines read it
as "name"; "none" is an optional input left out. What no node makes is an input of the model, what
none reads, or is called "output", an output.
"""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources

from bokeh_tf.delegate.findings import TARGETS, Kind
from bokeh_tf.delegate.rules.conditions import Condition, compile_condition
from bokeh_tf.tflite.running import RUNTIME

_SCHEMA_VERSION = 1
_PLACE = re.compile(r"\{[^{}]+\}")


@dataclass(frozen=True)
class Rule:
    """One rule of a document; `holds` is its condition, ready to be asked.
    `offline` as in the document.
    """

    id: str
    kind: Kind
    scope: str
    ops: frozenset[str] | None
    excluded: frozenset[str]
    holds: Condition
    reason: str
    instead: str
    source: str
    evidence: tuple[str, ...]
    example: str
    example_graph: str
    offline: bool
    since: str
    releases: tuple[str, ...] | None = None

    def covers(self, op):
        """Whether the rule speaks about an operator; `ops` is None for
        those that speak about all.
        """
        return op not in self.excluded and (self.ops is None or op in self.ops)


@dataclass(frozen=True)
class RuleSet:
    """A document: its rules in order, and the operators that the delegate knows with
    their versions (None for any); `older` are those of releases that know fewer.
    """

    target: str
    release: str
    sources: Mapping[str, str]
    versions: Mapping[str, frozenset[int] | None]
    rules: tuple[Rule, ...]
    releases: tuple[str, ...] = ()
    older: Mapping[str, Mapping[str, frozenset[int]]] = field(default_factory=dict)

    def of(self, runtime: str) -> "RuleSet":
        """The rules that hold in one of the document's releases."""
        if runtime not in self.releases:
            raise ValueError(
                f"the rules of {self.target} are those of some releases of {RUNTIME}. Received:"
                f" {runtime!r}. Known: {', '.join(self.releases)}."
            )
        held = (rule for rule in self.rules if rule.releases is None or runtime in rule.releases)
        versions = {**self.versions, **self.older.get(runtime, {})}
        return replace(self, rules=tuple(held), release=_in_words(runtime), versions=versions)


def _in_words(runtime):
    """A release of the runtime, after what phones call it."""
    return f"LiteRT {'.'.join(runtime.split('.')[:2])} ({RUNTIME} {runtime})"


@dataclass(frozen=True)
class Explanation:
    """One rule for people: what it says, how it is known, and the least code or the
    smallest graph that meets it.
    """

    rule: str
    target: str
    release: str
    kind: str
    ops: tuple[str, ...]
    reason: str
    instead: str
    source: str
    evidence: tuple[str, ...]
    example: str = ""
    example_graph: str = ""
    since: str = ""
    releases: tuple[str, ...] = ()


@functools.cache
def load_rules(target: str, *, runtime: str | None = None) -> RuleSet:
    """The rules of "v2" or "mldrift".

    Args:
        runtime: a release whose rules to take, where the target's document knows several; by
            default the newest that it knows.
    """
    document = _document(target)
    if not document.releases:
        return document
    return document.of(document.releases[-1] if runtime is None else runtime)


@functools.cache
def _document(target):
    """All rules of a target, of whichever release."""
    if target not in TARGETS:
        raise ValueError(f"unknown target. Received: {target!r}. Known: {', '.join(TARGETS)}.")
    return rules_from(
        json.loads(resources.files(__name__).joinpath(f"{target}.json").read_text(encoding="utf-8"))
    )


def rule_ids() -> tuple[str, ...]:
    """The ids of all rules, of whichever target and release."""
    return tuple(rule.id for target in TARGETS for rule in _document(target).rules)


def known_releases(target: str) -> tuple[str, ...]:
    """The releases of the runtime by whose rules a check can judge, the oldest first; none where
    the target's rules tell no releases apart.
    """
    return _document(target).releases


def explain(rule_id: str) -> Explanation:
    """The rule with that id, of whichever target."""
    target = rule_id.partition(".")[0]
    rule_sets = [_document(target)] if target in TARGETS else list(map(_document, TARGETS))
    known = {rule.id: (rule_set, rule) for rule_set in rule_sets for rule in rule_set.rules}
    if rule_id not in known:
        raise ValueError(f"unknown rule. Received: {rule_id!r}. Known: {', '.join(sorted(known))}.")
    rule_set, rule = known[rule_id]
    return Explanation(
        rule=rule.id,
        target=rule_set.target,
        release=rule_set.release,
        kind=rule.kind,
        ops=("*",) if rule.ops is None else tuple(sorted(rule.ops)),
        reason=_PLACE.sub("…", rule.reason),
        instead=rule.instead,
        source=rule.source,
        evidence=rule.evidence,
        example=rule.example,
        example_graph=rule.example_graph,
        since=rule.since,
        releases=rule_set.releases if rule.releases is None else rule.releases,
    )


def rules_from(document: Mapping) -> RuleSet:
    """Reads a document that is already parsed. A ValueError names the rule
    that breaks the vocabulary.
    """
    if document.get("schema_version") != _SCHEMA_VERSION:
        raise ValueError(
            f"schema version {_SCHEMA_VERSION} is known. Received:"
            f" {document.get('schema_version')!r}."
        )
    groups = document.get("groups", {})
    rules = tuple(_rule(entry, groups) for entry in document["rules"])
    ids = [rule.id for rule in rules]
    if len(set(ids)) != len(ids):
        raise ValueError(
            f"rule ids are unique. Received twice: {sorted({i for i in ids if ids.count(i) > 1})}."
        )
    releases = tuple(document.get("releases", ()))
    for rule in rules:
        unknown = sorted(set(rule.releases or ()) - set(releases))
        if unknown or rule.releases == ():
            raise ValueError(
                f"rule {rule.id}: `releases` names some of the document's. Received:"
                f" {list(rule.releases or ())}. Known: {list(releases)}."
            )
    versions = {op: _versions(entry) for op, entry in document["ops"].items()}
    return RuleSet(
        document["target"],
        _in_words(releases[-1]) if releases else document["release"],
        document["sources"],
        versions,
        rules,
        releases,
        {release: _older_versions(document["ops"], release) for release in releases},
    )


_REQUIRED = frozenset({"id", "kind", "ops", "reason", "instead", "source", "evidence"})
_OPTIONAL = frozenset(
    {"example", "example_graph", "except", "scope", "when", "offline", "since", "releases"}
)


def _rule(entry, groups):
    if not entry.keys() >= _REQUIRED or not entry.keys() <= _REQUIRED | _OPTIONAL:
        wrong = sorted((entry.keys() ^ _REQUIRED) - _OPTIONAL)
        raise ValueError(
            f"rule {entry.get('id')}: required {sorted(_REQUIRED)}. Missing or unknown: {wrong}."
        )
    try:
        ops = _operators(entry["ops"], groups)
        holds = compile_condition(entry.get("when", {"all": []}))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"rule {entry['id']}: {error}") from error
    return Rule(
        id=entry["id"],
        kind=Kind(entry["kind"]),
        scope=entry.get("scope", "node"),
        ops=ops,
        excluded=frozenset(entry.get("except", ())),
        holds=holds,
        reason=entry["reason"],
        instead=entry["instead"],
        source=entry["source"],
        evidence=tuple(entry["evidence"]),
        example=entry.get("example", ""),
        example_graph=entry.get("example_graph", ""),
        offline=entry.get("offline", False),
        since=entry.get("since", ""),
        releases=tuple(entry["releases"]) if "releases" in entry else None,
    )


def _operators(names, groups):
    """The operators that a rule names, None for all."""
    if "*" in names:
        return None
    return frozenset(
        op for name in names for op in (groups[name[1:]] if name.startswith("@") else [name])
    )


def _older_versions(ops, release):
    """The operators whose versions end lower in one release, with those that it has."""
    return {
        op: _up_to(entry["older"][release])
        for op, entry in ops.items()
        if release in entry.get("older", ())
    }


def _versions(entry):
    if "versions" in entry:
        return frozenset(entry["versions"])
    return _up_to(entry["max_version"]) if "max_version" in entry else None


def _up_to(version):
    return frozenset(range(version + 1))
