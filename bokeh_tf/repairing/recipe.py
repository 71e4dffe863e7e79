"""What a recipe is: the pattern that it answers, and how it writes the pattern so that delegates
take it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.nodes import Declined, Node
from bokeh_tf.repairing.writer import Writer
from bokeh_tf.tflite.running.signatures import DAMAGE

# What Python raises where a graph makes no sense.
MALFORMED = (*DAMAGE, ArithmeticError)


@dataclass(frozen=True)
class Recipe:
    """One repair.

    `rules` are the lint's ids that it answers, "*" in them for any end; `ops` the operators that it
    rewrites, None for any. `rewrite(writer, node)` writes the new form and delivers the node's
    outputs, or raises `Declined`. `bound` is the largest difference of an output, relative to its
    range, that another order of the same sums may make on the CPU; 0 for bit-equal.
    """

    name: str
    does: str
    rules: tuple[str, ...]
    ops: frozenset[str] | None
    rewrite: Callable[[Writer, Node], None]
    bound: float = 0.0

    def answers(self, node: Node, rules: Iterable[str]) -> bool:
        """Whether it is for a node to which these rules object."""
        return not node.is_custom and self.names(node.name, rules)

    def names(self, op: str, rules: Iterable[str]) -> bool:
        """Whether it is for an operator and one of these rules."""
        if self.ops is not None and op not in self.ops:
            return False
        return any(fnmatchcase(rule, pattern) for rule in rules for pattern in self.rules)


def apply(recipe: Recipe, graph: Graph, node: Node) -> tuple[Node, ...]:
    """Puts the recipe's nodes in the place of `node` and returns them.

    Raises:
        Declined: the recipe does not fit; the graph is as before but for tensors that nothing
        reads.
    """
    writer = Writer(graph, node)
    try:
        recipe.rewrite(writer, node)
    except MALFORMED as error:
        # Files come from anywhere: a node may lack inputs, or have axes that its tensors do not.
        raise Declined(
            f"the node is not as its operator wants it ({type(error).__name__})"
        ) from error
    return writer.finish()
