"""Largest values over the rows and columns of float32 images `[B, H, W, C]`, `[B, 1, 1, C]`.

The classic delegate's OpenGL half has no kernel for maxima and minima over axes, but one for
poolings: a large one of its cells of 8 x 8 pixels first, and of what is left at once. What a
minimum is for, do by its negative.
"""

from keras import ops

_CELL_PX = 8


def picture_maxima(images):
    """Returns the largest value of each channel, `[B, 1, 1, C]`; height and width must be static."""
    if None in images.shape[1:3]:
        raise ValueError(f"images must have static height and width. Received: {images.shape}")
    while all(length_px % _CELL_PX == 0 for length_px in images.shape[1:3]):
        images = ops.max_pool(images, _CELL_PX, strides=_CELL_PX, padding="valid")
    return ops.max_pool(images, tuple(images.shape[1:3]), strides=1, padding="valid")
