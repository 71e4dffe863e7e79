"""Reading a photograph from a JPEG, PNG, WebP, TIFF, AVIF or HEIC file that nobody vouches for.

Pillow decodes everything once, because it notices truncated files; samples of 16 bits, which it
would reduce, are then taken from OpenCV.
"""

import contextlib
import io
import struct
import warnings
import zlib

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms, JpegImagePlugin, TiffImagePlugin, UnidentifiedImageError

from bokeh_tf import paths
from bokeh_tf.errors import PhotoError
from bokeh_tf.native_messages import native_messages_muted
from bokeh_tf.photos import plugins
from bokeh_tf.photos.colour_spaces import colours_of
from bokeh_tf.photos.embedded import embedded_notes
from bokeh_tf.photos.metadata import exif_and_orientation, turned_upright
from bokeh_tf.photos.photo import Photo, reduced_to_8_bits
from bokeh_tf.photos.xmp import still_true

MIN_SIDE_PX = 16
MAX_MEGAPIXELS = 64

# What Pillow and OpenCV raise for damaged content.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    cv2.error,
    ImageCms.PyCMSError,
    Image.DecompressionBombError,
)
# 64 megapixels of 16 bits with alpha, and some metadata.
_MAX_FILE_BYTES = 600_000_000
_BAND_PIXELS = 1 << 20
_WHITE_IS_ZERO = 0
_TIFF_XMP, _TIFF_IPTC, _IPTC_RESOURCE = 700, 33723, 0x0404
# Behind its name: version, flags, number of channels.
_PIXI_BITS = 9
_UNSIGNED_INTEGER = 1


def read(path):
    """Reads the photo in the file `path`; of several pictures in one file, the first.

    Returns:
        A `Photo`, upright, at least 16 pixels a side and at most 64 megapixels.

    Raises:
        PhotoError: there is no such file, it is no photo, damaged, or of an absurd size.
        DependencyError: it is in a format that needs an optional part of the installation.
    """
    content = content_of(path)
    plugins.require(plugins.format_of_brand(content), path)
    with warnings.catch_warnings():
        # Pillow warns of odd metadata and of large pictures; both are judged here.
        warnings.simplefilter("ignore")
        try:
            return _read(path, content)
        except DECODER_ERRORS as error:
            raise PhotoError(f"{path}: {_reason(error)}") from error


def content_of(path):
    """The bytes of the file at `path`; `PhotoError` where they cannot be read,
    are none, or far too many.
    """
    try:
        content = paths.read_bytes(path, limit_bytes=_MAX_FILE_BYTES)
    except OSError as error:
        reason = paths.why_no_file(path)
        if reason:
            raise PhotoError(f"{path}: {reason}. Check the path.") from error
        raise PhotoError(
            f"{path}: cannot be read ({error.strerror}). Check the path and its rights."
        ) from error
    if not content:
        raise PhotoError(f"{path}: the file is empty. Copy the photo again.")
    return content


