"""A file compiled for the GPU delegate and run on arrays. For child processes
only: it can end its process.

Checks and timings use this one runtime, so that both compile alike, feed alike and wait
alike. The runtime's run is
asynchronous: the GPU is still at work when it returns. Whoever then reads a buffer waits
    for the GPU, but no longer
than two minutes: after that the read fails, and so does every later read of that buffer. A
software adapter on a busy machine may need longer, which says nothing about the file, so a run
waits on a buffer that nobody needs, as long as work is being done. How long a check or a timing
may take is its parent's business.
"""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel, GpuOptions, HardwareAccelerator, Options

# The runtime's buffers take these element types; others go through as raw bytes of
# one of the same alignment.
NATIVE_TYPES = ("float32", "float16", "int32", "int8", "uint8", "bool")
# What the runtime says where the GPU is not done after its two minutes: status 7, "timeout
# expired". The same words with another status are a failure.
_NOT_DONE = re.compile(r"code=7, .*Failed to lock custom tensor buffer", re.DOTALL)
# Processor time of all other threads in two minutes, below which nothing is being computed. Those
# of a software adapter that has a hundredth of a processor use ten times as much.
_IDLE_S = 0.1


class StalledError(RuntimeError):
    """The GPU is not done, and nothing is at work: a driver that has lost itself, or a GPU
    that is really that slow.
    """


def compile_model(path: str | Path, *, is_float32: bool, allows_cpu: bool = False) -> "Compiled":
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
    options = Options(
        hardware_accelerators=accelerators, gpu_options=GpuOptions(enforce_f32=is_float32)
    )
    start_ns = time.perf_counter_ns()
    model = CompiledModel.from_file(str(path), options=options)
    return Compiled(model, (time.perf_counter_ns() - start_ns) / 1e9)


class Compiled:
    """A compiled model; `is_accelerated` is the runtime's own word,
    which is not to be relied on.
    """

    def __init__(self, model: CompiledModel, compile_s: float):
        self._model = model
        self.compile_s = compile_s
        self.is_accelerated = bool(model.is_fully_accelerated())

    def bind(self, signature: Mapping[str, Any], outputs_like: Sequence[np.ndarray]) -> "Bound":
        """A signature with buffers of its own, to be fed once and run any number of times.

        Args:
            signature: {"key", "inputs", "outputs"}, the latter two with the "name"
                and "index" of each tensor.
            outputs_like: one array per output, for its shape and type; those of text are not read.
        """
        return Bound(self._model, signature, outputs_like)

    def run(
        self,
        signature: Mapping[str, Any],
        inputs: Sequence[np.ndarray],
        outputs_like: Sequence[np.ndarray],
    ) -> tuple[list[np.ndarray], float]:
        """Runs one signature once, see `bind`; returns (outputs, seconds)."""
        bound = self.bind(signature, outputs_like)
        bound.feed(inputs)
        start_ns = time.perf_counter_ns()
        bound.run()
        run_s = (time.perf_counter_ns() - start_ns) / 1e9
        return bound.outputs(), run_s

    def close(self) -> None:
        """Frees the model; what is bound to it can no longer run."""
        self._model.close()


class Bound:
    """One signature of a compiled model with its buffers, in which inputs and
    outputs stay from run to run.
    """

    def __init__(
        self,
        model: CompiledModel,
        signature: Mapping[str, Any],
        outputs_like: Sequence[np.ndarray],
    ):
        self._model = model
        self._number = 0
        if signature["key"] is not None:
            self._number = model.get_signature_index(signature["key"])
        self._outputs_like = tuple(outputs_like)
        self._input_buffers = model.create_input_buffers(self._number)
        self._output_buffers = model.create_output_buffers(self._number)
        self._input_places = self._places("input", signature)
        self._output_places = self._places("output", signature)
        self._awaited = self._smallest_output()
        self._spare: Any = None

    def feed(self, arrays: Sequence[np.ndarray]) -> None:
        """Writes the inputs into the delegate's buffers, one array per input."""
        for place, array in zip(self._input_places, arrays, strict=True):
            self._input_buffers[place].write(_as_native(array))
        # Here and not in `run`, whose time is taken.
        self._spare = self._make_spare()

    def run(self) -> None:
        """Runs once and returns when the GPU has done it.

        Raises:
            StalledError: the GPU is not done, and nothing is at work any more.
            RuntimeError: any other failure of the runtime.
        """
        self._model.run_by_index(self._number, self._input_buffers, self._output_buffers)
        self._wait()

    def outputs(self) -> list[np.ndarray]:
        """What the last run computed, one array per output."""
        outputs = zip(self._output_places, self._outputs_like, strict=True)
        return [_read(self._output_buffers[place], like) for place, like in outputs]

    def _smallest_output(self) -> tuple[int, np.ndarray] | None:
        """(place, array like it) of the output that is read fastest;
        None where none can be read.
        """
        outputs = zip(self._output_places, self._outputs_like, strict=True)
        readable = [output for output in outputs if _is_readable(output[1])]
        return min(readable, key=lambda output: output[1].nbytes, default=None)

    def _make_spare(self):
        """A buffer that no run writes: reading it waits for all that the GPU was given before."""
        if self._awaited is None:
            return None
        return self._model.create_output_buffers(self._number)[self._awaited[0]]

    def _wait(self) -> None:
        """Returns once the GPU has done what it was given."""
        while self._awaited is not None:
            start_s = _others_time_s()
            try:
                _read(self._spare, self._awaited[1])
                return
            except RuntimeError as error:
                if not _NOT_DONE.search(str(error)):
                    raise
                if _others_time_s() - start_s < _IDLE_S:
                    raise StalledError(str(error)) from error
            # No later read of that buffer would succeed.
            self._spare = self._make_spare()

    def _places(self, kind, signature):
        """For each port its place in the compiled model, which may list them in
        another order than the file.
        """
        listed = self._model.get_signature_by_index(self._number)
        names = listed[f"{kind}s"]
        ports = signature[f"{kind}s"]
        if signature["key"] is not None and {port["name"] for port in ports} <= set(names):
            return [names.index(port["name"]) for port in ports]
        # Ports that share a tensor are all listed by the name of one of them.
        details = getattr(self._model, f"get_{kind}_tensor_details")(listed["key"])
        place_of = {details[name]["index"]: place for place, name in enumerate(names)}
        return [place_of[port["index"]] for port in ports]


def _others_time_s():
    """Processor time of this process's other threads; the one that waits may do so in a loop."""
    return time.process_time() - time.thread_time()


def _as_native(array):
    if array.dtype.kind in "SO":
        raise RuntimeError("the runtime cannot be fed text")
    return (
        array
        if array.dtype.name in NATIVE_TYPES
        else np.ascontiguousarray(array).reshape(-1).view(np.int8)
    )


def _is_readable(like):
    """Whether a buffer of this shape and type holds anything that can be read."""
    return bool(like.size) and like.dtype.kind not in "SO"


def _read(buffer, like):
    if not _is_readable(like):
        return like
    if like.dtype.name in NATIVE_TYPES:
        return buffer.read(like.size, like.dtype).reshape(like.shape)
    return buffer.read(like.nbytes, np.int8).view(like.dtype).reshape(like.shape)
