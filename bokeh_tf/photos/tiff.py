"""Writing TIFF: 8 or 16 bits, grey or RGB, with or without alpha, with EXIF and ICC.

Pillow writes no 16-bit colour and OpenCV no metadata, so the strips are written here and
the directory by Pillow. Lossless: deflate with the horizontal predictor, which every
reader since TIFF 6 knows.
"""

import zlib

import numpy as np
from PIL import Image, TiffImagePlugin, TiffTags
from PIL.ExifTags import IFD

_STRIP_BYTES = 1 << 20
_DEFLATE = 8
_HORIZONTAL_DIFFERENCING = 2
_UNASSOCIATED_ALPHA = 2
_INCH = 2
_XMP = 700


def write_tiff(path, samples, *, has_alpha, exif=b"", icc=b"", xmp=b"", dpi=None):
    """Writes `samples` `[H, W, C]` (uint8 or uint16; C = 1 or 3, one more with alpha) to `path`."""
    height, _, _ = samples.shape
    rows_per_strip = max(1, _STRIP_BYTES // samples[0].nbytes)
    strips = [
        _compressed(samples[top : top + rows_per_strip]) for top in range(0, height, rows_per_strip)
    ]
    directory = _directory(samples, has_alpha=has_alpha)
    _add_description(directory, exif, icc, dpi)
    if xmp:
        directory.tagtype[_XMP] = TiffTags.BYTE
        directory[_XMP] = xmp
    sizes = [len(strip) for strip in strips]
    directory[TiffImagePlugin.ROWSPERSTRIP] = rows_per_strip
    _set_longs(directory, TiffImagePlugin.STRIPBYTECOUNTS, sizes)
    # Counted from the end of the directory; Pillow adds that when it saves.
    _set_longs(
        directory, TiffImagePlugin.STRIPOFFSETS, [sum(sizes[:index]) for index in range(len(sizes))]
    )
    with path.open("wb") as file:
        directory.save(file)
        file.writelines(strips)


def _compressed(strip):
    little_endian = strip.astype(strip.dtype.newbyteorder("<"))
    # Unsigned differences wrap around, as the predictor wants them.
    little_endian[:, 1:] = strip[:, 1:] - strip[:, :-1]
    return zlib.compress(np.ascontiguousarray(little_endian))


def _directory(samples, *, has_alpha):
    height, width, channels = samples.shape
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    directory[TiffImagePlugin.IMAGEWIDTH] = width
    directory[TiffImagePlugin.IMAGELENGTH] = height
    directory[TiffImagePlugin.BITSPERSAMPLE] = (8 * samples.itemsize,) * channels
    directory[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    directory[TiffImagePlugin.COMPRESSION] = _DEFLATE
    directory[TiffImagePlugin.PREDICTOR] = _HORIZONTAL_DIFFERENCING
    directory[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 2 if channels >= 3 else 1
    directory[TiffImagePlugin.PLANAR_CONFIGURATION] = 1
    if has_alpha:
        directory[TiffImagePlugin.EXTRASAMPLES] = _UNASSOCIATED_ALPHA
    return directory


def _add_description(directory, exif, icc, dpi):
    if exif:
        description = Image.Exif()
        description.load(exif)
        for tag, value in description.items():
            directory[tag] = description.get_ifd(tag) if tag in (IFD.Exif, IFD.GPSInfo) else value
    if icc:
        directory[TiffImagePlugin.ICCPROFILE] = icc
    if dpi:
        directory[TiffImagePlugin.RESOLUTION_UNIT] = _INCH
        directory[TiffImagePlugin.X_RESOLUTION], directory[TiffImagePlugin.Y_RESOLUTION] = dpi


def _set_longs(directory, tag, values):
    directory.tagtype[tag] = TiffTags.LONG
    directory[tag] = tuple(values)
