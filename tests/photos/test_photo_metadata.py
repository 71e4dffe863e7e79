"""`bokeh_tf.photos`: XMP, colour spaces and what else lies in a file; kept where
there is a place, else said.
"""

import dataclasses
import struct
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from bokeh_tf import photos
from bokeh_tf.errors import DependencyError, OutputError
from bokeh_tf.photos import plugins
from bokeh_tf.photos.embedded import embedded_notes
from bokeh_tf.photos.xmp import MAX_XMP_BYTES, still_true
from tests.photos.made_photos import (
    HEIGHT,
    PACKET,
    SUFFIXES,
    TRUE_XMP,
    WIDTH,
    encoded,
    png_of,
    read,
)

GAIN_MAP_NAMESPACE = "http://ns.adobe.com/hdr-gain-map/1.0/"


STALE_XMP = PACKET.format(
    f' xmlns:hdrgm="{GAIN_MAP_NAMESPACE}" hdrgm:Version="1.0"'
    ' xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    ' tiff:Orientation="6" tiff:Make="Kamera"'
    ' xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"'
    ' GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"'
    ' xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
    ' xmpNote:HasExtendedXMP="0123"',
    "<Container:Directory"
    ' xmlns:Container="http://ns.google.com/photos/1.0/container/"><rdf:Seq><rdf:li/></rdf:Seq>'
    "</Container:Directory><xmp:Thumbnails><rdf:Alt/></xmp:Thumbnails>",
).encode()


def xmp_in(path):
    with Image.open(path) as image:
        image.load()
        return image.tag_v2.get(700) if image.format == "TIFF" else image.info.get("xmp")


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_xmp_is_kept_from_every_format_in_every_format(tmp_path, source, target):
    options = {"xmp": TRUE_XMP}
    if source == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", TRUE_XMP.decode())
    elif source == "TIFF":
        options = {"tiffinfo": {700: TRUE_XMP}}
    photo = read(tmp_path, encoded(source, **options))
    assert (photo.xmp, photo.notes) == (TRUE_XMP, ())
    path = tmp_path / f"result{target}"
    assert photos.write(path, photo) == ()
    assert xmp_in(path) == TRUE_XMP


@pytest.mark.parametrize("target", [".png", ".tif"])
def test_xmp_is_kept_with_16_bits(tmp_path, target):
    photo = read(tmp_path, png_of((b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + TRUE_XMP), bits=16))
    assert (photo.pixels.dtype, photo.xmp) == (np.uint16, TRUE_XMP)
    photos.write(tmp_path / f"result{target}", photo)
    assert xmp_in(tmp_path / f"result{target}") == TRUE_XMP


