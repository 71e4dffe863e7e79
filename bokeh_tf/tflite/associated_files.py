"""Small files that travel behind a model, in its own file: lists of labels, as TensorFlow Lite's
metadata wants them.

They are a ZIP archive, uncompressed, after the last byte of the FlatBuffer, which runtimes do not
look at. Whoever writes the FlatBuffer anew loses it, and carries it over by `carried_over`.
"""

import io
import zipfile

from bokeh_tf import zips
from bokeh_tf.paths import printable

# Lists of labels are some kB; what is much larger was not meant to travel.
_LARGEST_BYTES = 2**24
_MOST_FILES = 100
_SHOWN_CHARACTERS = 100
# An archive says when its files were made; the same model is to be the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def with_files(content: bytes, files: dict[str, bytes]) -> bytes:
    """A `.tflite` that has none behind it, with these: their contents by name."""
    if not files:
        return content
    whole = io.BytesIO()
    whole.write(content)
    # MediaPipe reads what is stored as it is, and no other.
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return whole.getvalue()


def files_of(content: bytes) -> dict[str, bytes]:
    """What lies behind a `.tflite`, by name; nothing where `why_lost` has a reason."""
    return _read(content)[0]


def why_lost(content: bytes) -> str:
    """Why what is packed behind a `.tflite` cannot be read and carried over, as a phrase for a
    message; "" where it can be, and where nothing is packed there.
    """
    return _read(content)[1]


def carried_over(content: bytes, original: bytes) -> bytes:
    """A rewritten file with what lay behind the one it was made of; see `why_lost`."""
    return with_files(content, files_of(original))


def _read(content):
    """(files by name, why there are none although an archive is there)."""
    whole = io.BytesIO(content)
    if not zips.is_zip(whole):
        return {}, ""
    try:
        with zipfile.ZipFile(whole) as archive:
            entries = archive.infolist()
            size_bytes = sum(entry.file_size for entry in entries)
            if len(entries) > _MOST_FILES or size_bytes > _LARGEST_BYTES:
                return {}, f"{len(entries)} files of {size_bytes:,} bytes are no lists of labels"
            return {entry.filename: archive.read(entry) for entry in entries}, ""
    except zips.DAMAGE as error:
        return {}, f"a damaged archive ({printable(error, most_characters=_SHOWN_CHARACTERS)})"
