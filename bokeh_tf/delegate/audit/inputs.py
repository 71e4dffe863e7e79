"""What the audit feeds a file: photographs, or the arrays that a user gives.

An array file is a `.npy` for a file with one input, or a `.npz` with an array for each
input, by its name or in the file's order. A leading dimension of 1 may be left out. Every
other suffix is a photograph.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bokeh_tf import zips
from bokeh_tf.errors import CheckError
from bokeh_tf.paths import printable, read_bytes
from bokeh_tf.tflite.running.feeding import holds_a_picture, load_picture, trial_inputs

_LIMIT_BYTES = 2**31
ARRAY_SUFFIXES = (".npy", ".npz")
# NumPy adds two of its own, for more than there is memory.
_DAMAGE = (*zips.DAMAGE, MemoryError, OverflowError)
_BYTE_RANGE = (0.0, 255.0)
# What a first node divides bytes by (127.5, 128, 255, 256) or subtracts from them (127.5, 128,
# means near 100 to 124).
_DIVISORS, _OFFSETS = (120.0, 260.0), (100.0, 130.0)


def samples(
    specs, *, paths, photo, ranges, bounds=None
) -> Iterator[tuple[str, tuple[np.ndarray, ...]]]:
    """What the sample is called and one array per input, for each path, or for
    `photo` where there is none.

    `ranges` and `bounds` are those of `trial_inputs`.
    """
    if not paths:
        picture, source = load_picture(photo)
        trial = "photo" if any(map(holds_a_picture, specs)) else "positive_random"
        yield source, trial_inputs(trial, specs, picture=picture, ranges=ranges, bounds=bounds)
    for path in paths:
        if Path(path).suffix.lower() in ARRAY_SUFFIXES:
            yield path, _fitted(path, specs, _read(path))
        else:
            picture, source = load_picture(path)
            yield (
                source,
                trial_inputs("photo", specs, picture=picture, ranges=ranges, bounds=bounds),
            )


def _read(path):
    """Array name -> array; the only one of a `.npy` has no name."""
    try:
        loaded = np.load(io.BytesIO(read_bytes(path, limit_bytes=_LIMIT_BYTES)), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except _DAMAGE as error:
        reason = printable(" ".join(str(error).split()) or type(error).__name__)
        raise CheckError(
            f"{path}: cannot read these arrays ({reason}). Save them with numpy."
        ) from error


def _fitted(path, specs, arrays):
    """One array per input of the file, in its order, of its shape and type."""
    if len(arrays) != len(specs):
        raise CheckError(
            f"{path}: holds {len(arrays)} arrays, the file has {len(specs)} inputs. Save one for"
            " each."
        )
    is_named = all(spec.name in arrays for spec in specs)
    chosen = [arrays[spec.name] for spec in specs] if is_named else list(arrays.values())
    fitted = []
    for spec, array in zip(specs, chosen, strict=True):
        array = array[None] if array.shape == spec.shape[1:] and spec.shape[:1] == (1,) else array
        if array.shape != spec.shape or not np.can_cast(
            array.dtype, spec.dtype, casting="same_kind"
        ):
            raise CheckError(
                f"{path}: input {spec.name!r} must be {spec.dtype} {list(spec.shape)}, "
                f"not {array.dtype} {list(array.shape)}."
            )
        # A value that is finite in the user's type may be none in the file's.
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(array, spec.dtype)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CheckError(
                f"{path}: input {spec.name!r} has values that are not finite in {spec.dtype}."
                " Leave them out."
            )
        fitted.append(array)
    return tuple(fitted)


def byte_range(run, tensor) -> tuple[float, float] | None:
    """(0, 255) for a float input that a first node scales or shifts as only
    bytes need it, else None.
    """
    if not run.model_file.tensors[tensor].dtype.startswith("float"):
        return None
    return (
        _BYTE_RANGE
        if any(_rescales_bytes(run, node, tensor) for node, _ in run.consumers(tensor))
        else None
    )


def _rescales_bytes(run, node, tensor):
    others = [other for other in node.inputs if other != tensor and run.is_constant(other)]
    if not others or node.name not in ("MUL", "DIV", "SUB", "ADD"):
        return False
    values = run.model_file.values(others[0])
    if values is None or not values.size or values.dtype.kind != "f":
        return False
    if node.name == "DIV" and node.inputs[0] != tensor:
        return False
    with np.errstate(divide="ignore"):
        sizes = np.abs(1 / values if node.name == "MUL" else values)
    low, high = _DIVISORS if node.name in ("MUL", "DIV") else _OFFSETS
    return bool(low <= sizes.min() and sizes.max() <= high)
