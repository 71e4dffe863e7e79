"""A GPU that is slower than the runtime waits for it: what a check on the real delegate does then."""

import numpy as np
import pytest

from bokeh_tf.delegate.probing.compiled import Compiled

SHAPE = (1, 2, 3, 1)
SIGNATURE = {"key": "serving", "inputs": [{"name": "x"}], "outputs": [{"name": "y"}]}
# As the runtime of ai-edge-litert 2.3.0 puts it, after 120 seconds and at once.
NOT_DONE = "TensorBufferWrapper error: code=7, message=ERROR: [tensor_buffer.h:699]\n└ {}"
FAILED = "TensorBufferWrapper error: code=3, message=ERROR: [tensor_buffer.h:699]\n└ {}"
CANNOT_LOCK = "Failed to lock custom tensor buffer."


class Buffer:
    """One of the runtime's buffers: a read that fails leaves it locked for good."""

    def __init__(self, model):
        self.model, self.values, self.is_locked = model, np.zeros(SHAPE, np.float32), False

    def write(self, array):
        self.values[:] = array

    def read(self, size, dtype):
        if self.is_locked:
            raise RuntimeError(FAILED.format("Tensor buffer is already locked."))
        if self.model.failures_to_come:
            self.is_locked = True
            raise RuntimeError(self.model.failures_to_come.pop(0))
        return self.values.ravel().astype(dtype)


class Doubling:
    """The runtime's model that doubles its input; the first reads after a run fail."""

    def __init__(self, failures):
        self.failures, self.failures_to_come = failures, []

    def is_fully_accelerated(self):
        return True

    def get_signature_index(self, key):
        return ["serving"].index(key)

    def get_signature_by_index(self, number):
        return {"key": "serving", "inputs": ["x"], "outputs": ["y"]}

    def create_input_buffers(self, number):
        return [Buffer(self)]

    create_output_buffers = create_input_buffers

    def run_by_index(self, number, inputs, outputs):
        outputs[0].write(2 * inputs[0].values)
        self.failures_to_come = list(self.failures)


def doubled(*failures):
    image = np.arange(6, dtype=np.float32).reshape(SHAPE)
    (actual,), _ = Compiled(Doubling(failures), 0.0).run(SIGNATURE, [image], [np.empty(SHAPE, np.float32)])
    np.testing.assert_array_equal(actual, 2 * image)


@pytest.mark.parametrize("waits", [0, 1, 5])
def test_the_numbers_are_read_when_the_gpu_is_done(waits):
    doubled(*[NOT_DONE.format(CANNOT_LOCK)] * waits)


def test_a_gpu_that_is_never_done_is_given_up():
    with pytest.raises(RuntimeError, match="Failed to lock"):
        doubled(*[NOT_DONE.format(CANNOT_LOCK)] * 1000)


@pytest.mark.parametrize("failure", [FAILED.format(CANNOT_LOCK), NOT_DONE.format("Failed to unlock.")])
def test_any_other_failure_is_one_at_once(failure):
    with pytest.raises(RuntimeError, match="Failed to"):
        doubled(failure)
