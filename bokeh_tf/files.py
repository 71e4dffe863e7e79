"""Writing results so that nothing half-written is ever left under a final name."""

import contextlib
import secrets
from pathlib import Path

from bokeh_tf.errors import OutputError


def make_folder(path):
    """Creates the folder `path` with its parents and returns it as a `Path`; `OutputError` where it cannot be."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot create this folder ({error.strerror}). Choose another one.") from error
    return path


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary sibling of `path` to write to; renames it to `path` only if the block succeeds.

    The temporary file keeps the suffix of `path`, because image and weights writers choose their
    format by it.

    Raises:
        OutputError: the folder does not exist or cannot be written, or the disk is full.
    """
    path = Path(path)
    # Only the name before the `try`: an interruption right after the file is made must not leave it.
    temporary = path.parent / f".{secrets.token_hex(8)}{path.suffix}"
    try:
        try:
            temporary.touch(exist_ok=False)
        except OSError as error:
            raise OutputError(f"{path}: cannot write here ({error.strerror}). Choose another output path.") from error
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot write ({error.strerror or error}). Nothing was left behind.") from error
    finally:
        # Where the folder itself is at fault this fails too, and the first error is the one to tell.
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_bytes(path, content):
    """Writes `content` (bytes) to `path` in one step: the old file or the new one, never half of it."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path, content):
    """Writes `content` (str) as UTF-8 to `path` in one step."""
    write_bytes(path, content.encode("utf-8"))
