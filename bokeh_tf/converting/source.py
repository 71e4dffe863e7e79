"""Where a model comes from: a file, a folder, a name of the catalogue, or a
function that builds one.

Decided without Keras, by what the text names and how the file begins; nothing is loaded here.
"""

import enum
import re
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf import paths
from bokeh_tf.errors import ModelFileError
from bokeh_tf.models import catalogue
from bokeh_tf.tflite.reading import IDENTIFIER

_HEAD_BYTES = 100
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
_FUNCTION = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_KNOWN = (
    "a .keras, .h5 or .tflite file, a SavedModel folder, a name of `bokeh-tf models`,"
    " or module:function that builds a model"
)


class Kind(enum.StrEnum):
    """What the text of the command line names."""

    KERAS = "keras"
    HDF5 = "hdf5"
    SAVED_MODEL = "saved model"
    TFLITE = "tflite"
    CATALOGUE = "catalogue"
    FUNCTION = "function"


@dataclass(frozen=True)
class Source:
    """`label` is what messages call it. `path` is a file or folder, None
    for what is built from code.

    `module` and `name` are those of a function, or model and variant of the catalogue.
    """

    kind: Kind
    label: str
    path: Path | None = None
    module: str = ""
    name: str = ""


def source_of(text: str) -> Source:
    """What `text` names; a file or a folder goes before a name.

    Raises:
        ModelFileError: it is nothing that can be converted.
    """
    path, label = Path(text), paths.printable(text)
    if paths.is_dir(path):
        if any(paths.is_file(path / name) for name in _SAVED_MODEL_FILES):
            return Source(Kind.SAVED_MODEL, label, path)
        raise ModelFileError(
            f"{label}: a folder, and no SavedModel (no saved_model.pb). Give {_KNOWN}."
        )
    if paths.is_file(path):
        return Source(_kind_of_file(path, label), label, path)
    if paths.exists(path):
        # A pipe or a device, whatever else may have such a name.
        raise ModelFileError(f"{label}: {paths.why_no_file(path)}. Give {_KNOWN}.")
    model, _, variant = text.partition(".")
    if model in {entry.name for entry in catalogue.ENTRIES}:
        return _of_catalogue(label, model, variant or "base")
    function = _FUNCTION.fullmatch(text)
    if function:
        return Source(Kind.FUNCTION, label, module=function[1], name=function[2])
    raise ModelFileError(f"{label}: {paths.why_no_file(path)}. Give {_KNOWN}.")


def _of_catalogue(label, model, variant):
    try:
        catalogue.entry(model).variant(variant)
    except ValueError as error:
        raise ModelFileError(f"{label}: {error}") from error
    return Source(Kind.CATALOGUE, label, module=model, name=variant)


def _kind_of_file(path, label):
    try:
        with paths.open_file(path) as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise ModelFileError(
            f"{label}: cannot read this file ({error.strerror}). Check its rights."
        ) from error
    if head[4:8] == IDENTIFIER:
        return Kind.TFLITE
    if head.startswith(_HDF5):
        return Kind.HDF5
    if head.startswith(_ZIP):
        return Kind.KERAS
    if paths.is_lfs_pointer(head):
        raise ModelFileError(f"{label}: a Git LFS pointer, not the model itself. Run: git lfs pull")
    raise ModelFileError(f"{label}: neither a Keras model nor a .tflite file. Give {_KNOWN}.")
