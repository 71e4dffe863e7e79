"""Fresh weights that stand in for trained ones."""

import numpy as np

# How far weights that all had one value are moved, at most.
_VARIATION = 0.05


def vary_constant_weights(model):
    """Moves weights of `model` that all have one value, such as biases of 0 and scales of
    1, by up to 0.05 at random.

    A converter folds such values away, and what it makes of the rest is not the graph that trained
    weights give: a transposed convolution without its bias, for example, is another version of the
    operator. The same every time; Keras's random state stays as it is.
    """
    generator = np.random.default_rng(0)
    for variable in model.weights:
        values = np.asarray(variable)
        is_constant = (
            values.size and np.issubdtype(values.dtype, np.floating) and np.ptp(values) == 0
        )
        if is_constant:
            variable.assign(
                values
                + generator.uniform(-_VARIATION, _VARIATION, values.shape).astype(values.dtype)
            )
