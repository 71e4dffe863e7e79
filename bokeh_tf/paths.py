"""Paths that nobody vouches for: questions that never raise, reads that end,
claims, names fit to be printed.

`Path.is_file` and its siblings raise where a parent folder cannot be searched, a name
is too long or holds a NUL; reading a pipe or a device may never end. Whoever takes a
path from outside asks here.
"""

import contextlib
import dataclasses
import hashlib
import io
import os
import stat
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from errno import EFBIG, EINVAL, EISDIR, EMLINK, ENOSYS, ENOTSUP, EPERM
from pathlib import Path

from bokeh_tf.errors import OutputError

# How memory cards and network folders say that they know no hard links.
NO_LINKS = (EPERM, ENOTSUP, ENOSYS, EMLINK)
_NO_NAME = "no file can have this name"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# Joiners shape letters and emoji and hide nothing; every other format character may.
_SHOWN_FORMAT_CHARACTERS = frozenset("\u200c\u200d")
_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Cn", "Cs", "Zl", "Zp"))
# Lines that quote files, phones and programs are cut there; whole texts are in the JSON.
LONGEST_LINE = 1000
# What a name that is not UTF-8 becomes in Python: byte 0x80 is U+DC80.
_FIRST_UNDECODED, _LAST_UNDECODED = 0xDC80, 0xDCFF


def is_file(path) -> bool:
    """Whether `path` is, perhaps through links, a regular file; False where
    that cannot be found out.
    """
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_dir(path) -> bool:
    """Whether `path` is, perhaps through links, a folder; False where that cannot be found out."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def why_no_file(path) -> str:
    """Why `path` cannot be read as a file, as a phrase for a message: nothing is there, or
    a folder, a pipe, a device, …; "" for a regular file.
    """
    try:
        status = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return "a link to nothing" if is_link(path) else "no such file"
    except OSError as error:
        return error.strerror or str(error)
    except ValueError:
        return _NO_NAME
    return "" if stat.S_ISREG(status.st_mode) else _kind(status.st_mode)


def why_no_folder(path) -> str:
    """Why `path` cannot be listed as a folder, as a phrase for a message; "" for a folder."""
    if is_dir(path):
        return ""
    reason = why_no_file(path)
    if not reason:
        return "a file, not a folder"
    return reason.replace("file", "folder")


def _kind(mode):
    """What is no regular file, as a phrase for a message."""
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    )
    name = next((name for is_kind, name in kinds if is_kind(mode)), "a device")
    return f"{name}, not a file"


def exists(path) -> bool:
    """Whether anything is at `path`, a dangling link included; False where
    that cannot be found out.
    """
    try:
        return os.path.lexists(path)
    except ValueError:
        return False


def is_link(path) -> bool:
    """Whether `path` itself is a link; False where that cannot be found out."""
    try:
        return Path(path).is_symlink()
    except (OSError, ValueError):
        return False


def resolved(path) -> Path:
    """`path` from the root on, without links; as it is where that cannot be found
    out, as in a deleted folder.
    """
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError, ValueError):
        return Path(path)


def names_apart(given: Iterable[Path | str]) -> list[str]:
    """What each path is called among the others: its file name, after as many of its folders as
    tell it from others of one name. A path that is given again is numbered.
    """
    every = [Path(path).parts for path in given]
    distinct = set(every)
    names = [Path(*_told_apart(parts, distinct)).as_posix() for parts in every]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[place] = f"{name} #{seen[name]}"
    return names


def _told_apart(parts, distinct):
    """The shortest end of a path's parts that no other path has."""
    rivals = [other for other in distinct if other != parts and other[-1:] == parts[-1:]]
    depth = 1
    while depth < len(parts) and any(other[-depth:] == parts[-depth:] for other in rivals):
        depth += 1
    return parts[-depth:]


def files_below(folder) -> Iterator[Path]:
    """Whatever is no folder in `folder` and the folders below it, links to
    folders left out; of any depth.

    A folder that cannot be listed is yielded itself, so that nobody takes it for an empty one.
    """
    waiting = [Path(folder)]
    # Neither `rglob` nor `os.walk`, which in Python 3.11 call themselves for each level.
    while waiting:
        place = waiting.pop()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except (OSError, ValueError):
            yield place
            continue
        folders = [entry for entry in entries if _is_folder(entry)]
        yield from (place / entry.name for entry in entries if entry not in folders)
        waiting += (place / entry.name for entry in reversed(folders) if not entry.is_symlink())


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_lfs_pointer(content: bytes) -> bool:
    """Whether a file holds no more than Git LFS's note of where its content is."""
    return content.startswith(_LFS_POINTER)


