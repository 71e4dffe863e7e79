"""The child process that times one model on the CPU: `python timing_worker.py`, started by
`worker_process.py` only.

It is run by file name with any Python that has NumPy and one of the two runtimes, so it imports
nothing of ours. Requests and answers are one JSON object a line, on stdin and stdout; the end of
stdin ends it. Native code that prints to stdout is sent to stderr. Requests, by "do":

    open     {"path", "runtime", "threads", "xnnpack", "seed"}: loads the model, cold; -> {"cold_init_ns", "runtime",
             "before_load_bytes"}
    run      {"runs", "settle"}: settling runs, untimed, then timed ones -> {"times_ns"}
    outputs  {"path"}: saves what the last run computed as an .npz of arrays by tensor index -> {"names"}
    finish   {}: -> {"peak_bytes", "warm_init_ns", "warm_init_how", "warm_init_kind"}; afterwards the model can no
             longer run

An answer {"error", "kind"} says what the runtime did not do. Times are
nanoseconds of a monotonic clock.
"""

import contextlib
import importlib
import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

_MODULES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
SECOND_LOAD = "second load in the same process"
_SAME_PROCESS = "same process"
_SETTLING_RUNS = 1
_PEAK_RESET = Path("/proc/self/clear_refs")
# Share of the physical memory that a damaged or huge model may fill before its allocations fail.
_MEMORY_SHARE = 0.9


def timed_runs(run, runs, *, clock_ns=time.perf_counter_ns):
    """Times of `runs` calls of `run` in nanoseconds: nothing but the call is between
    the two looks at the clock.
    """
    times_ns = []
    for _ in range(runs):
        start_ns = clock_ns()
        run()
        times_ns.append(clock_ns() - start_ns)
    return times_ns


def random_input(shape, dtype, seed, index):
    """What input tensor number `index` is fed: floats in [0, 1), zeros for any other type."""
    dtype = np.dtype(dtype)
    if np.issubdtype(dtype, np.floating):
        return (
            np.random.default_rng([seed, index]).random(shape, np.float32).astype(dtype, copy=False)
        )
    return np.zeros(shape, dtype)


class InterpreterEngine:
    """A model in the TFLite interpreter of either runtime."""

    def __init__(self, request):
        self._module = importlib.import_module(_MODULES[request["runtime"]])
        self.runtime = f"{request['runtime']} {importlib.metadata.version(request['runtime'])}"
        kernels = self._module.OpResolverType
        self._options = {
            "num_threads": request["threads"],
            "experimental_op_resolver_type": (
                kernels.AUTO if request["xnnpack"] else kernels.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        }
        self._content = Path(request["path"]).read_bytes()
        self._seed = request["seed"]
        # The two runtimes have an interpreter of the same form each, and only one of them is here.
        self._interpreter: Any

    def load(self):
        """Loads the model from its bytes, up to allocated tensors."""
        interpreter = self._module.Interpreter(model_content=self._content, **self._options)
        interpreter.allocate_tensors()
        self._interpreter = interpreter

    def feed(self):
        """Puts the inputs into the model's memory, where they stay."""
        for entry in self._interpreter.get_input_details():
            array = random_input(
                tuple(map(int, entry["shape"])), entry["dtype"], self._seed, int(entry["index"])
            )
            self._interpreter.set_tensor(entry["index"], array)

    def run(self):
        """Runs the model once; the outputs stay in its memory."""
        self._interpreter.invoke()

    def outputs(self):
        """(tensor index, name, array) of each output."""
        return [
            (int(entry["index"]), entry["name"], self._interpreter.get_tensor(entry["index"]))
            for entry in self._interpreter.get_output_details()
        ]

    def unload(self):
        """Drops the model."""
        del self._interpreter


class Engine(Protocol):
    """A model in a runtime. `load` comes before all others, and may come again after `unload`."""

    runtime: str

    def load(self) -> None:
        """Gets the model ready to run."""

    def feed(self) -> None:
        """Puts the inputs where they stay."""

    def run(self) -> None:
        """Runs the model once."""

    def outputs(self) -> list[tuple[int, str, np.ndarray]]:
        """(tensor index, name, array) of each output of the last run."""

    def unload(self) -> None:
        """Drops the model."""


class Session:
    """One model from its first load to its last; the methods are named after the requests."""

    def __init__(self, make_engine: Callable[[dict[str, Any]], Engine]):
        self._make_engine = make_engine
        self._engine: Engine
        self._peak_bytes = 0

    def open(self, request):
        """Loads the model for the first time in this process."""
        self._engine = self._make_engine(request)
        before_bytes = _memory_bytes("VmRSS")
        start_ns = time.perf_counter_ns()
        self._engine.load()
        cold_init_ns = time.perf_counter_ns() - start_ns
        with self._own_memory():
            self._engine.feed()
        return {
            "cold_init_ns": cold_init_ns,
            "runtime": self._engine.runtime,
            "before_load_bytes": before_bytes,
        }

    def run(self, request):
        """Times runs."""
        for _ in range(_SETTLING_RUNS if request["settle"] else 0):
            self._engine.run()
        return {"times_ns": timed_runs(self._engine.run, request["runs"])}

    def outputs(self, request):
        """Saves the outputs."""
        with self._own_memory():
            outputs = self._engine.outputs()
            arrays: dict[str, Any] = {str(index): array for index, _, array in outputs}
            np.savez(request["path"], **arrays)
            names = {str(index): name for index, name, _ in outputs}
            del outputs, arrays
        return {"names": names}

    def finish(self, _request):
        """Reads the peak of the memory, then loads the model once more."""
        peak_bytes = self._note_peak()
        self._engine.unload()
        start_ns = time.perf_counter_ns()
        self._engine.load()
        warm_init_ns = time.perf_counter_ns() - start_ns
        self._engine.unload()
        warm = {
            "warm_init_ns": warm_init_ns,
            "warm_init_how": SECOND_LOAD,
            "warm_init_kind": _SAME_PROCESS,
        }
        return {"peak_bytes": peak_bytes, **warm}

    @contextlib.contextmanager
    def _own_memory(self):
        """What its block takes of memory is this program's doing and not the model's,
        so it counts for no peak.
        """
        self._note_peak()
        yield
        with contextlib.suppress(OSError):
            _PEAK_RESET.write_text("5", encoding="ascii")

    def _note_peak(self):
        peak_bytes = _memory_bytes("VmHWM")
        if peak_bytes is None:
            return None
        self._peak_bytes = max(self._peak_bytes, peak_bytes)
        return self._peak_bytes


def _memory_bytes(key):
    """A line of this process's status file in bytes; None on systems without one."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None


def _confine():
    """Bounded memory and no core dumps: models may come from anywhere."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        physical_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        resource.setrlimit(resource.RLIMIT_DATA, (int(physical_bytes * _MEMORY_SHARE),) * 2)


def serve(make_engine):
    """Answers requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    session = Session(make_engine)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(session, request["do"])(request)
        except (ImportError, importlib.metadata.PackageNotFoundError) as error:
            answer = {"error": " ".join(str(error).split()), "kind": "runtime"}
        except (RuntimeError, ValueError, MemoryError, OSError) as error:
            answer = {
                "error": " ".join(str(error).split()) or type(error).__name__,
                "kind": "model",
            }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    _confine()
    serve(InterpreterEngine)
