"""Which of the formats this installation can read: AVIF comes with most builds of
Pillow, HEIF with a plug-in.
"""

import functools

from PIL import features

from bokeh_tf.errors import DependencyError
from bokeh_tf.photos.photo import FORMATS

INSTALL = 'pip install "bokeh-tf[photos]"'
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


@functools.cache
def usable_formats() -> tuple[str, ...]:
    """The keys of `FORMATS` that can be read and written here."""
    missing = set()
    if not features.check("avif"):
        missing.add("AVIF")
    try:
        import pillow_heif
    except ImportError:
        missing.add("HEIF")
    else:
        pillow_heif.register_heif_opener()
    return tuple(name for name in FORMATS if name not in missing)


def require(file_format, path):
    """Raises `DependencyError` if the photo `path`, in `file_format` (or None),
    needs what is not installed.
    """
    if file_format is not None and file_format not in usable_formats():
        raise DependencyError(
            f"{path}: {file_format} pictures need an optional part. Run: {INSTALL}"
        )


def format_of_brand(content):
    """ "AVIF" or "HEIF" if the bytes `content` begin as such a file, else None."""
    if content[4:8] != b"ftyp":
        return None
    major = content[8:12]
    # Pictures of either kind may call themselves by the name of their container.
    brands = [
        content[start : start + 4]
        for start in range(8, min(64, int.from_bytes(content[:4], "big")), 4)
    ]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "AVIF"
    return "HEIF" if major in _HEIF_BRANDS else None
