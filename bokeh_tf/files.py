"""Writing results so that nothing half-written is ever left under a final name,
and nothing is lost by it.

A file is written beside its target and renamed; the new one keeps the mode of the one that it
replaces. A link is followed, not replaced. Into what is no regular file (a device, a pipe,
`/dev/stdout`) the bytes go straight.
"""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bokeh_tf.errors import OutputError
from bokeh_tf.paths import NO_LINKS, exists, is_link

# Names of open files and of devices: renaming something over them would replace the
# name, not write to the file.
_OPEN_FILES = ("/dev/", "/proc/")
# How memory cards and network folders say that they know no locks.
_NO_LOCKS = (errno.EBADF, errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK)

_OTHER_PATH = "Choose another output path."
_TEMPORARY_NAME = re.compile(r"\.[0-9a-f]{16}(\.\w+)?")
_LEFT_AFTER_S = 24 * 3600
_swept: set[str] = set()
# Pipes that a run will write to at its end, held open until then.
_held: list[int] = []


def make_folder(path: Path | str) -> Path:
    """Creates the folder `path` with its parents and returns it as a `Path`;
    `OutputError` where it cannot be, and then none of the parents is left either.
    """
    path = Path(path)
    made: list[Path] = []
    try:
        for folder in _missing_folders(path):
            folder.mkdir(exist_ok=True)
            made.append(folder)
        path.mkdir(exist_ok=True)
    except OSError as error:
        _remove_empty(made)
        raise OutputError(
            f"{path}: cannot create this folder ({error.strerror}). Choose another one."
        ) from error
    return path


def _missing_folders(path):
    """What of `path` and its parents is not there, from the top."""
    return [folder for folder in reversed((path, *path.parents)) if not exists(folder)]


def _remove_empty(folders):
    """Removes those of `folders`, listed from the top, that are empty."""
    for folder in reversed(folders):
        # Only an empty folder can be removed so.
        with contextlib.suppress(OSError):
            folder.rmdir()


class NewFolders:
    """Makes folders for one run. Use it in a `with`: those of them that are still
    empty at its end go again.
    """

    def __init__(self) -> None:
        self._made: list[Path] = []

    def __enter__(self) -> "NewFolders":
        return self

    def __exit__(self, *_) -> None:
        _remove_empty(sorted(self._made, key=lambda path: len(path.parts)))

    def make(self, folder: Path | str) -> Path:
        """`make_folder`, and remembers what was not there before."""
        folder = Path(folder)
        missing = _missing_folders(folder)
        made = make_folder(folder)
        self._made += missing
        return made


def lock_folder(folder: Path | str) -> contextlib.ExitStack:
    """Claims a folder for one run at a time; the claim ends with the process or
    when the result is closed.

    Where the file system has no locks for folders (some network folders), nothing is claimed.

    Raises:
        OutputError: another run has claimed it.
    """
    claim = contextlib.ExitStack()
    descriptor = os.open(folder, os.O_RDONLY)
    claim.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        claim.close()
        raise OutputError(
            f"{folder}: another run is at work in this folder. Wait, or choose another one."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            claim.close()
            raise OutputError(
                f"{folder}: cannot be claimed for this run ({_reason(error)})."
            ) from error
    return claim


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yields a temporary file to write to, which becomes `path` only if the block succeeds.

    The temporary file keeps the suffix of `path`, because image and weights writers choose their
    format by it.

    Raises:
        OutputError: the folder does not exist or cannot be written, or the disk is full.
    """
    path = Path(path)
    status = _status_of_output(path)
    if _takes_bytes(path, status):
        with _pouring_into(path) as temporary:
            yield temporary
        return
    with _renaming_to(path, status) as temporary:
        yield temporary


def is_poured_into(path: Path | str) -> bool:
    """Whether bytes go straight into what lies at `path` (a device, a pipe, an open file)
    and cannot be taken back.
    """
    path = Path(path)
    try:
        return _takes_bytes(path, _status(path))
    except (OSError, ValueError):
        return False


def _takes_bytes(path, status):
    # In a working folder that was deleted nothing has a status, nor a place.
    if status is None:
        return False
    is_open_file = os.path.abspath(path).startswith(_OPEN_FILES)  # noqa: PTH100 (keeps links)
    return is_open_file or not stat.S_ISREG(status.st_mode)


def _status_of_output(path):
    """What is at `path`, None for nothing; `OutputError` where no file can be written."""
    try:
        status = _status(path)
    except (OSError, ValueError) as error:
        raise _cannot_write(path, _reason(error)) from error
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise _cannot_write(path, "a folder, not a file")
    return status


def _status(path):
    """What lies at `path`, at the end of its links; None for nothing."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        # Said better by whoever tries to write there.
        return None


@contextlib.contextmanager
def _renaming_to(path, status):
    # A link stays one: its target is replaced.
    target = Path(os.path.realpath(path)) if is_link(path) else path
    _sweep(target.parent)
    # Only the name before the `try`: an interruption right after the file is
    # made must not leave it.
    temporary = target.parent / f".{os.urandom(8).hex()}{path.suffix}"
    try:
        try:
            temporary.touch(exist_ok=False)
            if status is not None:
                _take_over(temporary, status)
        except OSError as error:
            raise _cannot_write(path, _reason(error)) from error
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot write ({_reason(error)}). Nothing was left behind."
        ) from error
    finally:
        # Where the folder itself is at fault this fails too, and the first
        # error is the one to tell.
        with contextlib.suppress(OSError):
            temporary.unlink()


