"""The exceptions of this package: what can go wrong in the world outside the program.

    BokehError
    ├── PhotoError           a photo cannot be read, is damaged, or has an absurd size
    ├── ModelFileError       a .tflite or weights file cannot be read or is not what it says
    ├── ConversionError      a Keras model cannot become a phone-ready .tflite; lists the offenders
    ├── CheckError           a check could not be carried out (which is not the same as a failed check)
    ├── DataError            a training or evaluation data folder is unusable
    ├── TrainingError        training had to stop: non-finite loss, unusable checkpoint
    ├── DeviceError          a phone cannot be reached or does not do what it was told; says its state and the way out
    ├── DependencyError      an optional part of the installation is missing; says the install command
    └── OutputError          a result cannot be written: no permission, full disk, wrong folder

A caller's mistake in Python code is a `ValueError` or a `TypeError`, never one of these.
The command line prints a `BokehError` as one line and exits with 1; anything else is a bug and
keeps its traceback.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar


class BokehError(Exception):
    """Base of all errors that the outside world causes. The message is one
    line and says what to do.
    """


class PhotoError(BokehError):
    """A photo cannot be read, is damaged, or has an absurd size."""


class ModelFileError(BokehError):
    """A model or weights file cannot be read or is not what it says."""


class ConversionError(BokehError):
    """A Keras model cannot become a phone-ready `.tflite`.

    Attributes:
        offenders: tuple of strings, each an operation or tensor that stands in the way.
    """

    def __init__(self, message, *, offenders=()):
        super().__init__(message)
        self.offenders = tuple(offenders)


class CheckError(BokehError):
    """A check could not be carried out."""


class DataError(BokehError):
    """A training or evaluation data folder is unusable."""


class TrainingError(BokehError):
    """Training had to stop."""


class DeviceError(BokehError):
    """A phone cannot be reached or does not do what it was told."""


class DependencyError(BokehError):
    """An optional part of the installation is missing."""


class OutputError(BokehError):
    """A result cannot be written."""


Refuse = Callable[["BokehError"], None]
T = TypeVar("T")
R = TypeVar("R")


def spared(
    items: Iterable[T], act: Callable[[T], R], *, refuse: Refuse | None = None
) -> Iterator[R]:
    """What `act` makes of each item; a bad one costs itself alone.

    Args:
        refuse: gets the error of each item that is passed over; None raises the first.
    """
    for item in items:
        try:
            made = act(item)
        except BokehError as error:
            if refuse is None:
                raise
            refuse(error)
        else:
            yield made


# What the base install lacks, and the extra that brings it.
_EXTRAS = {
    **dict.fromkeys(("numpy", "cv2", "PIL", "ai_edge_litert", "flatbuffers"), "run"),
    **dict.fromkeys(("tensorflow", "keras", "tensorboard", "h5py"), "tensorflow"),
    "torch": "pytorch",
    "pillow_heif": "photos",
    "ai_edge_quantizer": "quantise",
}


def of_missing_module(error: ModuleNotFoundError) -> DependencyError | None:
    """What to tell of a module that is not installed; None where no extra brings it."""
    module = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(module)
    if extra is None:
        return None
    return DependencyError(
        f'{module} is missing, which the extra "{extra}" brings. Run: {install(extra)}'
    )


def install(extra: str) -> str:
    """The command that installs an extra."""
    return f'pip install "bokeh-tf[{extra}]"'
