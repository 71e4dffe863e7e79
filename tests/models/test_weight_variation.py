"""Fresh weights that stand in for trained ones."""

import random

import keras
import numpy as np

from bokeh_tf.models.variation import vary_constant_weights


def network():
    image = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 3, name="convolution")(image)
    hidden = keras.layers.Dropout(0.5, seed=1)(hidden)
    return keras.Model(image, keras.layers.BatchNormalization(name="norm")(hidden))


def values_of(model):
    return {
        weight.path.split("/", 1)[1]: np.asarray(weight)
        for weight in model.weights
        if "seed" not in weight.path
    }


def test_only_constant_weights_are_moved_and_by_little():
    model = network()
    before = values_of(model)
    vary_constant_weights(model)
    after = values_of(model)
    np.testing.assert_array_equal(after.pop("kernel"), before.pop("kernel"))
    assert set(after) == {"bias", "gamma", "beta", "moving_mean", "moving_variance"}
    for name, values in after.items():
        assert len(set(values.tolist())) == values.size, name
        assert 0 < np.abs(values - before[name]).max() <= 0.05


def test_each_time_the_same_and_nothing_else_of_keras_changes():
    state = random.getstate()
    one, other = network(), network()
    drawn = random.getstate()
    for model in (one, other):
        vary_constant_weights(model)
    assert random.getstate() == drawn != state
    for name, values in values_of(one).items():
        if name != "kernel":
            np.testing.assert_array_equal(values, values_of(other)[name])
