"""Soft disks and the layered compositor against plain NumPy, and the decimated
disks against the exact ones.
"""

import keras
import numpy as np
import pytest

from bokeh_tf.metrics import psnr
from bokeh_tf.ops.compositing import composite, defocus_masks
from bokeh_tf.ops.disk import SoftDiskBlur, decimated_disk_kernel, decimation, soft_disk_kernel
from tests.photographs import texture

# float32 sums of up to a thousand products of numbers up to 1.
TOLERANCE = 3e-6
# Decimated disks on a picture with fine texture and hard edges, border and all.
DECIMATED_MIN_DB = 40
# Half precision keeps 11 bits of each sum over a kernel of 19 x 19 points.
HALF_MAX_ERROR = 1e-2


def naive_kernel(size):
    radius = size // 2
    rows = [
        [
            0.5 + 0.5 * np.tanh(0.25 * (radius**2 - x * x - y * y) + 0.5)
            for x in range(-radius, radius + 1)
        ]
        for y in range(-radius, radius + 1)
    ]
    return np.array(rows) / np.sum(rows)


def naive_blur(image, kernel):
    """Correlation of `[H, W, C]` by loops over the kernel, mirrored without the edge pixel."""
    radius = len(kernel) // 2
    height, width, _ = image.shape
    padded = np.pad(
        image.astype(np.float64), ((radius, radius), (radius, radius), (0, 0)), mode="reflect"
    )
    offsets = np.ndindex(kernel.shape)
    return sum(kernel[y, x] * padded[y : y + height, x : x + width] for y, x in offsets)


@pytest.mark.parametrize("size", [1, 3, 9, 37])
def test_kernel_is_its_formula(size):
    np.testing.assert_allclose(soft_disk_kernel(size), naive_kernel(size), rtol=1e-12)


def test_kernel_of_three_by_hand():
    # tanh(3/4), tanh(1/2) and tanh(1/4) for the middle, the sides and the corners.
    middle, side, corner = (0.5 + 0.5 * np.tanh(t) for t in (0.75, 0.5, 0.25))
    total = middle + 4 * side + 4 * corner
    assert soft_disk_kernel(3)[1, 1] == pytest.approx(middle / total)
    assert soft_disk_kernel(3)[0].tolist() == pytest.approx(
        [corner / total, side / total, corner / total]
    )


@pytest.mark.parametrize("size", [0, 2, -3])
def test_kernel_sizes_must_be_odd(size):
    with pytest.raises(ValueError, match="size_px must be a positive odd number"):
        soft_disk_kernel(size)


@pytest.mark.parametrize("size", [3, 11])
def test_blur_equals_numpy(size):
    image = np.random.default_rng(1).random((12, 17, 4), dtype=np.float32)
    actual = np.asarray(SoftDiskBlur(size)(image[None]))[0]
    np.testing.assert_allclose(
        actual, naive_blur(image, naive_kernel(size)), rtol=0, atol=TOLERANCE
    )


def test_image_must_be_larger_than_the_radius():
    with pytest.raises(ValueError, match="height and width must exceed 8"):
        SoftDiskBlur(17)(np.zeros((1, 8, 20, 1), np.float32))


@pytest.mark.parametrize("size", [21, 23, 27, 39, 45, 69])
def test_decimated_kernel_keeps_the_weight_and_the_symmetry(size):
    kernel = decimated_disk_kernel(size)
    assert kernel.sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel, kernel[::-1], atol=1e-15)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-15)
    assert kernel.size * decimation(size) ** 2 < 1.2 * (size + 4) ** 2


def test_decimated_kernel_by_hand():
    # In cells of two, the middle one takes its pixel and half of each neighbour.
    assert decimation(21) == 2
    fine = soft_disk_kernel(21)
    shares = np.array([0.5, 1, 0.5])
    assert decimated_disk_kernel(21)[5, 5] == pytest.approx(shares @ fine[9:12, 9:12] @ shares)


@pytest.mark.parametrize("size", [21, 37, 53, 69])
def test_decimated_blur_is_close_to_the_exact_one(size):
    picture = texture((192, 256), (120, 130, 110), seed=3).astype(np.float32)[None] / 255
    picture[:, 60:120, 80:160] = (1.0, 0.2, 0.1)
    exact, decimated = (
        np.asarray(SoftDiskBlur(size, is_decimated)(picture)) for is_decimated in (False, True)
    )
    assert psnr(decimated[0], exact[0]) >= DECIMATED_MIN_DB