def read_bytes(path, *, limit_bytes) -> bytes:
    """The content of the regular file `path`.

    A file whose size is given as 0 is not read: among those that the system makes
    up are some without an end.

    Raises:
        OSError: it cannot be read, is a pipe, a device or a folder, or has more than `limit_bytes`;
            `strerror` says which, as a phrase for a message.
    """
    with open_file(path, limit_bytes=limit_bytes) as file:
        content = file.read(limit_bytes + 1) if os.fstat(file.fileno()).st_size else b""
    if len(content) > limit_bytes:
        raise OSError(EFBIG, _too_large(limit_bytes))
    return content


@contextlib.contextmanager
def open_file(path, *, limit_bytes=sys.maxsize) -> Iterator[io.BufferedReader]:
    """The regular file `path`, open to be read by what wants a file;
    `OSError` as of `read_bytes`.
    """
    try:
        # Before opening too: for some devices that alone has an effect.
        _require_regular(Path(path).stat(), limit_bytes)
        descriptor = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except ValueError as error:
        raise OSError(EINVAL, _NO_NAME) from error
    with os.fdopen(descriptor, "rb") as file:
        _require_regular(os.fstat(descriptor), limit_bytes)
        yield file


def sha256_of(path) -> str:
    """The SHA-256 of a file's content, in hexadecimal; `OSError` where it cannot be read."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_regular(status, limit_bytes):
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(EISDIR, _kind(status.st_mode))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(EINVAL, _kind(status.st_mode))
    if status.st_size > limit_bytes:
        raise OSError(EFBIG, _too_large(limit_bytes))


def _too_large(limit_bytes):
    return (
        f"larger than {limit_bytes / 1e6:,.0f} MB"
        if limit_bytes >= 1e6
        else f"larger than {limit_bytes:,} bytes"
    )


def claim(path, *, named=None) -> bool:
    """Creates the empty file `path` unless anything has that name, a dangling link
    included; whether it did.

    Of several processes that claim one name, one gets it.

    Args:
        named: what a message calls it, where `path` is a temporary name that nobody knows.

    Raises:
        OutputError: no file can be made there.
    """
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError as error:
        raise OutputError(
            f"{named or path}: cannot write here ({error.strerror}). Choose another output path."
        ) from error
    except ValueError as error:
        raise OutputError(f"{named or path}: {_NO_NAME}. Choose another output path.") from error
    return True


@dataclasses.dataclass
class New:
    """A file that gets its name at the end: written as `temporary`, then called `path`."""

    temporary: Path
    path: Path | None = None


@contextlib.contextmanager
def creating(names):
    """Yields a `New` to write to, which becomes the first of the paths `names` that nothing
    has, once the block ends.

    Nothing is overwritten and nobody sees half a file, whatever other processes do. All `names`
    lie in one folder and have one suffix; the temporary file has it too, because image writers
    choose their format by it.

    Raises:
        OutputError: the folder does not exist or cannot be written, the disk is
            full, or no name is free.
    """
    names = iter(names)
    path = next(names)
    new = New(path.parent / f".{os.urandom(8).hex()}{path.suffix}")
    try:
        if not claim(new.temporary, named=path):
            raise OutputError(f"{path}: cannot write here. Try again.")
        yield new
        while not _named(new.temporary, path):
            taken, path = path, next(names, None)
            if path is None:
                raise OutputError(f"{taken}: exists already. Choose another output path.")
        new.path = path
    except OSError as error:
        raise OutputError(
            f"{path}: cannot write ({error.strerror or error}). Nothing was left behind."
        ) from error
    finally:
        # Where the folder itself is at fault this fails too, and the first
        # error is the one to tell.
        with contextlib.suppress(OSError):
            new.temporary.unlink()


def _named(temporary, path):
    """Gives a finished file its name unless anything has it; whether it did."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # An empty file holds the name for a moment; only its maker may replace it.
        if not claim(path):
            return False
        temporary.replace(path)
    return True


def printable(text, *, most_characters: int | None = None) -> str:
    """`str(text)` in one line that does nothing to a terminal: control and
    hidden characters as escapes.

    Args:
        most_characters: of `text`; what is longer ends in "…" there. None for a
            text that is needed whole.
    """
    text = str(text)
    if most_characters is not None and len(text) > most_characters:
        text = text[: most_characters - 1] + "…"
    return "".join(map(_shown, text))


def _shown(character):
    if (
        unicodedata.category(character) not in _HIDDEN_CATEGORIES
        or character in _SHOWN_FORMAT_CHARACTERS
    ):
        return character
    if _FIRST_UNDECODED <= ord(character) <= _LAST_UNDECODED:
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
