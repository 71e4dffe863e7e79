"""Transforms of one example against NumPy by hand, on bytes and on floats,
alone and inside tf.data.
"""

import numpy as np
import pytest
from PIL import Image

from bokeh_tf.data.pairs import transforms
from bokeh_tf.data.pairs.pair import Pair
from bokeh_tf.data.pairs.pipeline import PairSettings, pair_batches

SHAPE = (12, 18)
APERTURE = np.float32([1.8])
# One step of 8 bits: the picture and its mean are rounded to them.
BYTE_STEP = 1
# Float32 roundings of values up to 1.
FLOAT_TOLERANCE = 1e-6


def example_of(shape, *, seed=0):
    """Random pictures, a depth map that numbers its pixels, and a condition."""
    random = np.random.default_rng(seed)
    image, target = random.integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    depth = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(*shape, 1)
    return {"image": image, "target": target, "depth": depth, "aperture": APERTURE}


def copied(example):
    return {name: value.copy() for name, value in example.items()}


def assert_follows(changed, original, change):
    """Every picture of `changed` is `change` of its original; the condition is what it was."""
    for name in ("image", "target", "depth"):
        np.testing.assert_array_equal(changed[name], change(original[name]))
        assert changed[name].dtype == original[name].dtype
    assert changed["aperture"] is original["aperture"]


@pytest.mark.parametrize("seed", range(5))
def test_a_crop_is_one_window_of_all_pictures(seed):
    original = example_of(SHAPE)
    kept = copied(original)
    cropped = transforms.random_crop(original, np.random.default_rng(seed), shape=(5, 7))
    top, left = divmod(int(cropped["depth"][0, 0, 0]), SHAPE[1])
    assert_follows(cropped, original, lambda picture: picture[top : top + 5, left : left + 7])
    assert_follows(
        original | {"aperture": APERTURE}, kept | {"aperture": APERTURE}, lambda picture: picture
    )


def test_crops_reach_every_corner_and_depend_on_the_generator_alone():
    original = example_of((4, 5))
    corners = [
        transforms.random_crop(original, np.random.default_rng(s), shape=(3, 3))["depth"]
        for s in range(60)
    ]
    assert {int(corner[0, 0, 0]) for corner in corners} == {0, 1, 2, 5, 6, 7}
    again = transforms.random_crop(original, np.random.default_rng(7), shape=(3, 3))["depth"]
    np.testing.assert_array_equal(again, corners[7])


@pytest.mark.parametrize("shape", [(8, 6), (30, 20), (30, 8)])
def test_what_is_smaller_than_the_crop_is_enlarged_evenly(shape):
    rows = np.tile(np.linspace(0, 255, shape[0])[:, None, None], (1, shape[1], 3)).astype(np.uint8)
    example = {"image": rows, "target": rows, "aperture": APERTURE}
    cropped = transforms.random_crop(example, np.random.default_rng(0), shape=(20, 10))
    assert cropped["image"].shape == (20, 10, 3)
    scale = max(1, 20 / shape[0], 10 / shape[1])
    slope = np.diff(cropped["image"][2:-2, 0, 0].astype(float)).mean()
    assert slope == pytest.approx(255 / (shape[0] - 1) / scale, rel=0.1)


BY_HAND = {
    "horizontal": [lambda picture: picture, lambda picture: picture[:, ::-1]],
    "vertical": [lambda picture: picture, lambda picture: picture[::-1]],
    "rotate": [lambda picture, turns=turns: np.rot90(picture, turns) for turns in range(4)],
}


@pytest.mark.parametrize("kind", transforms.AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(6, 6), SHAPE])
def test_an_augmentation_is_one_of_its_outcomes_and_all_occur(kind, shape):
    original = example_of(shape)
    possible = {
        number: change
        for number, change in enumerate(BY_HAND[kind])
        if change(original["depth"]).shape == original["depth"].shape
    }
    assert len(possible) == (4 if kind == "rotate" and shape == (6, 6) else 2)
    seen = set()
    for seed in range(40):
        changed = transforms.augment(original, np.random.default_rng(seed), kinds=(kind,))
        matching = [
            n
            for n, change in possible.items()
            if np.array_equal(changed["depth"], change(original["depth"]))
        ]
        assert len(matching) == 1
        assert_follows(changed, original, possible[matching[0]])
        seen.update(matching)
    assert seen == set(possible)


def test_no_augmentation_changes_nothing():
    original = example_of(SHAPE)
    assert_follows(
        transforms.augment(original, np.random.default_rng(0), kinds=()),
        original,
        lambda picture: picture,
    )


