"""Masks and depth maps that somebody brings for the photos of one command."""

import dataclasses
from pathlib import Path

import numpy as np

from bokeh_tf.errors import PhotoError
from bokeh_tf.photos.depth import embedded_nearness, read_plane

# Instead of a file: what the phone stored in each photo.
AUTO = "auto"
# Shapes whose sides differ by less than this in their ratio are one, as reduced copies round.
_SAME_SHAPE = 0.02
# Of the whole range; less is no difference.
_NO_DIFFERENCE = 1 / 255


@dataclasses.dataclass(frozen=True)
class Brought:
    """What is known of the photos beside their pictures.

    Attributes:
        mask: a grey picture, white for what stays sharp; as large as one likes.
        depth: a grey picture, white for the nearest; or "auto", what the
            phone stored in each photo.
    """

    mask: Path | None = None
    depth: Path | str | None = None

    def __post_init__(self):
        if self.mask is not None and self.depth is not None:
            raise ValueError(f"a mask or depth, not both. Received: {self.mask} and {self.depth}")

    @property
    def are_any(self) -> bool:
        """Whether anything is brought."""
        return self.mask is not None or self.depth is not None

    @property
    def files(self) -> list[Path]:
        """The files brought, which no result may replace."""
        return [Path(path) for path in (self.mask, self.depth) if path not in (None, AUTO)]

    def maps_of(self, photo):
        """The arguments `mask` and `depth` of `bokeh_tf.rendering.render`
        for the photo at this path.

        Raises:
            PhotoError: a map cannot be read, or the photo holds no depth.
        """
        if self.mask is not None:
            return {"mask": read_plane(self.mask)}
        if self.depth is None:
            return {}
        if self.depth != AUTO:
            return {"depth": read_plane(self.depth)}
        nearness = embedded_nearness(photo)
        if nearness is None:
            raise PhotoError(
                f"{photo}: no depth is stored in this photo. Give it with --depth FILE, or leave"
                " it out."
            )
        return {"depth": nearness}


def notes_on(maps, height, width):
    """What somebody may not expect of the `maps` brought for a photo of this size, in lines.

    Args:
        maps: as of `Brought.maps_of`; planes `[H, W]` in [0, 1].
    """
    for name, plane in maps.items():
        rows, columns = plane.shape
        if abs(columns * height / (rows * width) - 1) > _SAME_SHAPE:
            yield (
                f"the {name} of {columns}x{rows} has another shape than the photo of"
                f" {width}x{height}, and is stretched over it"
            )
        low, high = float(np.min(plane)), float(np.max(plane))
        if high - low < _NO_DIFFERENCE:
            yield _FLAT[name](low)


def _flat_mask(value):
    if value < _NO_DIFFERENCE:
        return "the mask is black all over: nothing is kept sharp"
    if value > 1 - _NO_DIFFERENCE:
        return "the mask is white all over: nothing is blurred"
    return "the mask is one grey all over: everything is blurred alike"


def _flat_depth(_):
    return "the depth is the same all over: nothing is blurred"


_FLAT = {"mask": _flat_mask, "depth": _flat_depth}
