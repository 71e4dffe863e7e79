"""Small files that travel behind a model, in its own file: lists of labels, as TensorFlow Lite's
metadata wants them.

They are a ZIP archive, uncompressed, after the last byte of the FlatBuffer, which runtimes do not
look at. Whoever writes the FlatBuffer anew loses it, and carries it over by `carried_over`.
"""

import io
import zipfile
import zlib

# Lists of labels are some kB; what is much larger was not meant to travel.
_LARGEST_BYTES = 2**24
_MOST_FILES = 100
# An archive says when its files were made; the same model is to be the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
# What zipfile raises for archives that are damaged, encrypted or of a kind that it does not know.
_DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, OSError, EOFError),
    *(ValueError, LookupError, RuntimeError, NotImplementedError),
)


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
    """What lies behind a `.tflite`, by name; nothing where that is no sound archive or too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            size_bytes = sum(entry.file_size for entry in entries)
            if len(entries) > _MOST_FILES or size_bytes > _LARGEST_BYTES:
                return {}
            return {entry.filename: archive.read(entry) for entry in entries}
    except _DAMAGE:
        return {}


def carried_over(content: bytes, original: bytes) -> bytes:
    """A rewritten file with what lay behind the one it was made of."""
    return with_files(content, files_of(original))
