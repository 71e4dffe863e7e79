"""Whether a file's tensors fit into this machine's memory at all, which native code does not say
when it fails on them.
"""

from math import prod

from bokeh_tf.errors import ModelFileError
from bokeh_tf.processes import memory_bytes
from bokeh_tf.tflite.inspection import inspect

# Of the smallest type: it is the memory that is at least needed.
_LEAST_TYPE_BYTES = 1
_TYPE_BYTES = {"float32": 4, "int32": 4, "float16": 2, "int16": 2, "int64": 8, "float64": 8}


def too_large(content: bytes) -> str | None:
    """Why the file cannot run here, as a phrase: its largest tensor, which has to lie in memory
    beside what it is made of, is larger than half of it. None where that is not so.
    """
    try:
        tensors = inspect(content).tensors
    except ModelFileError:
        return None
    needed_bytes = 2 * max(map(_size_bytes, tensors), default=0)
    if needed_bytes <= memory_bytes():
        return None
    return (
        f"too large: its largest tensor and one like it take {needed_bytes / 1e9:,.0f} GB, and this"
        f" machine has {memory_bytes() / 1e9:,.0f} GB of memory"
    )


def _size_bytes(tensor):
    return prod(map(int, tensor.shape)) * _TYPE_BYTES.get(tensor.dtype, _LEAST_TYPE_BYTES)
