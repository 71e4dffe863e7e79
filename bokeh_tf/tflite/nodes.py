"""One node and one tensor of a graph, as a `.tflite` file describes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bokeh_tf.tflite.options import Option


@dataclass(frozen=True)
class TensorInfo:
    """One tensor. `shape` holds 1 where a dimension is dynamic, as in the file;
    constants have their values in it.

    `is_variable` is state that outlives a run; `is_quantised` says that real values stand behind
    the integers, by `scale_count` scales in the tensor itself (0 where they are kept elsewhere, as
    those of blocks are). `scale` is the one of all values, None where there is none or more.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    is_constant: bool
    is_dynamic: bool
    buffer: int
    is_variable: bool = False
    is_quantised: bool = False
    scale_count: int = 0
    scale: float | None = None
    is_sparse: bool = False


@dataclass(frozen=True)
class OperatorInfo:
    """One node. A custom operator's name is its custom code; inputs and outputs are
    tensor indices, -1 for none.

    `options` are the schema's fields of a builtin operator by name: enumerations by the name of
    their value, lists as tuples, and "fused_activation" for the activation that is computed with
    it. Custom operators have none.
    """

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    is_custom: bool
    options: Mapping[str, Option] = field(default_factory=dict)
