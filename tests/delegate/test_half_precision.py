"""The arithmetic that the half-precision audit reckons with: resized coordinates as the delegate
was measured to have them, sums, products and rounding.
"""

import numpy as np
import pytest

from bokeh_tf.delegate.audit.half_precision import accumulate, coordinate_errors_px, rounded
from bokeh_tf.delegate.audit.samples import convolution_products
from bokeh_tf.delegate.audit.tensor_values import open_interpreter
from bokeh_tf.tflite.inspection import inspect

# What the delegate was measured to do, as the error of one axis in input pixels:
# sizes, mode, least and most.
HALF_PIXEL, CORNERS, LEGACY = {"half_pixel_centers": True}, {"align_corners": True}, {}
MEASURED_RESIZES = [
    (512, 1024, HALF_PIXEL, 0, 0),
    (1024, 2048, HALF_PIXEL, 0.25, 0.25),
    (256, 1024, HALF_PIXEL, 0, 0),
    (512, 2048, HALF_PIXEL, 0.12, 0.13),
    (64, 101, HALF_PIXEL, 0.01, 0.03),
    (256, 384, HALF_PIXEL, 0.04, 0.05),
    (1024, 1536, HALF_PIXEL, 0.16, 0.18),
    (256, 512, CORNERS, 0.05, 0.07),
    (1024, 2048, CORNERS, 0.22, 0.25),
    (33, 513, CORNERS, 0, 0),
    (1024, 512, HALF_PIXEL, 0, 0),
    (2048, 1024, HALF_PIXEL, 0.5, 0.5),
    (1024, 2048, LEGACY, 0, 0),
    (2048, 4096, LEGACY, 0.5, 0.5),
]


@pytest.mark.parametrize(("size_in", "size_out", "mode", "least_px", "most_px"), MEASURED_RESIZES)
def test_coordinates_reproduce_the_measured_table(size_in, size_out, mode, least_px, most_px):
    assert least_px <= coordinate_errors_px(size_in, size_out, **mode).max() <= most_px


def test_accumulate_adds_one_after_the_other():
    products = np.random.default_rng(3).normal(size=(5, 200)).astype(np.float32)
    expected = np.zeros(5, np.float16)
    for column in products.astype(np.float16).T:
        expected = (expected.astype(np.float64) + column.astype(np.float64)).astype(np.float16)
    sums, largest = accumulate(products)
    assert (sums == expected).all() and np.isfinite(largest)
    assert accumulate(np.array([6e4, 6e4, -6e4]))[1] == np.inf
    # 2048 + 1 is 2048 in half: a sum of ones never gets further.
    assert accumulate(np.ones(5000))[0] == 2048


def _convolutions():
    from keras import layers

    return {
        "same": layers.Conv2D(8, 3, padding="same"),
        "valid strided": layers.Conv2D(20, (5, 3), strides=2, padding="valid", activation="relu"),
        "same strided": layers.Conv2D(4, 4, strides=(2, 3), padding="same"),
        "dilated": layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
        "grouped": layers.Conv2D(6, 3, groups=3, padding="same"),
        "depthwise": layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
        "transposed": layers.Conv2DTranspose(5, 4, strides=2, padding="same"),
        "transposed valid": layers.Conv2DTranspose(5, 3, strides=2, padding="valid"),
    }


@pytest.mark.parametrize(
    "name", ["same", "valid strided", "same strided", "dilated", "grouped", "depthwise"]
)
def test_sampled_products_add_up_to_the_convolution(name, tiny_tflite):
    _check_products(
        tiny_tflite(
            f"products {name}", lambda image: _convolutions()[name](image), image_shape=(11, 14)
        )
    )


@pytest.mark.parametrize("name", ["transposed", "transposed valid"])
def test_sampled_products_add_up_to_the_transposed_convolution(name, tiny_tflite):
    _check_products(
        tiny_tflite(
            f"products {name}", lambda image: _convolutions()[name](image), image_shape=(7, 9)
        )
    )


def _check_products(path):
    model_file = inspect(path)
    node = next(node for node in model_file.operators if "CONV" in node.name)
    interpreter = open_interpreter(path.read_bytes(), model_file, threads=1)
    details = interpreter.get_input_details()[0]
    interpreter.set_tensor(
        details["index"], np.random.default_rng(4).random(details["shape"], np.float32)
    )
    interpreter.invoke()
    arrays = [None if tensor < 0 else interpreter.get_tensor(tensor) for tensor in node.inputs]
    output = interpreter.get_tensor(node.outputs[0])
    sampled = convolution_products(node, arrays, output)
    sums = sampled.products.sum(axis=-1) + sampled.offset
    sums = np.maximum(sums, 0) if node.options["fused_activation"] == "RELU" else sums
    expected = output[sampled.places][:, sampled.channels]
    # The factors are rounded to half: 2^-11 each, of products whose sum has that scale.
    np.testing.assert_allclose(sums, expected, atol=4e-3 * np.abs(expected).max())


def test_rounding_is_that_of_binary16():
    values = np.array([1e-8, 2.0**-25 * 1.01, 65504.0, 65520.0, 2049.0])
    assert rounded(values).tolist() == [0.0, 2.0**-24, 65504.0, np.inf, 2048.0]