def test_xmp_loses_what_is_no_longer_true_and_nothing_else():
    kept, notes = still_true(STALE_XMP)
    assert notes == ()
    for gone in (
        b"hdr-gain-map",
        b"hdrgm",
        b"Orientation",
        b"MotionPhoto",
        b"HasExtended",
        b"Directory",
        b"Thumbnails",
    ):
        assert gone not in kept
    assert kept.startswith('<?xpacket begin="\ufeff"'.encode())
    description = ElementTree.fromstring(kept).find(
        ".//{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    assert description.get("{http://ns.adobe.com/tiff/1.0/}Make") == "Kamera"
    assert description.get("{http://ns.adobe.com/xap/1.0/}Rating") == "4"
    assert "größe – 写真" in "".join(description.itertext())
    # Rendering the result again finds nothing to remove.
    assert still_true(kept) == (kept, ())


def test_an_orientation_that_only_xmp_tells_is_applied_once(tmp_path):
    xmp = PACKET.format(
        ' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"', ""
    ).encode()
    photo = read(tmp_path, encoded("JPEG", xmp=xmp))
    assert photo.pixels.shape == (WIDTH, HEIGHT, 3)
    photos.write(tmp_path / "result.jpg", photo)
    assert photos.read(tmp_path / "result.jpg").pixels.shape == (WIDTH, HEIGHT, 3)


@pytest.mark.parametrize(
    ("xmp", "note"),
    [
        (b"<not closed", "damaged"),
        (b"\xff\xfe<\0x\0/\0>\0", "damaged"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "damaged"),
        (b"<a>" * 50_000 + b"</a>" * 50_000, "damaged"),
        (b"<a>" + b" " * MAX_XMP_BYTES + b"</a>", "too large"),
    ],
)
def test_hostile_xmp_is_left_out_and_said(tmp_path, xmp, note):
    kept, (line,) = still_true(xmp)
    assert kept == b""
    assert note in line
    photo = read(tmp_path, png_of((b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp)))
    assert photo.xmp == b""
    assert note in photo.notes[0] or photo.notes == ()


def test_xmp_too_large_for_jpeg_is_left_out_and_said(tmp_path):
    large = PACKET.format("", f"<xmp:Label>{'x' * 65_505}</xmp:Label>").encode()
    photo = dataclasses.replace(read(tmp_path, encoded("JPEG")), xmp=large)
    (note,) = photos.write(tmp_path / "result.jpg", photo)
    assert "XMP" in note
    assert photos.write(tmp_path / "result.png", photo) == ()
    fitting = dataclasses.replace(photo, xmp=b"x" * 65_504)
    assert photos.write(tmp_path / "result.jpg", fitting) == ()
    assert xmp_in(tmp_path / "result.jpg") == b"x" * 65_504


FILM = b"\0\0\0\x18ftypmp42" + bytes(16)


@pytest.mark.parametrize(
    ("xmp", "tail", "expected"),
    [
        (b"", b"", []),
        (b"", encoded("JPEG"), []),
        (STALE_XMP, encoded("JPEG"), ["gain map"]),
        (STALE_XMP, b"", []),
        (STALE_XMP, encoded("JPEG") + FILM, ["gain map", "film"]),
        (b"", FILM, ["film"]),
        (b"", b"MotionPhoto_Data" + FILM, ["film"]),
        (TRUE_XMP, encoded("JPEG", xmp=b"http://ns.apple.com/HDRGainMap/1.0/"), ["gain map"]),
        (b"<a xmlns:GDepth='http://ns.google.com/photos/1.0/depthmap/'/>", b"", ["depth map"]),
    ],
)
@pytest.mark.parametrize("progressive", [False, True])
def test_what_lies_in_a_jpeg_is_said(tmp_path, xmp, tail, expected, progressive):
    options = {"xmp": xmp} if xmp else {}
    # EXIF with a preview, which is a JPEG in the JPEG.
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + encoded("JPEG")
    photo = read(tmp_path, encoded("JPEG", progressive=progressive, exif=exif, **options) + tail)
    assert len(photo.notes) == len(expected)
    assert all(word in note for word, note in zip(expected, photo.notes, strict=True))


def test_an_iso_gain_map_without_xmp_is_said(tmp_path):
    content = encoded("JPEG")
    segment = b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4)
    content = (
        content[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + content[2:]
    )
    assert "gain map" in read(tmp_path, content + encoded("JPEG")).notes[0]


def test_what_lies_in_boxes_is_said():
    def box(name, data=b""):
        return struct.pack(">I", len(data) + 8) + name + data

    plain = box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(40))
    assert embedded_notes(plain, "HEIF") == ()
    assert (
        "gain map"
        in embedded_notes(box(b"ftyp", b"avif\0\0\0\0avifmif1tmap") + box(b"meta"), "AVIF")[0]
    )
    assert (
        "gain map"
        in embedded_notes(
            plain + box(b"mdat", b"urn:com:apple:photo:2020:aux:hdrgainmap\0"), "HEIF"
        )[0]
    )
    assert "film" in embedded_notes(plain + box(b"mpvd", FILM), "HEIF")[0]
    # A damaged size ends the walk.
    assert embedded_notes(plain + struct.pack(">I", 3) + b"mpvd", "HEIF") != embedded_notes(
        plain, "PNG"
    )


def test_iptc_captions_are_said(tmp_path):
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", 6) + b"\x1c\x02\x78\0\x01a"
    segment = b"Photoshop 3.0\0" + resource
    content = encoded("JPEG")
    content = (
        content[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + content[2:]
    )
    assert "IPTC" in read(tmp_path, content).notes[0]


def test_jpeg_comments_are_kept(tmp_path):
    photo = read(tmp_path, encoded("JPEG", comment="Urlaub"))
    photos.write(tmp_path / "result.jpg", photo)
    with Image.open(tmp_path / "result.jpg") as image:
        assert image.info["comment"] == b"Urlaub"


def test_heic_keeps_what_it_says(tmp_path):
    heif = pytest.importorskip("pillow_heif", reason='needs pip install "bokeh-tf[photos]"')
    heif.register_heif_opener()
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[271], exif[274] = "Kamera", 6
    photo = read(
        tmp_path,
        encoded("HEIF", quality=95, icc_profile=icc, xmp=TRUE_XMP, exif=exif),
        "photo.heic",
    )
    # HEIC turns pictures by a box of its own, which the decoder obeys; EXIF has no say.
    assert (photo.format, photo.pixels.shape, photo.notes) == ("HEIF", (HEIGHT, WIDTH, 3), ())
    for suffix in (".heic", ".jpg"):
        assert photos.write(tmp_path / f"result{suffix}", photo) == ()
        with Image.open(tmp_path / f"result{suffix}") as after:
            after.load()
            assert after.size == (WIDTH, HEIGHT)
            assert (after.getexif()[271], after.getexif().get(274, 1)) == ("Kamera", 1)
            assert (after.info["icc_profile"], after.info["xmp"]) == (icc, TRUE_XMP)
            assert np.abs(np.asarray(after).astype(int) - photo.pixels).mean() < 3


def test_heic_without_the_plugin_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    plugins.usable_formats.cache_clear()
    try:
        content = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(200)
        with pytest.raises(DependencyError, match=r"bokeh-tf\[photos\]"):
            read(tmp_path, content, "photo.heic")
        with pytest.raises(DependencyError, match=r"bokeh-tf\[photos\]"):
            photos.write(tmp_path / "result.heic", read(tmp_path, encoded("PNG")))
        assert not (tmp_path / "result.heic").exists()
    finally:
        plugins.usable_formats.cache_clear()


def test_what_an_encoder_refuses_is_one_line(tmp_path):
    photo = dataclasses.replace(read(tmp_path, encoded("PNG")), dpi=(1e9, 1e9))
    with pytest.raises(OutputError) as refusal:
        photos.write(tmp_path / "result.png", photo)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "result.png").exists()
