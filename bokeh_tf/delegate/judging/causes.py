"""Problems that have one cause: people read of each once, whatever number of
nodes and delegates it has.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bokeh_tf.delegate.engines import BESIDE_PROBE
from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.delegate.judging.problems import AUDIT, PROBE, Problem, Standing

_ORDER = (*TARGETS, *(engine.name for engine in BESIDE_PROBE), PROBE, AUDIT)
# The topic under which a rule set files operators that it does not have: there
# the operator is the cause.
_OPERATORS = ("op", "op_version")
_MOST_LAYERS = 8


@dataclass(frozen=True)
class Site:
    """One occurrence of a pattern: its nodes, in the order of the graph."""

    places: list[Problem]

    @property
    def layer(self) -> str:
        """The layer that most of its nodes are from; empty where names do not tell."""
        counted = Counter(place.layer for place in self.places if place.layer)
        return max(counted, key=lambda layer: counted[layer]) if counted else ""


@dataclass(frozen=True)
class Cause:
    """Problems with one cause, of one kind and one standing.

    Attributes:
        title: the pattern's name; empty where the rule says it all.
        problems: all of them, target by target.
        places: one problem per node, in the order of the graph.
    """

    title: str
    problems: tuple[Problem, ...]
    places: tuple[Problem, ...]

    @property
    def first(self) -> Problem:
        """The one that speaks for all."""
        return self.problems[0]

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of the rules that object, each once."""
        return tuple(dict.fromkeys(problem.rule for problem in self.problems))

    @property
    def sources(self) -> tuple[str, ...]:
        """What objects: delegates' names, the probe or the audit."""
        return tuple(dict.fromkeys(problem.source for problem in self.problems))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are concerned, one for each occurrence of the
        pattern, as far as names tell.
        """
        return tuple(dict.fromkeys(site.layer for site in self.sites if site.layer))

    @property
    def fails(self) -> bool:
        """Whether it makes the check fail."""
        return self.first.standing is Standing.FAILS

    @property
    def extent(self) -> str:
        """How many nodes, and in which layers, in words; empty where it is about the file."""
        count = sum(problem.node is not None for problem in self.places)
        if not count:
            return ""
        text = "1 node" if count == 1 else f"{count} nodes"
        named = self.layers[:_MOST_LAYERS]
        more = f" and {len(self.layers) - len(named)} more" if len(self.layers) > len(named) else ""
        return f"{text} in {', '.join(named)}{more}" if self.title and named else text

    @property
    def remedies(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """(what to write instead, the layers or delegates that it is for), each remedy once."""
        named = (
            {place: site.layer for site in self.sites for place in site.places}
            if self.title
            else {}
        )
        found: dict[str, dict[str, None]] = {}
        for problem in self.places if self.title else self.problems:
            if problem.instead:
                found.setdefault(problem.instead, {})[named.get(problem, problem.source)] = None
        return tuple((instead, tuple(filter(None, places))) for instead, places in found.items())

    @property
    def headline(self) -> str:
        """Rules, kind, extent and the pattern's name in one line."""
        text = f"{', '.join(self.rules)}  {self.first.kind}"
        text += f", {self.extent}" if self.extent else ""
        return f"{text}: {self.title}" if self.title else text

    @property
    def sites(self) -> tuple["Site", ...]:
        """The places of each occurrence of the pattern, in the order of the graph."""
        found: dict[int | None, list[Problem]] = {}
        for place in self.places:
            found.setdefault(place.site, []).append(place)
        return tuple(map(Site, found.values()))

    def sources_of(self, place: Problem) -> tuple[str, ...]:
        """What objects to the node of one of `places`."""
        return tuple(
            dict.fromkeys(
                problem.source for problem in self.problems if _node(problem) == _node(place)
            )
        )


def causes_of(problems: Iterable[Problem]) -> tuple[Cause, ...]:
    """Problems by cause: v2, mldrift, probe, fp16, then by how many nodes a cause has."""
    groups: dict[tuple, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(_key(problem), []).append(problem)
    causes = [_cause(group) for group in groups.values()]
    return tuple(sorted(causes, key=_rank))


def _rank(cause):
    return (not cause.fails, _ORDER.index(cause.first.source), -len(cause.places), cause.first.rule)


def _key(problem):
    if problem.cause is not None:
        return (problem.cause, problem.kind, problem.standing)
    if problem.source not in TARGETS:
        return (problem.source, problem.rule, problem.standing)
    topic = problem.rule.partition(".")[2]
    operator = problem.op if topic in _OPERATORS else ""
    return (topic, operator, problem.kind, problem.standing)


def _cause(group):
    places: dict[object, Problem] = {}
    for problem in group:
        places.setdefault(_node(problem), problem)
    ordered = sorted(places.values(), key=lambda one: -1 if one.node is None else one.node)
    return Cause(group[0].cause or "", tuple(group), tuple(ordered))


def _node(problem):
    """What makes a place: the node; what is about the file is known by its operator and words."""
    return (problem.op, problem.reason) if problem.node is None else problem.node
