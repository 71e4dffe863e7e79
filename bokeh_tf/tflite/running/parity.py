"""How far two results of the same computation are apart.

Works on any shape and on any real dtype (compared in float64). A position where either side is not
finite is counted, and then every error of the pair is NaN: no number can stand for such a pair.
"""

import math

import numpy as np

from bokeh_tf.tflite.running.agreement import Difference, psnr_db


def compare(actual, expected, *, data_range=1.0) -> Difference:
    """Compares two arrays of one shape.

    Args:
        data_range: the full width of the values (peak to peak), which `psnr_db` refers to.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        raise ValueError(
            f"arrays of one shape. Received: {list(actual.shape)} and {list(expected.shape)}."
        )
    if not data_range > 0 or not math.isfinite(data_range):
        raise ValueError(f"data_range must be positive and finite. Received: {data_range}.")
    if actual.size == 0:
        raise ValueError(f"arrays with at least one element. Received: shape {list(actual.shape)}.")
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    non_finite_count = int(np.count_nonzero(~(np.isfinite(actual) & np.isfinite(expected))))
    if non_finite_count:
        return Difference(math.nan, math.nan, math.nan, non_finite_count)
    error = np.abs(actual - expected)
    root_mean_square = math.sqrt(float(np.mean(np.square(error))))
    found_db = psnr_db(root_mean_square, data_range)
    return Difference(float(error.max()), float(error.mean()), found_db, 0)