@pytest.mark.parametrize("factors", [(2, 3), (2, 2), (4, 4), (3, 6), (6, 2)])
def test_shrinking_by_whole_factors_takes_means_of_areas(factors):
    original = example_of((24, 36))
    shape = (24 // factors[0], 36 // factors[1])
    small = transforms.resize(original, shape=shape)
    for name, value in small.items():
        if name == "aperture":
            continue
        areas = (
            original[name]
            .reshape(shape[0], factors[0], shape[1], factors[1], -1)
            .astype(np.float64)
        )
        is_byte = value.dtype == np.uint8
        np.testing.assert_allclose(
            value, areas.mean(axis=(1, 3)), atol=BYTE_STEP if is_byte else 1e-4
        )
    assert small["aperture"] is original["aperture"]


def shares_of_areas(count, length):
    """`[count, length]`: which share of each of `count` equal areas each of `length` pixels has."""
    starts, ends = (np.arange(count) + offset for offset in (0, 1))
    scale = length / count
    overlap = np.minimum(ends[:, None] * scale, np.arange(length) + 1) - np.maximum(
        starts[:, None] * scale, np.arange(length)
    )
    return np.maximum(overlap, 0) / scale


@pytest.mark.parametrize(
    ("shape", "halvings"), [((18, 27), 0), ((13, 35), 0), ((11, 17), 1), ((5, 8), 2)]
)
def test_shrinking_by_parts_of_pixels_weighs_them_by_their_areas(shape, halvings):
    picture = np.random.default_rng(0).random((24, 36, 1), dtype=np.float32)
    across, along = np.eye(24), np.eye(36)
    for _ in range(halvings):
        across, along = (
            shares_of_areas(len(matrix) // 2, len(matrix)) @ matrix for matrix in (across, along)
        )
    across, along = (
        shares_of_areas(count, len(matrix)) @ matrix
        for count, matrix in zip(shape, (across, along), strict=True)
    )
    expected = across @ picture[..., 0] @ along.T
    small = transforms.resized(picture, shape)[..., 0]
    # OpenCV leaves out parts below a thousandth of a pixel.
    np.testing.assert_allclose(small, expected, atol=2e-3)
    as_bytes = transforms.resized(np.round(255 * picture).astype(np.uint8), shape)[..., 0]
    np.testing.assert_allclose(as_bytes, 255 * expected, atol=(1 + halvings) * BYTE_STEP)


def test_growing_interpolates_between_pixels():
    step = np.float32([0, 1]).reshape(1, 2, 1)
    np.testing.assert_allclose(
        transforms.resized(step, (1, 4)).ravel(), [0, 0.25, 0.75, 1], atol=FLOAT_TOLERANCE
    )
    same = np.zeros((4, 4, 1), np.float32)
    assert transforms.resized(same, (4, 4)) is same


@pytest.fixture(scope="module")
def numbered_pair(tmp_path_factory):
    """A pair without losses: red holds the row, green the column; the target is
    its negative, depth its red.
    """
    folder = tmp_path_factory.mktemp("numbered")
    rows, columns = np.indices((16, 24)).astype(np.uint8)
    image = np.stack([rows, columns, np.full_like(rows, 7)], axis=-1)
    for name, picture in {"image": image, "target": 255 - image, "depth": rows}.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    return Pair(
        "0",
        "train",
        folder / "image.png",
        folder / "target.png",
        {"depth": folder / "depth.png"},
        {"f": 2.8},
    )


@pytest.mark.parametrize(
    "kinds", [(), ("horizontal",), ("vertical",), ("rotate",), transforms.AUGMENTATIONS]
)
def test_inside_tf_data_maps_and_target_follow_the_image(numbered_pair, kinds):
    settings = PairSettings(
        image_shape=(9, 9), batch_size=8, augmentations=kinds, maps=("depth",), conditions=("f",)
    )
    batches = pair_batches([numbered_pair], settings, seed=3).take(6)
    steps = set()
    for inputs, target in batches.as_numpy_iterator():
        image = np.round(inputs["image"] * 255).astype(int)
        np.testing.assert_allclose(target, 1 - inputs["image"], atol=FLOAT_TOLERANCE)
        np.testing.assert_allclose(inputs["depth"], inputs["image"][..., :1], atol=FLOAT_TOLERANCE)
        np.testing.assert_array_equal(inputs["f"], np.full((8, 1), 2.8, np.float32))
        for one in image:
            down, right = one[1, 0] - one[0, 0], one[0, 1] - one[0, 0]
            # How row and column change when going down and right says how the window was turned.
            steps.add((*down[:2], *right[:2]))
            expected = (
                one[0, 0] + np.arange(9)[:, None, None] * down + np.arange(9)[None, :, None] * right
            )
            np.testing.assert_array_equal(one, expected)
    plain, mirrored, upside_down, turned = (
        (1, 0, 0, 1),
        (1, 0, 0, -1),
        (-1, 0, 0, 1),
        (-1, 0, 0, -1),
    )
    quarters = {(0, 1, -1, 0), (0, -1, 1, 0)}
    expected_steps = {
        (): {plain},
        ("horizontal",): {plain, mirrored},
        ("vertical",): {plain, upside_down},
        ("rotate",): {plain, turned} | quarters,
        transforms.AUGMENTATIONS: {plain, mirrored, upside_down, turned}
        | quarters
        | {(0, 1, 1, 0), (0, -1, -1, 0)},
    }
    assert steps == expected_steps[kinds]
