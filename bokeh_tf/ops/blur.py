"""Gaussian blurs of float32 images `[B, H, W, C]`, in the forms a phone's GPU
delegate runs whole and right.

Kernel sizes are odd and in pixels; `sigma_px` defaults to OpenCV's rule for the size. Borders
mirror without repeating the edge pixel (`REFLECT`, OpenCV's `BORDER_REFLECT_101`), the only
mirror the delegate accepts.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from bokeh_tf.ops.resize import spline_taps, taps_variance, upsample_columns


def default_sigma_px(kernel_size_px):
    """Standard deviation that OpenCV gives a Gaussian kernel of this size: 0.3
    * ((k - 1) / 2 - 1) + 0.8.
    """
    return 0.3 * ((kernel_size_px - 1) * 0.5 - 1) + 0.8


def gaussian_kernel(kernel_size_px, sigma_px=None):
    """One-dimensional Gaussian weights, float64 `[kernel_size_px]`, with sum 1."""
    _require_odd(kernel_size_px)
    sigma_px = default_sigma_px(kernel_size_px) if sigma_px is None else sigma_px
    if sigma_px <= 0:
        raise ValueError(f"sigma_px must be positive. Received: {sigma_px}")
    offsets_px = np.arange(kernel_size_px) - kernel_size_px // 2
    weights = np.exp(-0.5 * (offsets_px / sigma_px) ** 2)
    return weights / weights.sum()


def _require_odd(kernel_size_px):
    if kernel_size_px < 1 or kernel_size_px % 2 == 0:
        raise ValueError(
            f"kernel_size_px must be a positive odd number. Received: {kernel_size_px}"
        )


def _require_larger_than(images, limit_px):
    height_px, width_px = images.shape[1:3]
    if height_px is None or width_px is None or min(height_px, width_px) <= limit_px:
        raise ValueError(
            f"height and width must exceed {limit_px} pixels. Received: {height_px}x{width_px}"
        )


def _depthwise(images, weights, *, axis, step=1):
    """Correlates every channel with the one-dimensional `weights` along `axis` (1
    rows, 2 columns), no padding.
    """
    shape = (-1, 1, 1, 1) if axis == 1 else (1, -1, 1, 1)
    kernel = np.tile(np.reshape(weights, shape), (1, 1, images.shape[-1], 1)).astype("float32")
    return ops.depthwise_conv(
        images, ops.convert_to_tensor(kernel, dtype=images.dtype), strides=step, padding="valid"
    )


def _blur_padded(images, weights):
    """Separable correlation of images that are already padded by half a kernel on each side."""
    return _depthwise(_depthwise(images, weights, axis=2), weights, axis=1)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class SeparableGaussianBlur(keras.layers.Layer):
    """Exact Gaussian blur: REFLECT padding, then a horizontal and a vertical depthwise convolution.

    Costs twice the kernel size in multiply-accumulates per pixel and channel. Needs
    a static height and width.

    Args:
        kernel_size_px: odd size; the image must be larger than half of it.
        sigma_px: standard deviation, default `default_sigma_px(kernel_size_px)`.
    """

    def __init__(self, kernel_size_px, sigma_px=None, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size_px = kernel_size_px
        self.sigma_px = default_sigma_px(kernel_size_px) if sigma_px is None else sigma_px
        self._weights_1d = gaussian_kernel(kernel_size_px, self.sigma_px)

    def call(self, images):
        """Returns the blurred images, same shape."""
        radius_px = self.kernel_size_px // 2
        _require_larger_than(images, radius_px)
        padded = ops.pad(
            images, [[0, 0], [radius_px, radius_px], [radius_px, radius_px], [0, 0]], mode="reflect"
        )
        return _blur_padded(padded, self._weights_1d)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_size_px": self.kernel_size_px,
            "sigma_px": self.sigma_px,
        }


# The bank's fine grid averages cells of this many pixels; its coarse grid has a
# point for every two cells.
CELL_PX = 4
_COARSE_STEP = 2
# Cells to coarse points, along each axis: binomial, because halving folds what it leaves
# of the high frequencies.
_COARSE_TAPS = np.array([1, 5, 10, 10, 5, 1]) / 32
# Cells that a coarse point takes in beyond its own two, on either side.
_COARSE_REACH = (len(_COARSE_TAPS) - _COARSE_STEP) // 2
# Standard deviations a blur needs, per pixel of its grid's spacing: below, the grid's
# images and aliases show.
_SIGMAS_PER_GRID_PX = 0.85
# Taps of a kernel that are smaller than this, relative to its middle one, are left out.
_LEAST_TAP = 0.0025
# Columns that share one position's channels in a correlation of rows.
_MAX_GROUP = 32


@keras.saving.register_keras_serializable(package="bokeh_tf")
class GaussianBlurBank(keras.layers.Layer):
    """Gaussian blurs of one image with several large kernels, computed on coarse
    grids that all of them share.

    The image, mirrored beyond its border, is averaged in cells of 4 x 4 pixels, and the cells are
    halved once more for the larger sigmas. Each kernel blurs the coarsest grid its sigma allows,
    and a quadratic spline brings the result back to pixels. Averaging, halving and spline blur too:
    the Gaussian in between has the variance that remains.

    Against the exact blur of 25 px and more: at least 55 dB on photographs, border and all; less on
    one that is sharp to the last pixel, and about 35 dB, relative to the blurred peak, on single
    bright pixels: the means alias them. Cost for three channels at 1024 x 1536: at most 12.5
    multiply-accumulates per pixel, channel and kernel, of which the last upsampling takes 9.
    Smaller images pay relatively more for the margins beyond their border. Right in half precision
    to 2e-3 of the range at any width.

    Height and width are static multiples of 4 (of 8 for speed). An image needs about 50
    pixels along either axis.

    Args:
        kernel_sizes_px: odd sizes, 21 and more with the default sigmas. A size only sets the sigma:
            the Gaussians are not cut off at it, so it must leave room for five sigmas.
        sigmas_px: one standard deviation per size, default `default_sigma_px` of each.
    """

    def __init__(self, kernel_sizes_px=(25, 45, 75), sigmas_px=None, **kwargs):
        super().__init__(**kwargs)
        self.kernel_sizes_px = tuple(kernel_sizes_px)
        for size_px in self.kernel_sizes_px:
            _require_odd(size_px)
        self.sigmas_px = tuple(
            map(default_sigma_px, kernel_sizes_px) if sigmas_px is None else sigmas_px
        )
        if len(self.sigmas_px) != len(self.kernel_sizes_px):
            raise ValueError(
                f"one sigma per kernel size. Received: {self.sigmas_px} for {self.kernel_sizes_px}."
            )
        least_px = CELL_PX * _SIGMAS_PER_GRID_PX
        if min(self.sigmas_px) < least_px:
            raise ValueError(
                f"sigmas_px must be at least {least_px}; blur exactly below. Received:"
                f" {self.sigmas_px}"
            )
        if any(
            size < 5 * sigma
            for size, sigma in zip(self.kernel_sizes_px, self.sigmas_px, strict=True)
        ):
            raise ValueError(
                f"kernel_sizes_px must be at least five sigmas. Received: {self.kernel_sizes_px},"
                f" {self.sigmas_px}"
            )

    def call(self, images):
        """Returns a list of blurred images, one per kernel size, each of the input's shape."""
        plans = [_plan(sigma_px, images.shape) for sigma_px in self.sigmas_px]
        margin_cells = max(plan.margin_cells for plan in plans)
        cells = _mirrored_cells(images, margin_cells)
        grids = {1: (cells, margin_cells)}
        if any(plan.step == _COARSE_STEP for plan in plans):
            grids[_COARSE_STEP] = _coarse_grid(cells, margin_cells)
        return [_blur_grid(*grids[plan.step], plan) for plan in plans]

    def compute_output_shape(self, input_shape):
        """The input's shape, once per kernel size."""
        return [input_shape for _ in self.kernel_sizes_px]

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_sizes_px": self.kernel_sizes_px,
            "sigmas_px": self.sigmas_px,
        }


