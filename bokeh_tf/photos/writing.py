"""Writing a rendered photograph: JPEG, PNG, WebP or TIFF with its EXIF, ICC profile, alpha and resolution."""

import itertools
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bokeh_tf.errors import OutputError
from bokeh_tf.files import replacing
from bokeh_tf.paths import creating
from bokeh_tf.photos.photo import SUFFIXES, format_of_suffix, reduced_to_8_bits
from bokeh_tf.photos.tiff import write_tiff

# High enough that a second lossy compression is not seen.
_QUALITY = 95
_MAX_SIDE_PX = {"JPEG": 65_500, "WEBP": 16_383}
# EXIF has one JPEG segment: 65,535 bytes less the length field.
_MAX_JPEG_EXIF_BYTES = 65_533
_PNG_SIGNATURE_AND_HEADER_BYTES = 8 + 25


def write(path, photo):
    """Writes `photo` to `path` in the format of its suffix, in one step; a file of that name is replaced.

    Returns:
        What that format cannot hold and was left out, a tuple of short sentences.

    Raises:
        OutputError: the suffix names no known format, the format cannot hold so many pixels, or the
            file cannot be written.
    """
    path = Path(path)
    encoder = _Encoder(path, photo)
    with replacing(path) as temporary:
        encoder.save(temporary)
    return encoder.notes


def write_new(names, photo):
    """Writes `photo` under the first of the paths `names`, equal in folder and suffix, that nothing has yet.

    Returns:
        The path, and what its format cannot hold as `write` tells it.

    Raises:
        OutputError: as in `write`, or no name is free.
    """
    names = map(Path, names)
    first = next(names)
    encoder = _Encoder(first, photo)
    with creating(itertools.chain([first], names)) as new:
        encoder.save(new.temporary)
    return new.path, encoder.notes


class _Encoder:
    """A photo as one format holds it; `notes` says what that format cannot hold."""

    def __init__(self, path, photo):
        self._format = format_of_suffix(path.suffix)
        if self._format is None:
            raise OutputError(f"{path}: cannot write this kind of file. Known suffixes: {', '.join(SUFFIXES)}.")
        _check_size(path, photo, self._format)
        self._photo = photo
        self._samples, self._has_alpha, self.notes = _fitted(photo, self._format)
        self._exif = photo.exif
        if self._format == "JPEG" and len(photo.exif) > _MAX_JPEG_EXIF_BYTES:
            self._exif = b""
            self.notes += ("its EXIF data is left out, being too large for JPEG",)

    def save(self, path):
        photo, samples, exif = self._photo, self._samples, self._exif
        if self._format == "TIFF":
            write_tiff(path, samples, has_alpha=self._has_alpha, exif=exif, icc=photo.icc, dpi=photo.dpi)
        elif samples.dtype == np.uint16:
            path.write_bytes(_png_of_16_bits(samples, exif, photo.icc, photo.dpi))
        else:
            options = photo.save_options if self._format == photo.format else {}
            _save_with_pillow(path, samples, self._format, exif, photo, options)


def _check_size(path, photo, file_format):
    longest = max(photo.pixels.shape[:2])
    limit = _MAX_SIDE_PX.get(file_format, longest)
    if longest > limit:
        raise OutputError(f"{path}: {file_format} holds at most {limit} pixels a side, not {longest}. Choose PNG.")


def _fitted(photo, file_format):
    """Samples `[H, W, C]` as `file_format` holds them, whether the last is alpha, and notes."""
    colours, alpha, notes = photo.pixels, photo.alpha, ()
    if colours.dtype == np.uint16 and file_format in ("JPEG", "WEBP"):
        colours, alpha = reduced_to_8_bits(colours), reduced_to_8_bits(alpha)
        notes += (f"its 16 bits per sample are reduced to the 8 of {file_format}",)
    if alpha is not None and file_format == "JPEG":
        colours, alpha = _on_white(colours, alpha), None
        notes += ("its transparent parts become white, JPEG having no alpha",)
    if photo.grey:
        colours = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)[..., None]
    if alpha is None:
        return colours, False, notes
    return np.concatenate([colours, alpha[..., None]], axis=2), True, notes


def _on_white(colours, alpha):
    result = np.empty_like(colours)
    for row in range(len(colours)):
        share = alpha[row, :, None] / np.float32(255)
        result[row] = np.rint(255 + share * (colours[row] - np.float32(255)))
    return result


def _save_with_pillow(path, samples, file_format, exif, photo, options):
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    options = dict(options)
    if exif:
        options["exif"] = exif
    if photo.icc:
        options["icc_profile"] = photo.icc
    if photo.dpi and file_format != "WEBP":
        options["dpi"] = photo.dpi
    if file_format == "JPEG":
        options = {"subsampling": 0, **options, "quality": _QUALITY}
    elif file_format == "WEBP":
        # In a lossless file Pillow takes the quality as the effort to compress; 80 is its own choice.
        quality = 80 if options.get("lossless") else _QUALITY
        options |= {"quality": quality, "exact": True}
    image.save(path, format=file_format, **options)


def _png_of_16_bits(samples, exif, icc, dpi):
    """A PNG file as bytes: OpenCV's, which knows no metadata, with the metadata put in behind the header."""
    if samples.shape[2] == 2:
        # OpenCV writes no grey with alpha.
        samples = samples[..., [0, 0, 0, 1]]
    order = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[samples.shape[2]]
    succeeded, encoded = cv2.imencode(".png", samples if order is None else cv2.cvtColor(samples, order))
    if not succeeded:
        raise OSError("PNG encoder failed")
    chunks = b""
    if icc:
        chunks += _png_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if dpi:
        chunks += _png_chunk(b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in dpi), 1))
    if exif:
        chunks += _png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    encoded = encoded.data
    return b"".join([encoded[:_PNG_SIGNATURE_AND_HEADER_BYTES], chunks, encoded[_PNG_SIGNATURE_AND_HEADER_BYTES:]])


def _png_chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
