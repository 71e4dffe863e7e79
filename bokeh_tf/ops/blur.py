"""Gaussian blurs of float32 images `[B, H, W, C]`, in the forms a phone's GPU delegate runs whole and right.

Kernel sizes are odd and in pixels; `sigma_px` defaults to OpenCV's rule for the size. Borders mirror
without repeating the edge pixel (`REFLECT`, OpenCV's `BORDER_REFLECT_101`), the only mirror the
delegate accepts.
"""

import keras
import numpy as np
from keras import ops

from bokeh_tf.ops.resize import spline_taps, taps_variance, upsample_extended


def default_sigma_px(kernel_size_px):
    """Standard deviation that OpenCV gives a Gaussian kernel of this size: 0.3 * ((k - 1) / 2 - 1) + 0.8."""
    return 0.3 * ((kernel_size_px - 1) * 0.5 - 1) + 0.8


def gaussian_kernel(kernel_size_px, sigma_px=None):
    """One-dimensional Gaussian weights, float64 `[kernel_size_px]`, with sum 1."""
    if kernel_size_px < 1 or kernel_size_px % 2 == 0:
        raise ValueError(f"kernel_size_px must be a positive odd number. Received: {kernel_size_px}")
    sigma_px = default_sigma_px(kernel_size_px) if sigma_px is None else sigma_px
    if sigma_px <= 0:
        raise ValueError(f"sigma_px must be positive. Received: {sigma_px}")
    offsets_px = np.arange(kernel_size_px) - kernel_size_px // 2
    weights = np.exp(-0.5 * (offsets_px / sigma_px) ** 2)
    return weights / weights.sum()


def _depthwise(images, weights, *, axis):
    """Correlates every channel with the one-dimensional `weights` along `axis` (1 rows, 2 columns), no padding."""
    shape = (-1, 1, 1, 1) if axis == 1 else (1, -1, 1, 1)
    kernel = np.tile(np.reshape(weights, shape), (1, 1, images.shape[-1], 1)).astype("float32")
    return ops.depthwise_conv(images, ops.convert_to_tensor(kernel), padding="valid")