@dataclass(frozen=True)
class _Plan:
    """How one kernel is computed: on the grid with a point every `step` cells, with
    these `weights` on its points.
    """

    step: int
    weights: np.ndarray

    @property
    def margin_points(self):
        """Grid points beyond the image's border: the weights' half width,
        and one for the upsampling.
        """
        return len(self.weights) // 2 + 1

    @property
    def margin_cells(self):
        """Cells beyond the border from which those points come."""
        return (
            self.margin_points
            if self.step == 1
            else _COARSE_STEP * self.margin_points + _COARSE_REACH
        )


def _plan(sigma_px, image_shape):
    height, width = image_shape[1:3]
    if height is None or width is None or height % CELL_PX or width % CELL_PX:
        raise ValueError(
            f"height and width must be static multiples of {CELL_PX}. Received: {height}x{width}"
        )
    coarse_px = _COARSE_STEP * CELL_PX
    is_coarse = (
        height % coarse_px == 0
        and width % coarse_px == 0
        and sigma_px >= coarse_px * _SIGMAS_PER_GRID_PX
    )
    step = _COARSE_STEP if is_coarse else 1
    spacing_px = step * CELL_PX
    spent_px2 = (CELL_PX**2 - 1) / 12 + taps_variance(spline_taps(spacing_px)) * spacing_px**2
    if is_coarse:
        spent_px2 += _variance(_COARSE_TAPS) * CELL_PX**2
    return _Plan(step, _gaussian_of_variance((sigma_px**2 - spent_px2) / spacing_px**2))


