"""What a photo says of its colours: chunks of PNG, profiles, and what a viewer then shows."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from bokeh_tf import photos
from bokeh_tf.errors import PhotoError
from bokeh_tf.photos.colour import profile_of_code_points, profile_of_gamma
from tests.photos.made_photos import (
    HEIGHT,
    SUFFIXES,
    TRUE_XMP,
    WIDTH,
    encoded,
    packed,
    picture,
    png_of,
    read,
)

# 8 bits, twice rounded, through a profile with 16-bit fixed-point numbers.
COLOUR_TOLERANCE = 2


SRGB_PRIMARIES = np.array([[0.64, 0.33], [0.30, 0.60], [0.15, 0.06]])


P3_PRIMARIES = np.array([[0.68, 0.32], [0.265, 0.69], [0.15, 0.06]])


D65 = (0.3127, 0.3290)


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
