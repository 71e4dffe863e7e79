"""A `.tflite` that something is to be said about: read once, inspected once, called by one name."""

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property

from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.model_file import ModelFile
from bokeh_tf.tflite.reading import read_file

_BYTES_LABEL = "the model"


@dataclass(frozen=True)
class Subject:
    """`label` is what messages and reports call it, `content` its bytes,
    `model_file` what they hold.
    """

    label: str
    content: bytes = field(repr=False)
    model_file: ModelFile = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """The digest of the bytes, in hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


# Whatever a check, a measurement or an export may be asked about.
Model = Subject | str | os.PathLike | bytes | bytearray | memoryview


def subject_of(model: Model, *, label: str | None = None) -> Subject:
    """Reads and inspects a path or bytes; a subject is returned as it is.

    Args:
        label: instead of the path, or of "the model" for bytes.

    Raises:
        ModelFileError: it cannot be read, or is no sound `.tflite` file.
    """
    if isinstance(model, Subject):
        return model
    if isinstance(model, bytes | bytearray | memoryview):
        content = bytes(model)
        label = label or _BYTES_LABEL
    else:
        content = read_file(model)
        label = label or printable_path(str(model))
    return Subject(label, content, inspect(content, label=label))


def printable_path(text: str) -> str:
    """A path as text that can be written.

    A file name that is not UTF-8 comes with lone surrogates, which no report could be written with.
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
