"""`bokeh_tf.tflite.running.parity` against numbers worked out by hand and against scikit-image."""

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from bokeh_tf.tflite.running.agreement import Difference
from bokeh_tf.tflite.running.parity import compare


def test_errors_worked_out_by_hand():
    difference = compare(np.array([0.0, 0.5, 1.0, 0.0]), np.array([0.0, 0.5, 0.8, 0.0]))
    assert difference.max_abs == pytest.approx(0.2)
    assert difference.mean_abs == pytest.approx(0.05)
    # Root mean square 0.1 of a range of 1: 20 dB.
    assert difference.psnr_db == pytest.approx(20.0)
    assert difference.non_finite_count == 0


@pytest.mark.parametrize("data_range", [1.0, 2.0, 255.0])
def test_psnr_equals_scikit_image(data_range):
    generator = np.random.default_rng(3)
    expected = generator.random((5, 7, 3)) * data_range
    actual = expected + generator.normal(0, 0.01 * data_range, expected.shape)
    reference = peak_signal_noise_ratio(expected, actual, data_range=data_range)
    assert compare(actual, expected, data_range=data_range).psnr_db == pytest.approx(
        reference, abs=1e-9
    )


def test_equal_arrays_have_infinite_psnr():
    assert compare(np.ones((2, 3)), np.ones((2, 3))) == Difference(0.0, 0.0, math.inf, 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", ["actual", "expected", "both"])
def test_no_number_stands_for_values_that_are_not_finite(bad, side):
    clean, dirty = np.zeros(6), np.array([0, 0, bad, 0, bad, 0])
    pair = {"actual": (dirty, clean), "expected": (clean, dirty), "both": (dirty, dirty)}[side]
    difference = compare(*pair)
    assert difference.non_finite_count == 2
    assert all(
        math.isnan(value) for value in (difference.max_abs, difference.mean_abs, difference.psnr_db)
    )


def test_unsigned_bytes_do_not_wrap_around():
    assert compare(np.array([0], np.uint8), np.array([255], np.uint8)).max_abs == 255


@pytest.mark.parametrize(
    ("actual", "expected", "data_range", "message"),
    [
        (np.zeros(3), np.zeros(4), 1.0, "one shape"),
        (np.zeros((3, 1)), np.zeros((1, 3)), 1.0, "one shape"),
        (np.zeros(0), np.zeros(0), 1.0, "at least one element"),
        (np.zeros(3), np.zeros(3), 0.0, "data_range"),
        (np.zeros(3), np.zeros(3), math.nan, "data_range"),
    ],
)
def test_refuses_what_cannot_be_compared(actual, expected, data_range, message):
    with pytest.raises(ValueError, match=message):
        compare(actual, expected, data_range=data_range)
