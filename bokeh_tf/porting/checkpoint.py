"""Reads the tensors of a PyTorch checkpoint, in a child process: the file is
untrusted and PyTorch native code.
"""

import json
import tempfile
from pathlib import Path

import numpy as np

from bokeh_tf.errors import DependencyError, ModelFileError
from bokeh_tf.paths import printable, resolved, why_no_file
from bokeh_tf.porting.checkpoint_worker import DEPENDENCY, TENSORS_NAME
from bokeh_tf.porting.state_dict import Unwrapped
from bokeh_tf.processes import DONE, ask_module

_WORKER = "bokeh_tf.porting.checkpoint_worker"


def read_state_dict(path, *, timeout_s=300.0):
    """The tensors of the checkpoint `path` by name, as float32 arrays; see `read_checkpoint`."""
    return read_checkpoint(path, timeout_s=timeout_s).tensors


def read_checkpoint(path, *, key=None, timeout_s=300.0) -> Unwrapped:
    """The tensors of the checkpoint `path`, as float32 arrays, without wrappers, and
    what was chosen on the way.

    Args:
        key: the entry to take, where there are several.

    Raises:
        ModelFileError: the file is missing, damaged or no state dict.
        DependencyError: PyTorch is missing or too old.
    """
    path = Path(path)
    reason = why_no_file(path)
    if reason:
        raise ModelFileError(f"{printable(path)}: {reason}. Name a PyTorch checkpoint.")
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_") as folder:
        request = {"checkpoint": str(resolved(path)), "key": key}
        answer = ask_module(_WORKER, Path(folder), request=request, timeout_s=timeout_s)
        if answer.error_kind:
            raise (DependencyError if answer.error_kind == DEPENDENCY else ModelFileError)(
                answer.message
            )
        if answer.child.return_code != 0 or answer.stage != DONE:
            raise ModelFileError(
                f"{path}: PyTorch cannot read it ({answer.child.ending}). Fetch it again."
            )
        with np.load(Path(folder) / TENSORS_NAME, allow_pickle=False) as archive:
            names = json.loads(str(archive["names"]))
            tensors = {name: archive[f"{index:06d}"] for index, name in enumerate(names)}
    return Unwrapped(tensors, tuple(answer.content["choices"]))
