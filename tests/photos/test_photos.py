"""`bokeh_tf.photos`: what is read, what is kept, what is refused; Pillow and
OpenCV are the witnesses.
"""

import dataclasses
import io
import random
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from PIL.ExifTags import IFD, Base

from bokeh_tf import photos
from bokeh_tf.errors import OutputError, PhotoError

HEIGHT, WIDTH = 24, 40
SUFFIXES = (".jpg", ".png", ".webp", ".tif")
# A second JPEG or lossy WebP at quality 95 of a smooth picture.
LOSSY_TOLERANCE = 6
# One step for the rounding of a colour conversion.
ROUNDING = 1

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gradient(channels, dtype=np.uint8):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    planes = [rows * 8, columns * 6, (rows + columns) * 3, 255 - rows * 4][:channels]
    samples = np.stack(planes, axis=-1).astype(dtype)
    return samples * 257 + rows.astype(dtype)[..., None] if dtype == np.uint16 else samples


def picture(mode="RGB"):
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]
    samples = gradient(channels)
    return Image.fromarray(samples[..., 0] if channels == 1 else samples)


def camera_exif(orientation=1):
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Orientation], exif[Base.Copyright] = "Kamera", orientation, "someone"
    directory = exif.get_ifd(IFD.Exif)
    directory[Base.ExifImageWidth.value], directory[Base.ExifImageHeight.value] = WIDTH, HEIGHT
    directory[Base.MakerNote.value] = b"maker\0note"
    directory[Base.ExposureTime.value] = 0.25
    exif.get_ifd(IFD.GPSInfo)[1] = "N"
    return exif


