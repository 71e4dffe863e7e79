"""What can be evaluated: a network, a rule that needs none, or a folder of pictures
that something else has made.
"""

import re
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import bokeh_tf
from bokeh_tf import paths, photos
from bokeh_tf.data.journal import version_of
from bokeh_tf.errors import DataError, ModelFileError
from bokeh_tf.evaluation.baselines import BASELINES
from bokeh_tf.evaluation.protocols import PROTOCOLS
from bokeh_tf.models import weights
from bokeh_tf.rendering import load_model, render

# What every network here can halve its levels by.
_MULTIPLE_PX = 32
_NUMBER_FIRST = re.compile(r"(\d+)[^0-9a-zA-Z]")


def predictors_of(sources, *, input_range=None):
    """The predictors that `sources` say, with labels that differ.

    Args:
        sources: each the path of a folder of pictures, the name of one of `baselines.BASELINES`, or
            what `bokeh_tf.rendering.load_model` takes.
        input_range: see `load_model`; for `.tflite` files alone.

    Raises:
        ModelFileError: a model cannot be used, or one is named twice.
        DataError: a folder cannot be listed, or holds no pictures.
    """
    found = {}
    for source in sources:
        predictor = _predictor_of(source, input_range)
        if predictor.label in found:
            # Two runs often call their files alike: the folder tells them apart.
            predictor.label = f"{Path(source).parent.name}/{predictor.label}"
        if predictor.label in found:
            raise ModelFileError(
                f"{source}: a model called {predictor.label} is already given. Rename one of them."
            )
        found[predictor.label] = predictor
    return list(found.values())


def _predictor_of(source, input_range):
    if source in BASELINES:
        return Baseline(source)
    if source is not None and paths.is_dir(source):
        return FinishedPictures(source)
    takes_range = source is None or Path(source).suffix == ".tflite"
    input_range = input_range if takes_range else None
    return Network(load_model(source, input_range=input_range), source, input_range)


class Baseline:
    """A rule that needs no network."""

    def __init__(self, name):
        self.label = name
        self.identity = [name, bokeh_tf.__version__]
        self.note = ""

    def version(self, pair):
        """What of this pair's picture may change: nothing."""
        return []

    def picture(self, pair, photo, window, protocol):
        """The picture in the protocol's `window`, uint8."""
        return BASELINES[self.label](window.of(photo))


class FinishedPictures:
    """Pictures that lie in a folder, each named as the pair: by its number, or by the
    stem of one of its files.

    Numbers may be padded with zeros in either, and followed by more, as in `4400_bokeh.png`.
    """

    def __init__(self, folder):
        folder = Path(folder)
        self.label = paths.resolved(folder).name
        self.identity = [str(paths.resolved(folder))]
        self.note = ""
        self._folder = folder
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            raise DataError(
                f"{folder}: cannot list this folder ({error.strerror}). Check its rights."
            ) from error
        pictures = [
            path for path in entries if photos.format_of_suffix(path.suffix) and paths.is_file(path)
        ]
        if not pictures:
            raise DataError(
                f"{folder}: holds no pictures. Name a folder of finished pictures, or a model."
            )
        self._by_name: dict[str, list[Path]] = {}
        self._by_number: dict[str, list[Path]] = {}
        for path in pictures:
            for name in {path.stem, _unpadded(path.stem)}:
                self._by_name.setdefault(name, []).append(path)
            if number := _NUMBER_FIRST.match(path.stem):
                self._by_number.setdefault(_unpadded(number[1]), []).append(path)

    def version(self, pair):
        """Size and time of change of the pair's file."""
        return version_of(*self._paths_of(pair))

    def picture(self, pair, photo, window, protocol):
        """The picture in the protocol's `window`, uint8; one that was saved at the
        window's size is taken as it is.
        """
        found = self._paths_of(pair)
        if not found:
            raise DataError(f"no picture of it in {self._folder}")
        if len(found) > 1:
            raise DataError(f"several pictures of it: {found[0].name} and {found[1].name}")
        picture = photos.reduced_to_8_bits(photos.read(found[0]).pixels)
        is_cut = picture.shape[:2] == (window.height, window.width)
        if not is_cut and picture.shape != photo.shape:
            sizes = " and ".join(f"{shape[0]}x{shape[1]}" for shape in (picture.shape, photo.shape))
            raise DataError(f"{found[0].name}: not as large as the truth ({sizes})")
        return picture if is_cut else window.of(picture)

    def _paths_of(self, pair):
        names = (pair.id.rpartition("/")[2], pair.target.stem, pair.source.stem)
        for name in dict.fromkeys((*names, *map(_unpadded, names))):
            if name in self._by_name:
                return self._by_name[name]
        return self._by_number.get(_unpadded(names[0]), [])


def _unpadded(stem):
    return re.sub(r"(?<!\d)0+(?=\d)", "", stem)


class Network:
    """A network, run as the protocol says."""

    def __init__(self, model, source, input_range):
        self._model = model
        self.label = model.name
        self.identity = [paths.sha256_of(_file_of(source)), input_range, bokeh_tf.__version__]
        self.note = ""

    def version(self, pair):
        """What of this pair's picture may change besides the network: nothing."""
        return []

    def picture(self, pair, photo, window, protocol):
        """The picture in the protocol's `window`: uint8, or float32 where the
        network's own values count.
        """
        photo = window.of(photo)
        if protocol is PROTOCOLS["plain"]:
            return render(np.ascontiguousarray(photo), self._model).image
        size = protocol.network_px
        if getattr(self._model, "has_one_size", False):
            own = self._model.canvas_size(*photo.shape[:2])
            wanted = size or photo.shape[:2]
            if tuple(own) != tuple(wanted):
                what = "the photo's own size" if size is None else f"{size[0]}x{size[1]}"
                self.note = f"runs at {own[0]}x{own[1]}, the protocol at {what}"
            size = own
        if size is None:
            return self._padded_run(photo)
        shrunk = Image.fromarray(np.ascontiguousarray(photo)).resize(size[::-1], protocol.kernel)
        rendered = self._model.run(np.asarray(shrunk, np.float32) / np.float32(255)).rendered
        return cv2.resize(rendered, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)

    def _padded_run(self, photo):
        """The picture at the photo's own size; what the sides lack of a multiple is
        mirrored on and cut off again.
        """
        height, width = photo.shape[:2]
        below, beside = -height % _MULTIPLE_PX, -width % _MULTIPLE_PX
        canvas = cv2.copyMakeBorder(photo, 0, below, 0, beside, cv2.BORDER_REFLECT)
        return self._model.run(canvas.astype(np.float32) / np.float32(255)).rendered[
            :height, :width
        ]


def _file_of(source):
    if source is None or source in weights.PACKAGED_FILES:
        return weights.PACKAGED_FILES[source]
    return source if paths.is_file(source) else weights.packaged_weights(str(source), "base")
