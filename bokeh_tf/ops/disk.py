"""Blurs of float32 images `[B, H, W, C]` with soft disks, the shape that a defocused lens
gives to a point of light.

A disk of odd size k has the radius r = (k - 1) / 2, and at (x, y) from its middle the weight 1/2
+ 1/2 tanh((r² - x² - y²) / 4 + 1/2), divided by the sum of all: one inside, half where x² + y² =
r² + 2, and zero soon after. Borders mirror without repeating the edge pixel, the only mirror
that GPU delegates accept.
"""

import keras
import numpy as np
from keras import ops

from bokeh_tf.ops.resize import BilinearUpsampling

# From these sizes on a decimated disk is computed on every second, and on every fourth, pixel.
_HALVED_FROM_PX = 21
_QUARTERED_FROM_PX = 45


def soft_disk_kernel(size_px):
    """Weights of the disk, float64 `[size_px, size_px]`, with sum 1."""
    if size_px < 1 or size_px % 2 == 0:
        raise ValueError(f"size_px must be a positive odd number. Received: {size_px}")
    radius_px = size_px // 2
    y, x = np.mgrid[-radius_px : radius_px + 1, -radius_px : radius_px + 1]
    weights = 0.5 + 0.5 * np.tanh(0.25 * (radius_px**2 - x**2 - y**2) + 0.5)
    return weights / weights.sum()


def decimation(size_px):
    """Pixels per point, along both axes, of the grid on which a decimated disk
    of this size is computed.
    """
    return 4 if size_px >= _QUARTERED_FROM_PX else 2 if size_px >= _HALVED_FROM_PX else 1


def decimated_disk_kernel(size_px):
    """The disk's weights gathered in square cells of `decimation(size_px)` pixels, with sum 1.

    The middle cell lies around the disk's middle; a pixel on the line between two cells
    counts for both by its area.
    """
    cell_px, radius_px = decimation(size_px), size_px // 2
    reach = int(np.ceil((radius_px + 0.5) / cell_px - 0.5))
    pixels, cells = (
        np.arange(-radius_px, radius_px + 1),
        np.arange(-reach, reach + 1)[:, None] * cell_px,
    )
    first = np.maximum(pixels - 0.5, cells - cell_px / 2)
    last = np.minimum(pixels + 0.5, cells + cell_px / 2)
    shares = np.maximum(last - first, 0)
    return shares @ soft_disk_kernel(size_px) @ shares.T


def _correlate(images, kernel):
    """Correlates every channel with `kernel` `[k, k]`, mirrored at the border."""
    radius = len(kernel) // 2
    if min(images.shape[1:3]) <= radius:
        raise ValueError(f"height and width must exceed {radius}. Received: {images.shape[1:3]}")
    padded = ops.pad(images, [[0, 0], [radius, radius], [radius, radius], [0, 0]], mode="reflect")
    weights = np.tile(kernel[:, :, None, None], (1, 1, images.shape[-1], 1)).astype("float32")
    return ops.depthwise_conv(
        padded, ops.convert_to_tensor(weights, dtype=images.dtype), padding="valid"
    )


@keras.saving.register_keras_serializable(package="bokeh_tf")
class SoftDiskBlur(keras.layers.Layer):
    """Blur with a soft disk: exact, at size_px² multiply-accumulates per pixel
    and channel, or decimated.

    Decimated, a large disk is a small one on means of 2x2 or 4x4 pixels, enlarged bilinearly:
    eight to a hundred times fewer multiply-accumulates, and right in half precision, which
    loses bits in a long sum. Its rim is softer by about a cell. Height and width are then
    multiples of `decimation(size_px)`.

    Args:
        size_px: odd; the image must be larger than half of it.
    """

    def __init__(self, size_px, is_decimated=False, **kwargs):
        super().__init__(**kwargs)
        self.size_px = size_px
        self.is_decimated = is_decimated
        self._cell_px = decimation(size_px) if is_decimated else 1
        self._kernel = (
            soft_disk_kernel(size_px) if self._cell_px == 1 else decimated_disk_kernel(size_px)
        )

    def call(self, images):
        """Returns the blurred images, same shape."""
        if self._cell_px == 1:
            return _correlate(images, self._kernel)
        if any(size % self._cell_px for size in images.shape[1:3]):
            raise ValueError(
                f"height and width must be multiples of {self._cell_px}. Received:"
                f" {images.shape[1:3]}"
            )
        cells = ops.average_pool(images, self._cell_px, strides=self._cell_px, padding="valid")
        return BilinearUpsampling(self._cell_px, name="upsampling")(_correlate(cells, self._kernel))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "size_px": self.size_px, "is_decimated": self.is_decimated}
