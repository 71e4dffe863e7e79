"""Full-reference image metrics on NumPy images `[H, W]` or `[H, W, C]`, uint8 or float.

The data range follows the type: 255 for uint8, 1 for float (images in [0, 1]). Both images must
have the same shape and kind of type. A value that is not finite is refused, never averaged away.

There are two SSIM in the literature and they differ by about 0.02 on the same photographs:
`window="uniform"` (7x7, sample covariance: scikit-image's default, the EBB! papers) and
`window="gaussian"` (11x11, sigma 1.5, population covariance: Wang et al. 2004, tf.image.ssim). Both
use only windows that lie wholly inside the image, take colour channels one by one and average them.

Exposure and white balance move both metrics more than blur does: `match_exposure` takes them
out before they are taken.
"""

import cv2
import numpy as np

SSIM_WINDOWS = ("uniform", "gaussian")
_UNIFORM_SIZE_PX = 7
_GAUSSIAN_SIZE_PX = 11
_GAUSSIAN_SIGMA_PX = 1.5
# Wang, Simoncelli and Bovik 2003: the five scales of MS-SSIM, finest first.
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_K1, _K2 = 0.01, 0.03


def psnr(actual, expected):
    """Peak signal-to-noise ratio in dB over all pixels and channels; `inf` for identical images."""
    actual, expected, data_range = _checked(actual, expected)
    mean_squared_error = np.mean(np.square(actual - expected))
    if mean_squared_error == 0:
        return float("inf")
    return float(10 * np.log10(data_range**2 / mean_squared_error))


def ssim(actual, expected, *, window="uniform"):
    """Mean structural similarity, at most 1 (identical).

    Args:
        window: `"uniform"` or `"gaussian"`; see the module's docstring. Results
            of the two do not compare.
    """
    if window not in SSIM_WINDOWS:
        raise ValueError(
            f"Unknown SSIM window. Received: {window!r}. Known: {', '.join(SSIM_WINDOWS)}"
        )
    actual, expected, data_range = _checked(actual, expected)
    weights = _window_weights(window)
    if min(actual.shape[:2]) < len(weights):
        size = f"{actual.shape[0]}x{actual.shape[1]}"
        raise ValueError(
            f"SSIM needs images of at least {len(weights)} px on each side. Received: {size}"
        )
    covariance_scale = 1.0
    if window == "uniform":
        pixels = _UNIFORM_SIZE_PX**2
        covariance_scale = pixels / (pixels - 1)
    channels = zip(np.moveaxis(actual, 2, 0), np.moveaxis(expected, 2, 0), strict=True)
    return float(
        np.mean([_ssim_plane(a, e, weights, covariance_scale, data_range)[0] for a, e in channels])
    )


def ms_ssim(actual, expected):
    """Multi-scale structural similarity (Wang et al. 2003), with Gaussian windows;
    both sides at least 176 px.

    As in `tf.image.ssim_multiscale`: five scales, halved by means of 2x2 pixels,
    negative factors counting as 0.
    """
    actual, expected, data_range = _checked(actual, expected)
    weights = _window_weights("gaussian")
    least_px = len(weights) * 2 ** (len(_SCALE_WEIGHTS) - 1)
    if min(actual.shape[:2]) < least_px:
        size = f"{actual.shape[0]}x{actual.shape[1]}"
        raise ValueError(
            f"MS-SSIM needs images of at least {least_px} px on each side. Received: {size}"
        )
    channels = zip(np.moveaxis(actual, 2, 0), np.moveaxis(expected, 2, 0), strict=True)
    return float(np.mean([_ms_ssim_plane(a, e, weights, data_range) for a, e in channels]))


