"""Whether something was learned, told from chance: the losses of a few steps differ
by little more than noise.

Two processors, or one with other kernels, round a step differently, and a first step may overshoot;
so one loss before and one after say nothing certain. Of all weights, though, clearly more than half
must go against their gradient; where only losses are known, the line through all of them must fall.
"""

from collections.abc import Mapping, Sequence

import numpy as np

# Ascent has -1, chance 0, a first step of Adam 1. Not how many weights go downhill: where a
# gradient is zero but for rounding, as that of a bias before a normalisation, its sign is chance.
LEAST_DESCENT = 0.2
# Standard errors of its slope by which the line through losses must fall.
LEAST_FALL = 3.0


def along(directions: Mapping[str, np.ndarray], steps: Mapping[str, np.ndarray]) -> float:
    """How much of the way that steps of their sizes could go along `directions` they go: -1 to 1.

    Of a loss and its gradient, that is the fall that the steps promise, as a part of the largest
    that steps of these sizes could. 0 where nothing moves. Both are arrays by the name of a weight;
    only the weights of `directions` count.
    """
    products = [(direction * steps[name]).ravel() for name, direction in directions.items()]
    found = np.concatenate(products).astype(np.float64)
    most = np.abs(found).sum()
    return float(found.sum() / most) if most else 0.0


def assert_descends(
    gradients: Mapping[str, np.ndarray], steps: Mapping[str, np.ndarray], label: str = ""
) -> None:
    """Fails unless the steps go against the gradients of a loss."""
    found = along({name: -gradient for name, gradient in gradients.items()}, steps)
    assert found > LEAST_DESCENT, f"{label}: {found:.2f} of the way downhill"


def fall(losses: Sequence[float]) -> float:
    """How steeply the straight line through the losses of equal numbers of steps
    falls, in standard errors.
    """
    steps = np.arange(len(losses)) - (len(losses) - 1) / 2
    values = np.asarray(losses, np.float64)
    slope = steps @ values / (steps @ steps)
    residuals = values - values.mean() - slope * steps
    error = np.sqrt(residuals @ residuals / (len(losses) - 2) / (steps @ steps))
    return float(-slope / error)


def assert_falls(losses: Sequence[float]) -> None:
    """Fails unless the losses fall by more than their noise."""
    found = fall(losses)
    assert found > LEAST_FALL, (
        f"{losses}: the line through them falls by {found:.1f} standard errors"
    )
