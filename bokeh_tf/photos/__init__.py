"""Reading and writing photographs with all that their files say: EXIF,
XMP, colours, alpha, 16 bits.
"""

from bokeh_tf.photos.photo import FORMATS, SUFFIXES, Photo, format_of_suffix, reduced_to_8_bits
from bokeh_tf.photos.plugins import INSTALL, usable_formats
from bokeh_tf.photos.reading import MAX_MEGAPIXELS, MIN_SIDE_PX, jpeg_shape, read
from bokeh_tf.photos.writing import write, write_new

__all__ = [
    "FORMATS",
    "INSTALL",
    "MAX_MEGAPIXELS",
    "MIN_SIDE_PX",
    "SUFFIXES",
    "Photo",
    "format_of_suffix",
    "jpeg_shape",
    "read",
    "reduced_to_8_bits",
    "usable_formats",
    "write",
    "write_new",
]
