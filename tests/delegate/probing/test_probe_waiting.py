"""A GPU that is slower than the runtime waits for it, or stands still: what a check on
the real delegate does then.
"""

import threading
import time

import numpy as np
import pytest

from bokeh_tf.bench.host.worker_process import Worker, WorkerError
from bokeh_tf.delegate.probing.probe import probe
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.writers.document import plain
from bokeh_tf.tflite.running.gpu_runtime import Compiled, StalledError
from bokeh_tf.tflite.running.signatures import find_graphs

SHAPE = (1, 2, 3, 1)
SIGNATURE = {"key": "serving", "inputs": [{"name": "x"}], "outputs": [{"name": "y"}]}
# As the runtime of ai-edge-litert 2.3.0 puts it, the first after 120 seconds.
NOT_DONE = "code=7, message=ERROR: [tensor_buffer.h:699]\n└ Failed to lock custom tensor buffer."
FAILED = "code=3, message=ERROR: [tensor_buffer.h:699]\n└ Failed to lock custom tensor buffer."
LOCKED = "code=3, message=ERROR: [tensor_buffer.h:699]\n└ Tensor buffer is already locked."
# What the other threads of a GPU at work use in a wait of this test: more than those
# of one that stands still.
WORK_S = 0.3


def work():
    """Uses processor time in another thread."""

    def spin():
        while time.thread_time() < WORK_S:
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    thread.join()


class Buffer:
    """One of the runtime's buffers: a read that fails leaves it locked for good."""

    def __init__(self, model):
        self.model, self.values, self.is_locked = model, np.zeros(SHAPE, np.float32), False

    def write(self, array):
        self.values[:] = array

    def read(self, size, dtype):
        if self.is_locked:
            raise RuntimeError(LOCKED)
        if self.model.waits_to_come:
            self.is_locked = True
            message, happens = self.model.waits_to_come.pop(0)
            happens()
            raise RuntimeError(message)
        return self.values.ravel().astype(dtype)


class Doubling:
    """The runtime's model that doubles its input; the first waits after a run fail."""

    def __init__(self, waits):
        self.waits, self.waits_to_come = waits, []

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
        self.waits_to_come = list(self.waits)


def double(*waits):
    image = np.arange(6, dtype=np.float32).reshape(SHAPE)
    (actual,), _ = Compiled(Doubling(waits), 0.0).run(
        SIGNATURE, [image], [np.empty(SHAPE, np.float32)]
    )
    np.testing.assert_array_equal(actual, 2 * image)


@pytest.mark.parametrize("waits", [0, 1, 3])
def test_a_gpu_at_work_is_waited_for(waits):
    double(*[(NOT_DONE, work)] * waits)


def test_what_is_bound_is_waited_for_in_every_run():
    # The first wait of each run fails, which leaves the buffer that it read locked for good.
    bound = Compiled(Doubling([(NOT_DONE, work)]), 0.0).bind(
        SIGNATURE, [np.empty(SHAPE, np.float32)]
    )
    image = np.arange(6, dtype=np.float32).reshape(SHAPE)
    bound.feed([image])
    for _ in range(2):
        bound.run()
        np.testing.assert_array_equal(bound.outputs()[0], 2 * image)


@pytest.mark.parametrize("waits", [0, 1])
def test_a_gpu_that_stands_still_is_not(waits):
    with pytest.raises(StalledError, match="Failed to lock"):
        double(*[(NOT_DONE, work)] * waits, (NOT_DONE, lambda: None))


@pytest.mark.parametrize("message", [FAILED, LOCKED])
def test_any_other_failure_is_one_at_once(message):
    with pytest.raises(RuntimeError) as failure:
        double((message, work))
    assert not isinstance(failure.value, StalledError)


# The whole check, with another runtime in the place of ai-edge-litert's delegate