def _variance(weights):
    offsets = np.arange(len(weights)) - (len(weights) - 1) / 2
    return float(np.sum(weights * offsets**2) / np.sum(weights))


def _gaussian_of_variance(variance):
    """Gaussian weights of exactly this variance: sampling and truncating a
    narrow Gaussian change its own.
    """
    sigma = np.sqrt(variance)
    radius = int(np.ceil(sigma * np.sqrt(-2 * np.log(_LEAST_TAP)))) - 1
    for _ in range(20):
        weights = gaussian_kernel(2 * radius + 1, sigma)
        sigma *= np.sqrt(variance / _variance(weights))
    return weights


def _mirrored_cells(images, margin_cells):
    """Means of 4 x 4 pixels of the images reflected beyond their border by `margin_cells`
    cells: as if padded first.
    """
    width_px, margin_px = images.shape[2], margin_cells * CELL_PX
    _require_larger_than(images, margin_px)
    left = _cells_with_mirrored_rows(images[:, :, 1 : 1 + margin_px], margin_cells)
    right = _cells_with_mirrored_rows(
        images[:, :, width_px - 1 - margin_px : width_px - 1], margin_cells
    )
    middle = _cells_with_mirrored_rows(images, margin_cells)
    return ops.concatenate([_reversed(left, axis=2), middle, _reversed(right, axis=2)], axis=2)


def _cells_with_mirrored_rows(images, margin_cells):
    # Reflection leaves the edge row out, so the cells beyond the border are those of the
    # image shifted by one row.
    height_px, margin_px = images.shape[1], margin_cells * CELL_PX
    top = _cell_means(images[:, 1 : 1 + margin_px])
    bottom = _cell_means(images[:, height_px - 1 - margin_px : height_px - 1])
    return ops.concatenate(
        [_reversed(top, axis=1), _cell_means(images), _reversed(bottom, axis=1)], axis=1
    )


def _cell_means(images):
    return ops.average_pool(images, CELL_PX, strides=CELL_PX, padding="valid")


