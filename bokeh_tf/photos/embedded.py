"""What else lies in a photo's file besides the photograph: gain maps, films and depth
maps, which rendering loses.
"""

import re

_GAIN_MAP = (
    "its HDR gain map is left out; on an HDR screen the result is less bright than the photo"
)
_FILM = "its film (motion photo) is left out"
_DEPTH_MAP = "its depth map is left out"
_GAIN_MAP_NAMES = (
    b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"urn:iso:std:iso:ts:21496:-1",
    b"http://ns.apple.com/HDRGainMap/1.0/",
    b"urn:com:apple:photo:2020:aux:hdrgainmap",
)
_DEPTH_MAP_NAMES = (
    b"http://ns.google.com/photos/1.0/depthmap/",
    b"http://ns.google.com/photos/dd/1.0/",
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth",
    b"urn:mpeg:hevc:2015:auxid:2",
)
# In the data of a JPEG's scan a marker is any but a stuffed zero, a restart or a fill byte.
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN, _END_OF_IMAGE, _FILL = 0xDA, 0xD9, 0xFF
_FILM_START = re.compile(rb"\0\0\0.ftyp|MotionPhoto_Data", re.DOTALL)
# Where the list of compatible brands ends in every file of this kind seen.
_BRANDS_BYTES = 64


def embedded_notes(content, file_format):
    """A sentence for each thing in the file `content` (bytes) of the kind
    `file_format` that rendering loses.
    """
    if file_format == "JPEG":
        return _notes_of_jpeg(content)
    if file_format in ("AVIF", "HEIF"):
        return _notes_of_boxes(content)
    return ()


def _notes_of_jpeg(content):
    end = _end_of_jpeg(content)
    notes = ()
    # The names alone may be what an editor has left of a gain map.
    if _holds(content, _GAIN_MAP_NAMES) and content.find(b"\xff\xd8\xff", end) >= 0:
        notes += (_GAIN_MAP,)
    if _FILM_START.search(content, end):
        notes += (_FILM,)
    if _holds(content, _DEPTH_MAP_NAMES):
        notes += (_DEPTH_MAP,)
    return notes


def _notes_of_boxes(content):
    notes = ()
    if _holds(content, _GAIN_MAP_NAMES) or b"tmap" in content[:_BRANDS_BYTES]:
        notes += (_GAIN_MAP,)
    if b"mpvd" in _box_names(content):
        notes += (_FILM,)
    if _holds(content, _DEPTH_MAP_NAMES):
        notes += (_DEPTH_MAP,)
    return notes


def _holds(content, names):
    return any(name in content for name in names)


def _end_of_jpeg(content):
    """Where the first picture of a JPEG file ends; the file's own end
    where that is not to be found.
    """
    offset = 2
    while len(head := content[offset : offset + 4]) == 4 and head[0] == 0xFF:
        marker = head[1]
        if marker == _FILL:
            offset += 1
            continue
        if marker == _END_OF_IMAGE:
            return offset + 2
        offset += 2 + int.from_bytes(head[2:4], "big")
        if marker == _START_OF_SCAN:
            found = _MARKER_IN_SCAN.search(content, offset)
            if not found:
                break
            offset = found.start()
    return len(content)


def _box_names(content):
    """The outermost boxes of an ISO base media file."""
    names, offset = set(), 0
    while len(head := content[offset : offset + 16]) >= 8:
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        names.add(bytes(head[4:8]))
        if size < 8:
            break
        offset += size
    return names