RUNTIME = '''
"""Triples its input. Stands still in the first runs of the processes there are, as often as a file says.

With WORK_S it is at work meanwhile, and done after the first wait.
"""

import threading
import time
from pathlib import Path

import numpy as np

MESSAGE = {message!r}
WORK_S = {work_s!r}
RUNS = Path({folder!r}) / "runs_that_fail"


class Options:
    def __init__(self, **options):
        pass


class HardwareAccelerator:
    GPU, CPU = 1, 2


GpuOptions = Options


def spin():
    while time.thread_time() < WORK_S:
        pass


class Buffer:
    stands_still = False

    def write(self, array):
        self.values = array

    def read(self, size, dtype):
        if Buffer.stands_still:
            if WORK_S:
                Buffer.stands_still = False
                thread = threading.Thread(target=spin)
                thread.start()
                thread.join()
            raise RuntimeError(MESSAGE)
        return getattr(self, "values", np.zeros(size, dtype)).ravel()


class CompiledModel:
    @classmethod
    def from_file(cls, path, options):
        return cls()

    def is_fully_accelerated(self):
        return True

    def get_signature_index(self, key):
        return 0

    def get_signature_by_index(self, number):
        return {{"key": "serving_default", "inputs": ["image"], "outputs": ["output_0"]}}

    def create_input_buffers(self, number):
        return [Buffer()]

    create_output_buffers = create_input_buffers

    def run_by_index(self, number, inputs, outputs):
        left = int(RUNS.read_text())
        RUNS.write_text(str(max(left - 1, 0)))
        Buffer.stands_still = left > 0
        outputs[0].write(3 * inputs[0].values)
'''


@pytest.fixture
def stalling(monkeypatch, tmp_path, tiny_tflite):
    """`stalling(runs, message)`: a file that is tripled by a runtime whose first runs
    stand still, or take longer.
    """

    def install(runs, message=NOT_DONE, *, work_s=0.0):
        package = tmp_path / "ai_edge_litert"
        package.mkdir()
        # All but the one module comes from the installed package.
        (package / "__init__.py").write_text(
            "import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n", encoding="utf-8"
        )
        runtime = RUNTIME.format(message=message, folder=str(tmp_path), work_s=work_s)
        (package / "compiled_model.py").write_text(runtime, encoding="utf-8")
        (tmp_path / "runs_that_fail").write_text(str(runs), encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return tiny_tflite("tripled", lambda image: image * 3.0)

    return install


def test_a_check_that_stalled_once_passes_and_says_so(stalling):
    report = probe(stalling(1))
    assert report.verdict is Verdict.FULL
    (doubt,) = report.doubts
    assert doubt.startswith("float32: in a first try the GPU was not done after two minutes")
    assert doubt in plain(report)["doubts"]


def test_a_check_that_stalls_twice_is_not_done(stalling):
    report = probe(stalling(2), precisions=("float32",))
    assert report.verdict is Verdict.TIMED_OUT and report.verdict.exit_code == 1
    assert (
        "not done after two minutes" in report.precisions[0].reasons[0] and len(report.doubts) == 1
    )


def test_another_failure_is_not_tried_again(stalling):
    report = probe(stalling(1, FAILED), precisions=("float32",))
    assert report.verdict is Verdict.CRASHED and report.doubts == ()


# A timing waits as a check does


def open_in_worker(worker, path):
    tensor = {"index": 0, "shape": [1, 16, 24, 3], "dtype": "float32"}
    (port,), (made,) = ports_of(path)
    request = {"do": "open", "path": str(path), "precision": "default", "seed": 0}
    inputs, outputs = [{**tensor, "index": port}], [{**tensor, "index": made}]
    worker.ask({**request, "inputs": inputs, "outputs": outputs})
    return worker.ask({"do": "run", "runs": 2, "settle": False})["times_ns"]


def ports_of(path):
    (graph,) = find_graphs(path.read_bytes())
    return [port.index for port in graph.inputs], [port.index for port in graph.outputs]


def test_a_timing_waits_for_a_gpu_at_work(stalling):
    path = stalling(2, work_s=WORK_S)
    with Worker.on_gpu(timeout_s=60) as worker:
        times_ns = open_in_worker(worker, path)
    # The wait is part of the run: the GPU was computing.
    assert len(times_ns) == 2 and min(times_ns) >= WORK_S * 1e9


def test_a_timing_of_a_gpu_that_stands_still_ends(stalling):
    path = stalling(1)
    with Worker.on_gpu(timeout_s=60) as worker, pytest.raises(WorkerError, match="Failed to lock"):
        open_in_worker(worker, path)
