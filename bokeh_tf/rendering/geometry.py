"""Where a photo of any size lies in a model's canvas of one size, and resampling between the two.

A photo whose shape is near the canvas's is stretched over all of it. Any other is scaled to fit
with its shape kept, centred, and the rest of the canvas is filled with its reflection, so that the
model sees no edge that is not in the photo.
"""

import dataclasses

import cv2
import numpy as np

# Up to here a stretched photo looks natural to a network and is preferred to wasted canvas.
MAX_STRETCH = 1.15


@dataclasses.dataclass(frozen=True)
class Placement:
    """The rectangle of a canvas that holds the photo, in pixels."""

    canvas_height: int
    canvas_width: int
    top: int
    left: int
    height: int
    width: int

    def crop(self, canvas):
        """The part of `canvas` `[canvas_height, canvas_width, ...]` that
        holds the photo (a view).
        """
        return canvas[self.top : self.top + self.height, self.left : self.left + self.width]


def place(photo_height, photo_width, canvas_height, canvas_width):
    """Where a photo lies in a canvas: all of it, stretched a little, or else centred
    with its own proportions.
    """
    vertical, horizontal = canvas_height / photo_height, canvas_width / photo_width
    if max(vertical, horizontal) <= MAX_STRETCH * min(vertical, horizontal):
        return Placement(canvas_height, canvas_width, 0, 0, canvas_height, canvas_width)
    scale = min(vertical, horizontal)
    height = min(canvas_height, max(1, round(photo_height * scale)))
    width = min(canvas_width, max(1, round(photo_width * scale)))
    top, left = (canvas_height - height) // 2, (canvas_width - width) // 2
    return Placement(canvas_height, canvas_width, top, left, height, width)


def to_canvas(photo, placement):
    """`photo` `[H, W, 3]` uint8 or uint16 as the model's input: float32 `[canvas
    H, canvas W, 3]` in [0, 1].
    """
    full_scale = np.iinfo(photo.dtype).max
    resized = resize(photo, placement.height, placement.width, enlarge=cv2.INTER_CUBIC)
    return _bordered(np.clip(resized.astype(np.float32) / full_scale, 0, 1), placement)


def plane_to_canvas(plane, placement):
    """A map of the photo, float32 `[h, w]` in [0, 1] of any size, in the model's canvas, float32
    `[canvas H, canvas W]`.
    """
    resized = resize(plane, placement.height, placement.width)
    return _bordered(np.clip(resized, 0, 1).astype(np.float32), placement)


def _bordered(image, placement):
    bottom = placement.canvas_height - placement.top - placement.height
    right = placement.canvas_width - placement.left - placement.width
    # BORDER_REFLECT repeats as often as it must, even for a photo one pixel high.
    return cv2.copyMakeBorder(
        image, placement.top, bottom, placement.left, right, cv2.BORDER_REFLECT
    )


def resize(image, height, width, *, enlarge=cv2.INTER_LINEAR):
    """`image` resampled to `height` x `width`: each axis by area averages if it
    shrinks, else by `enlarge`.
    """
    old_height, old_width = image.shape[:2]
    if height < old_height and width < old_width:
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    # OpenCV averages over areas only when both axes shrink together, so each axis has its own turn.
    across = cv2.INTER_AREA if width < old_width else enlarge
    image = (
        cv2.resize(image, (width, old_height), interpolation=across)
        if width != old_width
        else image
    )
    along = cv2.INTER_AREA if height < old_height else enlarge
    return (
        cv2.resize(image, (width, height), interpolation=along) if height != old_height else image
    )


class Enlarger:
    """Resamples a small float32 `image` `[h, w, C]` to `height` x `width`,
    a band of rows at a time.

    Linear between half-pixel centres where it grows, area averages where it shrinks. A band is the
    same as those rows of the whole.
    """

    def __init__(self, image, height, width):
        rows = min(image.shape[0], height)
        self._image = resize(image, rows, image.shape[1])
        self._width = width
        positions = np.clip((np.arange(height) + 0.5) * rows / height - 0.5, 0, rows - 1)
        self._upper = np.floor(positions).astype(np.intp)
        self._lower = np.minimum(self._upper + 1, rows - 1)
        self._shares = (positions - self._upper).astype(np.float32)[:, None, None]

    def band(self, top, bottom):
        """Rows `top` to `bottom` of the result, float32 `[bottom - top, width, C]`."""
        upper, lower, share = (
            rows[top:bottom] for rows in (self._upper, self._lower, self._shares)
        )
        # Only the rows this band lies between are widened: the whole image would be large.
        source = self._image[upper[0] : lower[-1] + 1]
        # OpenCV drops an axis of one channel.
        wide = resize(source, len(source), self._width).reshape(len(source), self._width, -1)
        result = wide[upper - upper[0]]
        return result + share * (wide[lower - upper[0]] - result)
