"""How the tests of training run steps."""

import contextlib

import pytest
import tensorflow as tf


@contextlib.contextmanager
def _layer_by_layer():
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def layer_by_layer():
    """The test's steps run layer by layer: to trace the graph of one takes as long as ten of them.

    For tests of a few steps whose graph is not what they judge; as graphs, networks are trained in
    `test_interruptions.py` and by the commands of `test_train_command.py`.
    """
    with _layer_by_layer():
        yield


@pytest.fixture(scope="module")
def module_layer_by_layer():
    """`layer_by_layer` for all tests of a file and what they share."""
    with _layer_by_layer():
        yield


@pytest.fixture(
    scope="module", params=["layer by layer", pytest.param("as graphs", marks=pytest.mark.slow)]
)
def module_steps(request):
    """`module_layer_by_layer` by day; by night all of it as graphs too, as users run it."""
    with _layer_by_layer() if request.param == "layer by layer" else contextlib.nullcontext():
        yield


@pytest.fixture
def as_graphs(module_steps):
    """The test's steps run as graphs all the same."""
    was_layer_by_layer = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(False)
    yield
    tf.config.run_functions_eagerly(was_layer_by_layer)
