"""Whether something was learned, told from chance: the losses of a few steps differ
by little more than noise.

Two processors, or one with other kernels, round a step differently, and a first step may overshoot;
so one loss before and one after say nothing certain. Of all weights, though, clearly more than half
must go against their gradient; where only losses are known, the line through all of them must fall.
"""

from collections.abc import Mapping, Sequence

import numpy as np

# Chance has a half, ascent none, a first step of Adam all. A share and not its standard deviations:
# weights of a layer move together, so by how much chance may err is unknown, and of 100,000 weights
# 51 % would look certain.
LEAST_SHARE = 0.6
# Standard errors of its slope by which the line through losses must fall.
LEAST_FALL = 3.0


def share_along(directions: Mapping[str, np.ndarray], steps: Mapping[str, np.ndarray]) -> float:
    """The share of weights whose step has the sign of its direction, of those where both
    have one; 0 where none has.

    Both are arrays by the name of a weight; only the weights of `directions` count, each as one:
    the gradients of a few can be thousands of times those of all others.
    """
    signs = [np.sign(direction * steps[name]).ravel() for name, direction in directions.items()]
    found = np.concatenate(signs)
    moved = np.count_nonzero(found)
    return float(np.count_nonzero(found > 0) / moved) if moved else 0.0


def assert_descends(
    gradients: Mapping[str, np.ndarray], steps: Mapping[str, np.ndarray], label: str = ""
) -> None:
    """Fails unless the steps go against the gradients of a loss."""
    share = share_along({name: -gradient for name, gradient in gradients.items()}, steps)
    assert share > LEAST_SHARE, f"{label}: {share:.1%} of the weights moved downhill"


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
