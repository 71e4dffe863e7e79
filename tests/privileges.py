"""Tests of what is forbidden, also where they run as root, to whom nothing is."""

import contextlib
import os
import tempfile
from pathlib import Path

_NOBODY = 65534


@contextlib.contextmanager
def without_privileges():
    """While this lasts we are not root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@contextlib.contextmanager
def reachable_folder():
    """An empty folder that whoever has no privileges can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