def jpeg_shape(content):
    """(height, width), upright, of the JPEG in the bytes `content`, from its
    header; None for anything else.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            is_turned = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
            return image.size if is_turned else image.size[::-1]
    except DECODER_ERRORS:
        return None


def orientation_of(content):
    """The EXIF orientation of the picture in the bytes `content`, 1 where there is none."""
    try:
        with Image.open(io.BytesIO(content), formats=plugins.usable_formats()) as image:
            return image.getexif().get(ExifTags.Base.Orientation, 1)
    except DECODER_ERRORS:
        return 1


def _reason(error):
    if isinstance(error, UnidentifiedImageError):
        return "not a JPEG, PNG, WebP, TIFF, AVIF or HEIC picture. Convert it to one of these."
    if isinstance(error, Image.DecompressionBombError):
        return f"too large; at most {MAX_MEGAPIXELS} megapixels can be rendered."
    return (
        f"damaged or cut short ({' '.join(str(error).split()) or type(error).__name__}). Copy"
        " the photo again."
    )


def _read(path, content):
    with Image.open(io.BytesIO(content), formats=plugins.usable_formats()) as image:
        _check_size(path, *image.size)
        # Phones save several pictures in one JPEG; Pillow calls such a file MPO.
        file_format = "JPEG" if image.format == "MPO" else image.format
        is_16_bit = _is_16_bit(path, content, image)
        facts = {"save_options": _save_options(content, image), "dpi": _dpi(image)}
        notes = _pictures_note(image)
        # The decoders of JPEG and WebP are silent, and muting touches the whole process.
        with (
            contextlib.nullcontext() if file_format in ("JPEG", "WEBP") else native_messages_muted()
        ):
            image.load()
            samples = _samples_of_16_bits(content, image) if is_16_bit else None
        icc = image.info.get("icc_profile") or b""
        exif, orientation, exif_notes = _exif(image)
        # Pillow gives its PNG texts only once it has loaded the picture.
        xmp, xmp_notes = still_true(_xmp(image))
        bits_notes = _bits_notes(content, file_format)
        colours = colours_of(content, image)
        if samples is None:
            samples, icc, sample_notes = _samples_of_8_bits(image, icc)
            bits_notes += (
                ("its 16 bits per sample are reduced to 8",) if is_16_bit else ()
            ) + sample_notes
        notes += (
            bits_notes
            + exif_notes
            + xmp_notes
            + _caption_notes(image)
            + embedded_notes(content, file_format)
        )
        # Frees Pillow's own copy of the picture.
        image.close()
    pixels, alpha, grey = _split(turned_upright(samples, orientation))
    icc, colour_notes = (icc, ()) if icc else colours.profile(grey=grey)
    facts |= {"xmp": xmp, "png_chunks": colours.png_chunks}
    return Photo(pixels, file_format, grey, alpha, exif, icc, notes=notes + colour_notes, **facts)


def _check_size(path, width, height):
    if min(width, height) < MIN_SIDE_PX:
        raise PhotoError(
            f"{path}: {width}x{height} pixels is too small; each side needs at least {MIN_SIDE_PX}."
        )
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        megapixels = width * height / 1_000_000
        raise PhotoError(
            f"{path}: {megapixels:.0f} megapixels is too large; at most {MAX_MEGAPIXELS} can be"
            " rendered."
        )


def _is_16_bit(path, content, image):
    if image.format == "PNG":
        return content[24] == 16
    if image.format != "TIFF":
        return False
    bits = max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    kinds = set(image.tag_v2.get(TiffImagePlugin.SAMPLEFORMAT, (_UNSIGNED_INTEGER,)))
    if bits not in (1, 2, 4, 8, 16) or kinds != {_UNSIGNED_INTEGER}:
        raise PhotoError(
            f"{path}: {bits}-bit or floating-point samples cannot be rendered. Save it with 8 or"
            " 16 bits."
        )
    return bits == 16


def _save_options(content, image):
    """Pillow's `save` options that store a picture as this file does."""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        sampling = JpegImagePlugin.get_sampling(image)
        options = {"subsampling": sampling} if sampling >= 0 else {}
        return options | ({"comment": image.info["comment"]} if image.info.get("comment") else {})
    if image.format == "WEBP":
        return {"lossless": _is_lossless_webp(io.BytesIO(content))}
    return {}