def match_exposure(actual, expected):
    """Both images as float64 in [0, 1], `actual` with one gain and one offset per
    channel that bring it nearest.

    Least squares over all pixels of a channel, then clipped to the range. What differs
    after that is not exposure.
    """
    actual, expected, data_range = _checked(actual, expected)
    means = [image.mean(axis=(0, 1)) for image in (actual, expected)]
    deviations = actual - means[0]
    variances = np.mean(np.square(deviations), axis=(0, 1))
    covariances = np.mean(deviations * (expected - means[1]), axis=(0, 1))
    # A flat channel has no gain; its offset alone is fitted.
    gains = np.divide(covariances, variances, out=np.zeros_like(variances), where=variances > 0)
    matched = np.clip(deviations * gains + means[1], 0, data_range)
    return matched / data_range, expected / data_range


def _ms_ssim_plane(actual, expected, weights, data_range):
    product = 1.0
    for scale, exponent in enumerate(_SCALE_WEIGHTS):
        if scale:
            actual, expected = _halved(actual), _halved(expected)
        similarity, structure = _ssim_plane(actual, expected, weights, 1.0, data_range)
        factor = similarity if scale == len(_SCALE_WEIGHTS) - 1 else structure
        product *= max(factor, 0.0) ** exponent
    return product


def _halved(plane):
    """Means of 2x2 pixels; an odd last row or column is repeated."""
    plane = np.pad(plane, [(0, size % 2) for size in plane.shape], mode="edge")
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4


def _checked(actual, expected):
    """Both images as float64 `[H, W, C]`, and their data range."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape or actual.ndim not in (2, 3) or actual.size == 0:
        raise ValueError(
            f"Images must be [H, W] or [H, W, C] and of one shape. Received: {actual.shape} and"
            f" {expected.shape}"
        )
    ranges = {_data_range(actual.dtype), _data_range(expected.dtype)}
    if len(ranges) > 1:
        raise ValueError(
            f"Images must both be uint8 or both be float. Received: {actual.dtype} and"
            f" {expected.dtype}"
        )
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    if not (np.isfinite(actual).all() and np.isfinite(expected).all()):
        raise ValueError("Images must be finite. Received: NaN or infinite values")
    if actual.ndim == 2:
        actual, expected = actual[..., None], expected[..., None]
    return actual, expected, ranges.pop()


def _data_range(dtype):
    if dtype == np.uint8:
        return 255.0
    if np.issubdtype(dtype, np.floating):
        return 1.0
    raise ValueError(f"Images must be uint8 or float. Received: {dtype}")


def _window_weights(window):
    """One-dimensional weights with sum 1; the window is their outer product."""
    if window == "uniform":
        return np.full(_UNIFORM_SIZE_PX, 1 / _UNIFORM_SIZE_PX)
    offsets_px = np.arange(_GAUSSIAN_SIZE_PX) - _GAUSSIAN_SIZE_PX // 2
    weights = np.exp(-0.5 * (offsets_px / _GAUSSIAN_SIGMA_PX) ** 2)
    return weights / weights.sum()


def _local_mean(plane, weights):
    """Weighted mean of every window that lies wholly inside `plane`."""
    margin = len(weights) // 2
    means = cv2.sepFilter2D(plane, cv2.CV_64F, weights, weights, borderType=cv2.BORDER_REFLECT_101)
    return means[margin : len(plane) - margin, margin : plane.shape[1] - margin]


def _ssim_plane(actual, expected, weights, covariance_scale, data_range):
    """Mean SSIM of one channel, `[H, W]` float64, and the mean of its
    contrast and structure alone.
    """
    mean_actual, mean_expected = _local_mean(actual, weights), _local_mean(expected, weights)
    variance_actual = covariance_scale * (_local_mean(actual**2, weights) - mean_actual**2)
    variance_expected = covariance_scale * (_local_mean(expected**2, weights) - mean_expected**2)
    covariance = covariance_scale * (
        _local_mean(actual * expected, weights) - mean_actual * mean_expected
    )
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = (2 * mean_actual * mean_expected + c1) / (mean_actual**2 + mean_expected**2 + c1)
    structure = (2 * covariance + c2) / (variance_actual + variance_expected + c2)
    return np.mean(luminance * structure), np.mean(structure)
