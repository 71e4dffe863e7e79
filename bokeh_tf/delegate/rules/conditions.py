"""The conditions of the rule documents, compiled once into functions; the vocabulary is
told in `rules/__init__.py`.
"""

import functools
import operator
import re
from collections.abc import Callable
from typing import Any

from bokeh_tf.delegate.rules.predicates import PREDICATES
from bokeh_tf.delegate.rules.views import Found

# Rules about a file have no node, and ask for `graph.` subjects alone.
Condition = Callable[[Any, Found], bool]
Getter = Callable[[Any, Found], Any]

_OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda subject, value: subject in value,
    "not in": lambda subject, value: subject not in value,
    "contains": lambda subject, value: value in subject,
    "multiple of": lambda subject, value: value != 0 and subject % value == 0,
}
_OP_SUBJECTS = {
    "name": lambda node: node.name,
    "version": lambda node: node.version,
    "is_custom": lambda node: node.is_custom,
    "is_known": lambda node: node.key in node.graph.versions,
    "version_is_known": lambda node: _version_is_known(node),
    "inputs": lambda node: len(node.inputs),
    "outputs": lambda node: len(node.outputs),
    "runtime_inputs": lambda node: len(node.runtime_inputs),
    "constant_inputs": lambda node: len(node.constant_inputs),
}
_GRAPH_SUBJECTS = {
    "nodes": lambda graph: len(graph.model_file.operators),
    "subgraphs": lambda graph: graph.model_file.subgraph_count,
    "inputs": lambda graph: len(graph.model_file.inputs),
    "outputs": lambda graph: len(graph.model_file.outputs),
    "passed_through": lambda graph: graph.passed_through,
    "has_dynamic_tensors": lambda graph: any(
        tensor.is_dynamic for tensor in graph.model_file.tensors
    ),
}
_TENSOR_SUBJECTS = frozenset(
    (
        *(
            "dtype",
            "shape",
            "rank",
            "elements",
            "batch",
            "height",
            "width",
            "channels",
            "name",
            "values",
            "value",
        ),
        *(
            "is_constant",
            "is_stored",
            "is_dynamic",
            "is_variable",
            "is_quantised",
            "is_sparse",
            "is_blockwise",
            "scale",
        ),
        *("is_graph_input", "is_graph_output", "consumers", "consumer_ops", "producer_op"),
    )
)
_TENSORS = ("inputs", "outputs", "tensors", "runtime_inputs", "constant_inputs")
_TENSOR_SUBJECT = re.compile(r"(?:(input|output)\.(\d+)|tensor)\.(?:dim\.(-?\d+)|(\w+))")


def compile_condition(entry) -> Condition:
    """Reads one condition of a document. A ValueError says what is not in the vocabulary."""
    if isinstance(entry, list):
        return _comparison(entry)
    keys = tuple(sorted(entry))
    if keys == ("all",):
        parts = [compile_condition(part) for part in entry["all"]]
        return lambda node, found: all(part(node, found) for part in parts)
    if keys == ("any",):
        parts = [compile_condition(part) for part in entry["any"]]
        return lambda node, found: any(part(node, found) for part in parts)
    if keys == ("not",):
        part = compile_condition(entry["not"])
        return lambda node, found: not part(node, found)
    if keys in (("some", "where"), ("every", "where")):
        return _quantifier(keys[0], entry[keys[0]], compile_condition(entry["where"]))
    if keys == ("is",):
        return _predicate(entry["is"])
    raise ValueError(
        f"a condition is all, any, not, some/every with where, or is. Received: {keys}."
    )


@functools.cache
def compile_subject(name: str) -> Getter:
    """A function that gives a subject's value, None where it is not there."""
    family, _, what = name.partition(".")
    if family == "option" and what:
        return lambda node, found: node.options.get(what)
    if family == "op" and what in _OP_SUBJECTS:
        getter = _OP_SUBJECTS[what]
        return lambda node, found: getter(node)
    if family == "graph" and what in _GRAPH_SUBJECTS:
        getter = _GRAPH_SUBJECTS[what]
        return lambda node, found: getter(found.graph)
    match = _TENSOR_SUBJECT.fullmatch(name)
    if match and (match[3] or match[4] in _TENSOR_SUBJECTS):
        return _tensor_getter(match[1], match[2], match[3], match[4])
    raise ValueError(
        f"unknown subject. Received: {name!r}. Known: op., option., input.N., output.N., tensor.,"
        " graph."
    )


def _tensor_getter(side, position, dimension, attribute):
    def tensor_of(node, found):
        if side is None:
            return found.tensor
        tensors = node.inputs if side == "input" else node.outputs
        return tensors[int(position)] if int(position) < len(tensors) else None

    def value_of(node, found):
        tensor = tensor_of(node, found)
        if tensor is None:
            return None
        if dimension is None:
            return getattr(tensor, attribute)
        return (
            tensor.shape[int(dimension)] if -tensor.rank <= int(dimension) < tensor.rank else None
        )

    return value_of


def _comparison(entry):
    getter = compile_subject(entry[0])
    if len(entry) == 2 and entry[1] in ("exists", "missing"):
        wanted = entry[1] == "exists"
        return lambda node, found: (getter(node, found) is not None) == wanted
    if len(entry) != 3 or entry[1] not in _OPERATORS:
        raise ValueError(
            f"a comparison is [subject, operator, value]. Received: {entry}. Known:"
            f" {list(_OPERATORS)}."
        )
    compare, other = _OPERATORS[entry[1]], _value(entry[2])

    def holds(node, found):
        subject, value = getter(node, found), other(node, found)
        return subject is not None and value is not None and bool(compare(subject, value))

    return holds


def _value(entry):
    """A comparison's right side: another subject, or itself (lists as the tuples
    that shapes and values are).
    """
    if isinstance(entry, dict):
        return compile_subject(entry["subject"])
    literal = _frozen(entry)
    return lambda node, found: literal


def _frozen(entry):
    return tuple(map(_frozen, entry)) if isinstance(entry, list) else entry


def _quantifier(kind, tensors, where):
    if tensors not in _TENSORS:
        raise ValueError(f"tensors are one of {', '.join(_TENSORS)}. Received: {tensors!r}.")

    def some(node, found):
        before = found.tensor
        for tensor in getattr(node, tensors):
            found.tensor = tensor
            if tensor is not None and where(node, found):
                return True
        found.tensor = before
        return False

    def every(node, found):
        before, result = found.tensor, True
        for tensor in getattr(node, tensors):
            found.tensor = tensor
            result = result and (tensor is None or where(node, found))
        found.tensor = before
        return result

    return some if kind == "some" else every


def _predicate(name):
    if name not in PREDICATES:
        raise ValueError(
            f"unknown predicate. Received: {name!r}. Known: {', '.join(sorted(PREDICATES))}."
        )
    predicate = PREDICATES[name]

    def holds(node, found):
        answer = predicate(node)
        if isinstance(answer, str) and answer:
            found.detail = answer
        return bool(answer)

    return holds


def _version_is_known(node):
    versions = node.graph.versions.get(node.key)
    return versions is None or node.version in versions
