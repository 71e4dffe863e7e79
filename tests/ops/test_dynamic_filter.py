"""The dynamic filter against loops over pixels in NumPy and OpenCV, and on the real
delegate in half precision.
"""

import cv2
import keras
import numpy as np
import pytest

from bokeh_tf.ops.dynamic_filter import DynamicFilter, dynamic_filter

# Sums of up to 81 float32 products of order one.
FLOAT32_TOLERANCE = 1e-5
# Half precision rounds 81 products of at most 1/20 and adds them: a few units of 2^-11
# of a result of order one.
HALF_MAX_ERROR = 4e-3


def random_pair(shape, side_px, *, seed=0):
    """Signed images and weights that sum to one at every pixel."""
    random = np.random.default_rng(seed)
    powers = np.exp(random.standard_normal((*shape[:3], side_px**2)))
    weights = powers / powers.sum(axis=-1, keepdims=True)
    return random.uniform(-1, 1, shape).astype(np.float32), weights.astype(np.float32)


def naive_filter(images, weights, side_px):
    """The definition, pixel by pixel and tap by tap, in double precision."""
    radius_px = side_px // 2
    filtered = np.zeros(images.shape)
    batch, height, width, _ = images.shape
    for index in np.ndindex(batch, height, width, side_px, side_px):
        image, y, x, row, column = index
        from_y, from_x = y + row - radius_px, x + column - radius_px
        if 0 <= from_y < height and 0 <= from_x < width:
            weight = weights[image, y, x, row * side_px + column]
            filtered[image, y, x] += float(weight) * images[image, from_y, from_x]
    return filtered


@pytest.mark.parametrize(
    ("shape", "side_px"),
    [((2, 7, 11, 3), 9), ((1, 12, 5, 3), 3), ((1, 3, 4, 1), 5), ((1, 6, 6, 4), 1)],
)
def test_equals_naive_loops(shape, side_px):
    images, weights = random_pair(shape, side_px)
    actual = np.asarray(dynamic_filter(images, weights))
    np.testing.assert_allclose(
        actual, naive_filter(images, weights, side_px), rtol=0, atol=FLOAT32_TOLERANCE
    )


def test_equal_weights_at_every_pixel_are_opencvs_correlation():
    image, kernel = random_pair((1, 20, 30, 3), 9, seed=3)
    kernel = kernel[0, 0, 0].reshape(9, 9)
    weights = np.broadcast_to(kernel.reshape(1, 1, 1, 81), (1, 20, 30, 81))
    expected = cv2.filter2D(image[0], -1, kernel, borderType=cv2.BORDER_CONSTANT)
    actual = np.asarray(dynamic_filter(image, weights.copy()))[0]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=FLOAT32_TOLERANCE)


@pytest.mark.parametrize("channels", [4, 16, 80, 82])
def test_refuses_windows_without_a_middle(channels):
    with pytest.raises(
        ValueError, match=f"square of an odd number of channels. Received: {channels}"
    ):
        dynamic_filter(
            np.zeros((1, 8, 8, 3), np.float32), np.zeros((1, 8, 8, channels), np.float32)
        )


def test_refuses_another_size_of_weights():
    with pytest.raises(ValueError, match="same static height and width"):
        dynamic_filter(np.zeros((1, 8, 8, 3), np.float32), np.zeros((1, 8, 9, 9), np.float32))


def filtering_model(image_shape, side_px):
    image = keras.Input((*image_shape, 3), batch_size=1, name="image")
    weights = keras.Input((*image_shape, side_px**2), batch_size=1, name="weights")
    normalised = keras.layers.Softmax(name="softmax")(weights)
    return keras.Model(
        [image, weights], DynamicFilter(name="filtered")(image, normalised), name="filtering"
    )


def test_saved_and_loaded_model_gives_the_same(tmp_path):
    model = filtering_model((6, 10), 5)
    model.save(tmp_path / "filter.keras")
    inputs = random_pair((1, 6, 10, 3), 5)
    loaded = keras.saving.load_model(tmp_path / "filter.keras")
    np.testing.assert_array_equal(np.asarray(loaded(inputs)), np.asarray(model(inputs)))


def test_one_row_of_the_window_is_in_memory_at_a_time():
    """The weights come last, and no neighbours are computed before them, nor a row's
    before the row above is added.
    """
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    file = inspect(convert(filtering_model((16, 24), 9), precision="float32"))
    names = [node.name for node in file.operators]
    channels = {
        tensor: file.tensors[tensor].shape[-1] for node in file.operators for tensor in node.outputs
    }
    assert sorted(channels.values())[-2:] == [27, 81], (
        "the weights alone have more channels than a row"
    )
    last_use = {tensor: node.index for node in file.operators for tensor in node.inputs}
    neighbours = [node.outputs[0] for node in file.operators if channels[node.outputs[0]] == 27]
    most_alive = max(
        sum(file.producer(t) <= index <= last_use[t] for t in neighbours)
        for index in range(len(names))
    )
    # Neighbours, their weights three times, and the products.
    assert most_alive == 3
    assert min(file.producer(tensor) for tensor in neighbours) > names.index("SOFTMAX")


@pytest.mark.gpu
def test_right_on_the_delegate_in_half_precision(gpu, tmp_path):
    from bokeh_tf.delegate.probing.probe import Verdict, probe
    from bokeh_tf.tflite.conversion import convert

    path = tmp_path / "filter.tflite"
    path.write_bytes(convert(filtering_model((24, 40), 9), precision="float16"))
    report = probe(path, precisions=("float32", "default"))
    assert report.verdict is Verdict.FULL, report
    differences = [
        output.difference for precision in report.precisions for output in precision.outputs
    ]
    assert max(difference.max_abs for difference in differences) <= HALF_MAX_ERROR
