"""Losses of a generator and its critics, whose score maps are `[B, h, w, C]`; scalars.

"wasserstein" is WGAN's (Arjovsky et al. 2017), whose critic also needs `gradient_penalty`
(Gulrajani et al. 2017, eq. 3).
"""

from keras import ops


def wasserstein_generator(rendered_scores):
    """What the generator minimises: minus the mean score of its pictures."""
    return -ops.mean(rendered_scores)


def wasserstein_critic(photo_scores, rendered_scores):
    """What the critic minimises: the mean score of rendered pictures less that of photographs."""
    return ops.mean(rendered_scores) - ops.mean(photo_scores)


def gradient_penalty(gradients):
    """Mean of (|g| - 1)² over pictures, g the gradient of a critic's mean score by
    its input, `[B, H, W, 3]`.
    """
    squares = ops.sum(ops.square(gradients), axis=(1, 2, 3))
    # The root of exactly 0 has no finite slope.
    return ops.mean(ops.square(ops.sqrt(squares + 1e-12) - 1))
