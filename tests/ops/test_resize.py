"""BilinearUpsampling against Keras' own bilinear resize, and on the real
delegate, where that one is wrong.
"""

import keras
import numpy as np
import pytest

from bokeh_tf.ops.resize import (
    BilinearUpsampling,
    UpsampledSum,
    bilinear_taps,
    spline_taps,
    taps_variance,
    upsample_extended,
)

# Two sums of three float32 products each, of values up to 4.
TOLERANCE = 3e-6
# Half precision keeps 11 bits of each intermediate value: about 2e-3 of the
# range after three roundings.
HALF_MAX_ERROR = 4e-3
# What RESIZE_BILINEAR makes of random numbers where its half-precision coordinates go
# wrong: 0.12 to 0.25 and more.
WRONG_ERROR = 0.05


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 1, 1, 4), (1, 3, 8, 1)])
def test_equals_keras_bilinear_resize(factor, shape):
    images = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    size = (shape[1] * factor, shape[2] * factor)
    expected = np.asarray(keras.ops.image.resize(images, size, interpolation="bilinear"))
    np.testing.assert_allclose(
        np.asarray(BilinearUpsampling(factor)(images)), expected, rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_a_sum_is_that_of_the_upsampled(factor):
    random = np.random.default_rng(4)
    images, added = (
        random.random((2, 5 * scale, 7 * scale, 3), np.float32) for scale in (1, factor)
    )
    summed = np.asarray(UpsampledSum(factor)(images, added))
    np.testing.assert_allclose(
        summed, np.asarray(BilinearUpsampling(factor)(images)) + added, rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize("factor", [0, -2, 1.5, "2"])
def test_factor_must_be_a_positive_integer(factor):
    with pytest.raises(ValueError, match=r"factor must be a positive integer\. Received"):
        BilinearUpsampling(factor)


@pytest.mark.parametrize("shape", [(1, None, 8, 3), (1, 8, None, 3)])
def test_size_must_be_known(shape):
    with pytest.raises(ValueError, match=r"static height, width and channels\. Received"):
        BilinearUpsampling(2)(keras.Input(batch_shape=shape))


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("taps_of", [bilinear_taps, spline_taps])
def test_taps_keep_constants_and_slopes(taps_of, factor):
    rows, columns = np.mgrid[-1:7, -1:9].astype(np.float32)
    slope = (0.3 * rows - 0.2 * columns)[None, :, :, None]
    actual = np.asarray(upsample_extended(slope, taps_of(factor)))[0, :, :, 0]
    rows, columns = ((np.arange(size * factor) + 0.5) / factor - 0.5 for size in (6, 8))
    np.testing.assert_allclose(actual, 0.3 * rows[:, None] - 0.2 * columns, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("taps_of", "limit"), [(bilinear_taps, 2 / 12), (spline_taps, 3 / 12)])
def test_variance_tends_to_that_of_the_continuous_kernel(taps_of, limit):
    # A linear and a quadratic B-spline are two and three boxes of one pixel, each of variance 1/12.
    assert taps_variance(taps_of(64)) == pytest.approx(limit, rel=1e-3)


def test_saved_and_loaded_model_gives_the_same(tmp_path):
    image = keras.Input((6, 10, 3))
    model = keras.Model(image, BilinearUpsampling(4)(image))
    model.save(tmp_path / "upsampling.keras")
    images = np.random.default_rng(1).random((2, 6, 10, 3), np.float32)
    loaded = keras.saving.load_model(tmp_path / "upsampling.keras")
    assert model.output_shape == (None, 24, 40, 3)
    np.testing.assert_array_equal(np.asarray(loaded(images)), np.asarray(model(images)))


def _probe(layer, image_shape, folder):
    """The check of one layer in default precision, and its largest error over the trials."""
    from bokeh_tf.delegate.probing.probe import probe
    from bokeh_tf.tflite.conversion import convert

    image = keras.Input(image_shape, batch_size=1, name="image")
    path = folder / "upsampling.tflite"
    path.write_bytes(
        convert(keras.Model(image, layer(image), name="upsampling"), precision="float16")
    )
    report = probe(path, precisions=("default",))
    return report, max(output.difference.max_abs for output in report.precisions[0].outputs)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("factor", "image_shape"),
    [(4, (16, 512, 4)), (4, (512, 16, 4)), (2, (16, 1024, 4)), (8, (8, 256, 3))],
)
def test_right_on_the_delegate_in_half_precision(gpu, factor, image_shape, tmp_path):
    from bokeh_tf.delegate.probing.probe import Verdict

    report, max_error = _probe(BilinearUpsampling(factor), image_shape, tmp_path)
    assert report.verdict is Verdict.FULL, report
    assert max_error <= HALF_MAX_ERROR


@pytest.mark.gpu
def test_bilinear_resize_is_wrong_there(gpu, tmp_path):
    # The reason for BilinearUpsampling; once this fails, the delegate has been mended.
    report, max_error = _probe(
        keras.layers.Resizing(64, 2048, interpolation="bilinear"), (16, 512, 4), tmp_path
    )
    assert max_error > WRONG_ERROR or report.adapter_has_float16 is False