def _reversed(images, *, axis):
    """The rows (axis 1) or columns (2), last first: delegates refuse a slice that reverses, but
    what mirrors beyond the first row is just that.
    """
    size = images.shape[axis]
    padding = [[0, 0] for _ in images.shape]
    padding[axis] = [size - 1, 0]
    mirrored = ops.pad(images, padding, mode="reflect")
    return mirrored[:, :size] if axis == 1 else mirrored[:, :, :size]


def _coarse_grid(cells, margin_cells):
    """One point for every two cells, along both axes, and how many of the
    points lie beyond the border.
    """
    if margin_cells % _COARSE_STEP:
        cells, margin_cells = cells[:, 1:-1, 1:-1], margin_cells - 1
    width, channels = cells.shape[2:]
    rows = _correlate_rows(cells, _COARSE_TAPS, group=width, step=_COARSE_STEP)
    pairs = ops.reshape(rows, (-1, rows.shape[1], width // _COARSE_STEP, _COARSE_STEP * channels))
    kernel = np.kron(_COARSE_TAPS[:, None], np.eye(channels)).reshape(
        1, -1, _COARSE_STEP * channels, channels
    )
    points = ops.conv(pairs, ops.convert_to_tensor(kernel, dtype=pairs.dtype), padding="valid")
    return points, (margin_cells - _COARSE_REACH) // _COARSE_STEP


def _blur_grid(grid, margin_points, plan):
    """Blurs a grid with margins; returns `[B, H, W, C]` at the image's resolution."""
    if spare := margin_points - plan.margin_points:
        grid = grid[:, spare:-spare, spare:-spare]
    rows = _correlate_rows(grid, plan.weights, group=grid.shape[2])
    blurred = blur_columns(rows, plan.weights)
    return _upsample(blurred, spline_taps(plan.step * CELL_PX))


def _upsample(images, taps):
    """What `upsample_extended` computes, with each phase of the rows by one convolution, as
    `blur_rows` has it, instead of sums of shifted rows.
    """
    _, extended_height, width, channels = images.shape
    group = _group(width)
    grouped = ops.reshape(images, (-1, extended_height, width // group, group * channels))
    phases = [_depthwise(grouped, weights, axis=1) for weights in taps]
    height = (extended_height - 2) * len(taps)
    rows = ops.reshape(ops.concatenate(phases, axis=2), (-1, height, width, channels))
    return upsample_columns(rows, taps)


def blur_rows(images, weights):
    """Correlates along axis 1 with odd `weights`, without padding.

    Neighbouring columns go side by side as channels, which fills a processor's vector lanes.
    """
    return _correlate_rows(images, weights, group=_group(images.shape[2]))


def _group(width):
    """The largest number of columns, `_MAX_GROUP` at most, that the width is a multiple of."""
    return next(size for size in range(_MAX_GROUP, 0, -1) if width % size == 0)


def _correlate_rows(images, weights, *, group, step=1):
    """Correlates along axis 1; a `step` of rows needs the whole row as one `group` of columns."""
    _, height, width, channels = images.shape
    grouped = ops.reshape(images, (-1, height, width // group, group * channels))
    correlated = _depthwise(grouped, weights, axis=1, step=step)
    return ops.reshape(correlated, (-1, correlated.shape[1], width, channels))


def blur_columns(images, weights):
    """Correlates along axis 2 with odd `weights`, without padding.

    A dense convolution, of pairs of columns where the width is even.
    """
    _, height, width, channels = images.shape
    group = 1 if width % 2 else 2
    positions = (len(weights) + group - 1) // group
    taps = np.zeros((positions * group, group))
    for column in range(group):
        taps[column : column + len(weights), column] = weights
    kernel = np.kron(taps, np.eye(channels)).reshape(
        1, positions, group * channels, group * channels
    )
    grouped = ops.reshape(images, (-1, height, width // group, group * channels))
    blurred = ops.conv(grouped, ops.convert_to_tensor(kernel, dtype=grouped.dtype), padding="valid")
    return ops.reshape(blurred, (-1, height, width - len(weights) + 1, channels))
