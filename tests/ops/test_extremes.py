"""Maxima over pictures against NumPy's."""

import keras
import numpy as np
import pytest

from bokeh_tf.ops.extremes import picture_maxima


@pytest.mark.parametrize("size_px", [(9, 14), (16, 24), (8, 8), (64, 8), (128, 192), (24, 9)])
def test_maxima_are_numpys_for_every_image_and_channel(size_px):
    images = np.random.default_rng(1).normal(size=(2, *size_px, 4)).astype(np.float32)
    expected = images.max(axis=(1, 2), keepdims=True)
    np.testing.assert_array_equal(np.asarray(picture_maxima(images)), expected)


def test_negative_values_are_not_cut():
    images = np.full((1, 9, 14, 1), -3, np.float32)
    assert np.asarray(picture_maxima(images)).item() == -3


def test_an_unknown_size_is_refused():
    with pytest.raises(ValueError, match=r"static height and width\. Received: \(None, None, 16"):
        picture_maxima(keras.Input((None, 16, 3)))
