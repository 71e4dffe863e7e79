"""Whether a repair that proved itself is right, asked apart from the proof. Runs the files: for
children only.
"""

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from bokeh_tf.repairing.proving import prove

PROVED, NOT_PROVED, DIFFERENT = 0, 3, 4
SEEDS = (101, 102)
# Of the output's range: what another order of the same sums may make.
LIMIT = 1e-4


def outputs_of(content, seed):
    """The outputs of one run on numbers from a seed, every tensor kept."""
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    source = np.random.default_rng(seed)
    for entry in interpreter.get_input_details():
        values = source.uniform(-2, 2, entry["shape"])
        interpreter.set_tensor(entry["index"], np.asarray(values).astype(entry["dtype"]))
    interpreter.invoke()
    return [interpreter.get_tensor(entry["index"]) for entry in interpreter.get_output_details()]


def agree(first, second):
    """Whether two arrays are equal to within `LIMIT` of the range, not-finite values in the same
    places.
    """
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if first.dtype.kind not in "fiu":
        return np.array_equal(first, second)
    finite = np.isfinite(first)
    if not np.array_equal(finite, np.isfinite(second)):
        return False
    first, second = first[finite].astype(np.float64), second[finite].astype(np.float64)
    return not first.size or np.abs(first - second).max() <= LIMIT * max(
        np.ptp(first), np.abs(first).max()
    )


def second_opinion(first, second):
    """PROVED, NOT_PROVED, or DIFFERENT where a proof holds for files that differ."""
    if prove(first, second, shapes=None, bound=LIMIT / 10).failure:
        return NOT_PROVED
    for seed in SEEDS:
        pairs = zip(outputs_of(first, seed), outputs_of(second, seed), strict=True)
        if not all(agree(*pair) for pair in pairs):
            return DIFFERENT
    return PROVED
