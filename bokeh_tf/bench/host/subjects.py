"""The models of a timing run on this machine: read once, with what the CPU
computes on the run's inputs.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bokeh_tf.bench.host.worker_process import Worker, WorkerError
from bokeh_tf.bench.subject import SEED, Subject, distinct_names
from bokeh_tf.bench.vocabulary import LITERT
from bokeh_tf.errors import DependencyError, ModelFileError
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.reading import read_file
from bokeh_tf.tflite.running.memory import too_large

_REFERENCE_NAME = "outputs.npz"


def read_subjects(paths: Sequence[str | Path], folder: Path, *, timeout_s: float) -> list[Subject]:
    """Reads models and runs each once on the CPU, in a child process.

    Args:
        folder: where private copies go; must outlive the subjects.

    Raises:
        ModelFileError: a file is missing, damaged, or cannot run on the CPU.
    """
    subjects = []
    for number, (name, path) in enumerate(zip(distinct_names(paths), paths, strict=True)):
        content = read_file(path)
        own_folder = folder / str(number)
        own_folder.mkdir()
        copy = own_folder / "model.tflite"
        copy.write_bytes(content)
        expected, names = _compute_reference(path, copy, own_folder, timeout_s)
        digest = hashlib.sha256(content).hexdigest()
        subjects.append(
            Subject(name, Path(path).name, copy, digest, inspect(path), expected, names)
        )
    return subjects


def cpu_request(
    path: str | Path,
    *,
    runtime: str = LITERT,
    threads: int = 1,
    xnnpack: bool = True,
) -> dict[str, object]:
    """The request that opens a model in a CPU worker."""
    return {
        "do": "open",
        "path": str(path),
        "runtime": runtime,
        "threads": threads,
        "xnnpack": xnnpack,
        "seed": SEED,
    }


def _compute_reference(path, copy, folder, timeout_s):
    """(arrays, names) of the outputs by tensor index."""
    try:
        with Worker.on_cpu(timeout_s=timeout_s) as worker:
            worker.ask(cpu_request(copy))
            worker.ask({"do": "run", "runs": 1, "settle": False})
            names = worker.ask({"do": "outputs", "path": str(folder / _REFERENCE_NAME)})["names"]
    except WorkerError as error:
        if error.kind == "runtime":
            raise DependencyError(
                f"ai-edge-litert cannot be used ({error}). pip install ai-edge-litert"
            ) from error
        reason = too_large(copy.read_bytes()) or error
        raise ModelFileError(f"{path}: cannot be timed ({reason}).") from error
    return load_outputs(folder / _REFERENCE_NAME), {
        int(index): name for index, name in names.items()
    }


def load_outputs(path) -> dict[int, np.ndarray]:
    """The arrays that a worker saved, by tensor index."""
    with np.load(path, allow_pickle=False) as saved:
        return {int(index): saved[index] for index in saved.files}
