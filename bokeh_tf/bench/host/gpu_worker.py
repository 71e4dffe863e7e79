"""The child process that times one model on the GPU; see `timing_worker.py`.

Run as `python -m bokeh_tf.bench.host.gpu_worker`.

The model is compiled by LiteRT for the GPU alone, by the runtime that the delegate's check uses
too. A run starts with the inputs in the delegate's buffers and ends when a buffer as small as its
smallest output has been read back, since the runtime returns before the GPU has finished. "open"
also takes "precision" ("default", which is half, or "float32") and "inputs" and "outputs", the
model's tensors as {"index", "shape", "dtype"}; it takes no "threads" and no "xnnpack".
"""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bokeh_tf.bench.host.timing_worker import random_input, serve
from bokeh_tf.errors import ModelFileError
from bokeh_tf.processes import confine
from bokeh_tf.tflite.running.gpu_runtime import NATIVE_TYPES, Bound, Compiled, compile_model
from bokeh_tf.tflite.running.signatures import Graph, find_graphs

_SIGNATURE = 0


@dataclass(frozen=True)
class _Tensor:
    index: int
    shape: tuple[int, ...]
    dtype: np.dtype

    def like(self) -> np.ndarray:
        """An array of its shape and type that takes no memory."""
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)


class GpuEngine:
    """A model compiled for the GPU; its first signature is what runs."""

    def __init__(self, request):
        self.runtime = f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"
        self._path, self._seed = request["path"], request["seed"]
        self._is_float32 = request["precision"] == "float32"
        tensors = {
            entry["index"]: _tensor(entry) for entry in (*request["inputs"], *request["outputs"])
        }
        try:
            self._graph = find_graphs(Path(self._path).read_bytes())[_SIGNATURE]
            self._inputs = [tensors[port.index] for port in self._graph.inputs]
            self._outputs = [tensors[port.index] for port in self._graph.outputs]
        except (ModelFileError, LookupError) as error:
            raise ValueError(f"its first signature is not its main graph's ({error})") from error
        self._compiled: Compiled
        self._bound: Bound

    def load(self):
        """Compiles the model and makes its buffers."""
        self._compiled = compile_model(self._path, is_float32=self._is_float32)
        if not self._compiled.is_accelerated:
            raise RuntimeError("the runtime says that the model is not fully accelerated")
        outputs_like = [tensor.like() for tensor in self._outputs]
        self._bound = self._compiled.bind(_signature(self._graph), outputs_like)

    def feed(self):
        """Writes the inputs into the delegate's buffers."""
        self._bound.feed(
            [random_input(one.shape, one.dtype, self._seed, one.index) for one in self._inputs]
        )

    def run(self):
        """Runs the model once and waits for it."""
        self._bound.run()

    def outputs(self):
        """(tensor index, name, array) of each output."""
        ports = zip(self._graph.outputs, self._bound.outputs(), strict=True)
        return [(port.index, port.name, array) for port, array in ports]

    def unload(self):
        """Drops the model and its buffers."""
        del self._bound
        self._compiled.close()


def _signature(graph: Graph) -> dict[str, object]:
    """A graph as `Compiled.bind` takes it."""
    return {
        "key": graph.key,
        "inputs": [{"name": port.name, "index": port.index} for port in graph.inputs],
        "outputs": [{"name": port.name, "index": port.index} for port in graph.outputs],
    }


def _tensor(entry):
    if entry["dtype"] not in NATIVE_TYPES or min(entry["shape"], default=1) < 1:
        raise ValueError(f"{entry['dtype']} {entry['shape']} cannot be timed on the GPU")
    return _Tensor(entry["index"], tuple(entry["shape"]), np.dtype(entry["dtype"]))


if __name__ == "__main__":
    confine()
    serve(GpuEngine)
