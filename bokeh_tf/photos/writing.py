"""Writing a rendered photograph with its EXIF, XMP, colours, alpha and resolution as far
as its format has a place.
"""

import dataclasses
import io
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
from bokeh_tf.photos.colour import name_of_transfer, profile_of_code_points
from bokeh_tf.photos.photo import SUFFIXES, format_of_suffix, reduced_to_8_bits
from bokeh_tf.photos.plugins import require
from bokeh_tf.photos.png import colour_chunk, keywords, with_chunks, xmp_chunk
from bokeh_tf.photos.tiff import write_tiff

# High enough that a second lossy compression is not seen.
_QUALITY = 95
# Of 0 to 10: seven times as fast as Pillow's own 6, for a file that is an eighth larger.
_AVIF_SPEED = 9
_MAX_SIDE_PX = {"JPEG": 65_500, "WEBP": 16_383}
# EXIF has one JPEG segment: 65,535 bytes less the length field.
_MAX_JPEG_EXIF_BYTES = 65_533
# The same less the name of the standard.
_MAX_JPEG_XMP_BYTES = 65_504


def write(path, photo):
    """Writes `photo` to `path` in the format of its suffix, in one step; a file
    of that name is replaced.

    Returns:
        What that format cannot hold and was left out, a tuple of short sentences.

    Raises:
        OutputError: the suffix names no known format, the format cannot hold so many pixels, or the
            file cannot be written.
        DependencyError: the format needs an optional part of the installation.
    """
    path = Path(path)
    encoder = _Encoder(path, photo)
    with replacing(path) as temporary:
        encoder.save(temporary)
    return encoder.notes


def write_new(names, photo):
    """Writes `photo` under the first of the paths `names`, equal in folder and
    suffix, that nothing has yet.

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
            raise OutputError(
                f"{path}: cannot write this kind of file. Known suffixes: {', '.join(SUFFIXES)}."
            )
        require(self._format, path)
        _check_size(path, photo, self._format)
        self._path = path
        self._samples, self._has_alpha, self.notes = _fitted(photo, self._format)
        is_too_large = self._format == "JPEG" and len(photo.exif) > _MAX_JPEG_EXIF_BYTES
        exif = b"" if is_too_large else photo.exif
        self.notes += (
            ("its EXIF data is left out, being too large for JPEG",) if is_too_large else ()
        )
        is_too_large = self._format == "JPEG" and len(photo.xmp) > _MAX_JPEG_XMP_BYTES
        xmp = b"" if is_too_large else photo.xmp
        self.notes += (
            ("its XMP data is left out, being too large for JPEG",) if is_too_large else ()
        )
        self.notes += _chunk_notes(photo, self._format)
        options = photo.save_options if self._format == photo.format else {}
        self._photo = dataclasses.replace(photo, exif=exif, xmp=xmp, save_options=options)

    def save(self, path):
        """Writes the photo to `path`, in the format that was chosen when this was made."""
        photo, samples = self._photo, self._samples
        try:
            if self._format == "TIFF":
                facts = {"exif": photo.exif, "icc": photo.icc, "xmp": photo.xmp, "dpi": photo.dpi}
                write_tiff(path, samples, has_alpha=self._has_alpha, **facts)
            elif self._format == "PNG":
                path.write_bytes(_png(samples, photo))
            else:
                _save_with_pillow(path, samples, self._format, photo)
        except (ValueError, TypeError, ArithmeticError, RuntimeError, struct.error) as error:
            reason = " ".join(str(error).split())
            raise OutputError(
                f"{self._path}: the {self._format} encoder refuses it ({reason}). Choose PNG."
            ) from error


def _chunk_notes(photo, file_format):
    """What a PNG's chunks say and `file_format` has no place for."""
    if file_format == "PNG" or not photo.png_chunks:
        return ()
    notes = ()
    names = keywords(photo.png_chunks)
    if names:
        notes += (
            f"its PNG texts ({', '.join(names)}) are left out, {file_format} having no place for"
            " them",
        )
    code_points = colour_chunk(photo.png_chunks, b"cICP")
    if code_points and profile_of_code_points(*code_points[:2]) is None:
        name = name_of_transfer(code_points[1])
        notes += (
            f"its HDR colours ({name}) are left out, {file_format} having no place; the result"
            " looks flat",
        )
    return notes


def _check_size(path, photo, file_format):
    longest = max(photo.pixels.shape[:2])
    limit = _MAX_SIDE_PX.get(file_format, longest)
    if longest > limit:
        raise OutputError(
            f"{path}: {file_format} holds at most {limit} pixels a side, not {longest}. Choose PNG."
        )


def _fitted(photo, file_format):
    """Samples `[H, W, C]` as `file_format` holds them, whether the last is alpha, and notes."""
    colours, alpha, notes = photo.pixels, photo.alpha, ()
    if colours.dtype == np.uint16 and file_format not in ("PNG", "TIFF"):
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


def _save_with_pillow(path, samples, file_format, photo):
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    named = {"exif": photo.exif, "icc_profile": photo.icc, "xmp": photo.xmp}
    if file_format in ("JPEG", "PNG"):
        named["dpi"] = photo.dpi
    options = {**photo.save_options, **{name: value for name, value in named.items() if value}}
    if file_format == "JPEG":
        options = {"subsampling": 0, **options, "quality": _QUALITY}
    elif file_format == "WEBP":
        # In a lossless file Pillow takes the quality as the effort to
        # compress; 80 is its own choice.
        quality = 80 if options.get("lossless") else _QUALITY
        options |= {"quality": quality, "exact": True}
    elif file_format in ("AVIF", "HEIF"):
        # Only AVIF's encoder knows a speed.
        options |= {"quality": _QUALITY, "speed": _AVIF_SPEED}
    image.save(path, format=file_format, **options)


def _png(samples, photo):
    """A PNG file as bytes: the encoder's, with the metadata that it does not know
    put in behind the header.
    """
    is_16_bit = samples.dtype == np.uint16
    chunks = [
        (name, data)
        for name, data in photo.png_chunks
        # A file may have either of the two.
        if name != b"sRGB" or not photo.icc
    ]
    if photo.xmp:
        chunks.append(xmp_chunk(photo.xmp))
    if not is_16_bit:
        encoded = io.BytesIO()
        _save_with_pillow(encoded, samples, "PNG", dataclasses.replace(photo, xmp=b""))
        return with_chunks(encoded.getbuffer(), chunks)
    if photo.icc:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(photo.icc)))
    if photo.dpi:
        chunks.append(
            (b"pHYs", struct.pack(">IIB", *(round(value / 0.0254) for value in photo.dpi), 1))
        )
    if photo.exif:
        chunks.append((b"eXIf", photo.exif.removeprefix(b"Exif\0\0")))
    return with_chunks(_encoded_16_bits(samples), chunks)


def _encoded_16_bits(samples):
    if samples.shape[2] == 2:
        # OpenCV writes no grey with alpha.
        samples = samples[..., [0, 0, 0, 1]]
    order = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[samples.shape[2]]
    succeeded, encoded = cv2.imencode(
        ".png", samples if order is None else cv2.cvtColor(samples, order)
    )
    if not succeeded:
        raise OSError("PNG encoder failed")
    return encoded.data
