"""Changes of one example, dictionary in, dictionary out: framing, sizes, flips and rotations.

An example holds "image" and "target", and maps such as "depth", as arrays `[H, W, C]` of one height
and width, uint8 or float32; what else it holds, such as conditions, passes through. A transform
makes all arrays of an example follow the same change, draws what it draws from the NumPy generator
it is given, and leaves its argument as it was.
"""

import cv2
import numpy as np

AUGMENTATIONS = ("horizontal", "vertical", "rotate")
# By how many quarters of a turn, counterclockwise as NumPy counts them.
_ROTATIONS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}


def random_crop(example, random, *, shape):
    """A random window of (height, width) `shape`; an example that is
    too small is enlarged first.
    """
    height, width = example["image"].shape[:2]
    scale = max(1.0, shape[0] / height, shape[1] / width)
    if scale > 1:
        height, width = max(shape[0], round(height * scale)), max(shape[1], round(width * scale))
        example = resize(example, shape=(height, width))
    top = int(random.integers(height - shape[0] + 1))
    left = int(random.integers(width - shape[1] + 1))
    return _on_pictures(
        example, lambda picture: picture[top : top + shape[0], left : left + shape[1]]
    )


def resize(example, *, shape):
    """All of the example at (height, width) `shape`, whatever that does to its proportions."""
    return _on_pictures(example, lambda picture: resized(picture, shape))


def augment(example, random, *, kinds):
    """Each of the `kinds` of `AUGMENTATIONS`, at random; a rotation of an oblong example
    is by 180 degrees or none.
    """
    if "horizontal" in kinds and random.random() < 0.5:
        example = _on_pictures(example, lambda picture: _with_channels(cv2.flip(picture, 1)))
    if "vertical" in kinds and random.random() < 0.5:
        example = _on_pictures(example, lambda picture: _with_channels(cv2.flip(picture, 0)))
    if "rotate" in kinds:
        height, width = example["image"].shape[:2]
        quarters = int(random.integers(4)) if height == width else 2 * int(random.integers(2))
        if quarters:
            example = _on_pictures(
                example, lambda picture: _with_channels(cv2.rotate(picture, _ROTATIONS[quarters]))
            )
    return example


def resized(picture, shape):
    """A picture `[H, W, C]` at (height, width) `shape`: means of areas where it
    shrinks, bilinear where it grows.

    What shrinks to less than half, and not by whole factors, is halved first: parts of pixels take
    long to average. Edges of areas move by that by at most half a pixel.
    """
    height, width = picture.shape[:2]
    is_whole = height % shape[0] == width % shape[1] == 0
    while (
        not is_whole
        and height >= 2 * shape[0]
        and width >= 2 * shape[1]
        and height % 2 == width % 2 == 0
    ):
        height, width = height // 2, width // 2
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    if (height, width) != tuple(shape):
        is_smaller = shape[0] * shape[1] < height * width
        interpolation = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
        picture = cv2.resize(picture, tuple(shape[::-1]), interpolation=interpolation)
    return _with_channels(picture)


def is_picture(value):
    """Whether an entry of an example is an array `[H, W, C]`."""
    return isinstance(value, np.ndarray) and value.ndim == 3


def _on_pictures(example, change):
    return {name: change(value) if is_picture(value) else value for name, value in example.items()}


def _with_channels(picture):
    """The picture as `[H, W, C]`: OpenCV drops the axis of a single channel."""
    return picture if picture.ndim == 3 else picture[..., None]
