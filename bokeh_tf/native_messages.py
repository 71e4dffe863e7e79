"""Keeping native libraries' own messages off the user's terminal.

libtiff and libpng print what they think of a damaged file straight to file descriptor 2, and the
LiteRT runtime what it has created. The caller says what matters in one line instead.
"""

import contextlib
import logging
import os
import sys

# Pillow logs some of it as errors, which Python prints where nobody has set up logging.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@contextlib.contextmanager
def native_messages_muted():
    """Sends what native code writes to stderr meanwhile to nowhere; Python's
    `sys.stderr` shares the fate.
    """
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, AttributeError):
        # No stderr, nothing to keep off it.
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(nowhere)
        os.close(saved)
