"""A file compiled for the GPU delegate and run on arrays. For child processes only: it can end its process.

The runtime's run is asynchronous: the GPU is still at work when it returns. Whoever then reads a buffer waits for the
GPU, but no longer than two minutes: after that the read fails, and so does every later read of that buffer. A software
adapter on a busy machine may need longer, which says nothing about the file, so `Compiled.run` first waits on buffers
that it does not need, as long as work is being done. How long a check may take is its parent's business.
"""

import re
import time

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel, GpuOptions, HardwareAccelerator, Options

# The runtime's buffers take these element types; others go through as raw bytes of one of the same alignment.
_NATIVE_TYPES = ("float32", "float16", "int32", "int8", "uint8", "bool")
# What the runtime says where the GPU is not done after its two minutes: status 7, "timeout expired". The same words
# with another status are a failure.
_NOT_DONE = re.compile(r"code=7, .*Failed to lock custom tensor buffer", re.DOTALL)
# Processor time of all other threads in two minutes, below which nothing is being computed. Those of a software adapter
# that has a hundredth of a processor use ten times as much.
_IDLE_S = 0.1


class StalledError(RuntimeError):
    """The GPU is not done, and nothing is at work: a driver that has lost itself, or a GPU that is really that slow."""


def compile_model(path, *, is_float32, allows_cpu=False) -> "Compiled":
    """Compiles a file.

    Args:
        is_float32: computes in float32, otherwise in the delegate's default precision, half.
        allows_cpu: the CPU may take what the GPU refuses.

    Raises:
        RuntimeError: the delegate, or the runtime, refuses the file; the reasons are on stderr.
    """
    accelerators = HardwareAccelerator.GPU
    if allows_cpu:
        accelerators |= HardwareAccelerator.CPU
    options = Options(hardware_accelerators=accelerators, gpu_options=GpuOptions(enforce_f32=is_float32))
    start_ns = time.perf_counter_ns()
    model = CompiledModel.from_file(str(path), options=options)
    return Compiled(model, (time.perf_counter_ns() - start_ns) / 1e9)


class Compiled:
    """A compiled model; `is_accelerated` is the runtime's own word, which is not to be relied on."""

    def __init__(self, model, compile_s):
        self._model = model
        self.compile_s = compile_s
        self.is_accelerated = bool(model.is_fully_accelerated())

    def run(self, signature, inputs, outputs_like):
        """Runs one signature; returns (outputs, seconds).

        Args:
            signature: {"key", "inputs", "outputs"} as the reference describes it.
            inputs: one array per input.
            outputs_like: one array per output, for its shape and type; those of text are not read.
        """
        number = 0 if signature["key"] is None else self._model.get_signature_index(signature["key"])
        input_places = self._places(number, "input", signature)
        output_places = self._places(number, "output", signature)
        input_buffers = self._model.create_input_buffers(number)
        output_buffers = self._model.create_output_buffers(number)
        for place, array in zip(input_places, inputs, strict=True):
            input_buffers[place].write(_as_native(array))
        start_ns = time.perf_counter_ns()
        self._model.run_by_index(number, input_buffers, output_buffers)
        self._wait(number, output_places, outputs_like)
        run_s = (time.perf_counter_ns() - start_ns) / 1e9
        outputs = zip(output_places, outputs_like, strict=True)
        return [_read(output_buffers[place], like) for place, like in outputs], run_s

    def _wait(self, number, places, outputs_like):
        """Returns once the GPU has done what it was given, which comes before any read of buffers made now."""
        while True:
            buffers, start_s = self._model.create_output_buffers(number), _others_time_s()
            try:
                for place, like in zip(places, outputs_like, strict=True):
                    _read(buffers[place], like)
                return
            except RuntimeError as error:
                if not _NOT_DONE.search(str(error)):
                    raise
                if _others_time_s() - start_s < _IDLE_S:
                    raise StalledError(str(error)) from error

    def _places(self, number, kind, signature):
        """For each port its place in the compiled model, which may list them in another order than the file."""
        listed = self._model.get_signature_by_index(number)
        names = listed[f"{kind}s"]
        if signature["key"] is not None:
            return [names.index(port["name"]) for port in signature[f"{kind}s"]]
        details = getattr(self._model, f"get_{kind}_tensor_details")(listed["key"])
        place_of = {details[name]["index"]: place for place, name in enumerate(names)}
        return [place_of[port["index"]] for port in signature[f"{kind}s"]]


def _others_time_s():
    """Processor time of this process's other threads; the one that waits may do so in a loop."""
    return time.process_time() - time.thread_time()


def _as_native(array):
    if array.dtype.kind in "SO":
        raise RuntimeError("the runtime cannot be fed text")
    return array if array.dtype.name in _NATIVE_TYPES else np.ascontiguousarray(array).reshape(-1).view(np.int8)


def _read(buffer, like):
    if like.dtype.kind in "SO" or not like.size:
        return like
    if like.dtype.name in _NATIVE_TYPES:
        return buffer.read(like.size, like.dtype).reshape(like.shape)
    return buffer.read(like.nbytes, np.int8).view(like.dtype).reshape(like.shape)
