"""Getting the bytes of a `.tflite` file, with a clear line for whatever is no such file."""

import os

from bokeh_tf import paths
from bokeh_tf.errors import ModelFileError

IDENTIFIER = b"TFL3"
# A FlatBuffer's offsets have 31 bits.
_MAX_FILE_BYTES = 2**31 - 1


def read_file(path: str | os.PathLike) -> bytes:
    """Reads a `.tflite` and looks at its identifier only.

    Raises:
        ModelFileError: it cannot be read, or cannot be a `.tflite` file.
    """
    path = os.fspath(path)
    try:
        content = paths.read_bytes(path, limit_bytes=_MAX_FILE_BYTES)
    except OSError as error:
        reason = error.strerror or error
        raise ModelFileError(
            f"{path}: cannot read this model file ({reason}). Check the path and its rights."
        ) from error
    if paths.is_lfs_pointer(content):
        raise ModelFileError(f"{path}: a Git LFS pointer, not the model itself. Run: git lfs pull")
    if content[4:8] != IDENTIFIER:
        raise ModelFileError(
            f"{path}: not a .tflite file (no TFL3 identifier). Give a file written by a converter."
        )
    return content
