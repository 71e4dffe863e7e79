"""Photos made by hand, with chunks and packets of any kind."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from bokeh_tf import photos

HEIGHT, WIDTH = 24, 40
SUFFIXES = (".jpg", ".png", ".webp", ".tif", ".avif")
PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
    ' rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"{}'
    ' xmp:Rating="4">'
    "<dc:title><rdf:Alt><rdf:li>größe –"
    " 写真</rdf:li></rdf:Alt></dc:title>{}</rdf:Description></rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
)
TRUE_XMP = PACKET.format("", "").encode()


def picture(mode="RGB"):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    samples = np.stack([rows * 8, columns * 6, 255 - rows * 4], axis=-1).astype(np.uint8)
    image = Image.fromarray(samples).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray((columns * 6).astype(np.uint8)))
    return image


def encoded(file_format, mode="RGB", **options):
    buffer = io.BytesIO()
    picture(mode).save(buffer, file_format, **options)
    return buffer.getvalue()


def read(tmp_path, content, name="photo.bin"):
    (tmp_path / name).write_bytes(content)
    return photos.read(tmp_path / name)


def png_of(*chunks, mode="RGB", bits=8):
    """A PNG with `chunks` (name, data) behind its header."""
    content = encoded("PNG", mode)
    if bits == 16:
        samples = np.asarray(picture(mode)).astype(np.uint16) * 257
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
        header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2 if samples.ndim == 3 else 0, 0, 0, 0)
        pieces = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        content = content[:8] + b"".join(map(packed, pieces))
    return content[:33] + b"".join(map(packed, chunks)) + content[33:]


def packed(chunk):
    name, data = chunk
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
