"""ZIP archives that come from outside: weights, arrays, checkpoints, lists of labels."""

import zipfile
import zlib

# What Python raises for archives that are damaged, cut off, encrypted or of a kind that it does
# not know; `NotImplementedError` is a RuntimeError, `UnicodeDecodeError` a ValueError.
DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, OSError, EOFError),
    *(ValueError, LookupError, RuntimeError),
)