def saved(tmp_path, name, image, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def rewritten(tmp_path, path, suffix, **changes):
    photo = dataclasses.replace(photos.read(path), **changes)
    target = tmp_path / f"result größe{suffix}"
    return target, photos.write(target, photo)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_formats_and_modes_survive(tmp_path, suffix, mode):
    if suffix == ".jpg" and mode.endswith("A"):
        mode = mode[:-1]
    path = saved(
        tmp_path,
        f"photo{suffix}",
        picture(mode),
        **({"quality": 95} if suffix in (".jpg", ".webp") else {}),
    )
    target, notes = rewritten(tmp_path, path, suffix)
    assert notes == ()
    with Image.open(path) as before, Image.open(target) as after:
        assert (after.format, after.mode) == (before.format, before.mode)
        difference = np.abs(np.asarray(after).astype(int) - np.asarray(before))
        assert difference.max() <= (LOSSY_TOLERANCE if suffix in (".jpg", ".webp") else 0)
        if mode.endswith("A"):
            assert difference[..., -1].max() == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(tmp_path, orientation):
    path = saved(tmp_path, "photo.png", picture("RGBA"), exif=camera_exif(orientation))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    target, _ = rewritten(tmp_path, path, ".png")
    with Image.open(target) as after:
        np.testing.assert_array_equal(np.asarray(after), expected)
        assert after.getexif().get(Base.Orientation, 1) == 1
        directory = after.getexif().get_ifd(IFD.Exif)
        assert (directory[Base.ExifImageWidth], directory[Base.ExifImageHeight]) == after.size


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("source", ["photo.jpg", "photo.tif"])
def test_metadata_is_kept(tmp_path, source, suffix, bits):
    path = saved(
        tmp_path, source, picture(), exif=camera_exif(6).tobytes(), icc_profile=SRGB, dpi=(300, 300)
    )
    dtype = np.uint16 if bits == 16 else np.uint8
    target, _ = rewritten(tmp_path, path, suffix, pixels=gradient(3, dtype))
    with Image.open(target) as after:
        after.load()
        exif = after.getexif()
        assert (exif[Base.Make], exif[Base.Copyright]) == ("Kamera", "someone")
        assert exif.get_ifd(IFD.Exif)[Base.MakerNote] == b"maker\0note"
        assert float(exif.get_ifd(IFD.Exif)[Base.ExposureTime]) == 0.25
        assert exif.get_ifd(IFD.GPSInfo)[1] == "N"
        assert after.info["icc_profile"] == SRGB
        assert suffix == ".webp" or after.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_damaged_exif_is_left_out(tmp_path):
    path = saved(tmp_path, "photo.jpg", picture(), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    photo = photos.read(path)
    assert photo.pixels.shape == (HEIGHT, WIDTH, 3)
    assert photo.exif == b""


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_keeps_its_subsampling(tmp_path, subsampling):
    path = saved(tmp_path, "photo.jpg", picture(), subsampling=subsampling)
    target, _ = rewritten(tmp_path, path, ".jpg")
    with Image.open(target) as after:
        luma, chroma = after.layer[0], after.layer[1]
        assert (luma[1] // chroma[1], luma[2] // chroma[2]) == {0: (1, 1), 1: (2, 1), 2: (2, 2)}[
            subsampling
        ]


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_stays_lossless_or_lossy(tmp_path, lossless):
    path = saved(tmp_path, "photo.webp", picture("RGBA"), lossless=lossless, icc_profile=SRGB)
    target, _ = rewritten(tmp_path, path, ".webp")
    assert (b"VP8L" in target.read_bytes()) == lossless


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_kept(tmp_path, suffix, channels):
    samples = gradient(channels, np.uint16)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    cv2.imwrite(str(tmp_path / f"photo{suffix}"), samples[..., order])
    target, notes = rewritten(tmp_path, tmp_path / f"photo{suffix}", suffix)
    assert notes == ()
    after = cv2.imread(str(target), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(np.atleast_3d(after)[..., np.argsort(order)], samples)


def test_16_bits_become_8_where_the_format_has_no_more(tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), gradient(3, np.uint16)[..., ::-1])
    target, notes = rewritten(tmp_path, tmp_path / "photo.png", ".jpg")
    assert "16 bits" in notes[0]
    with Image.open(target) as after:
        assert np.abs(np.asarray(after).astype(int) - gradient(3)).max() <= LOSSY_TOLERANCE


def test_white_is_zero_tiff_of_16_bits(tmp_path):
    samples = gradient(1, np.uint16)[..., 0]
    path = saved(tmp_path, "photo.tif", Image.fromarray(65535 - samples), tiffinfo={262: 0})
    photo = photos.read(path)
    assert np.abs(photo.pixels[..., 0].astype(int) - np.rint(samples / 257)).max() == 0
    assert "16 bits" in photo.notes[0]


def test_palette_bilevel_and_transparent_colour(tmp_path):
    palette = saved(tmp_path, "palette.png", picture().quantize(16), transparency=3)
    with Image.open(palette) as image:
        expected = np.asarray(image.convert("RGBA"))
    photo = photos.read(palette)
    np.testing.assert_array_equal(photo.pixels, expected[..., :3])
    np.testing.assert_array_equal(photo.alpha, expected[..., 3])
    bilevel = photos.read(saved(tmp_path, "bilevel.png", picture("L").convert("1")))
    assert bilevel.grey
    assert set(np.unique(bilevel.pixels)) == {0, 255}


def test_alpha_becomes_white_in_jpeg(tmp_path):
    path = saved(tmp_path, "photo.png", Image.new("RGBA", (32, 32), (10, 20, 30, 0)))
    target, notes = rewritten(tmp_path, path, ".jpg")
    assert "white" in notes[0]
    with Image.open(target) as after:
        assert np.asarray(after).min() == 255


def cmyk_profile():
    """A minimal ICC profile whose lightness falls linearly with K alone, the
    other inks doing nothing.
    """
    identity = struct.pack(">9i", *(65536 * (index in (0, 4, 8)) for index in range(9)))
    ramp = bytes(range(256))
    grid = b"".join(bytes([0 if index & 1 else 255, 128, 128]) for index in range(16))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + grid + ramp * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)
    rights = b"text" + bytes(4) + b"none\0"
    tags, body, offset = b"", b"", 128 + 4 + 4 * 12
    for name, content in ((b"A2B0", table), (b"wtpt", white), (b"desc", text), (b"cprt", rights)):
        content += bytes(-len(content) % 4)
        tags += name + struct.pack(">II", offset + len(body), len(content))
        body += content
    header = (
        bytes(4) + struct.pack(">I", 0x02400000) + b"prtrCMYKLab " + bytes(12) + b"acsp" + bytes(28)
    )
    header = (struct.pack(">I", offset + len(body)) + bytes(4) + header[4:]).ljust(68, b"\0")
    header += struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + struct.pack(">I", 4) + tags + body


@pytest.mark.parametrize("with_profile", [True, False])
def test_cmyk_becomes_srgb(tmp_path, with_profile):
    # K at one half: lightness 50 is sRGB 119 by the profile; without one, half of 255.
    ink = Image.new("CMYK", (32, 32), (0, 0, 0, 128))
    options = {"icc_profile": cmyk_profile()} if with_profile else {}
    photo = photos.read(saved(tmp_path, "photo.tif", ink, **options))
    np.testing.assert_allclose(photo.pixels, 119 if with_profile else 127, atol=ROUNDING)
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(photo.icc)))
    assert "sRGB" in photo.notes[0]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_first_of_several_pictures(tmp_path, suffix):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if suffix == ".webp" else {}
    path = saved(
        tmp_path, f"photo{suffix}", frames[0], save_all=True, append_images=frames[1:], **options
    )
    photo = photos.read(path)
    assert (photo.pixels == (255, 0, 0)).all()
    assert "first of its 3" in photo.notes[0]


