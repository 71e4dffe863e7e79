"""XMP: what a rendered photo keeps of it.

Left out is what would no longer be true: how the old file stored its samples, previews of
the photo before rendering, and directories of pictures and films that lay in the old file
and are not in the new one.
"""

from xml.dom import XMLNS_NAMESPACE, minidom
from xml.parsers.expat import ExpatError

MAX_XMP_BYTES = 1 << 20
# Whole namespaces.
_EMBEDDED = (
    "http://ns.adobe.com/hdr-gain-map/",
    "http://ns.apple.com/HDRGainMap/",
    "http://ns.apple.com/HDRToneMap/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/audio/",
    "http://ns.google.com/photos/dd/",
    "http://ns.adobe.com/xmp/note/",
)
# Single names, by the beginning of the namespace; a name stands for all that begin with it.
_STALE = {
    "http://ns.google.com/photos/1.0/camera/": ("MotionPhoto", "MicroVideo"),
    "http://ns.adobe.com/tiff/1.0/": ("Orientation", "ImageWidth", "ImageLength"),
    "http://ns.adobe.com/exif/1.0/": ("PixelXDimension", "PixelYDimension"),
    "http://ns.adobe.com/xap/1.0/": ("Thumbnails",),
}


def still_true(xmp):
    """The XMP packet `xmp` (bytes) without what is not true of a rendered photo, and notes.

    A packet of which all is true stays as it is, byte for byte.
    """
    if not xmp:
        return b"", ()
    if len(xmp) > MAX_XMP_BYTES:
        return b"", ("its XMP data is left out, being too large",)
    try:
        text = xmp.rstrip(b"\0").decode("utf-8").strip()
        # No XMP declares entities, which can be made to grow without end.
        if "<!" in text.replace("<!--", "").replace("<![CDATA[", ""):
            raise ValueError("a document type")
        document = minidom.parseString(text.encode("utf-8"))
        is_changed = _remove_stale(document)
        kept = "".join(node.toxml() for node in document.childNodes).encode("utf-8")
    except (ExpatError, ValueError, RecursionError):
        return b"", ("its damaged XMP data is left out",)
    return (kept if is_changed else xmp), ()


def _remove_stale(document):
    is_changed = False
    for element in document.getElementsByTagName("*"):
        for attribute in [*element.attributes.values()]:
            declares = attribute.namespaceURI == XMLNS_NAMESPACE and attribute.value.startswith(
                _EMBEDDED
            )
            if declares or _is_stale(attribute.namespaceURI, attribute.localName):
                element.removeAttributeNode(attribute)
                is_changed = True
        if _is_stale(element.namespaceURI, element.localName) and element.parentNode:
            element.parentNode.removeChild(element)
            is_changed = True
    return is_changed


def _is_stale(namespace, name):
    if not namespace:
        return False
    if namespace.startswith(_EMBEDDED):
        return True
    return any(
        namespace.startswith(start) and name.startswith(names) for start, names in _STALE.items()
    )
