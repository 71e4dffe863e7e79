"""Nodes of a graph as values, and the schema's numbers of types and operators by name."""

from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from bokeh_tf.repairing.operators import activation_name, operator_options

NUMPY_TYPES = {
    name: np.dtype(name)
    for name in (
        *("float32", "float16", "float64", "bool"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
}
TYPE_CODES = {
    name.lower(): code for name, code in vars(schema.TensorType).items() if isinstance(code, int)
}
TYPE_NAMES = {code: name for name, code in TYPE_CODES.items()}
_BUILTIN_CODES = {
    name: code for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}
BUILTIN_NAMES = {code: name for name, code in _BUILTIN_CODES.items()}


class Declined(Exception):
    """A recipe does not fit: the message says why in half a sentence."""


@dataclass(frozen=True, eq=False)
class Node:
    """One node. `source` is the file's own, None for a new one; `options` the schema's object, None
    for none.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int = 1
    options: object = None
    source: object = None
    is_custom: bool = False

    def option(self, name, default=0):
        """The schema's field, such as "keepDims"; `default` where the node carries none."""
        return getattr(self.options, name, default)

    @property
    def activation(self) -> str:
        """The activation that is computed with it, "NONE" for none."""
        return activation_name(self.option("fusedActivationFunction"))


def new_node(name, inputs, outputs, *, version=1, options=None) -> Node:
    """A node of a builtin operator; `options` are the schema's fields by name, such as {"keepDims":
    True}.
    """
    return Node(name, tuple(inputs), tuple(outputs), version, operator_options(name, options or {}))


def type_code(dtype) -> int:
    """The schema's number of a type."""
    return TYPE_CODES[dtype]


def builtin_code(name) -> int:
    """The schema's number of a builtin operator."""
    code = _BUILTIN_CODES.get(name)
    return int(name.removeprefix("BUILTIN_")) if code is None else code


def listed(values) -> list:
    """A vector of the schema's objects as a list, which it is not where the file leaves it out."""
    return [] if values is None else list(values)


def text(raw) -> str:
    """A string of the schema's objects."""
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw or "")
