"""The depth that phones store in the files of portrait photos, as nearness.

Known are: Google's depth map in a JPEG's extended XMP (GDepth), the depth map that Dynamic
Depth appends to a JPEG, and the depth image of a HEIC. Whatever a file says of metres only
orders and spaces its values: nearness is 1 for the nearest and 0 for the farthest of them, in
between as one over distance.
"""

import base64
import binascii
import io
import re

import cv2
import numpy as np

from bokeh_tf import paths
from bokeh_tf.errors import PhotoError
from bokeh_tf.photos import plugins
from bokeh_tf.photos.metadata import turned_upright
from bokeh_tf.photos.reading import DECODER_ERRORS, content_of, orientation_of

_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
# Behind the extension's name: the digest of all of it, its length, and where this part belongs.
_DIGEST_BYTES, _NUMBER_BYTES = 32, 4
_PACKET = b"http://ns.adobe.com/xap/1.0/\0"
_MAX_DEPTH_BYTES = 32_000_000
_APP1, _START_OF_SCAN, _FILL = 0xE1, 0xDA, 0xFF
_GDEPTH = rb"GDepth:%s\s*(?:=\s*[\"']([^\"']*)[\"']|>([^<]*)<)"
# Elements of a directory, whatever their prefix.
_ITEM = re.compile(rb"<[\w:]*Item\b[^>]*>")
_DEPTH_ITEM = re.compile(
    rb"(?:Semantic|DataURI)\s*=\s*[\"'](?:Depth|DepthMap|[^\"']*depthmap)[\"']", re.IGNORECASE
)
_LENGTH = re.compile(rb"Item:Length\s*=\s*[\"'](\d+)[\"']")
# libheif's kinds of depth whose values grow with nearness.
_DISPARITIES = (0, 1, 3)


def embedded_nearness(path) -> np.ndarray | None:
    """The nearness stored in the photo at `path`, float32 `[h, w]` in [0, 1], upright;
    None where there is none.

    Raises:
        PhotoError: the file cannot be read, or what it stores is damaged.
    """
    content = content_of(path)
    try:
        if content.startswith(b"\xff\xd8"):
            depth = _of_jpeg(content)
            depth = None if depth is None else turned_upright(depth, orientation_of(content))
        else:
            depth = _of_heif(content)
    except (*DECODER_ERRORS, binascii.Error) as error:
        raise PhotoError(
            f"{path}: its depth map is damaged. Give one with --depth FILE."
        ) from error
    return depth


def read_plane(path) -> np.ndarray:
    """A grey picture of 8 or 16 bits at `path`, float32 `[h, w]` in [0, 1]; of one with
    alpha that varies, the alpha.

    Raises:
        PhotoError: it cannot be read.
    """
    return _decoded(content_of(path), path)


def _decoded(encoded, path="depth map"):
    samples = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype not in (np.uint8, np.uint16):
        raise PhotoError(
            f"{paths.printable(str(path))}: no grey picture of 8 or 16 bits. Save it as PNG."
        )
    plane = samples.astype(np.float32) / np.iinfo(samples.dtype).max
    if plane.ndim == 3 and plane.shape[2] == 4 and np.ptp(plane[..., 3]) > 0:
        return np.ascontiguousarray(plane[..., 3])
    return np.ascontiguousarray(plane if plane.ndim == 2 else plane[..., :3].mean(axis=2))


def _of_jpeg(content):
    packet, extended = _xmp(content)
    everything = packet + extended
    encoded = _gdepth(everything, b"Data")
    if encoded is not None:
        plane = _decoded(base64.b64decode(encoded, validate=False))
    else:
        appended = _appended(packet, content)
        if appended is None:
            return None
        plane = _decoded(appended)
    kind = (_gdepth(everything, b"Format") or b"RangeInverse").decode("ascii", "replace")
    if not kind.endswith("RangeLinear"):
        # The nearest is black: distance in steps of one over it.
        return 1 - plane
    near, far = (float(_gdepth(everything, name) or b"nan") for name in (b"Near", b"Far"))
    if not 0 < near < far:
        return 1 - plane
    return ((1 / (near + plane * (far - near)) - 1 / far) / (1 / near - 1 / far)).astype(np.float32)


def _gdepth(xmp, name):
    """The value of a GDepth (or Dynamic Depth) property, or None."""
    for prefix in (b"GDepth", b"DepthMap"):
        found = re.search(_GDEPTH.replace(b"GDepth", prefix) % name, xmp)
        if found:
            return found[1] if found[1] is not None else found[2]
    return None


def _xmp(content):
    """A JPEG's XMP packet and its extension, put together."""
    packet, parts, offset = b"", {}, 2
    while (
        len(head := content[offset : offset + 4]) == 4
        and head[0] == _FILL
        and head[1] != _START_OF_SCAN
    ):
        segment = content[offset + 4 : offset + 2 + int.from_bytes(head[2:4], "big")]
        offset += 2 + max(2, int.from_bytes(head[2:4], "big"))
        if head[1] != _APP1:
            continue
        if segment.startswith(_PACKET):
            packet = segment[len(_PACKET) :]
        elif segment.startswith(_EXTENSION):
            start = len(_EXTENSION) + _DIGEST_BYTES + _NUMBER_BYTES
            position = int.from_bytes(segment[start : start + _NUMBER_BYTES], "big")
            parts[position] = segment[start + _NUMBER_BYTES :]
    extended = b"".join(parts[position] for position in sorted(parts))
    if len(extended) > _MAX_DEPTH_BYTES:
        raise ValueError("an extension too large")
    return packet, extended


def _appended(packet, content):
    """The depth map among the files that a container's directory says
    lie behind a JPEG, or None.
    """
    items = _ITEM.findall(packet)
    lengths = [int(found[1]) if (found := _LENGTH.search(item)) else 0 for item in items]
    for number, item in enumerate(items):
        if _DEPTH_ITEM.search(item) and 0 < lengths[number] <= len(content):
            start = len(content) - sum(lengths[number:])
            return content[max(0, start) : start + lengths[number]]
    return None


def _of_heif(content):
    if plugins.format_of_brand(content) != "HEIF" or "HEIF" not in plugins.usable_formats():
        return None
    import pillow_heif

    images = pillow_heif.open_heif(io.BytesIO(content)).info.get("depth_images", [])
    if not images:
        return None
    samples = np.asarray(images[0].to_pillow().convert("L"), np.float32) / 255
    metadata = images[0].info.get("metadata") or {}
    return samples if metadata.get("representation_type", 1) in _DISPARITIES else 1 - samples