def _is_lossless_webp(file):
    # A RIFF file: 12 bytes of header, then chunks of name, size, content padded to an even length.
    file.seek(12)
    while len(header := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name in (b"VP8 ", b"VP8L", b"ANMF"):
            return name == b"VP8L"
        file.seek(size + size % 2, io.SEEK_CUR)
    return False


def _dpi(image):
    dpi = image.info.get("dpi")
    usable = isinstance(dpi, tuple) and len(dpi) == 2 and all(0 < value < 100_000 for value in dpi)
    return (float(dpi[0]), float(dpi[1])) if usable else None


def _pictures_note(image):
    count = getattr(image, "n_frames", 1)
    # The further pictures in a phone's JPEG are previews and depth maps, not a second photograph.
    return (
        (f"only the first of its {count} pictures is rendered",)
        if count > 1 and image.format != "MPO"
        else ()
    )


def _xmp(image):
    xmp = image.tag_v2.get(_TIFF_XMP) if image.format == "TIFF" else image.info.get("xmp")
    return xmp if isinstance(xmp, bytes) else b""


def _bits_notes(content, file_format):
    """AVIF and HEIF say in a box how many bits a sample has; their decoders give 8."""
    start = content.find(b"pixi") if file_format in ("AVIF", "HEIF") else -1
    bits = content[start + _PIXI_BITS : start + _PIXI_BITS + 1] if start >= 0 else b""
    return (f"its {bits[0]} bits per sample are reduced to 8",) if bits and bits[0] > 8 else ()


def _caption_notes(image):
    resources = image.info.get("photoshop")
    has_iptc = isinstance(resources, dict) and _IPTC_RESOURCE in resources
    if image.format == "TIFF":
        has_iptc = _TIFF_IPTC in image.tag_v2
    return ("its IPTC captions are left out",) if has_iptc else ()


def _exif(image):
    try:
        return *exif_and_orientation(image), ()
    except DECODER_ERRORS:
        return b"", 1, ("its damaged EXIF data is left out",)


def _samples_of_16_bits(content, image):
    """`[H, W]` or `[H, W, C]` uint16, or None where OpenCV and Pillow do
    not see the same picture.
    """
    photometric = getattr(image, "tag_v2", {}).get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION)
    if (
        image.mode not in ("I;16", "I;16B", "I;16L", "I", "L", "LA", "RGB", "RGBA")
        or photometric == _WHITE_IS_ZERO
    ):
        return None
    samples = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if (
        samples is None
        or samples.dtype != np.uint16
        or samples.shape[:2] != (image.height, image.width)
    ):
        return None
    if samples.ndim == 2:
        return samples
    if not image.mode.startswith("RGB"):
        return samples[..., [0, 3]]
    for row in samples:
        # In place, blue and red change sides; the right side is copied before it is written.
        row[:, :3] = row[:, [2, 1, 0]]
    return samples


def _samples_of_8_bits(image, icc):
    """Samples `[H, W]` or `[H, W, C]` uint8, the ICC profile that goes with them, and notes."""
    if image.mode.startswith("I;16") or image.mode == "I":
        samples = np.asarray(image).astype(np.uint16)
        inverted = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
        return reduced_to_8_bits(65535 - samples if inverted else samples), icc, ()
    if image.mode in ("CMYK", "LAB"):
        image, icc = _as_srgb(image, icc)
        return _array(image), icc, ("its colours are converted to sRGB",)
    mode = _plain_mode(image)
    return _array(image if image.mode == mode else image.convert(mode)), icc, ()


def _array(image):
    """The samples of an 8-bit `image`, taken in bands: as a whole Pillow would
    need them twice for a moment.
    """
    bands = len(image.getbands())
    samples = np.empty(
        (image.height, image.width, bands) if bands > 1 else (image.height, image.width), np.uint8
    )
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(image.height, top + rows)
        samples[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return samples


def _plain_mode(image):
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    is_grey = image.mode in ("1", "L", "LA", "La")
    return ("L" if is_grey else "RGB") + ("A" if has_alpha else "")


def _as_srgb(image, icc):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        source = ImageCms.createProfile("LAB") if image.mode == "LAB" else io.BytesIO(icc)
        converted = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(source), srgb, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        # No profile, or one that is damaged or of another kind of colour.
        converted = image.convert("RGB")
    return converted, srgb.tobytes()


def _split(samples):
    """Colours `[H, W, 3]`, alpha `[H, W]` or None, and whether the colours are greys."""
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    is_grey = channels <= 2
    alpha = np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None
    if is_grey:
        grey = samples if samples.ndim == 2 else samples[..., 0]
        return np.repeat(grey[..., None], 3, axis=2), alpha, True
    return np.ascontiguousarray(samples[..., :3]), alpha, False
