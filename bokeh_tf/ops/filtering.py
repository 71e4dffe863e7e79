"""Edge-aware and masked filters of float32 maps and images `[B, H, W, C]`, written to
stay right in half precision.

Nothing here divides by less than a stated floor, differences are taken of numbers centred on zero,
and every average is a pooling mean, never a sum.
"""

import numpy as np
from keras import ops

from bokeh_tf.ops.blur import blur_columns, blur_rows, gaussian_kernel


def luminance(images):
    """Rec. 601 luma of RGB images, `[B, H, W, 1]`."""
    weights = np.reshape([0.299, 0.587, 0.114], (1, 1, 3, 1)).astype("float32")
    return ops.conv(images, ops.convert_to_tensor(weights, dtype=images.dtype))


def box_mean(images, radius_px):
    """Mean over the square of (2 `radius_px` + 1)² pixels, over the part
    inside the image at its border.
    """
    side_px = 2 * radius_px + 1
    columns = ops.average_pool(images, (1, side_px), strides=1, padding="same")
    return ops.average_pool(columns, (side_px, 1), strides=1, padding="same")


def guided_filter(weights, guide, *, radius_px, epsilon):
    """Sharpens the map `weights` `[B, H, W, 1]` along the edges of `guide` `[B, H, W, 1]`.

    The guided filter of He et al. (2010), eq. 5-8. Covariances do not depend on where zero is: with
    it in the middle of the range, E[g²] - E[g]² keeps in half precision the small variances that
    `epsilon` is compared with.

    Args:
        radius_px: the window has a side of 2 `radius_px` + 1.
        epsilon: guide variance below which the map is just smoothed; at least
            1e-4, half precision's reach.
    """
    if epsilon < 1e-4:
        raise ValueError(
            f"epsilon must be at least 1e-4 to survive half precision. Received: {epsilon}"
        )
    weights, guide = weights - 0.5, guide - 0.5
    # Means are taken of maps side by side as channels: four cost hardly more than one.
    moments = box_mean(
        ops.concatenate([weights, guide, guide * weights, guide * guide], axis=-1), radius_px
    )
    mean_weights, mean_guide, mean_product, mean_square = (
        moments[..., i : i + 1] for i in range(4)
    )
    variance = ops.relu(mean_square - mean_guide * mean_guide)
    slope = (mean_product - mean_guide * mean_weights) / (variance + epsilon)
    line = box_mean(ops.concatenate([slope, mean_weights - slope * mean_guide], axis=-1), radius_px)
    return ops.clip(line[..., :1] * guide + line[..., 1:] + 0.5, 0.0, 1.0)


def gaussian_blur_inside(images, sigma_px):
    """Separable Gaussian of each channel with zeros beyond the border; cut at three sigma.

    Meant for premultiplied images whose last channel is the mask itself: dividing by the blurred
    mask then takes the border, like everything masked, out of the mean.
    """
    radius_px = max(1, int(np.ceil(3 * sigma_px)))
    weights = gaussian_kernel(2 * radius_px + 1, sigma_px)
    margins_px = [radius_px, radius_px]
    padded = ops.pad(images, [[0, 0], margins_px, margins_px, [0, 0]])
    return blur_columns(blur_rows(padded, weights), weights)
