"""Pairs of photographs from files to examples, see `transforms`; files that cannot be
read are named and replaced.
"""

import threading

import cv2
import numpy as np
from absl import logging

from bokeh_tf.data.pairs.transforms import resized
from bokeh_tf.errors import DataError
from bokeh_tf.photos import jpeg_shape

# After this many unreadable pairs in a row the folder itself must be at fault.
_MOST_IN_A_ROW = 20
# What stands for 1 in a map's values.
_MAP_PEAKS = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}
# Decoding a JPEG at a part of its size saves most of the work. Flags for grey only name the
# part beside that for RGB.
_REDUCED = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_COLOR_RGB,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB,
}


class PairReader:
    """Reads pairs, and keeps what it has read as long as it fits.

    Args:
        pairs: `bokeh_tf.data.pairs.pair.Pair`s.
        maps: kinds of maps that examples must hold.
        conditions: names of conditions that examples must hold, each a float32 `[1]`.
        target: "bokeh", or "saliency" for a map as the target.
        shape: (height, width) to resize to when reading, or None.
        cache_bytes: memory for decoded pictures; what is read once it is
            full is read anew every time.

    Attributes:
        error: the `DataError` that ended reading, if any.
    """

    def __init__(
        self, pairs, *, maps=(), conditions=(), target="bokeh", shape=None, cache_bytes=2**31
    ):
        self._pairs, self._maps, self._conditions = pairs, maps, conditions
        self._target, self._shape = target, shape
        self._cache, self._free_bytes, self._lock = {}, cache_bytes, threading.Lock()
        self._reported = set()
        self.error = None

    def read(self, index):
        """The example of pair number `index`, or of the next one that can be read.

        Raises:
            DataError: so many in a row cannot be read that the folder must be at fault.
        """
        last = None
        for step in range(min(_MOST_IN_A_ROW, len(self._pairs))):
            try:
                return self._example((index + step) % len(self._pairs))
            except DataError as error:
                last = error
                self._report(error)
        self.error = DataError(f"{last} The pairs after it cannot be read either.")
        raise self.error from last

    def _example(self, index):
        kept = self._cache.get(index)
        if kept is None:
            kept = self._read(self._pairs[index])
            size_bytes = sum(value.nbytes for value in kept.values())
            with self._lock:
                if size_bytes <= self._free_bytes and index not in self._cache:
                    self._free_bytes -= size_bytes
                    self._cache[index] = kept
        return dict(kept)

    def _read(self, pair):
        image, size = read_colour(pair.source, shape=self._shape)
        if self._target == "bokeh":
            target, target_size = read_colour(pair.target, shape=self._shape)
        else:
            target = read_map(pair.target)
            target_size = target.shape[:2]
        if target_size != size:
            sizes = " and ".join(f"{height}x{width}" for height, width in (size, target_size))
            raise DataError(f"{pair.target}: not as large as its source ({sizes}). Left out.")
        example = {"image": image, "target": target}
        for name in self._maps:
            example[name] = read_map(pair.maps[name])
        example = {name: resized(picture, image.shape[:2]) for name, picture in example.items()}
        for name in self._conditions:
            example[name] = np.float32([pair.conditions[name]])
        return example

    def _report(self, error):
        with self._lock:
            is_new = str(error) not in self._reported
            self._reported.add(str(error))
        if is_new:
            logging.warning("%s Another pair takes its place.", error)


def read_colour(path, *, shape=None):
    """The picture `path` as uint8 `[H, W, 3]`, RGB, upright, and the (height,
    width) that it has in the file.

    Args:
        shape: (height, width) to resize it to; a JPEG that is much larger is decoded at
            1/2, 1/4 or 1/8 of its size.

    Raises:
        DataError: it cannot be read.
    """
    content = _content(path)
    size = jpeg_shape(content) if shape else None
    if size:
        fitting = (
            part for part in _REDUCED if part * shape[0] <= size[0] and part * shape[1] <= size[1]
        )
        flags = _REDUCED.get(next(fitting, None), cv2.IMREAD_COLOR_RGB)
        return resized(_decoded(path, content, flags), shape), size
    picture = _decoded(path, content, cv2.IMREAD_COLOR_RGB)
    return (resized(picture, shape) if shape else picture), picture.shape[:2]


def read_map(path):
    """The map `path` as float32 `[H, W, 1]`, upright; of colours the grey.

    Of 8 or 16 bits a value, it is in [0, 1]; floats stay as they are.

    Raises:
        DataError: it cannot be read, or holds something else.
    """
    picture = _decoded(path, _content(path), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    if picture.dtype not in _MAP_PEAKS:
        raise DataError(
            f"{path}: holds {picture.dtype} values. Save the map with 8 or 16 bits a value."
        )
    return np.multiply(picture, np.float32(1 / _MAP_PEAKS[picture.dtype]), dtype=np.float32)[
        ..., None
    ]


def _content(path):
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def _decoded(path, content, flags):
    try:
        picture = cv2.imdecode(content, flags) if content.size else None
    except cv2.error as error:
        raise DataError(f"{path}: cannot be decoded ({error.err}).") from error
    if picture is None:
        raise DataError(
            f"{path}: not a picture that can be decoded: damaged, cut short or of another kind."
        )
    return picture
