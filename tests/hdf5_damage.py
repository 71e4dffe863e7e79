"""Damaged HDF5 files, read in a process of their own; it imports no more than it needs."""

from pathlib import Path

from bokeh_tf.errors import ModelFileError
from bokeh_tf.hdf5 import read_through

# The layout lies at the beginning; further on are numbers alone.
_LAYOUT = range(0, 1000, 7)


def read_damaged(content: bytes, path: str) -> None:
    """Reads `content` with one byte after another changed; raises what is no refusal in one line."""
    refused = 0
    for place in _LAYOUT:
        Path(path).write_bytes(flipped(content, place))
        try:
            read_through(path)
        except ModelFileError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 10


def flipped(content: bytes, place: int) -> bytes:
    """`content` with all bits of one byte changed."""
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
