"""What the app's PRO mode wants of a file: fixed shapes, batch 1, float32 in and out,
built-in operators, fp16 weights.

A file that the app could not load, or would time as something else, is refused in one line; what
only makes its number less useful is a warning.
"""

from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path

from bokeh_tf.ai_benchmark.releases import (
    OLDEST_APP,
    OLDEST_APP_RELEASE,
    Needs,
    read_needs,
    release_key,
)
from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite.inspection import ModelFile, inspect
from bokeh_tf.tflite.reading import read_file
from bokeh_tf.tflite.running.runtime import verify_loads
from bokeh_tf.tflite.value_ranges import is_range, stated_ranges

# Scalars and biases may stay float32 in a file whose weights are float16.
_OTHER_WEIGHTS_LIMIT = 0.05
# The largest float32; a range beyond it is a damaged file's.
_LARGEST_INPUT = 3.4e38
_WEIGHT_TYPES = ("float16", "float32", "bfloat16", "float64", "int4", "int8", "uint8", "int16")


@dataclass(frozen=True)
class Accepted:
    """A file that the app can run. `input_range` goes into the app's settings;
    `warnings` are whole sentences.
    """

    path: Path
    content: bytes
    file: ModelFile
    input_range: tuple[float, float]
    needs: Needs
    warnings: tuple[str, ...]


def accept(path, *, input_range=None, app_release=None, timeout_s=60.0) -> Accepted:
    """Reads a file, runs it once in a child process, and holds it against what PRO mode wants.

    Args:
        path: a `.tflite` file.
        input_range: (lowest, highest) input value; what the file's own metadata says if None.
        app_release: the TensorFlow Lite of the app to use, where it is known: what
            needs a newer one is refused.
        timeout_s: for the one run.

    Raises:
        ModelFileError: the file cannot be read or run, or the app would not take it.
    """
    path = Path(path)
    content = read_file(path)
    file = inspect(path)
    _refuse(path, file)
    warnings = list(_weight_warnings(file))
    if input_range is not None and not (is_range(input_range) and _fits_float32(input_range)):
        raise ValueError(
            f"input_range is two finite numbers, the lower one first. Received: {input_range}"
        )
    if input_range is None:
        input_range, doubts = _range_of(path, file)
        warnings += doubts
    needs = read_needs(file)
    warnings += _release_warnings(path, needs, app_release)
    if file.subgraph_count > 1:
        warnings.append(
            f"It has {file.subgraph_count} graphs; only the main one's operators were looked up."
        )
    if len(file.inputs) > 1:
        warnings.append(
            f"It has {len(file.inputs)} inputs; the app fills all of them from one range."
        )
    verify_loads(path, timeout_s=timeout_s)
    return Accepted(path, content, file, input_range, needs, tuple(warnings))


def _refuse(path, file):
    """Raises for the first thing that PRO mode cannot work with."""
    if not file.inputs or not file.outputs:
        raise ModelFileError(f"{path}: it has no input or no output, so there is nothing to time.")
    dynamic = [tensor.name for tensor in file.tensors if tensor.is_dynamic]
    if dynamic:
        more = f" and of {len(dynamic) - 1} more tensors" if len(dynamic) > 1 else ""
        raise ModelFileError(
            f"{path}: the size of {dynamic[0]!r}{more} is not fixed, and the app cannot choose"
            " one. "
            "Convert it again with a fixed input size."
        )
    for tensor in file.inputs + file.outputs:
        if tensor.dtype != "float32":
            raise ModelFileError(
                f"{path}: {tensor.name!r} is {tensor.dtype}; mode FP16 needs float32 in and out. "
                "Convert it again without quantised inputs and outputs."
            )
    for tensor in file.inputs:
        if not tensor.shape or tensor.shape[0] != 1:
            raise ModelFileError(
                f"{path}: input {tensor.name!r} has shape {list(tensor.shape)}; the app times one"
                " picture a run. "
                "Convert it again with batch size 1."
            )
    custom = sorted({repr(node.name) for node in file.operators if node.is_custom})
    if custom:
        raise ModelFileError(
            f"{path}: the app has no custom operators, and the file needs {', '.join(custom)}. "
            "Convert it again with built-in operators only."
        )


def _weight_warnings(file):
    counts = Counter()
    for tensor in {
        t.buffer: t for t in file.tensors if t.is_constant and t.dtype in _WEIGHT_TYPES
    }.values():
        counts[tensor.dtype] += prod(tensor.shape)
    total = sum(counts.values())
    others = (
        {name: count / total for name, count in counts.most_common() if name != "float16"}
        if total
        else {}
    )
    if sum(others.values()) > _OTHER_WEIGHTS_LIMIT:
        shares = ", ".join(f"{share:.0%} {name}" for name, share in others.items())
        yield f"Its weights are {shares}, not float16; the time is not that of a float16 file."


def _range_of(path, file):
    """(range, warnings) of the inputs as the file's metadata says; nothing is guessed."""
    ranges = stated_ranges(file.metadata, "inputs", len(file.inputs))
    if not all(pair and _fits_float32(pair) for pair in ranges):
        raise ModelFileError(
            f"{path}: it does not state a usable range of its input values, and the app needs one."
            " Say it with --input-range MIN MAX."
        )
    widest = min(low for low, _ in ranges), max(high for _, high in ranges)
    is_one = set(ranges) == {widest}
    return widest, [] if is_one else [
        "Its inputs have different ranges; the card gives the widest."
    ]


def _fits_float32(pair):
    return all(abs(value) <= _LARGEST_INPUT for value in pair)


def _release_warnings(path, needs, app_release):
    """Warnings about runtimes too old for the file; raises where the app's
    own is known and too old.
    """
    warnings = [
        f"{operator.label} is not in the table of releases: a runtime newer than the table may be"
        " needed."
        for operator in needs.unknown
    ]
    release = needs.release
    if release is None:
        return [
            *warnings,
            "Neither the file nor the table says which TensorFlow Lite release it needs.",
        ]
    culprits = ", ".join(operator.label for operator in needs.deciding) or "says the file itself"
    limit = app_release or OLDEST_APP_RELEASE
    if release_key(release) <= release_key(limit):
        return warnings
    if app_release:
        raise ModelFileError(
            f"{path}: it needs TensorFlow Lite {release} ({culprits}) and the app has"
            f" {app_release}. "
            "Use a newer app, or convert it again with older operators."
        )
    return [
        *warnings,
        f"It needs TensorFlow Lite {release} ({culprits}); {OLDEST_APP} may carry {limit}. Use a"
        " newer version of it.",
    ]
