"""The ranges of values that a `.tflite` file states for its inputs and outputs, in the
metadata this package writes.
"""

import math
import numbers


def is_range(pair) -> bool:
    """Whether `pair` is two finite numbers, the lower one first."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    if not all(isinstance(value, numbers.Real) and not isinstance(value, bool) for value in pair):
        return False
    # In floating point, as the runtime will see them: a whole number from JSON may
    # have thousands of digits.
    try:
        low, high = map(float, pair)
    except OverflowError:
        return False
    return math.isfinite(low) and math.isfinite(high) and low < high


def stated_ranges(metadata, side, count) -> tuple[tuple[float, float] | None, ...]:
    """What `metadata` (of a `ModelFile`, or None) says of its `count` tensors of
    `side`, "inputs" or "outputs".

    Returns:
        (lowest, highest) for each tensor in the file's order, None where no usable range is stated.
    """
    entries = metadata.get(side) if isinstance(metadata, dict) else None
    if not isinstance(entries, list) or len(entries) != count:
        return (None,) * count
    return tuple(_range_of(entry) for entry in entries)


def _range_of(entry):
    pair = entry.get("range") if isinstance(entry, dict) else None
    return (float(pair[0]), float(pair[1])) if pair and is_range(pair) else None
