"""The child process that opens a checkpoint: `python -m
bokeh_tf.porting.checkpoint_worker FOLDER JOB`.

Asked by `checkpoint.py` only. PyTorch's own reader does it, told to accept tensors and plain
containers alone: a checkpoint is a pickle, which could otherwise run any code. The request is
{"checkpoint": path, "key": entry or null}. FOLDER gets `tensors.npz`: the tensors as float32 arrays
under running numbers, and their names as JSON.
"""

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np

from bokeh_tf import zips
from bokeh_tf.errors import BokehError, DependencyError, ModelFileError
from bokeh_tf.porting.state_dict import quoted, unwrapped
from bokeh_tf.processes import Job, answer_job

TENSORS_NAME = "tensors.npz"
# The kind of error that is not the file's.
DEPENDENCY = "dependency"
# Before it, files made for the purpose got past `weights_only` (CVE-2025-32434).
OLDEST_VERSION = (2, 6)
_FLOAT32_BYTES = 4
# From bytes to floats is four times; tensors that share their values, as tied weights do,
# are written for each name.
_MOST_EXPANSION = 16
_SMALL_BYTES = 1_000_000
_INSTALL = 'Run: pip install "bokeh-tf[pytorch]"'


def write_tensors(job: Job) -> dict:
    """Reads the checkpoint and writes its tensors to the job's folder."""
    request = job.read_request()
    checkpoint = request["checkpoint"]
    torch = _import_torch()
    content = _load(torch, checkpoint)
    inside = unwrapped(content, label=checkpoint, key=request["key"])
    tensors = inside.tensors
    # A tensor may be a view that repeats one stored value for ever: what it expands to is
    # known before it is written.
    expanded_bytes = sum(tensor.numel() * _FLOAT32_BYTES for tensor in tensors.values())
    _refuse_expansion(checkpoint, expanded_bytes, "its tensors")
    arrays = [tensor.detach().to(torch.float32).numpy() for tensor in tensors.values()]
    numbered = {f"{index:06d}": array for index, array in enumerate(arrays)}
    with (job.folder / TENSORS_NAME).open("wb") as file:
        np.savez(file, names=np.array(json.dumps(list(tensors))), **numbered)
    return {"choices": list(inside.choices)}


def _refuse_expansion(checkpoint, expanded_bytes, what):
    """Refuses content that fills memory and disk with what no file of this size can have stored."""
    stored_bytes = Path(checkpoint).stat().st_size
    if expanded_bytes > _MOST_EXPANSION * stored_bytes + _SMALL_BYTES:
        raise ModelFileError(
            f"{checkpoint}: damaged or made to do harm: of {stored_bytes:,} bytes, {what} would"
            " take "
            f"{expanded_bytes:,}. Fetch it again."
        )


def _import_torch():
    try:
        import torch
    # A library that PyTorch needs and does not find is an OSError.
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DependencyError(
            f"Reading a checkpoint needs PyTorch ({reason}). {_INSTALL}"
        ) from error
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise DependencyError(
            f"PyTorch {torch.__version__} cannot read files safely, {oldest} and newer can."
            f" {_INSTALL}"
        )
    return torch


def _load(torch, checkpoint):
    _check_archive(checkpoint)
    try:
        return torch.load(checkpoint, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # PyTorch's own message recommends to load the file unsafely.
        raise ModelFileError(
            f"{checkpoint}: damaged, or holds more than tensors, which is not read because it"
            " could run any code. "
            "Save model.state_dict() alone."
        ) from error
    except (
        RuntimeError,
        ValueError,
        LookupError,
        EOFError,
        OSError,
        AttributeError,
        TypeError,
    ) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelFileError(
            f"{checkpoint}: PyTorch cannot read it ({reason}). Fetch it again."
        ) from error


def _check_archive(checkpoint):
    """PyTorch itself takes damaged tensors for weights; files from before
    version 1.6 carry no checksums.
    """
    if not zips.is_zip(checkpoint):
        return
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
            _refuse_expansion(checkpoint, unpacked_bytes, "what is packed in it")
            damaged = archive.testzip()
    except zips.DAMAGE as error:
        raise ModelFileError(
            f"{checkpoint}: a damaged archive ({error}). Fetch it again."
        ) from error
    if damaged is not None:
        raise ModelFileError(
            f"{checkpoint}: a damaged archive (in {quoted(damaged)}). Fetch it again."
        )


if __name__ == "__main__":
    answer_job(write_tensors, error_kinds={DependencyError: DEPENDENCY, BokehError: "file"})
