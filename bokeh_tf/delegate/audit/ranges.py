"""Rules of the half-precision audit about the range and the resolution of values. One function is
one rule or family; each takes a `Run` and a node of it and yields findings.
"""

from collections.abc import Callable

import numpy as np

from bokeh_tf.delegate.audit.findings import Severity, number
from bokeh_tf.delegate.audit.half_precision import (
    LARGEST,
    LARGEST_EXPONENT,
    UNIT_ROUNDOFF,
    VANISHING,
    rounded,
)

# A photograph may well be four times as bright somewhere as the samples are.
_MARGIN = 4
# By how much an epsilon may change when it is rounded.
_COARSE_EPSILON = 0.05
# An epsilon that is rounded differently shows where the guarded value is no
# larger than this many of it.
_MATTERS = 4
_CANCELLATION_WARNING, _CANCELLATION_ERROR = 0.02, 0.1
_SQUARES = frozenset({"MUL", "SQUARE", "SQUARED_DIFFERENCE", "POW"})
_WEIGHTED = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "TRANSPOSE_CONV": 1, "FULLY_CONNECTED": 1}
# Operators whose result is right for an infinite argument.
_BOUNDED = frozenset({"LOGISTIC", "TANH", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"})
_COMPARISONS = frozenset({"GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"})
_MOST_HOPS = 4


def out_of_range(run, node):
    """Results above 65504 or near it, where they arise: of a square, an
    exponential, a sum, or anything else.
    """
    before = max((run.spread(tensor).peak for tensor in run.runtime_inputs(node)), default=0.0)
    for output in node.outputs:
        peak = run.spread(output).peak if output >= 0 and not run.is_constant(output) else 0.0
        overflows = peak > LARGEST and before <= LARGEST
        if not overflows and not (peak > LARGEST / _MARGIN >= before):
            continue
        is_absorbed = overflows and _absorbs_infinity(
            run, output, run.spread(output).high <= LARGEST
        )
        rule, value, limit, what = _described(run, node, peak)
        if rule is None:
            rule = "fp16.overflow" if overflows else "fp16.near_overflow"
        state = "beyond" if overflows else f"within a factor {_MARGIN} of"
        note = "; whatever reads it takes infinity for what it is" if is_absorbed else ""
        yield run.finding(
            rule,
            node,
            severity=Severity.ERROR if overflows and not is_absorbed else Severity.WARNING,
            value=value,
            limit=limit if overflows or rule == "fp16.exp" else LARGEST / _MARGIN,
            reason=f"{what}, {state} the largest number of half precision (65504){note}",
            predicted_error=np.inf if overflows and not is_absorbed else None,
        )


def _described(run, node, peak):
    """(rule, value, limit, words) of a result that is too large; the rule is None for
    no operator in particular.
    """
    if is_square(run, node):
        return "fp16.square", peak, LARGEST, f"a square reaches {number(peak)}"
    if node.name == "EXP":
        exponent = run.spread(node.inputs[0]).high
        what = "softplus, written as log(exp(x) + 1)," if _is_softplus(run, node) else "exp"
        return (
            "fp16.exp",
            exponent,
            LARGEST_EXPONENT,
            f"the argument of {what} reaches {number(exponent)} (limit 11.09)",
        )
    if node.name == "SUM":
        count = _ratio(run.values(node.inputs[0]), run.values(node.outputs[0]))
        return "fp16.sum", peak, LARGEST, f"a sum over {count} elements reaches {number(peak)}"
    return None, peak, LARGEST, f"the result reaches {number(peak)}"


def _ratio(before, after):
    return before.size // max(1, after.size) if before is not None and after is not None else 0


def is_square(run, node) -> bool:
    """Whether a node multiplies something with itself."""
    if node.name == "MUL":
        return len(node.inputs) == 2 and node.inputs[0] == node.inputs[1]
    if node.name == "POW":
        exponent = run.values(node.inputs[1]) if run.is_constant(node.inputs[1]) else None
        return exponent is not None and float(exponent.min()) >= 2
    return node.name in _SQUARES


def _is_softplus(run, node):
    added = [reader for reader, _ in run.consumers(node.outputs[0]) if reader.name == "ADD"]
    return any(
        later.name == "LOG" for reader in added for later, _ in run.consumers(reader.outputs[0])
    )


def _absorbs_infinity(run, tensor, is_only_negative, hops=0):
    """Whether everything that reads a tensor gives the right result when its
    overflowing values are infinite.
    """
    readers = run.consumers(tensor)
    if (
        not readers
        or hops > _MOST_HOPS
        or any(output.index == tensor for output in run.model_file.outputs)
    ):
        return False
    return all(_absorbed_by(run, reader, read, is_only_negative, hops) for reader, read in readers)


def _absorbed_by(run, reader, tensor, is_only_negative, hops):
    if reader.name in _BOUNDED | _COMPARISONS or (reader.name == "SOFTMAX" and is_only_negative):
        return True
    if reader.name == "DIV":
        return reader.inputs[0] != tensor
    if reader.name == "ADD" and any(run.is_constant(other) for other in reader.inputs):
        return _absorbs_infinity(run, reader.outputs[0], is_only_negative, hops + 1)
    return False


def constants(run, node):
    """Constant factors that do not survive the rounding, whatever the product would be."""
    if node.name not in _WEIGHTED and node.name not in ("MUL", "DIV", "BATCH_MATMUL"):
        return
    places = (_WEIGHTED[node.name],) if node.name in _WEIGHTED else range(len(node.inputs))
    for place in places:
        tensor = node.inputs[place] if place < len(node.inputs) else -1
        if not run.is_constant(tensor) or not run.runtime_inputs(node):
            continue
        peak = run.spread(tensor).peak
        vanishes = 0 < peak < VANISHING
        if peak > LARGEST or vanishes:
            yield run.finding(
                "fp16.constant",
                node,
                severity=Severity.ERROR,
                value=peak,
                limit=VANISHING if vanishes else LARGEST,
                reason=f"a constant factor of {number(peak)} is"
                f" {'zero' if vanishes else 'infinite'} in half precision",
                predicted_error=1.0
                if vanishes and not (node.name == "DIV" and place == 1)
                else np.inf,
            )


def epsilon(run, node):
    """A small constant that guards a division, root or logarithm and does
    not survive the rounding.
    """
    if node.name not in ("ADD", "MAXIMUM") or len(node.inputs) != 2 or not run.runtime_inputs(node):
        return
    constant = next((tensor for tensor in node.inputs if run.is_constant(tensor)), None)
    guarded = sorted(
        {
            reader.name
            for reader, read in run.consumers(node.outputs[0])
            if is_divisor(run, reader, read)
        }
    )
    size = run.spread(constant).high if constant is not None else 0.0
    if not guarded or size <= 0 or abs(float(rounded(size)) - size) < _COARSE_EPSILON * size:
        return
    becomes_zero = size < VANISHING
    result = run.values(node.outputs[0])
    # The sum is zero in half exactly where the other operand is: the epsilon
    # adds nothing to it there.
    zeros = int((np.abs(result) < VANISHING).sum()) if becomes_zero and result is not None else 0
    what = f"is {number(float(rounded(size)))} in half precision"
    if becomes_zero:
        what += f"; {zeros or 'no'} divisors are zero on these samples"
    smallest = 0.0 if result is None else float(np.abs(result).min())
    change = abs(float(rounded(size)) - size) / size
    yield run.finding(
        "fp16.epsilon",
        node,
        severity=Severity.ERROR if zeros else Severity.WARNING,
        value=size,
        limit=VANISHING,
        reason=f"the constant {number(size)} that guards {', '.join(guarded)} {what}",
        predicted_error=np.inf if zeros else change if smallest <= _MATTERS * size else None,
    )


def is_divisor(run, node, tensor) -> bool:
    """Whether a node divides by a tensor, takes its reciprocal root, or its logarithm."""
    if node.name == "DIV":
        return len(node.inputs) == 2 and node.inputs[1] == tensor and node.inputs[0] != tensor
    if node.name == "POW":
        return run.is_constant(node.inputs[1]) and run.spread(node.inputs[1]).high < 0
    # sqrt(0) itself is right; only what follows may divide by it.
    if node.name == "SQRT":
        return any(is_divisor(run, reader, read) for reader, read in run.consumers(node.outputs[0]))
    return node.name in ("RSQRT", "LOG")


def underflow(run, node):
    """Divisors that are zero in half precision and not before."""
    if node.name not in ("DIV", "RSQRT", "LOG", "POW"):
        return
    for tensor in run.runtime_inputs(node):
        producer = run.model_file.producer(tensor)
        has_epsilon = producer is not None and any(epsilon(run, run.model_file.operators[producer]))
        values = run.values(tensor)
        if values is None or has_epsilon or not is_divisor(run, node, tensor):
            continue
        magnitude = np.abs(values)
        lost = magnitude[(magnitude > 0) & (magnitude < VANISHING)]
        if lost.size:
            yield run.finding(
                "fp16.underflow",
                node,
                severity=Severity.ERROR,
                value=lost.min(),
                limit=VANISHING,
                reason=f"{lost.size} divisors, down to {number(float(lost.min()))}, are zero in"
                " half precision",
                predicted_error=np.inf,
            )


def cancellation(run, node):
    """Sums and differences whose result is small beside their operands, and
    logarithms of numbers close to 1.
    """
    if node.name not in ("ADD", "SUB", "LOG") or not run.runtime_inputs(node):
        return
    scale = run.spread(node.outputs[0]).scale
    operand = max(run.spread(tensor).peak for tensor in node.inputs) if node.name != "LOG" else 1.0
    if scale <= 0 or not np.isfinite(operand) or operand > LARGEST:
        return
    error = UNIT_ROUNDOFF * operand / scale
    if error >= _CANCELLATION_WARNING:
        yield run.finding(
            "fp16.cancellation",
            node,
            severity=Severity.ERROR if error >= _CANCELLATION_ERROR else Severity.WARNING,
            value=error,
            limit=_CANCELLATION_WARNING,
            reason=f"numbers of {number(operand)} leave a result of {number(scale)}: "
            f"rounding them moves it by {number(error)} of its range",
            predicted_error=error,
        )


def angle(run, node):
    """Sines and cosines of large angles."""
    peak = run.spread(node.inputs[0]).peak if node.name in ("SIN", "COS") else 0.0
    error = float(np.spacing(np.float16(min(peak, LARGEST)))) / 2
    if peak >= 64:
        yield run.finding(
            "fp16.angle",
            node,
            severity=Severity.WARNING,
            value=peak,
            limit=64,
            reason=f"an angle of {number(peak)} is rounded by up to {number(error)} radian in half"
            " precision",
            predicted_error=min(error, 1.0),
        )


def threshold(run, node):
    """Comparisons and roundings that half precision decides otherwise."""
    decide = _DECISIONS.get(node.name)
    if decide is None:
        return
    operands = [run.values(tensor) for tensor in node.inputs[:2]]
    operands = [operand for operand in operands if operand is not None]
    if not operands:
        return
    # A CAST between floats decides nothing.
    if node.name == "CAST" and run.model_file.tensors[node.outputs[0]].dtype.startswith("float"):
        return
    with np.errstate(invalid="ignore"):
        flipped = decide(*operands) != decide(*map(rounded, operands))
    share = float(flipped.mean())
    if share >= _FLIPPED_SHARE:
        yield run.finding(
            "fp16.threshold",
            node,
            severity=Severity.WARNING,
            value=share,
            limit=_FLIPPED_SHARE,
            reason=f"{share:.2%} of the decisions turn out differently when the values are rounded"
            " to half precision",
        )


_FLIPPED_SHARE = 0.002
_DECISIONS: dict[str, Callable[..., np.ndarray]] = {
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "ROUND": np.round,
    "CAST": np.trunc,
    "ARG_MAX": lambda values, *_: values.argmax(axis=-1),
    "ARG_MIN": lambda values, *_: values.argmin(axis=-1),
}

RULES = (out_of_range, constants, epsilon, underflow, cancellation, angle, threshold)
