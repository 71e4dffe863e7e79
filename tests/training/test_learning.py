"""The judgement on learning: what descends passes; what climbs, walks at random
or stands still does not.
"""

import numpy as np
import pytest
import scipy.stats

from tests.training.learning import along, assert_descends, assert_falls, fall

RANDOM = np.random.default_rng(0)
GRADIENTS = {
    "kernel": RANDOM.standard_normal((3, 3, 8, 16)),
    # A thousandth in size, as between layers.
    "bias": 1e-3 * RANDOM.standard_normal(16),
}


def steps(change):
    return {name: change(gradient) for name, gradient in GRADIENTS.items()}


@pytest.mark.parametrize(
    "change", [lambda gradient: -0.1 * gradient, lambda gradient: -1e-3 * np.sign(gradient)]
)
def test_the_steps_of_optimisers_descend(change):
    assert_descends(GRADIENTS, steps(change))


def test_steps_on_noisy_gradients_descend():
    assert_descends(
        GRADIENTS,
        steps(
            lambda gradient: -gradient - 2 * gradient.std() * RANDOM.standard_normal(gradient.shape)
        ),
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda gradient: 0.1 * gradient,
        np.zeros_like,
        lambda gradient: RANDOM.standard_normal(gradient.shape),
    ],
    ids=["climbs", "stands still", "random"],
)
def test_what_does_not_learn_is_seen(change):
    with pytest.raises(AssertionError, match="downhill"):
        assert_descends(GRADIENTS, steps(change), "toy")


def test_chance_has_none():
    found = [
        along(GRADIENTS, steps(lambda gradient: RANDOM.choice([-1, 1], gradient.shape)))
        for _ in range(40)
    ]
    assert np.mean(found) == pytest.approx(0, abs=0.05)


def test_what_is_gone_of_what_could_be():
    gradients = {"kernel": np.array([1.0, 2.0, 0.0, -1.0, 3.0])}
    moved = {"kernel": np.array([0.5, 0.0, 1.0, -2.0, -1.0])}
    assert along(gradients, moved) == pytest.approx((0.5 + 2 - 3) / (0.5 + 2 + 3))


def test_gradients_of_rounding_alone_do_not_count():
    noise = 1e-9 * RANDOM.standard_normal(100_000)
    gradients = {**GRADIENTS, "bias before a normalisation": noise}
    moved = steps(lambda gradient: -0.001 * np.sign(gradient))
    moved["bias before a normalisation"] = 0.001 * RANDOM.choice([-1, 1], noise.shape)
    assert_descends(gradients, moved)


NOISE = 0.003 * np.array([1, -1, 0, 1, 0, -1, -1, 1])


def test_losses_that_fall_by_more_than_their_noise_pass():
    assert_falls(0.4 - 0.01 * np.arange(8) + NOISE)


@pytest.mark.parametrize("slope", [0.01, 0.0, -0.0005])
def test_losses_that_climb_or_lie_within_their_noise_are_seen(slope):
    with pytest.raises(AssertionError, match="standard errors"):
        assert_falls(0.4 + slope * np.arange(8) + NOISE)


def test_standard_errors_are_those_of_scipy():
    losses = 0.4 - 0.002 * np.arange(8) + NOISE
    line = scipy.stats.linregress(np.arange(8), losses)
    assert fall(losses) == pytest.approx(-line.slope / line.stderr)
