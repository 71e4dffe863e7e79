"""Models on a phone: their inputs as files there, and what the program computed from
them against the phone's CPU.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bokeh_tf.bench.benchmark_model.flags import InputFile, Program
from bokeh_tf.bench.host.timing_worker import random_input
from bokeh_tf.bench.phone.run_folder import RunFolder
from bokeh_tf.bench.results.measurement import OutputComparison
from bokeh_tf.bench.results.output_check import compare_outputs
from bokeh_tf.bench.subject import SEED, Subject
from bokeh_tf.tflite.running.agreement import OutputCheck

TRIAL = "random"
_TYPES = (
    "float16",
    "float32",
    "float64",
    "bool",
    "int8",
    "uint8",
    "int16",
    "int32",
    "uint32",
    "int64",
)


@dataclass(frozen=True)
class PhoneModel:
    """A model in a run folder. `inputs` is empty where the program takes or can take none."""

    subject: Subject
    path: str
    inputs: tuple[InputFile, ...]

    @property
    def can_compare(self) -> bool:
        """Whether two settings can be fed the same and what they compute be read back."""
        return bool(self.inputs)


def push_model(folder: RunFolder, subject: Subject, number: int, program: Program) -> PhoneModel:
    """Copies a model there and, where the program can take and save
    values, what its inputs are fed.
    """
    path = folder.push(subject.path, name=f"model{number}.tflite")
    tensors = [*subject.model_file.inputs, *subject.model_file.outputs]
    has_flags = program.can_save_outputs and program.find("input_layer_value_files") is not None
    # A comma would end the name in the program's list.
    if not has_flags or any(tensor.dtype not in _TYPES or "," in tensor.name for tensor in tensors):
        return PhoneModel(subject, path, ())
    inputs = []
    with tempfile.TemporaryDirectory() as local_folder:
        for index, tensor in enumerate(subject.model_file.inputs):
            local = Path(local_folder) / f"model{number}_input{index}"
            random_input(tensor.shape, tensor.dtype, SEED, tensor.index).tofile(local)
            inputs.append(InputFile(tensor.name, tensor.shape, folder.push(local)))
    return PhoneModel(subject, path, tuple(inputs))


def pull_outputs(folder: RunFolder, name: str, subject: Subject) -> dict[int, np.ndarray] | None:
    """What the program saved as `name`, by tensor index; None where it is not
    as long as the outputs are.
    """
    with tempfile.TemporaryDirectory() as local_folder:
        local = Path(local_folder) / "outputs"
        folder.pull(name, local)
        content = local.read_bytes()
    folder.device.shell("rm", "-f", f"{folder.path}/{name}")
    arrays, start = {}, 0
    for tensor in subject.model_file.outputs:
        dtype = np.dtype(tensor.dtype)
        end = start + dtype.itemsize * int(np.prod(tensor.shape, dtype=np.int64))
        if end > len(content):
            return None
        arrays[tensor.index] = np.frombuffer(content[start:end], dtype).reshape(tensor.shape)
        start = end
    return arrays if start == len(content) else None


def compare_with_cpu(
    actual, expected, subject: Subject, *, is_coarse
) -> tuple[OutputComparison, ...]:
    """What a setting computed against what the phone's CPU did."""
    names = {tensor.index: tensor.name for tensor in subject.model_file.outputs}
    return compare_outputs(
        actual,
        expected,
        names,
        is_coarse=is_coarse or subject.is_quantised,
        quantised=subject.quantised_outputs,
    )


def as_check(outputs: tuple[OutputComparison, ...]) -> OutputCheck | None:
    """The worst of some comparisons, in the form that the delegate's verdict takes;
    None where there are none.
    """
    worst = next((output for output in outputs if output.problem), outputs[0] if outputs else None)
    return None if worst is None else OutputCheck(TRIAL, worst.name, 1.0, None, worst.problem)
