"""Checkpoints: every variable of a compiled Keras model and its optimiser, in one file that is replaced in one step."""

import dataclasses
import json

import numpy as np

from bokeh_tf.errors import TrainingError
from bokeh_tf.files import replacing

_NAME = "checkpoint.npz"
_SCHEMA_VERSION = 1


def save(trainer, folder, *, plan):
    """Writes the state of `trainer` and the plan it follows."""
    arrays = {f"{index:04d}": np.asarray(variable) for index, variable in enumerate(_variables(trainer))}
    header = {"schema_version": _SCHEMA_VERSION, "plan": dataclasses.asdict(plan)}
    with replacing(folder / _NAME) as temporary, temporary.open("wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


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
    try:
        with np.load(path, allow_pickle=False) as kept:
            header = json.loads(str(kept["header"]))
            arrays = [kept[name] for name in sorted(set(kept.files) - {"header"})]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise TrainingError(f"{path}: damaged checkpoint ({error}). Delete it to start anew.") from error
    if header["plan"] != dataclasses.asdict(plan):
        raise TrainingError(f"{path}: made with another plan, {header['plan']}. Use the same options to resume.")
    variables = _variables(trainer)
    if [np.shape(array) for array in arrays] != [tuple(variable.shape) for variable in variables]:
        raise TrainingError(f"{path}: made for another model. Choose another --out.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return int(trainer.optimizer.iterations.numpy())


def _variables(trainer):
    if not trainer.optimizer.built:
        trainer.optimizer.build(trainer.trainable_variables)
    return [*trainer.weights, *trainer.optimizer.variables]
