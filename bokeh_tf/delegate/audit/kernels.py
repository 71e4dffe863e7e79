"""Rules of the half-precision audit that repeat what a kernel of the delegate does: sums of
convolutions and matrix products, coordinates of resizing, logits of a softmax. Each takes a `Run`
and a node and yields findings.
"""

import numpy as np

from bokeh_tf.delegate.audit.findings import Severity, number
from bokeh_tf.delegate.audit.half_precision import (
    LARGEST,
    bilinear_coordinates,
    coordinate_errors_px,
)
from bokeh_tf.tflite.running.agreement import DEFAULT_MIN_PSNR_DB

# Root mean square, relative: at the error the probe calls the same output
# wrong in default precision.
_ACCUMULATION_ERROR = 10 ** (-DEFAULT_MIN_PSNR_DB / 20)
_ACCUMULATION_WARNING = _ACCUMULATION_ERROR / 4
_MARGIN = 4
# A coordinate that is off by less moves edges less than anyone sees; x4 at 512, off
# by 1/8, is plainly wrong.
_RESIZE_WARNING_PX, _RESIZE_ERROR_PX = 1 / 32, 1 / 8
# A competitor so far below the winner that it cannot catch up.
_CONTESTED = 8.0
_SOFTMAX_ERROR = 0.05
_MOST_ROWS = 20_000
_MOST_LINES = 64


def accumulation(run, node):
    """Sums that lose too much, or overflow on the way to a result that would fit."""
    sums = run.sums(node)
    peak = run.spread(node.outputs[0]).peak if sums is not None else 0.0
    if sums is None or max(peak, *(run.spread(tensor).peak for tensor in node.inputs)) > LARGEST:
        return
    if sums.largest_partial > LARGEST / _MARGIN >= peak or sums.largest_partial > LARGEST:
        overflows = sums.largest_partial > LARGEST and sums.error >= _ACCUMULATION_ERROR
        yield run.finding(
            "fp16.partial_sum",
            node,
            severity=Severity.ERROR if overflows else Severity.WARNING,
            value=min(sums.largest_partial, np.finfo(np.float32).max),
            limit=LARGEST if overflows else LARGEST / _MARGIN,
            reason=f"a partial sum of {sums.taps} taps reaches {number(sums.largest_partial)} in"
            " half precision, "
            f"the result {number(peak)}",
            predicted_error=np.inf if overflows else None,
        )
    elif sums.error >= _ACCUMULATION_WARNING:
        yield run.finding(
            "fp16.accumulation",
            node,
            severity=Severity.ERROR if sums.error >= _ACCUMULATION_ERROR else Severity.WARNING,
            value=sums.error,
            limit=_ACCUMULATION_WARNING,
            reason=f"adding {sums.taps} taps in half precision is off by {number(sums.error)} of"
            " the range "
            "(root mean square over sampled outputs)",
            predicted_error=sums.error,
        )


def resize(run, node):
    """RESIZE_BILINEAR whose coordinates are too large for half precision."""
    image, output = (
        (run.values(tensors[0]) for tensors in (node.inputs, node.outputs))
        if node.inputs
        else (None, None)
    )
    if (
        node.name != "RESIZE_BILINEAR"
        or image is None
        or output is None
        or image.ndim != 4
        or output.ndim != 4
    ):
        return
    mode = {name: bool(node.options.get(name)) for name in ("half_pixel_centers", "align_corners")}
    errors_px = [
        coordinate_errors_px(image.shape[axis], output.shape[axis], **mode) for axis in (1, 2)
    ]
    worst_px = float(sum(errors.max() for errors in errors_px))
    if worst_px < _RESIZE_WARNING_PX:
        return
    sizes = " to ".join("x".join(map(str, array.shape[1:3])) for array in (image, output))
    scale = run.spread(node.inputs[0]).scale
    parts = [_moved(image, axis, errors_px[axis - 1], output.shape[axis], mode) for axis in (1, 2)]
    predicted = sum(parts) / scale if scale > 0 else 0.0
    yield run.finding(
        "fp16.resize",
        node,
        severity=Severity.ERROR if worst_px >= _RESIZE_ERROR_PX else Severity.WARNING,
        value=worst_px,
        limit=_RESIZE_WARNING_PX,
        reason=f"{sizes}: coordinates in half precision are off by up to {number(worst_px)} input"
        " pixels; "
        f"{number(predicted)} of the range on these samples",
        predicted_error=predicted,
    )


def _moved(image, axis, errors_px, size_out, mode):
    """Largest change of the output when coordinates move along an axis, from the steps
    between some input lines.
    """
    lines = np.moveaxis(image[0], axis - 1, 0)
    lines = lines.reshape(len(lines), -1)
    lines = lines[:, :: max(1, lines.shape[1] // _MOST_LINES)]
    if len(lines) < 2:
        return 0.0
    steps = np.abs(np.diff(lines, axis=0)).max(axis=1)
    place = np.floor(bilinear_coordinates(len(lines), size_out, **mode)).astype(int)
    return float((errors_px * steps[np.clip(place, 0, len(steps) - 1)]).max())


def softmax(run, node):
    """Softmax over logits so large that close competitors cannot be told apart."""
    logits = run.values(node.inputs[0]) if node.name == "SOFTMAX" else None
    if logits is None or logits.ndim == 0 or logits.shape[-1] < 2:
        return
    rows = logits.reshape(-1, logits.shape[-1])
    rows = rows[:: max(1, len(rows) // _MOST_ROWS)]
    best = np.partition(rows, -2, axis=-1)[:, -2:]
    contested = best[
        (best[:, 1] - best[:, 0] < _CONTESTED) & (np.abs(best) <= LARGEST).all(axis=-1)
    ]
    if not contested.size:
        return
    largest = float(np.abs(contested).max())
    # Two logits, each off by half a step; the slope of a softmax is 1/4 at most.
    error = min(1.0, float(np.spacing(np.float16(largest))) / 4)
    if error >= _SOFTMAX_ERROR:
        yield run.finding(
            "fp16.softmax",
            node,
            severity=Severity.WARNING,
            value=largest,
            limit=256,
            reason=f"competing logits of {number(largest)} are rounded to steps of"
            f" {number(4 * error)}: "
            f"probabilities are off by up to {number(error)}",
            predicted_error=error,
        )


RULES = (accumulation, resize, softmax)
