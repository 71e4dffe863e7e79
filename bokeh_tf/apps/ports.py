"""What code that runs a file must know of it: its inputs and outputs under names
that every language takes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from bokeh_tf.errors import ModelFileError
from bokeh_tf.tflite.subject import Model, subject_of
from bokeh_tf.tflite.value_ranges import stated_ranges

FOCUS_SHAPE = (1, 1, 1, 4)
RGB_CHANNELS = 3
_WORD = re.compile(r"[A-Za-z]+|[0-9]+")
_NOT_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")
# Whatever is left can neither end a comment nor begin an escape: Java reads \u000a
# as a new line even there.
_NOT_IN_A_COMMENT = re.compile(r"[^\w .,:()\[\]/-]")
_MOST_NAME_CHARACTERS = 60
# Words that one of the languages keeps for itself, or that the templates use; "_" left out.
_RESERVED_WORDS = """
    abstract alignas alignof and andeq arguments as asm assert associatedtype async auto await bitand bitor bool
    boolean break byte case catch char class close coawait companion compl concept const constcast consteval
    constexpr constinit continue coreturn coyield data debugger decltype default defer deinit delete do double
    dynamiccast else engine enum environment eval explicit export extends extension extern fallthrough false
    fileprivate final finally float for found friend fun func function goto guard if implements import in init
    inline inner inout input inputs instanceof int interface internal interpreter is let long model mutable
    namespace native new nil noexcept none not noteq null number object operator or oreq out output outputs override
    package pixels places private protected protocol public register reinterpretcast repeat requires results
    rethrows return run self short signed sizeof static staticassert staticcast strictfp struct subscript super
    switch synchronized template tensors this threadlocal throw throws transient true try typealias typedef typeid
    typename typeof union unsigned using val values var virtual void volatile wchart when where while with xor xoreq
    yield
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Attributes:
        name: what the file calls it, harmless in a comment.
        words: of its identifier, lower case, unlike those of any other port of its side.
        shape: as stored, all sizes known.
        dtype: NumPy's name.
        value_range: (lowest, highest), None where nobody said.
    """

    name: str
    words: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    value_range: tuple[float, float] | None

    @property
    def size(self) -> int:
        """How many values it has."""
        return prod(self.shape)

    @property
    def camel(self) -> str:
        """Its identifier as `inFocusWeight`."""
        first, *others = self.words
        return first + "".join(word.capitalize() for word in others)

    @property
    def snake(self) -> str:
        """Its identifier as `in_focus_weight`."""
        return "_".join(self.words)

    @property
    def described(self) -> str:
        """Name, type, shape and range in one line for a comment."""
        sizes = ", ".join(map(str, self.shape))
        limits = "" if self.value_range is None else " from {:g} to {:g}".format(*self.value_range)
        return f"{self.name}: {self.dtype} [{sizes}]{limits}"


@dataclass(frozen=True)
class Facts:
    """A file as an app sees it.

    Attributes:
        asset: a file name for it that is safe in every language and system.
        photo: which input is a photo of floats whose range is known, None
            where none or several are.
        focus: which input says where to focus and how wide the aperture is.
        picture: the first output that can be shown: floats of one or three
            channels whose range is known.
    """

    asset: str
    sha256: str
    content: bytes
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    photo: Port | None
    focus: Port | None
    picture: Port | None

    @property
    def beside_photo(self) -> tuple[Port, ...]:
        """Where one input is a photo, those that must be filled beside it: no photo holds them."""
        photos = [port for port in self.inputs if is_picture(port, channels=(RGB_CHANNELS,))]
        if len(photos) != 1 or self.photo is not None:
            return ()
        return tuple(port for port in self.inputs if port is not photos[0])


def facts_of(
    model: Model,
    *,
    input_range: Sequence[float] | None = None,
    output_range: Sequence[float] | None = None,
) -> Facts:
    """Reads a file for `generation.write_app`.

    Args:
        model: a path, the bytes of a `.tflite`, or a `Subject`.
        input_range: (lowest, highest) of its photo, where the file does not say.
        output_range: the same of its picture.

    Raises:
        ModelFileError: it cannot be read, or has free sizes or types that have no arrays.
    """
    subject = subject_of(model)
    found = subject.model_file
    inputs = _ports(subject.label, found, "inputs", input_range)
    outputs = _ports(subject.label, found, "outputs", output_range)
    focus = next((port for port in inputs if port.shape == FOCUS_SHAPE and len(inputs) == 2), None)
    photos = [
        port for port in inputs if port is not focus and is_picture(port, channels=(RGB_CHANNELS,))
    ]
    return Facts(
        asset=_asset(subject.label),
        sha256=subject.sha256,
        content=subject.content,
        inputs=inputs,
        outputs=outputs,
        photo=photos[0] if len(photos) == 1 and len(inputs) == 1 + (focus is not None) else None,
        focus=focus,
        picture=next((port for port in outputs if is_picture(port)), None),
    )


def is_picture(port: Port, *, channels: tuple[int, ...] = (1, RGB_CHANNELS)) -> bool:
    """Whether a port is known to hold a picture: floats of one of these `channels` whose range is
    said.
    """
    return (
        len(port.shape) == 4
        and port.shape[0] == 1
        and min(port.shape[1:3]) > 1
        and port.shape[3] in channels
        and port.dtype == "float32"
        and port.value_range is not None
    )


def _ports(label, found, side, wanted_range):
    tensors = getattr(found, side)
    ranges = stated_ranges(found.metadata, side, len(tensors))
    ports, taken = [], set()
    for number, (tensor, stated) in enumerate(zip(tensors, ranges, strict=True)):
        if tensor.is_dynamic or any(size < 1 for size in tensor.shape):
            raise ModelFileError(
                f"{label}: {side[:-1]} {number} has free sizes, which a GPU cannot compile."
                " Fix them: bokeh-tf repair --input-shape."
            )
        words = _words(tensor.name, number, side, taken)
        taken.add("".join(words))
        is_focus = side == "inputs" and tensor.shape == FOCUS_SHAPE
        given = (
            None
            if wanted_range is None or is_focus
            else (float(wanted_range[0]), float(wanted_range[1]))
        )
        name = (
            _NOT_IN_A_COMMENT.sub("?", tensor.name)[:_MOST_NAME_CHARACTERS]
            or f"{side[:-1]} {number}"
        )
        ports.append(Port(name, words, tuple(tensor.shape), tensor.dtype, stated or given))
    return tuple(ports)


def _words(name, number, side, taken):
    words = tuple(word.lower() for word in _WORD.findall(name[:_MOST_NAME_CHARACTERS]))
    if not words or words[0].isdigit() or "".join(words) in _RESERVED:
        words = (side[:-1], "tensor", *words)
    # As `mask_1_2` and `mask_12` would both be `mask12`.
    while "".join(words) in taken:
        words = (*words, str(number))
    return words


def _asset(label):
    name = _NOT_IN_A_FILE_NAME.sub("_", Path(label).name.removesuffix(".tflite")).strip("._-")
    return f"{name[:_MOST_NAME_CHARACTERS] or 'model'}.tflite"
