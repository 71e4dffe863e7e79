"""Where each result goes, so that no photo and no other file is overwritten."""

import itertools
from pathlib import Path

from PIL import Image

from bokeh_tf import paths
from bokeh_tf.errors import OutputError
from bokeh_tf.files import NewFolders, require_folder, require_writable
from bokeh_tf.photos import FORMATS, SUFFIXES, format_of_suffix, write, write_new

# Who ends a name so means a file, also where Pillow does not know the kind.
_FOREIGN_PICTURE_SUFFIXES = frozenset(
    (
        *(
            ".heic",
            ".heif",
            ".hif",
            ".avif",
            ".jxl",
            ".jpe",
            ".svg",
            ".exr",
            ".hdr",
            ".raw",
            ".mp4",
            ".mov",
        ),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"),
    )
)


_STEM = "{stem}"


def check_naming(naming: str) -> str:
    """`naming`, a pattern for names of results; `OutputError` where photos
    could not be told apart by it.
    """
    rest = naming.replace(_STEM, "")
    if _STEM not in naming or set(rest) & set("/\\{}\0"):
        raise OutputError(
            f"{naming}: a name needs {_STEM} for the photo's, and no folder. For example"
            f" {_STEM}_bokeh."
        )
    return naming


class Destinations(NewFolders):
    """Gives each photo of one run a path for its result. Use it in a `with`: folders
    it made in vain go again.

    `output` is a file name if there is one photo and the name ends like a picture's; else it is
    a folder, which is made if needed. What lies there already keeps its name, whoever made it:
    the result of a photo in the folder itself is called NAME_bokeh, any other NAME_2, NAME_3,
    as are photos of one name from different folders. `overwrite` permits to replace files that
    are no photos of this run.

    Raises:
        OutputError: `output` is a file name of an unknown or unsuitable kind, or
            the folder cannot be made.
    """

    def __init__(self, output, photos, *, is_single, overwrite=False, naming=None):
        """Plans for `photos` (paths); `is_single` says that one photo, not a folder, was asked for.

        `naming` is the results' names without suffix, "{stem}" standing for the photo's;
        None for the photo's own.
        """
        super().__init__()
        output = Path(output)
        is_picture_name = _is_picture_name(output) and not paths.is_dir(output)
        if is_picture_name and not is_single:
            raise OutputError(
                f"{output}: several photos or a folder need a folder as output, not a file name."
            )
        if is_picture_name and format_of_suffix(output.suffix) is None:
            raise OutputError(
                f"{output}: cannot write this kind of file. Known suffixes: {', '.join(SUFFIXES)}."
            )
        self._file = output if is_picture_name else None
        self._overwrite = overwrite
        self._naming = check_naming(naming or _STEM)
        self._photo_files = {identity for photo in photos if (identity := _identity(photo))}
        self._taken = set()
        folder = output.parent if is_picture_name else output
        require_folder(folder)
        if self._file:
            require_writable(self._file, makes_folders=True)
        self._folder = self.make(folder)

    def write(self, photo, *, source, subfolder=Path()):
        """Writes `photo`, the rendering of the one read from `source`; returns the
        path and what was left out.
        """
        if self._file:
            return self._write([self._file], photo)
        stem, suffix = source.stem, source.suffix
        if format_of_suffix(suffix) != photo.format:
            stem, suffix = (
                (source.stem if format_of_suffix(suffix) else source.name),
                FORMATS[photo.format][0],
            )
        stem = self._naming.replace(_STEM, stem)
        return self._write(self._names(self.make(self._folder / subfolder), stem, suffix), photo)

    def write_beside(self, photo, result, ending, *, suffix=None):
        """Writes `photo`, which belongs to `result`, as that with `ending` added to
        its stem; returns the path.

        `suffix` says the kind of file; None is the result's.
        """
        return self._write(
            self._names(result.parent, result.stem + ending, suffix or result.suffix), photo
        )[0]

    def _names(self, folder, stem, suffix):
        if self._is_photo(folder / f"{stem}{suffix}"):
            stem += "_bokeh"
        yield folder / f"{stem}{suffix}"
        for number in itertools.count(2):
            yield folder / f"{stem}_{number}{suffix}"

    def _write(self, names, photo):
        names = (
            path for path in names if _folded(path) not in self._taken and not self._is_photo(path)
        )
        path = next(names, None)
        if path is None:
            raise OutputError(f"{self._file}: is the photo itself. Choose another output path.")
        if self._overwrite and paths.exists(path):
            notes = write(path, photo)
        elif path == self._file and paths.exists(path):
            raise OutputError(
                f"{path}: exists already. Choose another output path, or give --overwrite."
            )
        else:
            path, notes = write_new(itertools.chain([path], names), photo)
        self._taken.add(_folded(path))
        return path, notes

    def _is_photo(self, path):
        return _identity(path) in self._photo_files


def _is_picture_name(path):
    suffix = path.suffix.lower()
    return suffix in Image.registered_extensions() or suffix in _FOREIGN_PICTURE_SUFFIXES


def _folded(path):
    # Names that differ in case only are one file on some systems.
    return path.parent, path.name.casefold()


def _identity(path):
    """What is equal for two names of one file (links, other case), or
    None where there is no file.
    """
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
