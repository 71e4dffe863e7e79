"""Half-precision error of convolutions and matrix products, computed at a few output values.

The delegates add these tap by tap in half, so the error grows with the number of taps and a partial
sum can overflow although the result would fit. Computing a whole layer so would take minutes; some
values of it take milliseconds and tell the same. Tensors are NHWC; weights as in the file:
[O,H,W,I], depthwise [1,H,W,O].
"""

from dataclasses import dataclass

import numpy as np

from bokeh_tf.delegate.audit.half_precision import LARGEST, accumulate, rounded

_SEED = 11
_POSITIONS = 24
_CHANNELS = 16
# A longer sum is cut here: its error is settled by then, and memory stays within
# a few hundred megabytes.
_MOST_TAPS = 32_768
# Half precision has no relative accuracy below its smallest normal number.
_SMALLEST_SCALE = 2.0**-14
_BOUNDS = {
    "RELU": (0.0, np.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}


@dataclass(frozen=True)
class Accumulation:
    """Sums of one node at the sampled outputs.

    `error` is the root mean square error of half precision there, relative to `scale`; infinite
    where a result that fits into half does not come out finite. `largest_partial` is the
    largest partial sum in half.
    """

    taps: int
    error: float
    largest_partial: float


def convolution(node, arrays, output, *, scale, saturates=False) -> Accumulation | None:
    """Samples CONV_2D, DEPTHWISE_CONV_2D or TRANSPOSE_CONV; None where the
    shapes are not those of one.

    Args:
        arrays: the node's inputs in the file's order, None for absent ones.
        output: its output; of its values only the extremes are looked for.
        scale: what the error is relative to.
        saturates: the output is quantised, so that sums beyond its range end at its edge.
    """
    sampled = convolution_products(node, arrays, output)
    if sampled is None:
        return None
    low, high = _BOUNDS.get(node.options.get("fused_activation", "NONE"), (-np.inf, np.inf))
    bounds = (output.min(), output.max()) if saturates else (low, high)
    return _judged(sampled.products, sampled.offset, bounds, scale)


@dataclass(frozen=True)
class Products:
    """What a convolution adds at some outputs: `products` [N, channels, taps] in the order of
    addition, rounded factors in float32; `offset` the bias; `places` (batch, row, column) and
    `channels` say which outputs these are.
    """

    products: np.ndarray
    offset: np.ndarray | float
    places: tuple[np.ndarray, ...]
    channels: np.ndarray


def convolution_products(node, arrays, output) -> Products | None:
    """The products of `convolution`, for the same arguments."""
    # TRANSPOSE_CONV: output shape, weights, image, bias; the others: image, weights, bias.
    order = (2, 1, 3) if node.name == "TRANSPOSE_CONV" else (0, 1, 2)
    image, weights, bias = (arrays[place] if place < len(arrays) else None for place in order)
    if (
        image is None
        or weights is None
        or any(a.ndim != 4 or a.size == 0 for a in (image, weights, output))
    ):
        return None
    generator = np.random.default_rng(_SEED)
    places = _positions(output, generator)
    patches = _patches(node, image, weights, output, places)
    is_depthwise = node.name == "DEPTHWISE_CONV_2D"
    by_output = np.moveaxis(weights[0], -1, 0)[..., None] if is_depthwise else weights
    channels = _channels(by_output, generator)
    products = rounded(_inputs_of(patches, channels, by_output, is_depthwise)) * rounded(
        by_output[channels]
    )
    products = products.reshape(len(patches), len(channels), -1)[..., :_MOST_TAPS]
    offset = 0.0 if bias is None or bias.size != len(by_output) else bias.reshape(-1)[channels]
    return Products(products, offset, places, channels)


def matrix_product(node, arrays, output, *, scale, saturates=False) -> Accumulation | None:
    """Samples BATCH_MATMUL; arguments and result as for `convolution`."""
    left, right = arrays[:2]
    if any(array is None or array.ndim < 2 or array.size == 0 for array in (left, right, output)):
        return None
    left = np.swapaxes(left, -1, -2) if node.options.get("adj_x") else left
    right = np.swapaxes(right, -1, -2) if node.options.get("adj_y") else right
    generator = np.random.default_rng(_SEED)
    # The first matrix of a batch stands for all.
    left, right = left.reshape(-1, *left.shape[-2:])[0], right.reshape(-1, *right.shape[-2:])[0]
    if left.shape[1] != right.shape[0]:
        return None
    rows = generator.integers(0, left.shape[0], _POSITIONS)
    columns = generator.integers(0, right.shape[1], _CHANNELS)
    products = (
        rounded(left[rows])[:, None, :_MOST_TAPS]
        * rounded(right[:, columns].T)[None, :, :_MOST_TAPS]
    )
    return _judged(
        products, 0.0, (output.min(), output.max()) if saturates else (-np.inf, np.inf), scale
    )


def _positions(output, generator):
    """Some output pixels at random, and those of the largest and the smallest value."""
    size = output.shape[:3]
    flat = generator.integers(0, int(np.prod(size)), _POSITIONS)
    extremes = np.array([output.argmax(), output.argmin()]) // output.shape[3]
    return np.unravel_index(np.concatenate([flat, extremes]), size)


def _channels(weights, generator):
    """Some output channels: the one with the largest weights, and others at random."""
    count = len(weights)
    if count <= _CHANNELS:
        return np.arange(count)
    largest = np.abs(weights.reshape(count, -1)).sum(axis=1).argmax()
    return np.unique(np.append(generator.choice(count, _CHANNELS - 1, replace=False), largest))


def _patches(node, image, weights, output, positions):
    """The inputs [N, kernel height, kernel width, channels] that each output pixel
    sees, zero outside the image.
    """
    batches, *starts = positions
    indices, inside = [], []
    for axis, name in ((1, "h"), (2, "w")):
        taps = np.arange(weights.shape[axis])
        stride = node.options.get(f"stride_{name}", 1)
        dilation = node.options.get(f"dilation_{name}_factor", 1)
        sizes = image.shape[axis], output.shape[axis]
        if node.name == "TRANSPOSE_CONV":
            total = (sizes[0] - 1) * stride + len(taps) - sizes[1]
            place = starts[axis - 1][:, None] + _before(total, node) - taps
            index, is_tap = place // stride, place % stride == 0
        else:
            total = (sizes[1] - 1) * stride + (len(taps) - 1) * dilation + 1 - sizes[0]
            index = starts[axis - 1][:, None] * stride - _before(total, node) + taps * dilation
            is_tap = np.ones_like(index, bool)
        inside.append(is_tap & (index >= 0) & (index < sizes[0]))
        indices.append(np.clip(index, 0, sizes[0] - 1))
    patches = image[batches[:, None, None], indices[0][:, :, None], indices[1][:, None, :]]
    return patches * (inside[0][:, :, None] & inside[1][:, None, :])[..., None]


def _before(total, node):
    return max(total, 0) // 2 if node.options.get("padding", "SAME") == "SAME" else 0


def _inputs_of(patches, channels, weights, is_depthwise):
    """For each sampled output channel the inputs it sees: [N, channels, kernel
    height, kernel width, inputs].
    """
    if is_depthwise:
        own = channels // max(1, len(weights) // patches.shape[3])
        return np.moveaxis(patches[..., own], -1, 1)[..., None]
    width = weights.shape[3]
    if width == patches.shape[3]:
        return patches[:, None]
    group = channels // max(1, len(weights) * width // patches.shape[3])
    return np.stack([patches[..., g * width : (g + 1) * width] for g in group], axis=1)


def _judged(products, offset, bounds, scale):
    low, high = bounds
    sums, largest_partial = accumulate(products)
    exact = np.clip(products.astype(np.float64).sum(axis=-1) + offset, low, high)
    with np.errstate(over="ignore", invalid="ignore"):
        actual = np.clip(rounded(sums + rounded(offset)), low, high)
        difference = np.abs(actual - exact)
    fits = np.abs(exact) <= LARGEST
    error = 0.0
    if fits.any():
        finite = np.isfinite(difference[fits]).all()
        error = (
            float(np.sqrt(np.mean(difference[fits] ** 2))) / max(scale, _SMALLEST_SCALE)
            if finite
            else np.inf
        )
    return Accumulation(products.shape[-1], error, largest_partial)


SAMPLERS = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": convolution,
    "TRANSPOSE_CONV": convolution,
    "BATCH_MATMUL": matrix_product,
}
