"""Lists of photos as text files, and the photos themselves as suites measure them."""

from bokeh_tf import photos
from bokeh_tf.errors import DataError


def read_list(path):
    """The photos that the text file at `path` names, one a line, relative to the file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a list of photos ({error}).") from error
    listed = [path.parent / line.strip() for line in lines if line.strip()]
    if not listed:
        raise DataError(f"{path}: names no photo. Write one path on each line.")
    return listed


def read_photo(path):
    """The photo at `path`, uint8 `[H, W, 3]`."""
    return photos.reduced_to_8_bits(photos.read(path).pixels)
