"""What a backend computed against what the CPU computed on the same inputs."""

import math
from collections.abc import Container

import numpy as np

from bokeh_tf.bench.results.measurement import OutputComparison
from bokeh_tf.tflite.running.agreement import OutputKind, failure_reason, output_scale
from bokeh_tf.tflite.running.parity import compare


def compare_outputs(
    actual, expected, names, *, is_coarse, quantised: Container[int] = ()
) -> tuple[OutputComparison, ...]:
    """Compares outputs by tensor index, judged by the limits of the delegate's check.

    Args:
        quantised: those whose integers stand for real values.
        is_coarse: the backend rounds inside, in half precision or because the model is quantised.
    """
    return tuple(
        _compare(names[index], actual[index], array, is_coarse, index in quantised)
        for index, array in expected.items()
        if array.size and array.dtype.kind in "fiub"
    )


def _compare(name, actual, expected, is_coarse, is_quantised):
    if actual.shape != expected.shape:
        return OutputComparison(
            name, None, None, 0, f"shape {list(actual.shape)}, not {list(expected.shape)}"
        )
    scale = output_scale(expected, None)
    is_integer = not np.issubdtype(expected.dtype, np.floating)
    difference = compare(actual, expected, data_range=scale)
    kind = OutputKind(
        scale=scale,
        is_integer=is_integer,
        is_quantised=is_quantised,
        other_share=float(np.mean(actual != expected)),
    )
    return OutputComparison(
        name=name,
        psnr_db=_finite(difference.psnr_db),
        max_abs=_finite(difference.max_abs),
        non_finite_count=difference.non_finite_count,
        problem=failure_reason(difference, kind, is_coarse=is_coarse),
    )


def _finite(value):
    return value if math.isfinite(value) else None
