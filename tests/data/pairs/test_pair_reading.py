"""Pairs from files: which values, sizes and directions, against Pillow,
NumPy and plain arithmetic.
"""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import bokeh_tf
from bokeh_tf.data.pairs.layouts import find_pairs
from bokeh_tf.data.pairs.reading import PairReader, read_colour
from bokeh_tf.errors import DataError
from bokeh_tf.metrics import psnr
from tests.training_pairs import write_pairs

PHOTO = Path(bokeh_tf.__file__).parent / "samples" / "photo.jpg"
SHAPE = (48, 64)
FLOAT_TOLERANCE = 1e-6


@pytest.fixture
def own_pairs(tmp_path):
    """Pairs in files that a test may change."""
    return find_pairs(
        write_pairs(tmp_path / "bilder – 写真", count=3, shape=SHAPE, maps=("saliency",))
    ).pairs


def save_upright(picture, path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(picture).save(path, quality=95, exif=exif)


# 1/2, 1/4, 1/8 while decoding, then what is left: nothing, one side's half, both sides'
# half, areas of 1.5 pixels.
@pytest.mark.parametrize(
    ("shape", "least_db"),
    [
        ((288, 288), 42),
        ((144, 144), 45),
        ((72, 72), 48),
        ((144, 72), 45),
        ((36, 36), 50),
        ((192, 192), 36),
    ],
)
def test_a_jpeg_decoded_at_a_part_of_its_size_holds_the_means_of_areas(shape, least_db):
    whole = np.asarray(Image.open(PHOTO), np.float32) / 255
    small, size = read_colour(PHOTO, shape=shape)
    assert size == whole.shape[:2] == (576, 576)
    means = whole.reshape(shape[0], 576 // shape[0], shape[1], 576 // shape[1], 3).mean(axis=(1, 3))
    assert small.shape == means.shape and psnr(small / 255, means) > least_db


@pytest.mark.parametrize(
    ("orientation", "shape"), [(1, (20, 31)), (6, (31, 20)), (8, (31, 20)), (6, (20, 31))]
)
def test_a_turned_jpeg_is_divided_by_its_upright_sides(tmp_path, orientation, shape):
    stored = np.zeros((80, 124, 3), np.uint8)
    stored[:, :62, 0] = 255
    save_upright(stored, tmp_path / "turned.jpg", orientation)
    upright = np.rot90(stored, {1: 0, 6: -1, 8: 1}[orientation])
    small, size = read_colour(tmp_path / "turned.jpg", shape=shape)
    assert size == upright.shape[:2] and small.shape[:2] == shape
    assert psnr(small, cv2.resize(upright, shape[::-1], interpolation=cv2.INTER_AREA)) > 25


def test_sizes_are_compared_as_the_files_have_them(own_pairs):
    as_png = own_pairs[0].target.with_suffix(".png")
    Image.open(own_pairs[0].target).save(as_png)
    mixed = [dataclasses.replace(own_pairs[0], target=as_png)]
    example = PairReader(mixed, shape=(24, 32)).read(0)
    assert example["image"].shape == example["target"].shape == (24, 32, 3)
    Image.new("RGB", (64, 47)).save(own_pairs[0].target)
    with pytest.raises(DataError, match=r"not as large as its source \(48x64 and 47x64\)"):
        PairReader(own_pairs[:1], shape=(24, 32)).read(0)


def test_a_target_of_another_size_than_its_source_is_left_out(own_pairs, caplog):
    Image.new("RGB", (40, 30)).save(own_pairs[0].target)
    reader = PairReader(own_pairs)
    np.testing.assert_array_equal(reader.read(0)["image"], reader.read(1)["image"])
    (record,) = [
        record for record in caplog.records if str(own_pairs[0].target) in record.getMessage()
    ]
    assert "48x64 and 30x40" in record.getMessage()


def test_a_map_of_another_size_is_brought_to_the_images(own_pairs):
    ramp = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (24, 1))
    Image.fromarray(ramp).save(own_pairs[0].maps["saliency"])
    saliency = PairReader(own_pairs, maps=("saliency",)).read(0)["saliency"]
    assert saliency.shape == (*SHAPE, 1)
    means = saliency.reshape(24, 2, 32, 2).mean(axis=(1, 3))
    # Bilinear growth to the double keeps the means of a ramp but for its ends.
    np.testing.assert_allclose(means[:, 1:-1], ramp[:, 1:-1] / 255, atol=FLOAT_TOLERANCE)


def test_pictures_stand_upright(own_pairs):
    pair = own_pairs[0]
    lying = np.zeros((40, 60, 3), np.uint8)
    lying[:10] = 255
    # Orientation 6: what is stored as the top row is the right column.
    save_upright(lying, pair.source, 6)
    save_upright(lying, pair.target, 8)
    example = PairReader(own_pairs).read(0)
    assert example["image"].shape == example["target"].shape == (60, 40, 3)
    assert example["image"][:, -8:].min() > 200 and example["image"][:, :25].max() < 50
    assert example["target"][:, :8].min() > 200 and example["target"][:, -25:].max() < 50


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P"])
def test_grey_transparent_and_palette_pictures_become_three_channels(own_pairs, mode):
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (*SHAPE, 4), dtype=np.uint8)
    )
    picture = picture.convert("RGB").convert(mode) if mode != "RGBA" else picture
    path = own_pairs[0].source.with_suffix(".png")
    picture.save(path)
    changed = dataclasses.replace(own_pairs[0], source=path)
    image = PairReader([changed]).read(0)["image"]
    expected = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(image, expected)


def write_map(path, values):
    cv2.imencode(path.suffix, values)[1].tofile(path)


def test_maps_of_16_bits_keep_them(own_pairs):
    values = np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint16).reshape(SHAPE) * 21
    write_map(own_pairs[0].maps["saliency"], values)
    saliency = PairReader(own_pairs, maps=("saliency",)).read(0)["saliency"]
    np.testing.assert_allclose(saliency[..., 0], values / 65535, atol=FLOAT_TOLERANCE)
    assert len(np.unique(saliency)) == values.size


def test_maps_of_floats_stay_as_they_are_and_other_types_are_named(own_pairs, caplog):
    path = own_pairs[0].maps["saliency"].with_suffix(".tif")
    changed = [dataclasses.replace(own_pairs[0], maps={"saliency": path}), own_pairs[1]]
    values = np.linspace(-1, 3, SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    write_map(path, values)
    np.testing.assert_array_equal(
        PairReader(changed, maps=("saliency",)).read(0)["saliency"][..., 0], values
    )
    write_map(path, (values * 100).astype(np.int16))
    PairReader(changed, maps=("saliency",)).read(0)
    assert "holds int16 values" in caplog.records[-1].getMessage()