def _take_over(temporary, status):
    """Gives the new file the mode and, where that is allowed, the owner of the
    one that it will replace.
    """
    own = temporary.stat()
    if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid):
        with contextlib.suppress(PermissionError):
            os.chown(temporary, status.st_uid, status.st_gid)
    # After the owner: a change of owner clears bits of the mode.
    temporary.chmod(stat.S_IMODE(status.st_mode))


@contextlib.contextmanager
def _pouring_into(path):
    """For devices and pipes, beside which there is nothing to rename."""
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_") as folder:
        temporary = Path(folder) / f"output{path.suffix}"
        temporary.touch()
        yield temporary
        try:
            with temporary.open("rb") as source, os.fdopen(_open_to_pour(path), "wb") as sink:
                shutil.copyfileobj(source, sink)
        except OSError as error:
            raise OutputError(f"{path}: cannot write ({_reason(error)}).") from error


def _open_to_pour(path):
    """A descriptor of what is there to be written to; a pipe that nobody reads is an error,
    because opening it would wait for ever.
    """
    printed = _printed_to(path)
    if printed is not None:
        return os.dup(printed)
    try:
        # What lies behind a name of an open file may be a file with longer content.
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise OSError(errno.ENXIO, "a pipe that nobody reads; start its reader first") from error
    # From here on a slow reader is waited for.
    os.set_blocking(descriptor, True)
    return descriptor


def _printed_to(path):
    """The descriptor that this process prints to, where `path` is a name of it, as `/dev/stdout`
    is: opened anew it would begin at the first byte, over what is printed already.
    """
    status = path.stat()
    for stream in (sys.stdout, sys.stderr):
        # A test's stream or a notebook's has no descriptor.
        with contextlib.suppress(OSError, AttributeError, ValueError):
            descriptor = stream.fileno()
            if os.path.samestat(os.fstat(descriptor), status):
                stream.flush()
                return descriptor
    return None


def require_writable(path: Path | str, *, makes_folders: bool = False) -> None:
    """Refuses a file that could not be written at the end of a long run, at its beginning.

    A pipe is held open until the process ends, so that its reader waits for the run.

    Args:
        makes_folders: whether the run makes the folders that are missing on the way.

    Raises:
        OutputError: it is a folder or a pipe that nobody reads, or lies in a folder that is
            missing or may not be written.
    """
    path = Path(path)
    status = _status_of_output(path)
    if _takes_bytes(path, status):
        if stat.S_ISFIFO(status.st_mode):
            _hold(path)
        return
    target = Path(os.path.realpath(path)) if is_link(path) else path
    if not makes_folders and not exists(target.parent):
        raise _cannot_write(path, f"there is no folder {target.parent}")
    _require_folder(target.parent, named=path)


