"""The child process that loads a model once, asked by `serialised_start.py` only.

LiteRT's C interface is called, because its Python one has no option for the GPU's cache. Timed is
the way from the model's file to the compiled model, without its buffers; the library and the
accelerator's plugin are loaded before.
"""

import ctypes
import importlib.util
import sys
import time
from pathlib import Path

from bokeh_tf.processes import Job, answer_job

# From litert/c: LiteRtHwAccelerators, LiteRtEnvOptionTag, LiteRtAnyType.
_ACCELERATORS = {"cpu": 1, "gpu": 2}
_RUNTIME_FOLDER, _REGISTERED_ACCELERATORS = 22, 24
_INTEGER, _TEXT = 2, 8
_LIBRARY = "libLiteRt.dylib" if sys.platform == "darwin" else "libLiteRt.so"


class _Value(ctypes.Union):
    _fields_ = [("integer", ctypes.c_int64), ("text", ctypes.c_char_p)]


class _Any(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("value", _Value)]


class _EnvironmentOption(ctypes.Structure):
    _fields_ = [("tag", ctypes.c_int), ("value", _Any)]


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _keep(_):
    """The runtime wants a function that frees the options; ours belong to Python."""


class _Library:
    """LiteRT's C interface: `make` calls a function whose last argument receives a handle."""

    def __init__(self, folder):
        self._library = ctypes.CDLL(str(folder / _LIBRARY))

    def call(self, name, *arguments):
        try:
            function = getattr(self._library, name)
        except AttributeError as error:
            raise RuntimeError(f"this LiteRT has no {name}") from error
        function.restype = ctypes.c_int
        status = function(*arguments)
        if status:
            raise RuntimeError(f"{name} failed with status {status}")

    def make(self, name, *arguments):
        handle = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(handle))
        return handle


def load(model, accelerator, identifier, options):
    """Compiles a model and returns how long that took in nanoseconds.

    Args:
        accelerator: "cpu" or "gpu".
        options: TOML, which LiteRT takes under the `identifier` of its accelerator.

    Raises:
        RuntimeError: this LiteRT refuses, or lacks a function.
    """
    folder = _litert_folder()
    library, wanted = _Library(folder), _ACCELERATORS[accelerator]
    settings = (_EnvironmentOption * 2)(
        _EnvironmentOption(_RUNTIME_FOLDER, _Any(_TEXT, _Value(text=str(folder).encode()))),
        _EnvironmentOption(_REGISTERED_ACCELERATORS, _Any(_INTEGER, _Value(integer=wanted))),
    )
    environment = library.make("LiteRtCreateEnvironment", len(settings), settings)
    how = library.make("LiteRtCreateOptions")
    library.call("LiteRtSetOptionsHardwareAccelerators", how, wanted)
    payload = ctypes.create_string_buffer(options.encode())
    opaque = library.make("LiteRtCreateOpaqueOptions", identifier.encode(), payload, _keep)
    library.call("LiteRtAddOpaqueOptions", how, opaque)
    start_ns = time.perf_counter_ns()
    loaded = library.make("LiteRtCreateModelFromFile", environment, str(model).encode())
    library.make("LiteRtCreateCompiledModel", environment, loaded, how)
    return time.perf_counter_ns() - start_ns


def _litert_folder():
    """Where the runtime is installed; it is not imported, which would
    load more than its library.
    """
    found = importlib.util.find_spec("ai_edge_litert")
    if found is None or found.origin is None:
        raise RuntimeError("ai-edge-litert is not installed")
    return Path(found.origin).parent


def _load(job: Job):
    request = job.read_request()
    job.enter("loading")
    wanted = (request[name] for name in ("model", "accelerator", "identifier", "options"))
    return {"init_ns": load(*wanted)}


if __name__ == "__main__":
    answer_job(_load, error_kinds=dict.fromkeys((RuntimeError, OSError, MemoryError), "refused"))
