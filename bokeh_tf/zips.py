"""ZIP archives that come from outside: weights, arrays, checkpoints, lists of labels."""

import zipfile
import zlib
from pathlib import Path
from typing import IO

# What Python raises for archives that are damaged, cut off, encrypted or of a kind that it does
# not know; `NotImplementedError` is a RuntimeError, `UnicodeDecodeError` a ValueError.
DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, OSError, EOFError),
    *(ValueError, LookupError, RuntimeError),
)


def is_zip(file: Path | str | IO[bytes]) -> bool:
    """Whether `file` ends as an archive does, also as one that is damaged; whoever opens it
    hears of that by one of `DAMAGE`.

    `zipfile.is_zipfile` raises for some of those, such as one of several disks.
    """
    try:
        return zipfile.is_zipfile(file)
    except zipfile.BadZipFile:
        return True
