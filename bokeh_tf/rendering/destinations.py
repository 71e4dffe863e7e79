"""Which photos a command means and where each result goes, so that no photo and no other result is overwritten."""

from pathlib import Path

from PIL import Image

from bokeh_tf.errors import OutputError, PhotoError
from bokeh_tf.files import make_folder
from bokeh_tf.photos import FORMATS, SUFFIXES, format_of_suffix


def find_photos(paths):
    """Expands folders among `paths` to the photos directly in them, sorted; each photo once.

    Returns:
        The photos' paths, and a `PhotoError` for each folder without any.
    """
    found, errors = {}, []
    for path in map(Path, paths):
        inside = [path]
        if path.is_dir():
            try:
                inside = sorted(entry for entry in path.iterdir() if _is_photo_name(entry))
            except OSError as error:
                errors.append(PhotoError(f"{path}: cannot list this folder ({error.strerror})."))
                continue
            if not inside:
                errors.append(PhotoError(f"{path}: no photos in this folder ({', '.join(SUFFIXES)})."))
        for entry in inside:
            found.setdefault(entry.resolve(), entry)
    return list(found.values()), errors


def _is_photo_name(path):
    return not path.name.startswith(".") and format_of_suffix(path.suffix) is not None and path.is_file()


class Destinations:
    """Gives each photo of one run a path for its result.

    `output` is a file name if there is one photo and the name ends like a picture's; else it is a folder,
    which is made if needed. A photo that lies there keeps its file: the result is then called NAME_bokeh.
    Photos of one name from different folders become NAME, NAME_2, NAME_3 in the order given.

    Raises:
        OutputError: `output` is a file name of an unknown or unsuitable kind, or the folder cannot be made.
    """

    def __init__(self, output, photos, *, is_single):
        """Plans for `photos` (paths); `is_single` says that one photo, not a folder, was asked for."""
        output = Path(output)
        is_picture_name = output.suffix.lower() in Image.registered_extensions() and not output.is_dir()
        if is_picture_name and not is_single:
            raise OutputError(f"{output}: several photos or a folder need a folder as output, not a file name.")
        if is_picture_name and format_of_suffix(output.suffix) is None:
            raise OutputError(f"{output}: cannot write this kind of file. Known suffixes: {', '.join(SUFFIXES)}.")
        self._file = output if is_picture_name else None
        self._folder = make_folder(output.parent if is_picture_name else output)
        self._photo_files = {identity for photo in photos if (identity := _identity(photo))}
        self._taken = set()

    def choose(self, photo_path, file_format):
        """The path for the rendering of the photo read from `photo_path`, which was in `file_format`."""
        if self._file:
            if _identity(self._file) in self._photo_files:
                raise OutputError(f"{self._file}: is the photo itself. Choose another output path.")
            self._taken.add(self._file.name.casefold())
            return self._file
        stem, suffix = photo_path.stem, photo_path.suffix
        if format_of_suffix(suffix) != file_format:
            stem, suffix = (photo_path.stem if format_of_suffix(suffix) else photo_path.name), FORMATS[file_format][0]
        return self._free(stem, suffix)

    def beside(self, result, ending):
        """A free path for a second picture that belongs to `result`: its name with `ending` added to the stem."""
        return self._free(result.stem + ending, result.suffix)

    def _free(self, stem, suffix):
        if self._is_photo(f"{stem}{suffix}"):
            stem += "_bokeh"
        name, number = f"{stem}{suffix}", 1
        # Names that differ in case only are one file on some systems.
        while name.casefold() in self._taken or self._is_photo(name):
            number += 1
            name = f"{stem}_{number}{suffix}"
        self._taken.add(name.casefold())
        return self._folder / name

    def _is_photo(self, name):
        return _identity(self._folder / name) in self._photo_files


def _identity(path):
    """What is equal for two names of one file (links, other case), or None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