def require_folder(folder: Path | str, *, remedy: str = _OTHER_PATH) -> None:
    """Refuses a folder for results that could not be made or written to.

    Args:
        remedy: the sentence that says what to do about it.

    Raises:
        OutputError: it, or what is to hold it, is no folder or may not be written.
    """
    _require_folder(Path(folder), named=Path(folder), remedy=remedy)


def _require_folder(folder, *, named, remedy=_OTHER_PATH):
    # What is missing will be made in the nearest folder that is there.
    there = next((place for place in (folder, *folder.parents) if exists(place)), folder)
    try:
        status = there.stat()
    except (OSError, ValueError) as error:
        raise _cannot_write(named, _reason(error), remedy) from error
    if not stat.S_ISDIR(status.st_mode):
        raise _cannot_write(named, f"{there} is no folder", remedy)
    is_effective = os.access in os.supports_effective_ids
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=is_effective):
        raise _cannot_write(named, os.strerror(errno.EACCES), remedy)


def _hold(pipe):
    try:
        _held.append(_open_to_pour(pipe))
    except OSError as error:
        raise _cannot_write(pipe, _reason(error)) from error


def _cannot_write(path, reason, remedy=_OTHER_PATH):
    return OutputError(f"{path}: cannot write here ({reason}). {remedy}")


def _reason(error):
    """An error of the operating system in its own few words."""
    return getattr(error, "strerror", None) or str(error)


def refuse_inputs(
    outputs: Iterable[Path | str | None], inputs: Iterable[Path | str | None]
) -> None:
    """Refuses a run whose outputs would replace what it reads, under whatever name or link.

    Args:
        outputs: files that the run will write; None is no file.
        inputs: files that it reads; None is no file.

    Raises:
        OutputError: an output is one of the inputs.
    """
    read = {_identity(path) for path in inputs if path is not None} - {None}
    for path in outputs:
        if path is not None and _identity(path) in read:
            raise OutputError(
                f"{path}: this run reads that file, and would replace it. Choose another output"
                " path."
            )


def _identity(path):
    """What is equal for two names of one regular file (links, other case), None
    where there is no such file.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def write_bytes(path: Path | str, content: bytes) -> None:
    """Writes `content` to `path` in one step: the old file or the new one, never half of it."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_new(path: Path | str, content: bytes) -> bool:
    """Writes `content` to a name that nothing has yet; returns whether it was free.

    Of processes that want one name at the same moment exactly one gets it, with its whole content.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        temporary = stack.enter_context(_beside(path))
        try:
            temporary.write_bytes(content)
            _link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            raise OutputError(
                f"{path}: cannot write ({_reason(error)}). Nothing was left behind."
            ) from error
    return True


def _link(temporary, path):
    """Gives a finished file its name: whole or not at all, and never over another."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # The name is claimed by an empty file, which only its maker may replace.
        path.touch(exist_ok=False)
        temporary.replace(path)


@contextlib.contextmanager
def _beside(path):
    """A free name beside `path`; what lies there in the end is removed."""
    _sweep(path.parent)
    temporary = path.parent / f".{os.urandom(8).hex()}{path.suffix}"
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _sweep(folder):
    """Removes what killed runs of this user left in `folder`; asked once for
    each folder in a process.

    A file is written in minutes: what has a temporary's name and has not
    changed for a day is nobody's.
    """
    try:
        folder = os.path.abspath(folder)  # noqa: PTH100 (keeps links)
    except OSError:
        # The working folder is gone, and what was in it.
        return
    if folder in _swept:
        return
    _swept.add(folder)
    oldest_s = datetime.now(UTC).timestamp() - _LEFT_AFTER_S
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not _TEMPORARY_NAME.fullmatch(entry.name) or not entry.is_file(
                follow_symlinks=False
            ):
                continue
            status = entry.stat(follow_symlinks=False)
            if status.st_mtime < oldest_s and status.st_uid == os.geteuid():
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)  # noqa: PTH108 (a string from scandir)


def write_text(path: Path | str, content: str) -> None:
    """Writes `content` as UTF-8 to `path` in one step."""
    write_bytes(path, content.encode("utf-8"))
