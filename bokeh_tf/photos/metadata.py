"""EXIF and orientation: what a rendered photo keeps of its file's description.

Kept are the first directory's descriptive tags and the whole Exif and GPS directories. Left out are
the tags that say how the old file stored its samples, and the embedded preview, which would show
the photo before rendering.
"""

import numpy as np
from PIL.ExifTags import IFD, Base

_ORIENTATION = Base.Orientation.value
_KEPT_TAGS = frozenset(
    tag.value
    for tag in (
        Base.ImageDescription,
        Base.Make,
        Base.Model,
        Base.XResolution,
        Base.YResolution,
        Base.ResolutionUnit,
        Base.Software,
        Base.DateTime,
        Base.Artist,
        Base.HostComputer,
        Base.Rating,
        Base.RatingPercent,
        Base.Copyright,
        Base.XPTitle,
        Base.XPComment,
        Base.XPAuthor,
        Base.XPKeywords,
        Base.XPSubject,
        IFD.Exif,
        IFD.GPSInfo,
    )
)

# How to turn stored samples upright, for each value of the EXIF orientation tag. Views, not copies.
_UPRIGHT = {
    2: np.fliplr,
    3: lambda samples: np.rot90(samples, 2),
    4: np.flipud,
    5: lambda samples: np.swapaxes(samples, 0, 1),
    6: lambda samples: np.rot90(samples, -1),
    7: lambda samples: np.swapaxes(np.rot90(samples, 2), 0, 1),
    8: np.rot90,
}


def turned_upright(samples, orientation):
    """`samples` `[H, W, ...]` turned as EXIF `orientation` asks; values outside 2
    to 8 mean upright already.
    """
    turn = _UPRIGHT.get(orientation)
    return samples if turn is None or samples is None else np.ascontiguousarray(turn(samples))


def exif_and_orientation(image):
    """The EXIF block of a loaded Pillow `image` without its orientation, and that orientation.

    Returns:
        The block as bytes (empty where there is nothing to keep) and the
        orientation, 1 where none is given.
    """
    exif = image.getexif()
    orientation = exif.get(_ORIENTATION, 1)
    for tag in [tag for tag in exif if tag not in _KEPT_TAGS]:
        del exif[tag]
    if orientation in (5, 6, 7, 8):
        _swap_sides(exif)
    has_content = len(exif) or exif.get_ifd(IFD.Exif) or exif.get_ifd(IFD.GPSInfo)
    return (exif.tobytes() if has_content else b""), orientation


def _swap_sides(exif):
    directory = exif.get_ifd(IFD.Exif)
    width, height = directory.get(Base.ExifImageWidth), directory.get(Base.ExifImageHeight)
    if width is not None and height is not None:
        directory[Base.ExifImageWidth.value], directory[Base.ExifImageHeight.value] = height, width
