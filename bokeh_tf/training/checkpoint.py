"""Checkpoints: every variable of a compiled Keras model and its optimiser, in one file that is replaced in one step."""

import dataclasses
import json

import numpy as np

from bokeh_tf.data.archives import read_archive, write_archive
from bokeh_tf.errors import DataError, TrainingError

_NAME = "checkpoint.npz"
_SCHEMA_VERSION = 1


def save(trainer, folder, *, plan):
    """Writes the state of `trainer` and the plan it follows."""
    arrays = {f"{index:04d}": np.asarray(variable) for index, variable in enumerate(_variables(trainer))}
    header = {"schema_version": _SCHEMA_VERSION, "plan": dataclasses.asdict(plan)}
    write_archive(folder / _NAME, {"header": np.array(json.dumps(header)), **arrays})


def restore(trainer, folder, *, plan, resume):
    """Brings `trainer` to the state in `folder`; returns the number of steps done, 0 for a new run.

    Raises:
        TrainingError: a checkpoint without `resume`, `resume` without a checkpoint, one of another plan, or a
            damaged one.
    """
    path = folder / _NAME
    if not resume:
        if path.exists():
            raise TrainingError(f"{path}: there is a run in this folder. Add --resume or choose another --out.")
        return 0
    if not path.exists():
        raise TrainingError(f"{path}: no checkpoint to resume. Leave out --resume to start.")
    followed, arrays = _read(path)
    if followed != dataclasses.asdict(plan):
        raise TrainingError(f"{path}: made with another plan, {followed}. Use the same options to resume.")
    variables = _variables(trainer)
    if [(array.shape, array.dtype) for array in arrays] != [(v.shape, np.dtype(v.dtype)) for v in variables]:
        raise TrainingError(f"{path}: made for another model. Choose another --out.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return int(trainer.optimizer.iterations.numpy())


def _read(path):
    """(plan as a dictionary, arrays in their order) of a checkpoint."""
    try:
        arrays = read_archive(path)
        header = json.loads(str(arrays.pop("header")))
        if header["schema_version"] != _SCHEMA_VERSION:
            raise TrainingError(f"{path}: written by another version of this package. Choose another --out.")
        return header["plan"], [arrays[name] for name in sorted(arrays)]
    except (DataError, LookupError, ValueError, TypeError) as error:
        raise TrainingError(f"{path}: damaged checkpoint. Delete it to start anew.") from error


def _variables(trainer):
    return [*trainer.weights, *trainer.optimizer.variables]
