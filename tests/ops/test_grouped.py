"""The grouped convolution against a loop in NumPy, Keras's own, the file format of its
weights, and the delegates.
"""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from bokeh_tf.delegate.findings import TARGETS, TargetVerdict
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.probing.probe import Verdict, probe
from bokeh_tf.ops import grouped
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect

# Sums of up to 150 products of numbers around 1, in another order.
TOLERANCE = 1e-4
TIME_LIMIT_S = 600
# Input channels, filters, groups: two and three channels a group, as many groups
# as channels, one group, more groups than are joined at a time.
WIDTHS = [(8, 8, 4), (6, 12, 2), (5, 10, 5), (4, 6, 1), (10, 10, 10)]
STRIDES = [1, 2]
HEIGHT, WIDTH, SIDE = 7, 10, 3

each_width = pytest.mark.parametrize("widths", WIDTHS, ids=str)
each_stride = pytest.mark.parametrize("stride", STRIDES)


def arrays(widths, stride):
    """Images, kernel and what the sum of the outputs is weighted with."""
    inputs, filters, groups = widths
    random = np.random.default_rng(3)
    rows, columns = (HEIGHT - SIDE) // stride + 1, (WIDTH - SIDE) // stride + 1
    shapes = [
        (2, HEIGHT, WIDTH, inputs),
        (SIDE, SIDE, inputs // groups, filters),
        (2, rows, columns, filters),
    ]
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


def numpy_grouped(images, kernel, weights, groups, stride):
    """Filter by filter and tap by tap: the outputs, and the gradients of their weighted sum."""
    outputs = np.zeros(weights.shape)
    by_images, by_kernel = np.zeros(images.shape), np.zeros(kernel.shape)
    _, rows, columns, filters = weights.shape
    channels = kernel.shape[2]
    for filter_index in range(filters):
        first = filter_index // (filters // groups) * channels
        weight = weights[..., filter_index]
        for row, column, channel in np.ndindex(kernel.shape[:3]):
            tap = (row, column, channel, filter_index)
            seen = (
                slice(None),
                slice(row, row + stride * rows, stride),
                slice(column, column + stride * columns, stride),
                first + channel,
            )
            values = images[seen][:, :rows, :columns]
            outputs[..., filter_index] += kernel[tap] * values
            by_kernel[tap] = np.sum(weight * values, dtype=np.float64)
            by_images[seen] += kernel[tap] * weight
    return outputs, by_images, by_kernel


def layer_of(widths, stride, kernel, kind=grouped.Conv2D):
    _, filters, groups = widths
    layer = kind(filters, SIDE, stride, groups=groups, use_bias=False)
    layer.build((None, HEIGHT, WIDTH, widths[0]))
    layer.set_weights([kernel])
    return layer


@each_stride
@each_width
def test_values_and_gradients_equal_the_loop(widths, stride):
    import tensorflow as tf

    images, kernel, weights = arrays(widths, stride)
    layer, seen = layer_of(widths, stride, kernel), tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(seen)
        outputs = layer(seen)
        total = tf.reduce_sum(outputs * weights)
    gradients = tape.gradient(total, [seen, layer.kernel.value])
    expected = numpy_grouped(images, kernel, weights, widths[2], stride)
    for actual, value in zip((outputs, *gradients), expected, strict=True):
        np.testing.assert_allclose(np.asarray(actual), value, rtol=0, atol=TOLERANCE)


# JAX computes and differentiates Keras's own layer on every processor.
JAX_PROGRAM = """
import jax
import keras
import numpy as np
from bokeh_tf.ops import grouped
from tests.ops.test_grouped import TOLERANCE, arrays, layer_of
assert keras.backend.backend() == "jax"
widths, stride = (6, 12, 2), 2
images, kernel, weights = arrays(widths, stride)
found = []
for kind in (grouped.Conv2D, keras.layers.Conv2D):
    layer = layer_of(widths, stride, kernel, kind)
    def weighted_sum(images, kernel):
        outputs, _ = layer.stateless_call([kernel], [], images)
        return (outputs * weights).sum(), outputs
    gradient = jax.jit(jax.grad(weighted_sum, argnums=(0, 1), has_aux=True))
    gradients, outputs = gradient(images, kernel)
    found.append((outputs, *gradients))
for ours, keras_own in zip(*found, strict=True):
    np.testing.assert_allclose(ours, keras_own, rtol=0, atol=TOLERANCE)
print("equal")
"""


# JAX has kernels of its own.
@pytest.mark.once
def test_values_and_gradients_equal_those_of_keras():
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", JAX_PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "equal\n"


def test_same_padding_bias_and_activation_are_those_of_keras():
    keras.utils.set_random_seed(1)
    settings = {"padding": "same", "activation": "relu", "bias_initializer": "random_normal"}
    images = np.random.default_rng(4).standard_normal((1, 6, 9, 4)).astype(np.float32)
    ours, whole = (
        grouped.Conv2D(6, 3, 2, groups=2, **settings),
        keras.layers.Conv2D(6, 3, 2, **settings),
    )
    actual = np.asarray(ours(images))
    whole.build(images.shape)
    kernel, bias = ours.get_weights()
    # As one dense convolution, each filter with zeros for the channels that it does not see.
    dense = np.zeros((3, 3, 4, 6), np.float32)
    dense[:, :, :2, :3], dense[:, :, 2:, 3:] = kernel[..., :3], kernel[..., 3:]
    whole.set_weights([dense, bias])
    assert actual.max() > 0.1
    np.testing.assert_allclose(actual, np.asarray(whole(images)), rtol=0, atol=TOLERANCE)


def network(kind):
    """Two ordinary layers, whose weights Keras files beside a grouped one's, around that."""
    keras.utils.set_random_seed(2)
    image = keras.Input((12, 16, 3), batch_size=1, name="image")
    x = keras.layers.Conv2D(8, 1)(image)
    x = kind(8, 3, groups=4, padding="same", name="grouped")(x)
    return keras.Model(image, keras.layers.Conv2D(3, 1)(x), name="network")


def test_weights_filed_with_keras_own_layer_fit(tmp_path):
    before, after = network(keras.layers.Conv2D), network(grouped.Conv2D)
    changed = [weight + 1 for weight in before.get_weights()]
    before.set_weights(changed)
    before.save_weights(tmp_path / "network.weights.h5")
    after.load_weights(tmp_path / "network.weights.h5")
    for actual, expected in zip(after.get_weights(), changed, strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert [weight.path for weight in after.weights][2:4] == ["grouped/kernel", "grouped/bias"]


def test_a_saved_model_keeps_the_layer(tmp_path):
    model = network(grouped.Conv2D)
    model.save(tmp_path / "network.keras")
    assert (
        type(keras.saving.load_model(tmp_path / "network.keras").get_layer("grouped"))
        is grouped.Conv2D
    )


def groups_in(file):
    """Input channels over those that a filter sees, of each convolution of a file."""
    sources = [node.inputs[:2] for node in file.operators if node.name == "CONV_2D"]
    return [
        file.tensors[image].shape[3] // file.tensors[kernel].shape[3] for image, kernel in sources
    ]


def test_a_file_has_a_plain_convolution_for_each_group():
    content = convert(network(grouped.Conv2D), precision="float16")
    file = inspect(content)
    assert groups_in(file) == [1] * 6
    for target in TARGETS:
        assert lint(file, target).verdict is TargetVerdict.COMPATIBLE


@pytest.mark.gpu
def test_right_on_the_delegate(gpu, tmp_path):
    path = tmp_path / "network.tflite"
    path.write_bytes(convert(network(grouped.Conv2D), precision="float32"))
    assert probe(path, precisions=("float32",)).verdict is Verdict.FULL


def test_channels_in_front_are_refused():
    with pytest.raises(ValueError, match="data_format must be 'channels_last'"):
        grouped.Conv2D(8, 3, groups=2, data_format="channels_first")


@pytest.mark.once
def test_no_kernel_of_many_groups_is_beyond_opengl():
    """Joined at once, 20 groups would be one kernel of 21 tensors: a driver binds 16."""
    image = keras.Input((8, 8, 20))
    outputs = grouped.Conv2D(20, 3, padding="same", groups=20)(image)
    file = inspect(convert(keras.Model(image, outputs), precision="float16"))
    assert groups_in(file) == [1] * 20
    assert lint(file, "v2").without_opencl == ()
