"""Means over pictures against NumPy's in double precision."""

import keras
import numpy as np
import pytest

from bokeh_tf.ops.means import picture_means

# Float32 means of values of order one.
TOLERANCE = 1e-6


@pytest.mark.parametrize("size_px", [(9, 14), (16, 24), (8, 8), (64, 8), (128, 192), (24, 9)])
def test_means_are_numpys_for_every_image_and_channel(size_px):
    images = np.random.default_rng(1).random((2, *size_px, 4), np.float32)
    expected = images.astype(np.float64).mean(axis=(1, 2), keepdims=True)
    actual = np.asarray(picture_means(images))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


def test_a_size_may_be_unknown():
    assert picture_means(keras.Input((None, 16, 3))).shape == (None, 1, 1, 3)
