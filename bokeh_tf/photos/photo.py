"""A photograph in memory: upright RGB samples and everything about its file
that the result is to keep.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

# File formats read and written, each with the suffixes that name it; the first is the
# one given to new files.
FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photograph, turned upright.

    Attributes:
        pixels: `[H, W, 3]` RGB, uint8 or uint16, in the colour space of `icc`
            (sRGB where that is empty).
        format: the file format it came from, a key of `FORMATS`.
        grey: whether it is greyscale; the three channels of `pixels` are then equal.
        alpha: `[H, W]` of the type of `pixels`, or None; colours are not premultiplied by it.
        exif: EXIF block without an orientation, or empty.
        icc: ICC profile, or empty.
        xmp: XMP packet, or empty; nothing in it speaks of the old file's samples or
            of what else lay in that.
        png_chunks: (name, data) of chunks that say a PNG's colour space and hold its texts. What
            profiles can say of the colours, `icc` says too.
        dpi: horizontal and vertical resolution in pixels per inch, or None.
        save_options: how its own format stored it (chroma subsampling, lossless), as
            Pillow's `save` takes it.
        notes: what reading had to change, a short sentence each.
    """

    pixels: np.ndarray
    format: str
    grey: bool = False
    alpha: np.ndarray | None = None
    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()
    dpi: tuple[float, float] | None = None
    save_options: Mapping[str, object] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()


def format_of_suffix(suffix):
    """The key of `FORMATS` that `suffix` (".JPG", ".tif") names, or None."""
    return next((name for name, suffixes in FORMATS.items() if suffix.lower() in suffixes), None)


def reduced_to_8_bits(samples):
    """uint16 samples as the nearest uint8; uint8 samples as they are."""
    if samples is None or samples.dtype == np.uint8:
        return samples
    # 65535 is 255 * 257. A table costs less memory than arithmetic in 32 bits on a large photo.
    return ((np.arange(65536) + 128) // 257).astype(np.uint8)[samples]
