"""Tests of what is forbidden, also where they run as root, to whom nothing is."""

import contextlib
import os

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
