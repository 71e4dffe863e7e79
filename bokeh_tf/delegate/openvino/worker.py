"""The child process that runs a file on OpenVINO: `python -m bokeh_tf.delegate.openvino.worker
FOLDER JOB`, asked by `engine.py` only.

FOLDER is that of a probe, in which the CPU's inputs and outputs lie already. The runtime's own
words on stderr say how the graph was parted, so they are the parent's business.
"""

import ctypes
import time
from pathlib import Path

import ai_edge_litert
from ai_edge_litert.compiled_model import (
    CompiledModel,
    Environment,
    HardwareAccelerator,
    IntelOpenVinoOptions,
    Options,
)

from bokeh_tf.delegate.probing.worker import MODEL_NAME, run_trials
from bokeh_tf.processes import Job, answer_job, failed
from bokeh_tf.tflite.running.gpu_runtime import Compiled

_VENDOR = Path(ai_edge_litert.__file__).parent / "vendors" / "intel_openvino"
_COMPILER, _DISPATCH = _VENDOR / "compiler", _VENDOR / "dispatch"


def do(job: Job) -> dict:
    """Compiles the file and runs it; every foreseen failure becomes an "error" entry."""
    request = job.read_request()
    job.enter("loading the libraries")
    try:
        _load_libraries()
    except OSError as error:
        return failed("libraries", error)
    job.enter("compiling")
    try:
        compiled = _compiled(job.folder / MODEL_NAME)
    except RuntimeError as error:
        return failed("compile", error)
    try:
        runs = run_trials(job, request, compiled)
    except RuntimeError as error:
        return failed("run", error)
    return {"compile_s": compiled.compile_s, "runs": runs}


def _load_libraries():
    """The runtime itself only warns where one of them does not load, and goes on without."""
    for folder in (_COMPILER, _DISPATCH):
        libraries = sorted(folder.glob("*.so"))
        if not libraries:
            raise OSError(f"no library in {folder}")
        for library in libraries:
            ctypes.CDLL(str(library))


def _compiled(path):
    environment = Environment.create(
        compiler_plugin_path=str(_COMPILER), dispatch_library_path=str(_DISPATCH)
    )
    # Some processors would compute in bfloat16 of their own accord.
    openvino = IntelOpenVinoOptions(
        graph_backend=IntelOpenVinoOptions.GRAPH_BACKEND.CPU,
        configs_map={"INFERENCE_PRECISION_HINT": "f32"},
    )
    options = Options(
        hardware_accelerators=HardwareAccelerator.NPU, intel_openvino_options=openvino
    )
    start_ns = time.perf_counter_ns()
    model = CompiledModel.from_file(str(path), environment=environment, options=options)
    return Compiled(model, (time.perf_counter_ns() - start_ns) / 1e9)


if __name__ == "__main__":
    answer_job(do, error_kinds={ValueError: "other", KeyError: "other", OSError: "other"})
