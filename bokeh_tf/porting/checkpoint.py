"""Reads the tensors of a PyTorch checkpoint, in a child process: the file is untrusted and PyTorch native code."""

import json
import tempfile
from pathlib import Path

import numpy as np

from bokeh_tf.errors import DependencyError, ModelFileError
from bokeh_tf.porting.checkpoint_worker import ERROR_NAME, TENSORS_NAME
from bokeh_tf.processes import run_module

_WORKER = "bokeh_tf.porting.checkpoint_worker"


def read_state_dict(path, *, timeout_s=300.0):
    """The tensors of the checkpoint `path` by name, as float32 arrays; without wrappers and `module.` prefixes.

    Raises:
        ModelFileError: the file is missing, damaged or no state dict.
        DependencyError: PyTorch is missing or too old.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"{path}: no such file. Name a PyTorch checkpoint.")
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_") as folder:
        child = run_module(_WORKER, [path.resolve(), folder], timeout_s=timeout_s)
        error, tensors = Path(folder) / ERROR_NAME, Path(folder) / TENSORS_NAME
        if error.is_file():
            _raise(json.loads(error.read_text(encoding="utf-8")))
        if child.return_code != 0 or not tensors.is_file():
            raise ModelFileError(f"{path}: PyTorch cannot read it ({child.ending}). Fetch it again.")
        with np.load(tensors, allow_pickle=False) as archive:
            names = json.loads(str(archive["names"]))
            return {name: archive[f"{index:06d}"] for index, name in enumerate(names)}


def _raise(error):
    raise (DependencyError if error["kind"] == "dependency" else ModelFileError)(error["message"])
