"""The child process that times one model on the GPU: `python -m bokeh_tf.bench.gpu_worker`; see `timing_worker.py`.

The model is compiled by LiteRT for the GPU alone. A run starts with the inputs in the delegate's buffers and ends when
its smallest output has been read back, since the runtime returns before the GPU has finished. "open" also takes
"precision" ("default", which is half, or "float32") and "inputs" and "outputs", the model's tensors as
{"index", "shape", "dtype"}; it takes no "threads" and no "xnnpack".
"""

import importlib.metadata
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel, GpuOptions, HardwareAccelerator, Options

from bokeh_tf.bench.timing_worker import random_input, serve
from bokeh_tf.delegate.graphs import find_graphs
from bokeh_tf.errors import ModelFileError
from bokeh_tf.processes import confine

_SIGNATURE = 0
# The runtime's buffers take these element types and no others.
_TYPES = ("float32", "float16", "int32", "int8", "uint8", "bool")


@dataclass(frozen=True)
class _Tensor:
    index: int
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self):
        return math.prod(self.shape)


class GpuEngine:
    """A model compiled for the GPU; its first signature is what runs."""

    def __init__(self, request):
        self.runtime = f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"
        self._path, self._seed = request["path"], request["seed"]
        gpu = GpuOptions(enforce_f32=request["precision"] == "float32")
        self._options = Options(hardware_accelerators=HardwareAccelerator.GPU, gpu_options=gpu)
        tensors = {entry["index"]: _tensor(entry) for entry in (*request["inputs"], *request["outputs"])}
        try:
            self._graph = find_graphs(Path(self._path).read_bytes())[_SIGNATURE]
            self._inputs = [tensors[port.index] for port in self._graph.inputs]
            self._outputs = [tensors[port.index] for port in self._graph.outputs]
        except (ModelFileError, LookupError) as error:
            raise ValueError(f"its first signature is not its main graph's ({error})") from error

    def load(self):
        """Compiles the model and makes its buffers."""
        self._model = CompiledModel.from_file(self._path, options=self._options)
        if not self._model.is_fully_accelerated():
            raise RuntimeError("the runtime says that the model is not fully accelerated")
        self._input_buffers = self._model.create_input_buffers(_SIGNATURE)
        self._output_buffers = self._model.create_output_buffers(_SIGNATURE)
        self._input_places = self._places("input", self._graph.inputs)
        self._output_places = self._places("output", self._graph.outputs)
        place, smallest = min(zip(self._output_places, self._outputs, strict=True), key=lambda output: output[1].size)
        self._smallest = self._output_buffers[place], smallest.size, smallest.dtype

    def feed(self):
        """Writes the inputs into the delegate's buffers."""
        for place, tensor in zip(self._input_places, self._inputs, strict=True):
            array = random_input(tensor.shape, tensor.dtype, self._seed, tensor.index)
            self._input_buffers[place].write(array)

    def run(self):
        """Runs the model once and waits for it."""
        self._model.run_by_index(_SIGNATURE, self._input_buffers, self._output_buffers)
        buffer, size, dtype = self._smallest
        buffer.read(size, dtype)

    def outputs(self):
        """(tensor index, name, array) of each output."""
        return [
            (tensor.index, port.name, self._output_buffers[place].read(tensor.size, tensor.dtype).reshape(tensor.shape))
            for place, port, tensor in zip(self._output_places, self._graph.outputs, self._outputs, strict=True)
        ]

    def unload(self):
        """Drops the model and its buffers."""
        self._smallest = self._input_buffers = self._output_buffers = None
        self._model.close()

    def _places(self, kind, ports):
        """For each port its place in the compiled model, which may list them in another order than the file."""
        listed = self._model.get_signature_by_index(_SIGNATURE)
        names = listed[f"{kind}s"]
        if self._graph.key is not None:
            return [names.index(port.name) for port in ports]
        details = getattr(self._model, f"get_{kind}_tensor_details")(listed["key"])
        place_of = {details[name]["index"]: place for place, name in enumerate(names)}
        return [place_of[port.index] for port in ports]


def _tensor(entry):
    if entry["dtype"] not in _TYPES or min(entry["shape"], default=1) < 1:
        raise ValueError(f"{entry['dtype']} {entry['shape']} cannot be timed on the GPU")
    return _Tensor(entry["index"], tuple(entry["shape"]), np.dtype(entry["dtype"]))


if __name__ == "__main__":
    confine()
    serve(GpuEngine)
