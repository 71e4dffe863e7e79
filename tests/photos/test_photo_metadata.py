"""`bokeh_tf.photos`: XMP, colour spaces and what else lies in a file; kept where
there is a place, else said.
"""

import dataclasses
import io
import struct
import sys
import xml.etree.ElementTree as ElementTree
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from bokeh_tf import photos
from bokeh_tf.errors import DependencyError, OutputError, PhotoError
from bokeh_tf.photos import plugins
from bokeh_tf.photos.colour import profile_of_code_points, profile_of_gamma
from bokeh_tf.photos.embedded import embedded_notes
from bokeh_tf.photos.xmp import MAX_XMP_BYTES, still_true

HEIGHT, WIDTH = 24, 40
SUFFIXES = (".jpg", ".png", ".webp", ".tif", ".avif")
# 8 bits, twice rounded, through a profile with 16-bit fixed-point numbers.
COLOUR_TOLERANCE = 2
SRGB_PRIMARIES = np.array([[0.64, 0.33], [0.30, 0.60], [0.15, 0.06]])
P3_PRIMARIES = np.array([[0.68, 0.32], [0.265, 0.69], [0.15, 0.06]])
D65 = (0.3127, 0.3290)

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


def chromaticities(primaries=P3_PRIMARIES, white=D65):
    return struct.pack(">8I", *(round(value * 100_000) for value in (*white, *primaries.ravel())))


COLOUR_CHUNKS = [
    (b"cICP", bytes([12, 13, 0, 1])),
    (b"mDCV", bytes(range(24))),
    (b"cLLI", bytes(8)),
    (b"gAMA", struct.pack(">I", 45_455)),
    (b"cHRM", chromaticities()),
    (b"sRGB", b"\0"),
    (b"tEXt", b"Author\0someone"),
]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_png_keeps_its_colour_chunks_and_texts(tmp_path, bits, mode):
    photo = read(tmp_path, png_of(*COLOUR_CHUNKS, mode=mode, bits=bits))
    assert photo.pixels.dtype == (np.uint16 if bits == 16 else np.uint8)
    assert photos.write(tmp_path / "result.png", photo) == ()
    content = (tmp_path / "result.png").read_bytes()
    for chunk in COLOUR_CHUNKS[:5] + COLOUR_CHUNKS[6:]:
        assert content.count(packed(chunk)) == 1
    # The profile that says the same of cICP stands in for sRGB; both are forbidden together.
    assert b"iCCP" in content and b"sRGB" not in content
    with Image.open(tmp_path / "result.png") as image:
        image.load()
        assert image.info["gamma"] == pytest.approx(0.45455)
        assert image.text == {"Author": "someone"}


def test_a_png_that_says_srgb_gets_no_profile(tmp_path):
    for chunks in (
        [(b"sRGB", b"\0"), *COLOUR_CHUNKS[3:5]],
        [COLOUR_CHUNKS[3], (b"cHRM", chromaticities(SRGB_PRIMARIES))],
        [COLOUR_CHUNKS[3]],
        [(b"cICP", bytes([1, 13, 0, 1]))],
    ):
        photo = read(tmp_path, png_of(*chunks))
        assert photo.icc == b""
        assert photos.write(tmp_path / "result.png", photo) == ()
        for chunk in chunks:
            assert packed(chunk) in (tmp_path / "result.png").read_bytes()


