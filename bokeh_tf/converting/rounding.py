"""What half precision makes of a model's values: found in the float32 twin of a file,
before anything is rounded.

The twin holds what a float16 file would hold: weights with normalisations folded in, and constants
such as the epsilon of a division.
"""

from dataclasses import dataclass

import numpy as np

from bokeh_tf.tflite.model_file import ModelFile

LARGEST = float(np.finfo(np.float16).max)
_LARGEST_LOSS = 0.01
# Filters lie along the last dimension of a depthwise kernel, else along the first.
_DEPTHWISE = "DEPTHWISE_CONV_2D"
# A vector's elements are judged together: a bias near 0 beside others of 0.1 is no loss.
_KERNEL_RANK = 3


@dataclass(frozen=True)
class RoundedWeight:
    """A constant that half precision cannot hold.

    `kind` is "saturates", "becomes 0" or "loses"; `value` is the worst value and `rounded` what
    float16 makes of it; `count` the values concerned, `loss` the share of the whole that goes, of
    the worst filter where there are several.
    """

    layer: str
    op: str
    kind: str
    value: float
    rounded: float
    count: int
    size: int
    loss: float

    @property
    def is_severe(self) -> bool:
        """Whether a value is beyond what the file can hold, so that no
        output vouches for others.
        """
        return self.kind == SATURATES

    def __str__(self):
        lost = f", {100 * self.loss:.2g} % lost" if self.kind == LOSES else ""
        rest = f"; {self.count} of {self.size} values" if self.size > 1 else ""
        return (
            f"{self.layer} ({self.op}): {self.value:.6g} {self.kind}:"
            f" {self.rounded:.6g}{lost}{rest}"
        )


SATURATES, VANISHES, LOSES = "saturates", "becomes 0", "loses"


def rounded_weights(twin: ModelFile) -> tuple[RoundedWeight, ...]:
    """The constants of a float32 file that lose more than 1 % in float16, the worst kind first."""
    found = []
    for tensor in twin.tensors:
        readers = twin.consumers(tensor.index)
        if tensor.dtype != "float32" or not tensor.is_constant or not readers:
            continue
        values = twin.values(tensor.index)
        if values is None or not values.size:
            continue
        node = twin.operators[readers[0]]
        layer = twin.layer(node.index) or tensor.name
        found += _judged(values, layer, node.name)
    order = (SATURATES, VANISHES, LOSES)
    return tuple(sorted(found, key=lambda one: (order.index(one.kind), -one.loss)))


def _judged(values, layer, op):
    wide = values.astype(np.float64)
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float16).astype(np.float64)
    beyond = np.abs(wide) > LARGEST
    if beyond.any():
        yield _entry(SATURATES, layer, op, wide, rounded, beyond, 1.0)
        return
    filters = _filters(op, wide)
    error = filters - _filters(op, rounded)
    sizes = np.sqrt(np.sum(np.square(filters), axis=1))
    losses = np.sqrt(np.sum(np.square(error), axis=1)) / np.where(sizes == 0, 1, sizes)
    worst = int(np.argmax(losses))
    if losses[worst] <= _LARGEST_LOSS:
        return
    affected = np.abs(wide - rounded) > _LARGEST_LOSS * np.abs(wide)
    kind = VANISHES if not _filters(op, rounded)[worst].any() else LOSES
    yield _entry(kind, layer, op, wide, rounded, affected, float(losses[worst]))


def _filters(op, values):
    """One row for each filter; a vector or a scalar is one row."""
    if values.ndim < _KERNEL_RANK:
        return values.reshape(1, -1)
    rows = np.moveaxis(values, -1, 0) if op == _DEPTHWISE else values
    return rows.reshape(len(rows), -1)


def _entry(kind, layer, op, values, rounded, affected, loss):
    places = np.flatnonzero(affected)
    worst = places[np.argmax(np.abs(values.reshape(-1)[places]))]
    value, became = values.reshape(-1)[worst], rounded.reshape(-1)[worst]
    return RoundedWeight(
        layer, op, kind, float(value), float(became), len(places), values.size, loss
    )
