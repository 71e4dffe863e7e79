"""What the CPU computes for every signature of a file: the reference of a check.
For child processes only.

The interpreter's usual kernels (XNNPACK) refuse some files that the plain ones run, so those come
second; a few files run on the usual ones alone. For a quantised model the reference also says how
far right computations may be apart: its inner tensors are whole numbers, and where one
implementation rounds up and the next one down the difference grows from layer to layer.
"""

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite.running.runtime import UNNAMED, TensorSpec

_USUAL, _PLAIN = OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
# One step of an 8-bit picture whose values are floats in [0, 1].
_JITTER = 1 / 255
_SEED = 21


class CpuReference:
    """The graphs of one file on the CPU. `has_usual_kernels` is False where
    XNNPACK refuses the file.
    """

    def __init__(self, content, graphs, *, threads):
        self._content = content
        self._threads = threads
        self.graphs = graphs
        self.has_usual_kernels = True
        try:
            self._usual = self._interpreter(_USUAL)
        except (RuntimeError, ValueError) as refusal:
            self._use_plain_kernels(refusal)

    def specs(self, graph) -> tuple[TensorSpec, ...]:
        """The inputs of a graph as `trial_inputs` takes them."""
        if graph.key is None:
            details = {entry["index"]: entry for entry in self._usual.get_input_details()}
            entries = [details[port.index] for port in graph.inputs]
        else:
            details = self._usual.get_signature_runner(graph.key).get_input_details()
            entries = [details[port.name] for port in graph.inputs]
        return tuple(
            TensorSpec(
                port.name, tuple(map(int, entry["shape"])), np.dtype(entry["dtype"]), port.index
            )
            for port, entry in zip(graph.inputs, entries, strict=True)
        )

    def run(self, graph, arrays) -> tuple[np.ndarray, ...]:
        """The outputs of a graph, in the order of its ports."""
        try:
            return _run(self._usual, graph, arrays)
        except (RuntimeError, ValueError) as refusal:
            if not self.has_usual_kernels:
                raise ModelFileError(_message("cannot run it", refusal)) from refusal
            self._use_plain_kernels(refusal)
            return self.run(graph, arrays)

    def spread(self, graph, arrays, outputs) -> list[float]:
        """Per output the root mean square of what plain kernels, or inputs
        one step off, change in it.
        """
        variants = [(self._usual, _jittered(arrays))]
        plain = self._plain() if self.has_usual_kernels else None
        if plain is not None:
            variants.append((plain, arrays))
        spreads = np.zeros(len(outputs))
        for interpreter, varied in variants:
            changed = _run(interpreter, graph, varied)
            pairs = zip(outputs, changed, strict=True)
            spreads = np.maximum(spreads, [_root_mean_square(*pair) for pair in pairs])
        return spreads.tolist()

    def _plain(self):
        """The interpreter with plain kernels, None where they refuse what XNNPACK runs."""
        try:
            return self._interpreter(_PLAIN)
        except (RuntimeError, ValueError):
            return None

    def _use_plain_kernels(self, refusal):
        try:
            self._usual = self._interpreter(_PLAIN)
        except (RuntimeError, ValueError) as second_refusal:
            raise ModelFileError(_message("refuses it", second_refusal)) from refusal
        self.has_usual_kernels = False

    def _interpreter(self, kernels):
        interpreter = Interpreter(
            model_content=self._content,
            num_threads=self._threads,
            experimental_op_resolver_type=kernels,
        )
        interpreter.allocate_tensors()
        return interpreter


def _run(interpreter, graph, arrays):
    if graph.key is not None:
        named = {port.name: array for port, array in zip(graph.inputs, arrays, strict=True)}
        made = interpreter.get_signature_runner(graph.key)(**named)
        return tuple(np.array(made[port.name]) for port in graph.outputs)
    for port, array in zip(graph.inputs, arrays, strict=True):
        interpreter.set_tensor(port.index, array)
    interpreter.invoke()
    return tuple(np.array(interpreter.get_tensor(port.index)) for port in graph.outputs)


def _jittered(arrays):
    """Inputs that differ from `arrays` by at most one step of an 8-bit picture."""
    generator = np.random.default_rng(_SEED)
    return tuple(_jitter(array, generator) for array in arrays)


def _jitter(array, generator):
    if np.issubdtype(array.dtype, np.floating):
        return (array + generator.uniform(-_JITTER, _JITTER, array.shape)).astype(array.dtype)
    if array.dtype not in (np.int8, np.uint8):
        return array
    held = np.iinfo(array.dtype)
    steps = array.astype(np.int16) + generator.integers(-1, 2, array.shape)
    return np.clip(steps, held.min, held.max).astype(array.dtype)


def _root_mean_square(expected, changed):
    if expected.dtype.kind not in "fiub" or not expected.size:
        return 0.0
    error = changed.astype(np.float64) - expected.astype(np.float64)
    # Not finite: nothing can be said of the spread, so nothing is excused by it.
    return float(np.sqrt(np.mean(np.square(error)))) if np.isfinite(error).all() else 0.0


def _message(what, refusal):
    return f"{UNNAMED}: the CPU interpreter {what} ({' '.join(str(refusal).split())})."