@pytest.mark.parametrize("size", [9, 21, 69])
def test_decimated_blur_keeps_constants(size):
    constant = np.full((1, 48, 64, 2), 0.7, np.float32)
    np.testing.assert_allclose(
        np.asarray(SoftDiskBlur(size, is_decimated=True)(constant)), 0.7, atol=1e-5
    )


def test_decimated_blur_needs_whole_cells():
    with pytest.raises(ValueError, match="height and width must be multiples of 4"):
        SoftDiskBlur(45, is_decimated=True)(np.zeros((1, 48, 66, 1), np.float32))


def test_saved_and_loaded_model_gives_the_same(tmp_path):
    image = keras.Input((16, 24, 3))
    model = keras.Model(image, SoftDiskBlur(21, is_decimated=True)(image))
    model.save(tmp_path / "disk.keras")
    images = np.random.default_rng(2).random((1, 16, 24, 3), np.float32)
    loaded = keras.saving.load_model(tmp_path / "disk.keras")
    np.testing.assert_array_equal(np.asarray(loaded(images)), np.asarray(model(images)))


def test_masks_are_the_released_ones():
    defocus = np.linspace(0, 1, 57, dtype=np.float32).reshape(1, 3, 19, 1)
    for count in (6, 15):
        interval = 1 / (count - 1)
        for index, mask in enumerate(defocus_masks(defocus, count)):
            expected = 0.5 + 0.5 * np.tanh(
                100 * (interval - np.abs(defocus.astype(np.float64) - index * interval))
            )
            np.testing.assert_allclose(np.asarray(mask), expected, atol=1e-5)


def naive_composite(image, masks, kernels, epsilon):
    """Released recursion, with the cover M kept as such: S and M fade by 1 -
    m, and s and m are added.
    """
    total, cover = np.zeros_like(image, np.float64), np.zeros((*image.shape[:2], 1))
    for mask, kernel in reversed(list(zip(masks, kernels, strict=True))):
        blurred_mask = mask if kernel is None else naive_blur(mask, kernel)
        blurred = mask * image if kernel is None else naive_blur(mask * image, kernel)
        total = total * (1 - blurred_mask) + blurred
        cover = cover * (1 - blurred_mask) + blurred_mask
    return total / (cover + epsilon)


@pytest.mark.parametrize("epsilon", [1e-3, 1e-2])
def test_composite_equals_numpy(epsilon):
    random = np.random.default_rng(4)
    image = random.random((14, 19, 6)).astype(np.float32)
    masks = random.dirichlet((1, 1, 1, 0.2), (14, 19)).astype(np.float32)
    masks = [masks[..., index : index + 1] for index in range(4)]
    sizes = (3, 5, 9)
    actual = composite(
        image[None], [m[None] for m in masks], [None, *map(SoftDiskBlur, sizes)], epsilon=epsilon
    )
    expected = naive_composite(image, masks, [None, *map(naive_kernel, sizes)], epsilon)
    np.testing.assert_allclose(np.asarray(actual)[0], expected, rtol=0, atol=10 * TOLERANCE)


def test_a_photo_all_in_one_layer_is_that_blur():
    image = np.random.default_rng(5).random((1, 12, 16, 3), dtype=np.float32)
    everything, nothing = np.ones((1, 12, 16, 1), np.float32), np.zeros((1, 12, 16, 1), np.float32)
    blurs = [None, SoftDiskBlur(5)]
    sharp = np.asarray(composite(image, [everything, nothing], blurs, epsilon=1e-6))
    np.testing.assert_allclose(sharp, image, atol=1e-5)
    blurred = np.asarray(composite(image, [nothing, everything], blurs, epsilon=1e-6))
    np.testing.assert_allclose(blurred, np.asarray(SoftDiskBlur(5)(image)), atol=1e-5)


@pytest.mark.gpu
def test_decimated_disk_is_right_on_the_delegate_in_half_precision(gpu, tmp_path):
    from bokeh_tf.delegate.probing.probe import Verdict, probe
    from bokeh_tf.tflite.conversion import convert

    image = keras.Input((96, 128, 7), batch_size=1, name="image")
    blurred = SoftDiskBlur(69, is_decimated=True, name="blurred")(image)
    path = tmp_path / "disk.tflite"
    path.write_bytes(convert(keras.Model(image, blurred, name="disk"), precision="float16"))
    report = probe(path, precisions=("default",))
    assert report.verdict is Verdict.FULL, report
    assert (
        max(output.difference.max_abs for output in report.precisions[0].outputs) <= HALF_MAX_ERROR
    )