def _blur_padded(images, weights):
    """Separable correlation of images that are already padded by half a kernel on each side."""
    return _depthwise(_depthwise(images, weights, axis=1), weights, axis=2)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class SeparableGaussianBlur(keras.layers.Layer):
    """Exact Gaussian blur: REFLECT padding, then a vertical and a horizontal depthwise convolution.

    Args:
        kernel_size_px: odd size; the image must be larger than half of it.
        sigma_px: standard deviation, default `default_sigma_px(kernel_size_px)`.
    """

    def __init__(self, kernel_size_px, sigma_px=None, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.kernel_size_px = kernel_size_px
        self.sigma_px = default_sigma_px(kernel_size_px) if sigma_px is None else sigma_px
        self._weights_1d = gaussian_kernel(kernel_size_px, self.sigma_px)

    def call(self, images):
        """Returns the blurred images, same shape."""
        radius_px = self.kernel_size_px // 2
        padded = ops.pad(images, [[0, 0], [radius_px, radius_px], [radius_px, radius_px], [0, 0]], mode="reflect")
        return _blur_padded(padded, self._weights_1d)

    def compute_output_shape(self, input_shape):
        """Same as the input's."""
        return input_shape

    def get_config(self):
        """Kernel size and sigma."""
        return {**super().get_config(), "kernel_size_px": self.kernel_size_px, "sigma_px": self.sigma_px}


# The bank's shared first step averages cells of this many pixels; the least sigma that survives it well is as large.
CELL_PX = 4
# Standard deviations a decimated blur needs per pixel of its grid: below, the grid's images and aliases show.
_SIGMAS_PER_GRID_PX = 0.85
# Columns that share one pixel's channels in a row correlation.
_MAX_GROUP = 32


@keras.saving.register_keras_serializable(package="bokeh_tf")
class GaussianBlurBank(keras.layers.Layer):
    """Gaussian blurs of one image with several large kernels, computed on coarse grids that share their first step.

    The image, mirrored beyond its border, is averaged in cells of 4 x 4 pixels. Each kernel then blurs the cells,
    with a step of one or two cells as its sigma allows, and a quadratic spline brings the result back to pixels.
    Averaging and spline blur too, so the Gaussian in between has what variance remains.

    Against the exact blur: at least 55 dB on photographs, the whole image including its border. Costs at most 12
    multiply-accumulates per pixel and channel and kernel for three channels (`upsample_extended` is 9 of them).

    Args:
        kernel_sizes_px: odd sizes with a sigma of at least 3.4 pixels; 25 and more with the default sigmas.
        sigmas_px: one standard deviation per size, default `default_sigma_px` of each.
    """

    def __init__(self, kernel_sizes_px=(25, 45, 75), sigmas_px=None, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.kernel_sizes_px = tuple(kernel_sizes_px)
        self.sigmas_px = tuple(sigmas_px or map(default_sigma_px, self.kernel_sizes_px))
        if len(self.sigmas_px) != len(self.kernel_sizes_px):
            raise ValueError(f"one sigma per kernel size. Received: {self.sigmas_px} for {self.kernel_sizes_px}.")
        if min(self.sigmas_px) < CELL_PX * _SIGMAS_PER_GRID_PX:
            raise ValueError(
                f"sigmas_px must be at least {CELL_PX * _SIGMAS_PER_GRID_PX}; blur exactly below. "
                f"Received: {self.sigmas_px}"
            )

    def call(self, images):
        """Returns a list of blurred images, one per kernel size, each of the input's shape."""
        steps = [_grid_step_cells(sigma_px, images.shape) for sigma_px in self.sigmas_px]
        kernels = [_cell_kernel(sigma_px, step) for sigma_px, step in zip(self.sigmas_px, steps, strict=True)]
        margin_cells = max(map(_margin_cells, kernels, steps))
        cells = ops.transpose(_mirrored_cells(images, margin_cells), (0, 2, 1, 3))
        return [
            _blur_cells(cells, kernel, step, margin_cells=margin_cells)
            for kernel, step in zip(kernels, steps, strict=True)
        ]

    def compute_output_shape(self, input_shape):
        """The input's shape, once per kernel size."""
        return [input_shape for _ in self.kernel_sizes_px]

    def get_config(self):
        """Kernel sizes and sigmas."""
        return {**super().get_config(), "kernel_sizes_px": self.kernel_sizes_px, "sigmas_px": self.sigmas_px}


def _grid_step_cells(sigma_px, image_shape):
    """Cells per grid point, 1 or 2."""
    _, height, width, _ = image_shape
    if height % CELL_PX or width % CELL_PX:
        raise ValueError(f"height and width must be multiples of {CELL_PX}. Received: {height}x{width}")
    coarse_px = 2 * CELL_PX
    fits = height % coarse_px == 0 and width % coarse_px == 0
    return 2 if fits and sigma_px >= coarse_px * _SIGMAS_PER_GRID_PX else 1


def _cell_kernel(sigma_px, step):
    """Weights on the cells around a grid point: an odd number of them for step 1, an even number for step 2."""
    spent_px2 = (CELL_PX**2 - 1) / 12 + taps_variance(spline_taps(step * CELL_PX)) * (step * CELL_PX) ** 2
    sigma_cells = np.sqrt(sigma_px**2 - spent_px2) / CELL_PX
    radius_cells = int(np.ceil(2.75 * sigma_cells))
    offsets = np.arange(-radius_cells, radius_cells + 1) if step == 1 else np.arange(-radius_cells, radius_cells) + 0.5
    weights = np.exp(-0.5 * (offsets / sigma_cells) ** 2)
    return weights / weights.sum()


def _margin_cells(kernel, step):
    """Cells beyond the image that the grid point just beyond the border needs."""
    return step + (len(kernel) - step) // 2


def _mirrored_cells(images, margin_cells):
    """Means of 4 x 4 pixels of the images reflected beyond their border by `margin_cells` cells: as if padded first."""
    width_px, margin_px = images.shape[2], margin_cells * CELL_PX
    if min(images.shape[1:3]) <= margin_px:
        raise ValueError(f"height and width must exceed {margin_px} pixels. Received: {images.shape[1:3]}")
    left = _cells_with_mirrored_rows(images[:, :, 1 : 1 + margin_px], margin_cells)
    right = _cells_with_mirrored_rows(images[:, :, width_px - 1 - margin_px : width_px - 1], margin_cells)
    middle = _cells_with_mirrored_rows(images, margin_cells)
    return ops.concatenate([_reversed(left, axis=2), middle, _reversed(right, axis=2)], axis=2)


def _cells_with_mirrored_rows(images, margin_cells):
    # Reflection leaves the edge row out, so the cells beyond the border are those of the image shifted by one row.
    height_px, margin_px = images.shape[1], margin_cells * CELL_PX
    top = _cell_means(images[:, 1 : 1 + margin_px])
    bottom = _cell_means(images[:, height_px - 1 - margin_px : height_px - 1])
    return ops.concatenate([_reversed(top, axis=1), _cell_means(images), _reversed(bottom, axis=1)], axis=1)


def _cell_means(images):
    return ops.average_pool(images, CELL_PX, strides=CELL_PX, padding="valid")


def _reversed(images, *, axis):
    """Reverses an axis by reflection: delegates refuse a reversing slice."""
    size = images.shape[axis]
    padding = [[0, 0] for _ in images.shape]
    padding[axis][0] = size - 1
    mirrored = ops.pad(images, padding, mode="reflect")
    return mirrored[:, :size] if axis == 1 else mirrored[:, :, :size]


def _blur_cells(cells, kernel, step, *, margin_cells):
    """Blurs transposed cells `[B, W, H, C]` with margins; returns `[B, H, W, C]` at full resolution, without."""
    spare_cells = margin_cells - _margin_cells(kernel, step)
    columns = cells[:, spare_cells : cells.shape[1] - spare_cells, spare_cells : cells.shape[2] - spare_cells]
    rows = ops.transpose(_blur_rows(columns, kernel, step), (0, 2, 1, 3))
    return upsample_extended(_blur_rows(rows, kernel, step), spline_taps(step * CELL_PX))


def _blur_rows(images, kernel, step):
    """Correlates along axis 1 with a step of one or two rows."""
    if step == 1:
        return _correlate_rows(images, kernel)
    _, height, width, channels = images.shape
    pairs = ops.reshape(images, (-1, height // 2, 2 * width, channels))
    return _correlate_rows(pairs[:, :, :width], kernel[0::2]) + _correlate_rows(pairs[:, :, width:], kernel[1::2])


def _correlate_rows(images, kernel):
    """Correlates along axis 1. Neighbouring columns go side by side as channels: full vector lanes, same result."""
    _, height, width, channels = images.shape
    group = next(size for size in range(_MAX_GROUP, 0, -1) if width % size == 0)
    grouped = ops.reshape(images, (-1, height, width // group, group * channels))
    return ops.reshape(_depthwise(grouped, kernel, axis=1), (-1, height - len(kernel) + 1, width, channels))
