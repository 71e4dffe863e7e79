"""What the CPU interpreter makes of a graph's tensors: their sizes, and the values that depend on
no input.

Runs the file, so for child processes only.
"""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from bokeh_tf.native_messages import native_messages_muted
from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.nodes import Declined

_SEED = 23
# Two runs on other numbers tell a size that depends on data from one that does not.
_RUNS = 2
_UNPACKING = frozenset({"DENSIFY", "DEQUANTIZE"})


class Evaluation:
    """Runs of one file with plain kernels and every tensor kept."""

    def __init__(self, content, shapes: Sequence[Sequence[int]] | None = None):
        """`shapes` are the sizes of the inputs, None for those of the file."""
        try:
            with native_messages_muted():
                self._interpreter = _open(content, shapes)
                found = [self._run(seed) for seed in range(_RUNS)]
        except (RuntimeError, ValueError) as error:
            raise Declined(
                f"the CPU interpreter cannot run the file ({_one_line(error)})"
            ) from error
        self._shapes = {
            tensor: shape for tensor, shape in found[0].items() if found[-1].get(tensor) == shape
        }

    def shape(self, tensor) -> tuple[int, ...] | None:
        """The size that a tensor had, None where it depends on what the inputs hold."""
        return self._shapes.get(tensor)

    def values(self, tensor) -> np.ndarray | None:
        """What a tensor held after the last run, None where the interpreter does not say."""
        try:
            return np.array(self._interpreter.get_tensor(tensor))
        except ValueError:
            return None

    def _run(self, seed):
        generator = np.random.default_rng([_SEED, seed])
        for entry in self._interpreter.get_input_details():
            values = generator.random(entry["shape"])
            dtype = np.dtype(entry["dtype"])
            is_float = np.issubdtype(dtype, np.floating)
            self._interpreter.set_tensor(
                entry["index"], np.asarray(values if is_float else values > 0.5).astype(dtype)
            )
        self._interpreter.invoke()
        details = self._interpreter.get_tensor_details()
        return {entry["index"]: tuple(map(int, entry["shape"])) for entry in details}


def unpacked(graph: Graph, tensor) -> np.ndarray | None:
    """What a node makes of constants alone; None where an input has a part in it.

    One run of the file answers for all its nodes: `graph.evaluated` keeps the values.
    """
    if tensor not in graph.evaluated:
        reached = graph.depends_on_input()
        evaluation = Evaluation(graph.content())
        for node in graph.nodes:
            if node.name in _UNPACKING and node.outputs[0] not in reached:
                graph.evaluated[node.outputs[0]] = evaluation.values(node.outputs[0])
    return graph.evaluated.get(tensor)


def _open(content, shapes):
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    for entry, shape in zip(interpreter.get_input_details(), shapes or (), strict=False):
        interpreter.resize_tensor_input(entry["index"], shape)
    interpreter.allocate_tensors()
    return interpreter


def _one_line(error):
    return " ".join(str(error).split())[:160]
