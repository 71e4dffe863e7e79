"""Four-dimensional views of shapes: both delegates compute on [batch, height, width, channels] and
nothing longer.

Unit axes are dropped, neighbours that an operator treats alike are joined, and ones put in front.
"""

from collections.abc import Hashable, Sequence
from math import prod

RANK = 4


def axis_view(shape: Sequence[int], axis: int) -> tuple[tuple[int, ...], int]:
    """(four-dimensional view in which one axis keeps its size, the place of that axis in it)."""
    shape = tuple(shape)
    if len(shape) == RANK:
        return shape, axis
    if axis == len(shape) - 1:
        lead = shape[:-1] if len(shape) < RANK else (prod(shape[:-2]), *shape[-2:-1])
        return padded((*lead, shape[-1])), RANK - 1
    before, after = prod(shape[:axis]), prod(shape[axis + 1 :])
    if before == 1:
        return (1, shape[axis], 1, after), 1
    return (1, before, shape[axis], after), 2


def padded(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape of at most four dimensions with ones in front."""
    return (*(1,) * (RANK - len(shape)), *shape)


def joined_axes(
    shape: Sequence[int], labels: Sequence[Hashable]
) -> list[tuple[list[int], Hashable]]:
    """Runs of axes with one label, as (axes, label); axes of size 1 are in none of them."""
    runs: list[tuple[list[int], Hashable]] = []
    for axis, (size, label) in enumerate(zip(shape, labels, strict=True)):
        if size == 1:
            continue
        if runs and runs[-1][1] == label:
            runs[-1][0].append(axis)
        else:
            runs.append(([axis], label))
    return runs


def spread(runs: list[tuple[list[int], Hashable]]) -> list[list[int]] | None:
    """The axes of each of the at most four dimensions of a view; None where there are more runs
    than that.

    One run alone is taken apart again, so that the last two axes stay width and channels.
    """
    if len(runs) > RANK:
        return None
    groups = [axes for axes, _ in runs]
    if len(groups) == 1 and len(groups[0]) > 2:
        axes = groups[0]
        groups = [axes[:-2], axes[-2:-1], axes[-1:]]
    return groups


def view_of(shape: Sequence[int], groups: list[list[int]]) -> tuple[int, ...]:
    """The view of a shape whose axes are grouped so."""
    return padded([prod(shape[axis] for axis in group) for group in groups])