def to_linear(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def from_linear(values):
    values = np.clip(values, 0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def rgb_to_xyz(primaries):
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([D65[0] / D65[1], 1, (1 - D65[0] - D65[1]) / D65[1]])
    return columns * np.linalg.inv(columns).dot(white)


def in_srgb(path):
    """What a colour-managed viewer (lcms) shows."""
    with Image.open(path) as image:
        image.load()
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        # Relative colorimetric, as every viewer does.
        return (
            np.asarray(
                ImageCms.profileToProfile(image, profile, srgb, renderingIntent=1, outputMode="RGB")
            )
            / 255
        )


@pytest.mark.parametrize(
    ("chunks", "linear_of"),
    [
        ([(b"cICP", bytes([12, 13, 0, 1]))], to_linear),
        ([(b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", chromaticities())], to_linear),
        (
            [(b"gAMA", struct.pack(">I", 100_000)), (b"cHRM", chromaticities())],
            lambda values: values,
        ),
        (
            [(b"gAMA", struct.pack(">I", 55_556)), (b"cHRM", chromaticities())],
            lambda values: values**1.8,
        ),
    ],
)
def test_a_viewer_shows_the_same_colours_in_another_format(tmp_path, chunks, linear_of):
    photo = read(tmp_path, png_of(*chunks))
    assert photos.write(tmp_path / "result.tif", photo) == ()
    light = (
        linear_of(np.asarray(picture()) / 255)
        @ (np.linalg.inv(rgb_to_xyz(SRGB_PRIMARIES)) @ rgb_to_xyz(P3_PRIMARIES)).T
    )
    inside = (light >= 0).all(-1) & (light <= 1).all(-1)
    assert inside.mean() > 0.3
    difference = np.abs(in_srgb(tmp_path / "result.tif") - from_linear(light))[inside]
    # Dark values of steep curves are the coarsest.
    assert np.quantile(difference, 0.99) * 255 <= COLOUR_TOLERANCE
    # Taken for sRGB they would be far off, so the test can tell.
    assert (
        np.abs(np.asarray(picture()) / 255 - from_linear(light))[inside].max() * 255
        > 5 * COLOUR_TOLERANCE
    )


def test_grey_gets_a_grey_profile(tmp_path):
    photo = read(tmp_path, png_of((b"gAMA", struct.pack(">I", 100_000)), mode="L"))
    assert ImageCms.ImageCmsProfile(io.BytesIO(photo.icc)).profile.xcolor_space.strip() == "GRAY"
    photos.write(tmp_path / "result.tif", photo)
    expected = from_linear(np.asarray(picture("L")) / 255)
    assert (
        np.abs(in_srgb(tmp_path / "result.tif")[..., 0] - expected).max() * 255 <= COLOUR_TOLERANCE
    )


def test_hdr_code_points_stay_in_png_and_are_said_elsewhere(tmp_path):
    chunk = b"cICP", bytes([9, 16, 0, 1])
    photo = read(tmp_path, png_of(chunk, (b"tEXt", b"Title\0Sommer"), bits=16))
    assert photo.notes == ()
    assert photos.write(tmp_path / "result.png", photo) == ()
    assert packed(chunk) in (tmp_path / "result.png").read_bytes()
    notes = " ".join(photos.write(tmp_path / "result.jpg", photo))
    assert "PQ" in notes and "Title" in notes


@pytest.mark.parametrize(
    "chunk",
    [
        (b"gAMA", bytes(4)),
        (b"gAMA", struct.pack(">I", 1)),
        (b"cHRM", bytes(32)),
        (b"cHRM", struct.pack(">8I", *[33_333] * 8)),
        (b"cHRM", b"\xff" * 32),
        (b"cICP", bytes(4)),
        (b"cICP", b"\xff" * 4),
        (b"tEXt", b""),
        (b"zTXt", b"a\0\0" + b"\xff" * 9),
    ],
)
def test_senseless_chunks_harm_nobody(tmp_path, chunk):
    try:
        photo = read(tmp_path, png_of(chunk))
    except PhotoError as error:
        assert "\n" not in str(error)
        return
    for suffix in SUFFIXES:
        photos.write(tmp_path / f"result{suffix}", photo)
        photos.read(tmp_path / f"result{suffix}")


def test_profiles_are_what_lcms_takes_for_one():
    for profile in (
        profile_of_code_points(12, 13),
        profile_of_code_points(9, 1),
        profile_of_gamma(1 / 1.8, None),
    ):
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        assert (
            ImageCms.isIntentSupported(opened, ImageCms.Intent.PERCEPTUAL, ImageCms.Direction.INPUT)
            == 1
        )
        assert len(profile) == struct.unpack(">I", profile[:4])[0]
    assert profile_of_code_points(9, 18) is None


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_avif_keeps_what_it_says(tmp_path, mode):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[271], exif[274] = "Kamera", 6
    content = encoded("AVIF", mode, quality=95, icc_profile=icc, xmp=TRUE_XMP, exif=exif)
    photo = read(tmp_path, content)
    assert (photo.format, photo.pixels.shape, photo.notes) == ("AVIF", (WIDTH, HEIGHT, 3), ())
    assert photos.write(tmp_path / "result.avif", photo) == ()
    with Image.open(tmp_path / "result.avif") as after:
        after.load()
        assert (after.format, after.mode, after.size) == ("AVIF", mode, (HEIGHT, WIDTH))
        assert (after.getexif()[271], after.getexif().get(274, 1)) == ("Kamera", 1)
        assert (after.info["icc_profile"], after.info["xmp"]) == (icc, TRUE_XMP)


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
