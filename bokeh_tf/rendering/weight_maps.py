"""The in-focus weight W0: estimating it where a model does not tell it, and enlarging
it along the photo's edges.
"""

import cv2
import numpy as np

# Side of the window over which the sharpness of a rendering is compared with
# the photo's, in pixels.
_WINDOW_PX = 9
# Detail weaker than this (root mean square, of a range of 1) says too little about sharpness; the
# estimate then leans on a wider neighbourhood. A quarter of an 8-bit step.
_FAINT_DETAIL = 0.25 / 255

# Half side of the window in which the weight is explained by colour. Small: only edges that lie
# where the weight's own edge lies shall attract it.
_EDGE_RADIUS_PX = 2
# Variance of colour below which a difference counts as noise: a standard deviation of 0.01.
_EDGE_VARIANCE = 1e-4
# Where the weight varies less than this within the window there is no edge to sharpen.
_FLAT_WEIGHT = 2 / 255


def estimate_in_focus_weight(image, rendered):
    """How much of the fine detail of `image` is left in `rendered`, for models that do not say.

    In each window the weight is the least-squares factor from the high-pass of `image` to the
    high-pass of `rendered`, all channels together. Windows with little detail lean on windows four
    times as wide, those on still wider ones, and the widest on the whole picture.

    Args:
        image, rendered: `[h, w, 3]` float32.

    Returns:
        `[h, w]` float32 in [0, 1].
    """
    detail, rendered_detail = _high_pass(image), _high_pass(rendered)
    shared = (detail * rendered_detail).sum(axis=2)
    power = (detail * detail).sum(axis=2)
    total = float(power.sum(dtype=np.float64))
    weight = np.float32(shared.sum(dtype=np.float64) / total) if total > 0 else np.float32(1)
    faint = np.float32(3 * _FAINT_DETAIL**2)
    for window in (16 * _WINDOW_PX, 4 * _WINDOW_PX, _WINDOW_PX):
        mean_shared, mean_power = (
            cv2.blur(values, (window, window), borderType=cv2.BORDER_REFLECT)
            for values in (shared, power)
        )
        weight = (mean_shared + faint * weight) / (mean_power + faint)
    return np.clip(weight, 0, 1).astype(np.float32)


def edge_model(image, in_focus_weight):
    """Explains the weight by the colours around it, so that it can be enlarged
    with the photo's own edges.

    This is a guided filter with a colour guide: in each window the weight is the least-squares
    linear function of the colour. The function is smooth where the weight is not, so it can be
    enlarged and then applied to the colours of the full-resolution photo.

    Args:
        image: `[h, w, 3]` float32 in [0, 1].
        in_focus_weight: `[h, w]` float32 in [0, 1].

    Returns:
        `[h, w, 6]` float32: three factors for the colours, a constant, and the smallest and the
        largest weight near the pixel, between which the enlarged weight must stay. So it cannot
        invent a subject where there is none, and is exactly 1 wherever it was 1 all around.
    """
    window = np.ones((2 * _EDGE_RADIUS_PX + 1,) * 2, np.uint8)
    lowest, highest = cv2.erode(in_focus_weight, window), cv2.dilate(in_focus_weight, window)
    mean_colour, mean_weight = _edge_mean(image), _edge_mean(in_focus_weight)
    shared = _edge_mean(image * in_focus_weight[..., None]) - mean_colour * mean_weight[..., None]
    edges = np.nonzero(highest - lowest > _FLAT_WEIGHT)
    factors = np.zeros_like(image)
    factors[edges] = np.linalg.solve(
        _colour_covariance(image, mean_colour, edges), shared[edges][..., None]
    )[..., 0]
    constant = mean_weight - (factors * mean_colour).sum(axis=2)
    smooth = _edge_mean(np.dstack([factors, constant]))
    return np.dstack([smooth, lowest, highest])


def _colour_covariance(image, mean_colour, positions):
    """Covariances of the colours in the windows around `positions`, `[N, 3, 3]`,
    the noise variance added.
    """
    result = np.empty((len(positions[0]), 3, 3))
    for first in range(3):
        for second in range(first, 3):
            product = _edge_mean(image[..., first] * image[..., second])
            covariance = product - mean_colour[..., first] * mean_colour[..., second]
            result[:, first, second] = result[:, second, first] = covariance[positions]
    result[:, range(3), range(3)] += _EDGE_VARIANCE
    return result


def _edge_mean(values):
    return cv2.blur(values, (2 * _EDGE_RADIUS_PX + 1,) * 2, borderType=cv2.BORDER_REFLECT)


def _high_pass(image):
    return image - cv2.blur(image, (3, 3), borderType=cv2.BORDER_REFLECT)
