"""What parent and children of a conversion lay into their folder, and what they call it."""

from pathlib import Path

import numpy as np

# Files of the job "build": the model's values unrounded, and as they were asked for.
FLOAT32_NAME, CONVERTED_NAME = "float32.tflite", "converted.tflite"
MEASURED_NAME = "measured.tflite"
# What the job "quantise" reads and writes.
PLAIN_NAME, QUANTISED_NAME = "plain.tflite", "quantised.tflite"
# The model's inputs and outputs for each sample, in float32 and in its own types.
INPUTS, EXPECTED, OWN = "inputs", "expected", "own"


def write_arrays(folder: Path, kind: str, sample: int, arrays) -> None:
    """Lays the inputs or outputs of one sample into the folder."""
    np.savez(_path(folder, kind, sample), *map(np.asarray, arrays))


def read_arrays(folder: Path, kind: str, sample: int) -> list[np.ndarray]:
    """What `write_arrays` laid there, in its order."""
    with np.load(_path(folder, kind, sample), allow_pickle=False) as loaded:
        return [loaded[name] for name in loaded.files]


def _path(folder, kind, sample):
    return folder / f"{kind}_{sample}.npz"