def test_phone_jpeg_with_a_second_picture(tmp_path):
    path = saved(
        tmp_path, "photo.jpg", picture(), format="MPO", save_all=True, append_images=[picture()]
    )
    photo = photos.read(path)
    assert (photo.format, photo.notes) == ("JPEG", ())


def refused_files(folder):
    Image.new("RGB", (1, 1)).save(folder / "1x1.png")
    Image.new("RGB", (20000, 1)).save(folder / "20000x1.png")
    small = saved(folder, "bomb.png", picture()).read_bytes()
    for name, side in (("bomb.png", 10_000), ("bigger_bomb.png", 30_000)):
        header = b"IHDR" + struct.pack(">II", side, side) + small[24:29]
        (folder / name).write_bytes(
            small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]
        )
    Image.new("F", (32, 32)).save(folder / "float.tif")
    picture().save(folder / "picture.gif")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not a photo")
    (folder / "folder.jpg").mkdir()
    for suffix in SUFFIXES:
        path = folder / f"truncated{suffix}"
        picture().save(path, **({"compression": "tiff_lzw"} if suffix == ".tif" else {}))
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    cv2.imwrite(str(folder / "truncated16.png"), gradient(3, np.uint16))
    path = folder / "truncated16.png"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return [*sorted(folder.iterdir()), folder / "missing.jpg"]


def test_each_refused_file_has_one_line(tmp_path, capfd):
    lines = {}
    for path in refused_files(tmp_path):
        with pytest.raises(PhotoError) as refusal:
            photos.read(path)
        lines[path.name] = str(refusal.value)
    assert all("\n" not in line and name in line for name, line in lines.items())
    for name, reason in {
        "1x1.png": "1x1 pixels is too small",
        "20000x1.png": "20000x1 pixels is too small",
        "bomb.png": "100 megapixels is too large",
        "bigger_bomb.png": "too large",
        "float.tif": "8 or 16 bits",
        "picture.gif": "not a JPEG, PNG, WebP, TIFF, AVIF or HEIC",
        "empty.jpg": "empty",
        "text.jpg": "not a JPEG, PNG, WebP, TIFF, AVIF or HEIC",
        "folder.jpg": "not a file",
        "missing.jpg": "no such file",
        "truncated.jpg": "cut short",
        "truncated16.png": "cut short",
    }.items():
        assert reason in lines[name]
    # The native decoders' own messages stay off the terminal.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".avif"])
def test_damaged_files_never_escape(tmp_path, suffix):
    generator = random.Random(suffix)
    options = {"exif": camera_exif(6), "icc_profile": SRGB}
    whole = saved(tmp_path, f"photo{suffix}", picture(), **options).read_bytes()
    path = tmp_path / f"damaged{suffix}"
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(generator.choice([1, 2, 8])):
            damaged[generator.randrange(len(damaged))] = generator.choice([0, 127, 128, 255])
        path.write_bytes(damaged)
        try:
            assert photos.read(path).pixels.ndim == 3
        except PhotoError as error:
            assert "\n" not in str(error)


def test_write_refuses_what_a_format_cannot_hold(tmp_path):
    photo = photos.Photo(np.zeros((16, 17000, 3), np.uint8), "PNG")
    with pytest.raises(OutputError, match="16383"):
        photos.write(tmp_path / "wide.webp", photo)
    with pytest.raises(OutputError, match=r"Known suffixes: \.jpg"):
        photos.write(tmp_path / "photo.gif", photo)
    with pytest.raises(OutputError, match="cannot write here"):
        photos.write(tmp_path / "missing" / "photo.png", photo)
    assert list(tmp_path.iterdir()) == []


def test_exif_too_large_for_jpeg_is_left_out(tmp_path):
    photo = photos.Photo(gradient(3), "PNG", exif=b"Exif\0\0" + bytes(70_000))
    assert "EXIF" in photos.write(tmp_path / "photo.jpg", photo)[0]
