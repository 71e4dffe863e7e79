"""ChannelwiseUpsampling against NumPy's interpolation and Keras' resize,
and on the real delegate.
"""

import keras
import numpy as np
import pytest

from bokeh_tf.ops.channelwise import ChannelwiseUpsampling, phase_offsets

# Two float32 steps of values up to 4.
TOLERANCE = 3e-6
# Half precision keeps 11 bits of each of three sums: about 2e-3 of the range.
HALF_MAX_ERROR = 4e-3


def numpy_align_corners(images, factor):
    """Every axis sampled at `factor * n` points spread evenly from its first pixel to its last."""
    for axis in (1, 2):
        size = images.shape[axis]
        points = np.linspace(0, size - 1, factor * size)
        images = np.apply_along_axis(
            lambda line, points=points: np.interp(points, np.arange(len(line)), line), axis, images
        )
    return images


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 1, 1, 4), (1, 2, 8, 1)])
def test_aligned_corners_equal_numpy(factor, shape):
    images = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    actual = np.asarray(ChannelwiseUpsampling(factor, align_corners=True)(images))
    np.testing.assert_allclose(actual, numpy_align_corners(images, factor), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 1, 1, 4)])
def test_half_pixels_equal_keras_bilinear_resize(factor, shape):
    images = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    size = (shape[1] * factor, shape[2] * factor)
    expected = np.asarray(keras.ops.image.resize(images, size, interpolation="bilinear"))
    np.testing.assert_allclose(
        np.asarray(ChannelwiseUpsampling(factor)(images)), expected, rtol=0, atol=TOLERANCE
    )


def test_offsets_by_hand():
    # Three pixels become six: outputs 0 to 5 lie at 0, 0.4, 0.8, 1.2, 1.6 and 2.
    np.testing.assert_allclose(
        phase_offsets(3, 2, align_corners=True), [[0, -0.2, -0.4], [0.4, 0.2, 0]]
    )
    # Without aligned corners a pixel's two outputs lie a quarter before and after it.
    np.testing.assert_allclose(phase_offsets(3, 2, align_corners=False), [[-0.25], [0.25]])


@pytest.mark.parametrize("factor", [0, -2, 1.5, "2"])
def test_factor_must_be_a_positive_integer(factor):
    with pytest.raises(ValueError, match=r"factor must be a positive integer\. Received"):
        ChannelwiseUpsampling(factor)


def test_size_must_be_known():
    with pytest.raises(ValueError, match=r"static height, width and channels\. Received"):
        ChannelwiseUpsampling(2)(keras.Input((None, 8, 3)))


def test_saved_and_loaded_model_gives_the_same(tmp_path):
    image = keras.Input((3, 5, 2))
    model = keras.Model(image, ChannelwiseUpsampling(2, align_corners=True)(image))
    model.save(tmp_path / "upsampling.keras")
    images = np.random.default_rng(3).random((1, 3, 5, 2), np.float32)
    loaded = keras.saving.load_model(tmp_path / "upsampling.keras")
    np.testing.assert_array_equal(np.asarray(loaded(images)), np.asarray(model(images)))


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("align_corners", "image_shape"), [(True, (8, 1024, 8)), (False, (1024, 8, 8))]
)
def test_right_on_the_delegate_in_half_precision(gpu, align_corners, image_shape, tmp_path):
    from bokeh_tf.delegate.probing.probe import Verdict, probe
    from bokeh_tf.tflite.conversion import convert

    image = keras.Input(image_shape, batch_size=1, name="image")
    path = tmp_path / "upsampling.tflite"
    layer = ChannelwiseUpsampling(2, align_corners=align_corners)
    path.write_bytes(
        convert(keras.Model(image, layer(image), name="upsampling"), precision="float16")
    )
    report = probe(path, precisions=("default",))
    assert report.verdict is Verdict.FULL, report
    assert (
        max(output.difference.max_abs for output in report.precisions[0].outputs) <= HALF_MAX_ERROR
    )
