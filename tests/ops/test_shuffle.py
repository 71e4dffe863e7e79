"""Space-to-depth and depth-to-space against NumPy's reshape and transpose, TensorFlow's
own, and the real delegate.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bokeh_tf.ops.shuffle import (
    DepthToSpace,
    SpaceToDepth,
    cell_rows,
    depth_to_space,
    join_cell_rows,
    space_to_depth,
)


def numbered(shape):
    """Every value different, so that a misplaced one shows."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def numpy_space_to_depth(images, block_px):
    batch, height, width, channels = images.shape
    cells = images.reshape(
        batch, height // block_px, block_px, width // block_px, block_px, channels
    )
    return cells.transpose(0, 1, 3, 2, 4, 5).reshape(
        batch, height // block_px, width // block_px, -1
    )


@pytest.mark.parametrize("block_px", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3, 4])
class TestShuffles:
    def test_space_to_depth_is_numpys_and_tensorflows(self, block_px, channels):
        images = numbered((2, 3 * block_px, 5 * block_px, channels))
        actual = np.asarray(space_to_depth(images, block_px))
        np.testing.assert_array_equal(actual, numpy_space_to_depth(images, block_px))
        if block_px > 1:
            np.testing.assert_array_equal(actual, tf.nn.space_to_depth(images, block_px).numpy())

    def test_depth_to_space_inverts_it(self, block_px, channels):
        images = numbered((2, 3 * block_px, 5 * block_px, channels))
        cells = numpy_space_to_depth(images, block_px)
        np.testing.assert_array_equal(np.asarray(depth_to_space(cells, block_px)), images)

    def test_cell_rows_are_every_nth_row(self, block_px, channels):
        images = numbered((1, 2 * block_px, 3 * block_px, channels))
        rows = cell_rows(images, block_px)
        for row, actual in enumerate(rows):
            expected = images[:, row::block_px].reshape(1, 2, 3, block_px * channels)
            np.testing.assert_array_equal(np.asarray(actual), expected)
        np.testing.assert_array_equal(np.asarray(join_cell_rows(rows)), images)


def test_sizes_must_fit():
    with pytest.raises(
        ValueError, match=r"height and width must be multiples of 4\. Received: 8x6"
    ):
        space_to_depth(numbered((1, 8, 6, 3)), 4)
    with pytest.raises(ValueError, match=r"channels must be a multiple of 2²\. Received: 6"):
        depth_to_space(numbered((1, 2, 2, 6)), 2)


@pytest.mark.parametrize("shape", [(None, 8, 3), (8, None, 3)])
def test_sizes_must_be_known(shape):
    with pytest.raises(ValueError, match=r"static H, W and C\. Received"):
        SpaceToDepth(2)(keras.Input(shape))


@pytest.mark.parametrize("block_px", [0, -1, 2.0, "2"])
@pytest.mark.parametrize("layer", [SpaceToDepth, DepthToSpace])
def test_block_must_be_a_positive_integer(layer, block_px):
    with pytest.raises(ValueError, match=r"block_px must be a positive integer\. Received"):
        layer(block_px)


def there_and_back(image_shape):
    image = keras.Input(image_shape, batch_size=1, name="image")
    cells = SpaceToDepth(4, name="cells")(image)
    return keras.Model(image, [cells, DepthToSpace(4, name="pixels")(cells)], name="shuffles")


def test_saved_and_loaded_model_gives_the_same(tmp_path):
    model = there_and_back((8, 12, 3))
    model.save(tmp_path / "shuffles.keras")
    loaded = keras.saving.load_model(tmp_path / "shuffles.keras")
    images = numbered((1, 8, 12, 3))
    for actual, expected in zip(loaded(images), model(images), strict=True):
        np.testing.assert_array_equal(np.asarray(actual), np.asarray(expected))


def test_converted_without_arithmetic_or_a_fifth_dimension():
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    file = inspect(convert(there_and_back((8, 12, 3)), precision="float32"))
    assert {operator.name for operator in file.operators} <= {
        "RESHAPE",
        "STRIDED_SLICE",
        "SLICE",
        "CONCATENATION",
    }
    assert max(len(tensor.shape) for tensor in file.tensors) <= 4
    assert file.macs == 0


@pytest.mark.gpu
def test_right_on_the_delegate(gpu, tmp_path):
    from bokeh_tf.delegate.probing.probe import Verdict, probe
    from bokeh_tf.tflite.conversion import convert

    # The delegate keeps channels in fours: 3, 6 and 12 of them meet that at every offset.
    image = keras.Input((16, 24, 3), batch_size=1, name="image")
    cells = [SpaceToDepth(block_px, name=f"cells{block_px}")(image) for block_px in (2, 4)]
    changed = [
        keras.layers.ReLU(name=f"changed{block_px}")(x)
        for block_px, x in zip((2, 4), cells, strict=True)
    ]
    pixels = [
        DepthToSpace(block_px, name=f"pixels{block_px}")(x)
        for block_px, x in zip((2, 4), changed, strict=True)
    ]
    path = tmp_path / "shuffles.tflite"
    path.write_bytes(
        convert(keras.Model(image, [*cells, *pixels], name="shuffles"), precision="float32")
    )
    assert probe(path, precisions=("float32",)).verdict is Verdict.FULL
