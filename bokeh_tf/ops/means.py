"""Means over the rows and columns of float32 images `[B, H, W, C]`, `[B, 1, 1, C]`.

The classic delegate's OpenGL half has a kernel of its own for means over heights and widths that
are multiples of 8: it adds up the first 64 rows and columns alone, and where there are fewer it
writes beyond its memory. So cells of 8 x 8 pixels are averaged first, as long as it would choose
that kernel; in half precision such a mean of means also keeps more bits than one long sum.
"""

from keras import ops

_TILE_PX = 8


def picture_means(images):
    """Returns the mean of each channel, `[B, 1, 1, C]`."""
    while _is_tiled(images.shape[1:3]):
        images = ops.average_pool(images, _TILE_PX, strides=_TILE_PX, padding="valid")
    return ops.mean(images, axis=(1, 2), keepdims=True)


def _is_tiled(size_px):
    return None not in size_px and all(length_px % _TILE_PX == 0 for length_px in size_px)
