"""PNG chunks that neither Pillow nor OpenCV carries over: colour spaces and texts."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Each with the size that the standard gives it.
_COLOUR_SIZES_BYTES = {b"cICP": 4, b"mDCV": 24, b"cLLI": 8, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1}
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP_KEYWORD = b"XML:com.adobe.xmp"
# ImageMagick's way to store EXIF and XMP, which have a chunk of their own now.
_RAW_PROFILE = b"Raw profile type"
_HEADER_END = len(SIGNATURE) + 25


def kept_chunks(content):
    """(name, data) of the chunks of the PNG file `content` that say a colour space or
    hold a text, in their order.
    """
    kept, seen = [], set()
    for name, data in _chunks(content):
        is_colour = _COLOUR_SIZES_BYTES.get(name) == len(data) and name not in seen
        is_text = name in _TEXTS and not data.startswith((XMP_KEYWORD, _RAW_PROFILE))
        if is_colour or is_text:
            kept.append((name, data))
            seen.add(name)
    return tuple(kept)


def _chunks(content):
    offset = len(SIGNATURE)
    while len(header := content[offset : offset + 8]) == 8:
        size, name = struct.unpack(">I4s", header)
        data = content[offset + 8 : offset + 8 + size] if name != b"IDAT" else b""
        yield name, data
        offset += 12 + size


def keywords(chunks):
    """What the texts among `chunks` are called, each once."""
    found = [data.split(b"\0")[0].decode("latin-1") for name, data in chunks if name in _TEXTS]
    return tuple(dict.fromkeys(found))


def colour_chunk(chunks, name):
    """The data of the colour chunk `name` among `chunks`, or None."""
    return dict(chunks).get(name)


def xmp_chunk(xmp):
    """The chunk that holds the XMP packet `xmp`."""
    return b"iTXt", XMP_KEYWORD + bytes(5) + xmp


def with_chunks(encoded, chunks):
    """The PNG file `encoded` (bytes) with `chunks` (name, data) put in behind its header."""
    encoded = memoryview(encoded)
    return b"".join(
        [encoded[:_HEADER_END], *(_packed(*chunk) for chunk in chunks), encoded[_HEADER_END:]]
    )


def _packed(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
