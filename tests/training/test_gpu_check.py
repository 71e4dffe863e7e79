"""The Keras callback that refuses an architecture before it is trained."""

import random

import keras
import numpy as np
import pytest

from bokeh_tf.errors import TrainingError
from bokeh_tf.training.gpu_check import RequireGpuCompatible, untrained_copy

SHAPE = (8, 12)


def network(*layers, shape=SHAPE):
    image = keras.Input((*shape, 3), name="image")
    hidden = keras.layers.Conv2D(4, 3, padding="same", name="first")(image)
    for layer in layers:
        hidden = layer(hidden)
    model = keras.Model(
        image, keras.layers.Conv2D(3, 3, padding="same", name="last")(hidden), name="tiny"
    )
    model.compile(optimizer="sgd", loss="mse")
    return model


def fit(model, *callbacks):
    images = np.random.default_rng(3).random((4, *SHAPE, 3), np.float32)
    return model.fit(images, images, batch_size=2, epochs=1, verbose=0, callbacks=list(callbacks))


def test_what_runs_is_trained_as_if_it_had_not_been_checked():
    losses, states = [], []
    for callbacks in ((), (RequireGpuCompatible(),)):
        keras.utils.set_random_seed(5)
        losses.append(fit(network(), *callbacks).history["loss"])
        states.append(random.getstate())
    assert losses[0] == losses[1] and states[0] == states[1]


def test_what_would_not_run_is_refused_before_its_first_step():
    # GroupNormalization goes through five dimensions, which conversion or lint refuses.
    model = network(keras.layers.GroupNormalization(2, name="groups"))
    before = [weight.numpy() for weight in model.weights]
    with pytest.raises(TrainingError, match=r"Training not started: tiny") as caught:
        fit(model, RequireGpuCompatible())
    assert "\n" not in str(caught.value)
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)


def test_a_finding_names_rule_node_and_remedy():
    # The delegate computes groups of two channels wrongly.
    model = network(keras.layers.Conv2D(8, 1), keras.layers.Conv2D(8, 3, groups=4, padding="same"))
    with pytest.raises(TrainingError, match=r"mldrift\..*CONV_2D.*groups.*Instead: "):
        fit(model, RequireGpuCompatible(targets=("mldrift",)))


def test_what_only_trained_weights_bring_into_the_graph_is_found():
    # With a bias of 0, as it is when fresh, the activation is not fused into an
    # operator of another version.
    model = network(
        keras.layers.Conv2DTranspose(4, 4, 2, padding="same", activation="relu"),
        keras.layers.MaxPool2D(),
    )
    with pytest.raises(TrainingError, match=r"op_version.*TRANSPOSE_CONV"):
        fit(model, RequireGpuCompatible())


class Subclassed(keras.Model):
    """Says nothing of its configuration, so that nobody can copy it."""

    def __init__(self, *layers):
        super().__init__()
        self.parts = [keras.layers.Conv2D(3, 3, padding="same"), *layers]

    def call(self, image):
        for part in self.parts:
            image = part(image)
        return image


def sequential(*layers):
    return keras.Sequential(
        [keras.Input((*SHAPE, 3)), keras.layers.Conv2D(3, 3, padding="same"), *layers]
    )


@pytest.mark.parametrize("kind", [Subclassed, sequential])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_sequential_and_subclassed_models_of_both_precisions_are_checked(kind, policy):
    sound = kind(keras.layers.ReLU(dtype=policy))
    refused = kind(keras.layers.GroupNormalization(1, dtype=policy, name="groups"))
    for model in (sound, refused):
        model.compile(optimizer="sgd", loss="mse")
    sound(np.zeros((2, *SHAPE, 3), np.float32))
    before = [weight.numpy() for weight in sound.weights]
    check = RequireGpuCompatible()
    check.set_model(sound)
    check.on_train_begin()
    for weight, old in zip(sound.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)
    fit(sound, RequireGpuCompatible())
    with pytest.raises(TrainingError, match="Training not started"):
        fit(refused, RequireGpuCompatible(image_shape=SHAPE))


def test_a_subclassed_model_that_was_never_called_needs_an_image_shape():
    model = Subclassed()
    model.compile(optimizer="sgd", loss="mse")
    with pytest.raises(ValueError, match="never called"):
        fit(model, RequireGpuCompatible())


def test_free_sizes_need_an_image_shape():
    model = network(shape=(None, None))
    with pytest.raises(ValueError, match="image_shape is needed"):
        fit(model, RequireGpuCompatible())
    fit(model, RequireGpuCompatible(image_shape=SHAPE))


def test_the_copy_has_the_architecture_and_none_of_the_weights():
    model = network(shape=(None, None))
    copy = untrained_copy(model, image_shape=SHAPE)
    assert copy.input_shape == (1, *SHAPE, 3) and copy.count_params() == model.count_params()
    assert copy.layers[1].name == "first" and copy.layers[1] is not model.layers[1]


@pytest.mark.parametrize("condition", ["fp16", "npu"])
def test_what_no_lint_can_tell_is_no_condition_of_an_untrained_model(condition):
    with pytest.raises(ValueError, match=condition):
        RequireGpuCompatible(fail_on=condition)
