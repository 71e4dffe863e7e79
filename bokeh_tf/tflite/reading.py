"""Getting the bytes of a `.tflite` file, with a clear line for whatever is no such file."""

import os
from pathlib import Path

from bokeh_tf.errors import ModelFileError

IDENTIFIER = b"TFL3"
# A FlatBuffer's offsets have 31 bits.
_MAX_FILE_BYTES = 2**31 - 1


def read_file(path: str | os.PathLike) -> bytes:
    """Reads a `.tflite` and looks at its identifier only.

    Raises:
        ModelFileError: it cannot be read, or cannot be a `.tflite` file.
    """
    path = Path(path)
    try:
        # Also keeps pipes and devices, which have no end, from being read.
        if path.exists() and not path.is_file():
            raise ModelFileError(f"{path}: not a file. Give the path of a .tflite file.")
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ModelFileError(f"{path}: larger than 2 GB, which a .tflite file cannot be. Give another file.")
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise ModelFileError(
            f"{path}: cannot read this model file ({reason}). Check the path and its rights."
        ) from error
    if content[4:8] != IDENTIFIER:
        raise ModelFileError(f"{path}: not a .tflite file (no TFL3 identifier). Give a file written by a converter.")
    return content
