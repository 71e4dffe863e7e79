"""What the suites of pictures compare: models, each with an aperture of its own where one is said.

A contender is written `MODEL[@APERTURE]`: a `.tflite` file or the name of a model, and from 0 to 1
how wide the lens opens, which only models with such an input can be told.
"""

from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.errors import DataError, ModelFileError
from bokeh_tf.models.weights import PACKAGED_FILES
from bokeh_tf.paths import is_file, names_apart, sha256_of
from bokeh_tf.rendering import load_model, render


@dataclass(frozen=True)
class Contender:
    """One of them; `sha256` is of its file, None for a model that is built from its name, and
    `aperture` is None for the model's own.
    """

    name: str
    model: object
    aperture: float | None
    sha256: str | None

    def render(self, photo):
        """The `Rendering` of a photo, uint8 `[H, W, 3]`."""
        return render(photo, self.model, aperture=self.aperture)


def load_contenders(texts, *, input_range=None) -> dict[str, Contender]:
    """The contenders that `texts` write, by their names; None is the shipped flagship. Files of one
    name are told apart by their folders.

    Args:
        input_range: as `bokeh_tf.rendering.load_model` takes it.

    Raises:
        DataError: an aperture is no number from 0 to 1.
        ModelFileError: a model cannot be read, cannot be told an aperture, or is given twice.
    """
    parsed = [(text, *_parse(text)) for text in texts]
    files = {source: _file_of(source) for _, source, _ in parsed}
    paths = list(dict.fromkeys(path for path in files.values() if path is not None))
    names = dict(zip(paths, names_apart(paths), strict=True))
    found: dict[str, Contender] = {}
    for text, source, aperture in parsed:
        contender = _load(text, source, aperture, names.get(files[source]), input_range)
        if contender.name in found:
            raise ModelFileError(f"{text}: {contender.name} is already given. Name it once.")
        found[contender.name] = contender
    return found


def _file_of(source):
    """The file behind a model, None for one that is built from its name."""
    path = PACKAGED_FILES.get(source) or Path(source)
    return path if is_file(path) else None


def _load(text, source, aperture, file_name, input_range):
    model = load_model(source, input_range=input_range)
    path = _file_of(source)
    digest = None if path is None else sha256_of(path)
    name = file_name or model.name
    if aperture is None:
        return Contender(name, model, None, digest)
    if not getattr(model, "takes_focus", False):
        raise ModelFileError(f"{text}: this model cannot be told an aperture. Leave out the @.")
    return Contender(f"{name}@{aperture:g}", model, aperture, digest)


def _parse(text):
    """(model, aperture or None); a file may have an @ in its own name."""
    if text is None or "@" not in str(text) or is_file(Path(text)):
        return text, None
    source, _, said = str(text).rpartition("@")
    try:
        aperture = float(said)
    except ValueError:
        aperture = -1.0
    if not 0 <= aperture <= 1:
        raise DataError(f"{text}: after @ comes an aperture from 0 to 1.")
    return source, aperture
