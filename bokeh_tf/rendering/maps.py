"""Masks and depth maps that somebody brings for the photos of one command."""

import dataclasses
from pathlib import Path

from bokeh_tf.errors import PhotoError
from bokeh_tf.photos.depth import embedded_nearness, read_plane

# Instead of a file: what the phone stored in each photo.
AUTO = "auto"


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
