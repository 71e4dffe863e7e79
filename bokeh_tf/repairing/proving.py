"""The proof of a repair: the CPU interpreter computes the same numbers from both files.

Three modes, because each hides faults that another shows: with XNNPACK, with the plain kernels, and
with those and every tensor kept, where no memory is shared. In the last one not only the outputs
are compared but every tensor that both files compute. It runs the files, so it is for child
processes only.
"""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from bokeh_tf.native_messages import native_messages_muted
from bokeh_tf.repairing.graph import Graph
from bokeh_tf.repairing.interface import PortChange
from bokeh_tf.repairing.proof import Proof
from bokeh_tf.tflite.running.feeding import load_picture, trial_inputs
from bokeh_tf.tflite.running.integer_bounds import integer_bounds
from bokeh_tf.tflite.running.runtime import TensorSpec

XNNPACK, PLAIN, KEPT = "XNNPACK", "no delegate", "all tensors kept"
# XNNPACK chooses its kernels by shape, and sums in another order with another kernel: 2.3e-7 was
# measured on small networks, and it grows with depth. What is computed wrongly shows in the other
# modes, to the bit.
_XNNPACK_BOUND = 1e-5
# Where integers are quantised, a sum that ends on the other side of a half is one step off.
_XNNPACK_STEPS = 1
_WIDE = (-3.0, 3.0)
_TRIALS = (("signed random", "signed_random", None), ("random", "positive_random", None))
_MORE_TRIALS = (("wide random", "positive_random", _WIDE), ("photo", "photo", None))


def prove(
    original, repaired, *, shapes: Sequence[Sequence[int]] | None, bound: float, photo=None
) -> Proof:
    """Compares two files on a photograph and on seeded random numbers.

    Args:
        shapes: the sizes of the inputs, None for those of the files.
        bound: the largest difference allowed without XNNPACK, relative to the output's range; 0 for
        the same bits.
        photo: a photograph; the packaged one if None.
    """
    graphs = Graph(original), Graph(repaired)
    if graphs[0].inputs != graphs[1].inputs or graphs[0].outputs != graphs[1].outputs:
        return Proof("its inputs or outputs are other tensors")
    return _Comparison(graphs, (original, repaired), shapes, bound, photo).run()


def prove_interface(
    original, changed, changes: Sequence[PortChange], *, shapes, photo=None
) -> Proof:
    """Whether a file with other ports computes the same numbers: all tensors kept, exactly equal as
    numbers.

    Args:
        changes: what was changed; other ports are the same tensors in both files.
    """
    graphs = Graph(original), Graph(changed)
    first, second = _opened(original, KEPT, shapes), _opened(changed, KEPT, None)
    if isinstance(first, str) or isinstance(second, str):
        return Proof("the CPU interpreter cannot run the file, so nothing says what is right")
    types = {entry["index"]: entry["dtype"] for entry in second.get_input_details()}
    sources = {change.after: change.before for change in changes if not change.is_input}
    outputs = [sources.get(tensor, tensor) for tensor in graphs[1].outputs]
    for name, arrays in _trials(graphs[0], first, photo):
        given = [
            array.astype(types[tensor])
            for tensor, array in zip(graphs[1].inputs, arrays, strict=True)
        ]
        expected = _run(first, graphs[0].inputs, arrays, outputs)
        found = _run(second, graphs[1].inputs, given, graphs[1].outputs)
        if isinstance(expected, str) or isinstance(found, str):
            return Proof(f"{name}: the CPU interpreter cannot run it")
        for place, (old, new) in enumerate(zip(expected, found, strict=True)):
            if not np.array_equal(old.astype(np.float64), new.astype(np.float64), equal_nan=True):
                return Proof(f"{name}: output {place}: other numbers behind another type")
    return Proof(None, (KEPT,), 0.0, 0)


class _Comparison:
    """One proof under way."""

    def __init__(self, graphs, contents, shapes, bound, photo):
        self._graph = graphs[0]
        self._contents = contents
        self._shapes = shapes
        self._bound = bound
        self._photo = photo
        self._shared = _shared_tensors(*graphs)
        self._trials = ()
        self._largest = 0.0
        self._telling: set[int] = set()

    def run(self) -> Proof:
        """Compares the files mode by mode, up to the first difference."""
        modes = []
        # With every tensor kept the CPU is right; without, it may be wrong on the original as well.
        for mode, reference in ((KEPT, KEPT), (PLAIN, KEPT), (XNNPACK, XNNPACK)):
            first = _opened(self._contents[0], reference, self._shapes)
            if isinstance(first, str):
                continue
            second = _opened(self._contents[1], mode, self._shapes)
            if isinstance(second, str):
                return Proof(f"{mode}: the CPU interpreter refuses it ({second})")
            self._trials = self._trials or _trials(self._graph, first, self._photo)
            failure, ran = self._in_mode(mode, first, second)
            if failure:
                return Proof(f"{mode}, {failure}")
            modes += [mode] if ran else []
        if not modes:
            return Proof("the CPU interpreter cannot run the file, so nothing says what is right")
        if len(self._telling) < len(self._graph.outputs):
            return Proof("an output holds no finite number on any input tried")
        return Proof(None, tuple(modes), self._largest, len(self._shared))

    def _in_mode(self, mode, first, second):
        """(why the files differ or None, whether the original runs)."""
        tensors = (*self._graph.outputs, *(self._shared if mode == KEPT else ()))
        for name, arrays in self._trials:
            expected, found = (
                _run(one, self._graph.inputs, arrays, tensors) for one in (first, second)
            )
            if isinstance(expected, str):
                return None, False
            if isinstance(found, str):
                return f"{name}: it fails on the CPU ({found})", True
            for place, pair in enumerate(zip(expected, found, strict=True)):
                failure, error = _compared(*pair, mode=mode, bound=self._bound)
                if failure:
                    return f"{name}: {self._what(place, tensors)}: {failure}", True
                self._note(place, pair[0], error, mode)
        return None, True

    def _note(self, place, expected, error, mode):
        if place >= len(self._graph.outputs):
            return
        if mode != XNNPACK:
            self._largest = max(self._largest, error)
        if _is_telling(expected):
            self._telling.add(place)

    def _what(self, place, tensors):
        is_output = place < len(self._graph.outputs)
        return f"output {place}" if is_output else f"tensor {self._graph.name(tensors[place])}"


