"""The numbers that a picture gets: `METRICS` by name, and all those of a protocol at once."""

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bokeh_tf.errors import DataError, DependencyError
from bokeh_tf.evaluation.protocols import compared
from bokeh_tf.metrics import match_exposure, ms_ssim, psnr, ssim

# Of piq: what the shorter side has at least after whole squares of pixels were averaged, about.
_REDUCED_PX = 256
# MS-SSIM halves four times and wants its window of 11 pixels after that.
_LEAST_MS_SSIM_PX = 176


@dataclass(frozen=True)
class Metric:
    """A metric: its heading, digits after the point, a function of picture and
    truth (None for one with weights that somebody must bring), and which way is better.
    """

    heading: str
    digits: int
    compute: Callable | None
    is_smaller_better: bool = False


def reduced(picture):
    """A picture reduced as piq does before its SSIM: means of squares of
    `round(shorter side / 256)` pixels.
    """
    factor = max(1, round(min(picture.shape[:2]) / _REDUCED_PX))
    height, width = (side // factor * factor for side in picture.shape[:2])
    squares = picture[:height, :width].reshape(
        height // factor, factor, width // factor, factor, -1
    )
    return squares.mean(axis=(1, 3), dtype=np.float64)


def _in_unit_range(picture):
    return picture / 255 if picture.dtype == np.uint8 else picture.astype(np.float64)


def _ssim_reduced(picture, truth):
    return ssim(*(reduced(_in_unit_range(one)) for one in (picture, truth)), window="gaussian")


def _ms_ssim(picture, truth):
    return ms_ssim(picture, truth) if min(truth.shape[:2]) >= _LEAST_MS_SSIM_PX else None


def _matched(metric):
    return lambda picture, truth: metric(*match_exposure(picture, truth))


def _flip(picture, truth):
    flip_evaluator = require_flip()
    pair = [np.ascontiguousarray(_in_unit_range(one), np.float32) for one in (truth, picture)]
    _, mean, _ = flip_evaluator.evaluate(*pair, "LDR", applyMagma=False)
    return float(mean)


def require_flip():
    """The module that computes FLIP; `DependencyError` where it is not installed."""
    try:
        return importlib.import_module("flip_evaluator")
    except ImportError as error:
        raise DependencyError(
            'FLIP needs flip-evaluator. Run: pip install "bokeh-tf[perceptual]"'
        ) from error


# Its weights are the user's to bring, see `lpips`.
LPIPS = "lpips"
METRICS = {
    "psnr_db": Metric("PSNR, dB", 2, psnr),
    "ssim": Metric("SSIM 7x7", 4, ssim),
    "ssim_gaussian": Metric("SSIM Gaussian", 4, functools.partial(ssim, window="gaussian")),
    "ssim_reduced": Metric("SSIM reduced", 4, _ssim_reduced),
    "ms_ssim": Metric("MS-SSIM", 4, _ms_ssim),
    "psnr_matched_db": Metric("PSNR matched, dB", 2, _matched(psnr)),
    "ssim_matched": Metric("SSIM matched", 4, _matched(ssim)),
    # Andersson et al. 2020: what an eye sees at 67 pixels per degree when the
    # pictures alternate; 0 is alike.
    "flip": Metric("FLIP", 4, _flip, is_smaller_better=True),
    LPIPS: Metric("LPIPS", 4, None, is_smaller_better=True),
}
# Computed where they are asked for, as they take seconds a picture.
PERCEPTUAL = ("flip",)


def score(picture, truth, protocol, *, metrics=None, brought=None):
    """The scores of one picture by metric, None where it is too small for one.

    Args:
        picture: see `protocols.compared`.
        truth: uint8 `[H, W, 3]`.
        metrics: names of `METRICS`; all of the protocol's if None.
        brought: functions of picture and truth by the name of the metric, for those without one.

    Raises:
        DataError: sizes differ, too little is left inside the border, or the
            picture is the truth itself.
    """
    if picture.shape != truth.shape:
        sizes = " and ".join(f"{shape[0]}x{shape[1]}" for shape in (picture.shape, truth.shape))
        raise DataError(f"not as large as the truth ({sizes})")
    pair = compared(picture, truth, protocol)
    if min(pair[0].shape[:2]) < 2 * 11:
        raise DataError("too small for this protocol")
    if np.array_equal(*pair):
        # Its PSNR is infinite, and so would be every mean with it.
        raise DataError("the same picture as the truth")
    functions = {name: metric.compute for name, metric in METRICS.items()} | (brought or {})
    return {name: functions[name](*pair) for name in metrics or protocol.metrics}
