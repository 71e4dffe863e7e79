"""The depth that phones store, in files put together after the formats' descriptions."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from bokeh_tf.errors import PhotoError
from bokeh_tf.photos.depth import embedded_nearness, read_plane


def encoded(samples, file_format, **options):
    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, file_format, **options)
    return stream.getvalue()


def segment(content):
    return b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content


@pytest.fixture
def plane():
    """Black, the nearest, on the left to white on the right."""
    return np.tile(np.linspace(0, 255, 32, dtype=np.uint8), (20, 1))


def jpeg(*segments, **options):
    picture = encoded(np.full((40, 64, 3), 90, np.uint8), "JPEG", **options)
    return picture[:2] + b"".join(segments) + picture[2:]


def extended(xmp, part_bytes=400):
    """An XMP extension in several parts, the last first."""
    parts = [
        segment(
            b"http://ns.adobe.com/xmp/extension/\0"
            + b"0" * 32
            + len(xmp).to_bytes(4, "big")
            + start.to_bytes(4, "big")
            + xmp[start : start + part_bytes]
        )
        for start in range(0, len(xmp), part_bytes)
    ]
    return parts[::-1]


def gdepth(plane, kind):
    data = base64.b64encode(encoded(plane, "PNG"))
    return b'<x GDepth:Format="%s" GDepth:Near="1.0" GDepth:Far="4.0" GDepth:Data="%s"/>' % (
        kind,
        data,
    )


def test_googles_depth_map_is_read(plane, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(*extended(gdepth(plane, b"RangeInverse"))))
    np.testing.assert_allclose(embedded_nearness(path), 1 - plane / 255, atol=1e-6)


def test_depth_in_metres_becomes_one_over_it(plane, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(*extended(gdepth(plane, b"RangeLinear"))))
    metres = 1 + 3 * (plane / 255)
    np.testing.assert_allclose(
        embedded_nearness(path), (1 / metres - 1 / 4) / (1 - 1 / 4), atol=1e-5
    )


def test_depth_is_turned_with_its_photo(plane, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(*extended(gdepth(plane, b"RangeInverse")), exif=exif))
    # Turned to the right, so that what was left is above.
    np.testing.assert_allclose(embedded_nearness(path), np.rot90(1 - plane / 255, -1), atol=1e-6)


def test_a_depth_map_that_is_appended_is_read(plane, tmp_path):
    depth, film = encoded(plane, "PNG"), b"\0\0\0\x18ftypmp42" + bytes(300)
    packet = (
        b'<Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary" Item:Length="0"/>'
        b'<Container:Item Item:Mime="image/png" Item:Semantic="Depth" Item:Length="%d"/>'
        b'<Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="%d"/>'
        % (len(depth), len(film))
    )
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(segment(b"http://ns.adobe.com/xap/1.0/\0" + packet)) + depth + film)
    np.testing.assert_allclose(embedded_nearness(path), 1 - plane / 255, atol=1e-6)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_most_photos_have_none(kind, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(encoded(np.full((40, 64, 3), 90, np.uint8), kind))
    assert embedded_nearness(path) is None


@pytest.mark.parametrize("data", [b"", b"####", b"bm8gcGljdHVyZQ=="])
def test_a_damaged_depth_map_is_said_to_be_so(data, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(*extended(b'<x GDepth:Data="%s"/>' % data)))
    with pytest.raises(PhotoError, match="depth map"):
        embedded_nearness(path)


def test_planes_of_8_and_16_bits_and_alpha(plane, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(plane, "PNG"))
    np.testing.assert_allclose(read_plane(path), plane / 255, atol=1e-6)
    path.write_bytes(encoded(plane.astype(np.uint16) * 257, "PNG"))
    np.testing.assert_allclose(read_plane(path), plane / 255, atol=1e-6)
    path.write_bytes(encoded(np.dstack([np.zeros((*plane.shape, 3), np.uint8), plane]), "PNG"))
    np.testing.assert_allclose(read_plane(path), plane / 255, atol=1e-6)