def _shared_tensors(original, repaired):
    """The tensors that nodes of both files make, of the same type."""
    made = [
        {tensor for node in graph.nodes for tensor in node.outputs if tensor >= 0}
        for graph in (original, repaired)
    ]
    return sorted(
        tensor
        for tensor in made[0] & made[1] - set(original.outputs)
        if original.dtype(tensor) == repaired.dtype(tensor)
        and not original.tensors[tensor].isVariable
    )


def _opened(content, mode, shapes):
    """The interpreter in a mode, or why it refuses the file."""
    kernels = (
        OpResolverType.AUTO if mode == XNNPACK else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    try:
        with native_messages_muted():
            interpreter = Interpreter(
                model_content=content,
                experimental_op_resolver_type=kernels,
                experimental_preserve_all_tensors=mode == KEPT,
            )
            for entry, shape in zip(interpreter.get_input_details(), shapes or (), strict=False):
                if tuple(entry["shape"]) != tuple(shape):
                    interpreter.resize_tensor_input(entry["index"], shape)
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        return _one_line(error)
    return interpreter


def _trials(graph, interpreter, photo):
    """(name, one array per input) of each trial."""
    details = {entry["index"]: entry for entry in interpreter.get_input_details()}
    specs = [
        TensorSpec(entry["name"], tuple(map(int, entry["shape"])), np.dtype(entry["dtype"]), index)
        for index, entry in ((tensor, details[tensor]) for tensor in graph.inputs)
    ]
    bounds = [
        None if graph.is_quantised(tensor) else _bounds(graph, tensor) for tensor in graph.inputs
    ]
    picture, _ = load_picture(photo)
    made = []
    for name, trial, declared in (*_TRIALS, *_MORE_TRIALS):
        ranges = [declared] * len(specs)
        made.append(
            (name, trial_inputs(trial, specs, picture=picture, ranges=ranges, bounds=bounds))
        )
    return made


def _bounds(graph, tensor):
    if "int" not in graph.dtype(tensor):
        return None
    return integer_bounds(graph.model, graph.subgraphs[0], tensor)


def _run(interpreter, inputs, arrays, tensors):
    """The values of some tensors after one run, or why it failed."""
    try:
        for tensor, array in zip(inputs, arrays, strict=True):
            interpreter.set_tensor(tensor, array)
        interpreter.invoke()
        return [np.array(interpreter.get_tensor(tensor)) for tensor in tensors]
    except (RuntimeError, ValueError) as error:
        return _one_line(error)


def _is_telling(values):
    return values.dtype.kind != "f" or bool(np.isfinite(values).any()) or not values.size


def _compared(expected, found, *, mode, bound):
    """(why the difference is too large or None, the difference relative to the range)."""
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return (
            f"{found.dtype}{list(found.shape)} instead of {expected.dtype}{list(expected.shape)}",
            0.0,
        )
    if expected.tobytes() == found.tobytes():
        return None, 0.0
    if expected.dtype.kind not in "fiu":
        return None if np.array_equal(expected, found) else "other values", 0.0
    if not np.array_equal(np.isfinite(expected), np.isfinite(found)):
        return "not finite in other places", 0.0
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], found[~finite], equal_nan=expected.dtype.kind == "f"):
        return "other infinities", 0.0
    error, scale = _largest_error(
        expected[finite].astype(np.float64), found[finite].astype(np.float64)
    )
    if expected.dtype.kind in "iu":
        allowed = _XNNPACK_STEPS if mode == XNNPACK and expected.dtype.itemsize == 1 else 0
        return (None, 0.0) if error <= allowed else (f"{error:g} steps off", 0.0)
    # Two zeros of unlike sign are equal, whatever their bits.
    allowed = max(bound, _XNNPACK_BOUND) if mode == XNNPACK else bound
    if error <= allowed * scale:
        return None, error / scale if scale else 0.0
    return (
        f"off by {error / scale if scale else error:.2g} of its range (allowed {allowed:g})",
        error,
    )


def _largest_error(expected, found):
    """(largest error, what it is relative to: the width of the range or the largest magnitude)."""
    if not expected.size:
        return 0.0, 0.0
    scale = max(float(np.ptp(expected)), float(np.abs(expected).max()))
    return float(np.abs(expected - found).max()), scale


def _one_line(error):
    return " ".join(str(error).split())[:160]
