"""Running a `.tflite` on the CPU with the LiteRT interpreter, which is the
reference for every check.

`load` is for files we trust: a damaged flatbuffer can crash the interpreter and this process with
it. For anything else call `verify_loads` first; it loads and runs the file once in a child process.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bokeh_tf.errors import DependencyError, ModelFileError
from bokeh_tf.native_messages import native_messages_muted
from bokeh_tf.paths import resolved
from bokeh_tf.processes import Job, answer_job, ask_module
from bokeh_tf.tflite.reading import read_file
from bokeh_tf.tflite.running.memory import too_large

# How a model given as bytes is called in messages; a child process does not
# know the file's own name.
UNNAMED = "this model"


@dataclass(frozen=True)
class TensorSpec:
    """One input or output. `shape` is the file's own (dynamic dimensions as stored, usually 1)."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    index: int


class Runner:
    """A loaded model. Not thread-safe: use one per thread."""

    def __init__(self, interpreter, label):
        self._interpreter = interpreter
        self._label = label
        self.inputs = tuple(map(_spec, interpreter.get_input_details()))
        self.outputs = tuple(map(_spec, interpreter.get_output_details()))

    def run(self, *arrays) -> tuple[np.ndarray, ...]:
        """Runs the model on one array per input, in file order; returns copies of
        the outputs in file order.
        """
        self.set_inputs(*arrays)
        self.invoke()
        return tuple(np.asarray(self._interpreter.get_tensor(spec.index)) for spec in self.outputs)

    def set_inputs(self, *arrays):
        """Copies one array per input into the model, in file order."""
        if len(arrays) != len(self.inputs):
            raise ValueError(
                f"one array per input. Received: {len(arrays)} arrays. Known: {len(self.inputs)}"
                " inputs."
            )
        for spec, array in zip(self.inputs, arrays, strict=True):
            array = np.asarray(array)
            if array.shape != spec.shape or array.dtype != spec.dtype:
                raise ValueError(
                    f"input {spec.name!r} must be {spec.dtype} {list(spec.shape)}. "
                    f"Received: {array.dtype} {list(array.shape)}."
                )
            self._interpreter.set_tensor(spec.index, array)

    def invoke(self):
        """Runs the model on the inputs that it holds; the outputs stay inside."""
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(
                f"{self._label}: the CPU interpreter cannot run it ({_one_line(error)})."
            ) from error


def load(model, *, threads=None) -> Runner:
    """Loads a trusted model for the CPU.

    Args:
        model: the file's bytes, or its path.
        threads: how many CPU threads a run may use; the runtime's own choice if None.

    Raises:
        ModelFileError: the file cannot be read, or the interpreter refuses it.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1. Received: {threads}.")
    label = UNNAMED if isinstance(model, bytes) else str(model)
    content = model if isinstance(model, bytes) else read_file(model)
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise DependencyError(
            f"ai-edge-litert cannot be imported ({error}). pip install ai-edge-litert"
        ) from error
    try:
        with native_messages_muted():
            interpreter = Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{label}: the CPU interpreter refuses it ({too_large(content) or _one_line(error)})."
        ) from error
    return Runner(interpreter, label)


def verify_loads(path, *, timeout_s=60.0):
    """Loads and runs an untrusted `.tflite` once, in a child process.

    Raises:
        ModelFileError: it cannot be read, loaded or run, kills the interpreter, or
            takes longer than `timeout_s`.
    """
    content = read_file(path)
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_load_") as folder:
        request = {"path": str(resolved(path))}
        answer = ask_module(__name__, Path(folder), request=request, timeout_s=timeout_s)
    child = answer.child
    if child.timed_out:
        raise ModelFileError(
            f"{path}: one CPU run takes longer than {timeout_s:g} s. Raise the limit or use a"
            " smaller model."
        )
    if child.signal_name:
        reason = too_large(content)
        raise ModelFileError(
            f"{path}: {reason}. Use a smaller size."
            if reason
            else f"{path}: the CPU interpreter dies on it ({child.signal_name}). The file is"
            " damaged."
        )
    if answer.error_kind:
        message = answer.message if UNNAMED in answer.message else f"{UNNAMED}: {answer.message}"
        raise ModelFileError(message.replace(UNNAMED, str(path), 1))
    if child.return_code:
        raise ModelFileError(f"{path}: the CPU interpreter ends on it ({child.ending}).")


def _run_once(job: Job):
    """The child's job: one run on zeros."""
    runner = load(Path(job.read_request()["path"]).read_bytes())
    runner.run(*(np.zeros(spec.shape, spec.dtype) for spec in runner.inputs))
    return {}


def _spec(details) -> TensorSpec:
    shape = tuple(int(size) for size in details["shape"])
    return TensorSpec(details["name"], shape, np.dtype(details["dtype"]), int(details["index"]))


def _one_line(error):
    return " ".join(str(error).split())


if __name__ == "__main__":
    answer_job(
        _run_once,
        error_kinds=dict.fromkeys(
            (ModelFileError, DependencyError, MemoryError, ValueError, TypeError), "refused"
        ),
    )
