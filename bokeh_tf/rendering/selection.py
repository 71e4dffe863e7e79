"""Which photos a command means, and what of the folders it was given is left out."""

import collections
import dataclasses
from pathlib import Path

from bokeh_tf import paths
from bokeh_tf.errors import PhotoError
from bokeh_tf.photos import INSTALL, SUFFIXES, format_of_suffix, usable_formats


@dataclasses.dataclass(frozen=True)
class FoundPhoto:
    """A photo to render; `subfolder` is where it lies below the folder that
    was asked for, else empty.
    """

    path: Path
    subfolder: Path = Path()


@dataclasses.dataclass
class Selection:
    """What was found.

    Attributes:
        photos: each photo once, folders sorted.
        errors: a `PhotoError` for each folder that cannot be listed or has no photos.
        left_out: a line for each folder of which something is left out.
    """

    photos: list[FoundPhoto] = dataclasses.field(default_factory=list)
    errors: list[PhotoError] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)


def find_photos(given, *, recursive=False, output=None):
    """Expands folders among the paths `given` to the photos in them.

    Args:
        given: photos and folders.
        recursive: also take the folders in folders, except hidden and linked ones.
        output: the folder of the results, which is passed over inside another one.

    Returns:
        A `Selection`.
    """
    selection, seen = Selection(), set()
    for path in map(Path, given):
        found = (
            _in_folder(path, selection, recursive, output)
            if paths.is_dir(path)
            else [FoundPhoto(path)]
        )
        for photo in found:
            key = _resolved(photo.path)
            if key not in seen:
                seen.add(key)
                selection.photos.append(photo)
    return selection


def _in_folder(folder, selection, recursive, output):
    """The photos in `folder`; adds to the errors and to what is left out."""
    found, counts, unreadable, waiting = [], collections.Counter(), 0, [folder]
    # Not `os.walk`, which in Python 3.11 calls itself for each level.
    while waiting:
        parent = waiting.pop()
        files, folders = _listed(parent, selection)
        photos = [path for path in files if _is_photo(path)]
        found += [FoundPhoto(path, parent.relative_to(folder)) for path in photos]
        counts["file"] += len(files) - len(photos)
        unreadable += sum(map(_needs_plugin, files))
        inside = [path for path in folders if not _is_same(path, output)]
        taken = [path for path in inside if recursive and not _is_passed_over(path)]
        counts["folder"] += len(inside) - len(taken)
        waiting += reversed(taken)
    hint = "; --recursive takes the folders too" if counts["folder"] and not recursive else ""
    if unreadable:
        hint += f"; for {unreadable} of them: {INSTALL}"
    if not found and not selection.errors:
        suffixes = ", ".join(SUFFIXES)
        selection.errors.append(
            PhotoError(f"{folder}: no photos in this folder ({suffixes}){hint}.")
        )
    elif counts.total():
        selection.left_out.append(f"{folder}: {_counted(counts)} left out{hint}")
    return found


def _listed(folder, selection):
    """What is no folder in `folder`, and the folders, both sorted; an error
    where it cannot be listed.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        selection.errors.append(
            PhotoError(f"{folder}: cannot list this folder ({error.strerror}).")
        )
        return [], []
    folders = [path for path in entries if paths.is_dir(path)]
    return sorted(set(entries) - set(folders)), folders


def _is_photo(path):
    is_shown = not path.name.startswith(".") and paths.is_file(path)
    return is_shown and format_of_suffix(path.suffix) in usable_formats()


def _needs_plugin(path):
    file_format = format_of_suffix(path.suffix)
    return file_format is not None and file_format not in usable_formats()


def _is_passed_over(folder):
    return folder.name.startswith(".") or paths.is_link(folder)


def _is_same(path, other):
    try:
        return other is not None and path.samefile(other)
    except (OSError, ValueError):
        return False


def _resolved(path):
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        # A loop of links, or a name that no file can have: reading it will say so.
        return path


def _counted(counts):
    parts = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count]
    return " and ".join(parts)
