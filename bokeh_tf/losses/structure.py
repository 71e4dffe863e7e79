"""Structural similarity as a loss: 1 - SSIM and 1 - MS-SSIM of pictures `[B, H, W, C]`
in [0, 1], one value each.

The windows are Gaussian, 11x11 with sigma 1.5, wholly inside the picture (Wang et al. 2004), as in
`tf.image.ssim` and `bokeh_tf.metrics.ssim(window="gaussian")`.
"""

import numpy as np
from keras import ops

WINDOW_PX = 11
_SIGMA_PX = 1.5
_C1, _C2 = 0.01**2, 0.03**2
# Wang, Simoncelli and Bovik 2003: weights of the five scales, finest first.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# A window must fit at the coarsest scale.
LEAST_MS_SSIM_PX = WINDOW_PX * 2 ** (len(SCALE_WEIGHTS) - 1)
# A fractional power has no finite slope at 0.
_LEAST_FACTOR = 1e-6


def ssim(expected, actual):
    """1 - SSIM: 0 for identical pictures, at most 2."""
    _require_size(expected, WINDOW_PX, "SSIM")
    similarity, _ = _similarity_and_contrast(expected, actual)
    return 1 - ops.mean(similarity, axis=-1)


def ms_ssim(expected, actual):
    """1 - MS-SSIM over five scales; both sides must be at least 176 px. Negative
    factors count as (nearly) 0.
    """
    _require_size(expected, LEAST_MS_SSIM_PX, "MS-SSIM")
    product = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            expected, actual = _halved(expected), _halved(actual)
        similarity, contrast = _similarity_and_contrast(expected, actual)
        factor = similarity if scale == len(SCALE_WEIGHTS) - 1 else contrast
        product = product * ops.maximum(factor, _LEAST_FACTOR) ** weight
    return 1 - ops.mean(product, axis=-1)


def _similarity_and_contrast(expected, actual):
    """SSIM and its contrast-structure part per picture and channel, `[B, C]`."""
    channels = expected.shape[-1]
    maps = [expected, actual, expected**2 + actual**2, expected * actual]
    means = _window_means(ops.concatenate(maps, axis=-1))
    mean_expected, mean_actual, squares, product = (
        means[..., first : first + channels] for first in range(0, 4 * channels, channels)
    )
    mean_squares, mean_product = mean_expected**2 + mean_actual**2, mean_expected * mean_actual
    contrast = (2 * (product - mean_product) + _C2) / (squares - mean_squares + _C2)
    similarity = (2 * mean_product + _C1) / (mean_squares + _C1) * contrast
    return ops.mean(similarity, axis=(1, 2)), ops.mean(contrast, axis=(1, 2))


def _window_means(maps):
    offsets_px = np.arange(WINDOW_PX) - WINDOW_PX // 2
    weights = np.exp(-0.5 * (offsets_px / _SIGMA_PX) ** 2)
    kernel = np.tile(
        (weights / weights.sum())[:, None, None, None], (1, 1, maps.shape[-1], 1)
    ).astype("float32")
    rows = ops.depthwise_conv(maps, ops.convert_to_tensor(kernel), padding="valid")
    return ops.depthwise_conv(
        rows, ops.convert_to_tensor(kernel.transpose(1, 0, 2, 3)), padding="valid"
    )


def _halved(pictures):
    """Means of 2x2 pixels; an odd last row or column is repeated."""
    _, height, width, _ = pictures.shape
    if height % 2:
        pictures = ops.concatenate([pictures, pictures[:, -1:]], axis=1)
    if width % 2:
        pictures = ops.concatenate([pictures, pictures[:, :, -1:]], axis=2)
    # On JAX, Keras fails to derive the strides from the size.
    return ops.average_pool(pictures, 2, strides=2)


def _require_size(pictures, least_px, name):
    if min(pictures.shape[1:3]) < least_px:
        size = f"{pictures.shape[1]}x{pictures.shape[2]}"
        raise ValueError(
            f"{name} needs pictures of at least {least_px} px on each side. Received: {size}"
        )
