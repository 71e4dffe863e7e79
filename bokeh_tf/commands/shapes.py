"""Options of several commands about a file's inputs and outputs: their sizes, and how they may be
changed.
"""

import math
import re
from collections.abc import Iterable

from bokeh_tf.commands.console import count, size_px
from bokeh_tf.errors import ConversionError
from bokeh_tf.processes import memory_bytes

_SHAPE = re.compile(r"[1-9]\d{0,8}(x[1-9]\d{0,8})*")
_CHANNELS, _FLOAT32_BYTES = 3, 4
# An input and what is made of it.
_LEAST_TENSORS = 2


def shape(text: str) -> tuple[int, ...]:
    """The sizes in `1x256x256x3`; `ValueError` for anything else."""
    if not _SHAPE.fullmatch(text):
        raise ValueError
    return tuple(map(int, text.split("x")))


def names(text: str) -> tuple[str, ...]:
    """The names in a list with commas between them."""
    return tuple(name for name in text.split(",") if name)


shape.__name__ = "SHAPE such as 1x256x256x3"
names.__name__ = "LIST"


def add_size(parser, *, what: str) -> None:
    """Adds `--size`; `what` says of which pictures."""
    parser.add_argument("--size", type=size_px, metavar="HxW", help=f"height and width of {what}")


def add_free_sizes(parser) -> None:
    """Adds what free sizes of inputs become: `--input-shape`, `--batch`."""
    parser.add_argument(
        "--input-shape",
        type=shape,
        action="append",
        metavar="SHAPE",
        help="shape of an input whose size is free, such as 1x256x256x3; once for each input",
    )
    parser.add_argument(
        "--batch", type=count, metavar="N", help="what a free batch becomes (default 1)"
    )


def add_interface(parser) -> None:
    """Adds `--allow-interface`."""
    parser.add_argument(
        "--allow-interface",
        type=names,
        default=(),
        metavar="LIST",
        help="changes of inputs and outputs that may be made: int64, uint8, bool,"
        " cut-postprocessing; the report says what the app must then do",
    )


def check(options) -> None:
    """Ends with status 2 where `--allow-interface` names what nobody knows.

    Raises:
        ConversionError: a size is larger than this machine's memory allows, in one line.
    """
    allowed = getattr(options, "allow_interface", ())
    if allowed:
        from bokeh_tf.repairing.interface import KINDS

        unknown = sorted(set(allowed) - set(KINDS))
        if unknown:
            options.usage_error(
                f"--allow-interface takes {', '.join(KINDS)}, not {', '.join(unknown)}"
            )
    for name in ("size", "export"):
        size = getattr(options, name, None)
        if size:
            _require_memory([(*size, _CHANNELS)], f"--{name} {size[0]}x{size[1]}")
    _require_memory(getattr(options, "input_shape", None) or (), "--input-shape")


def _require_memory(shapes: Iterable[tuple[int, ...]], named: str) -> None:
    """Raises where even one input of a shape and one tensor like it do not fit.

    A child that is given them all the same dies in native code, which names no reason.
    """
    for one in shapes:
        needed_bytes = _LEAST_TENSORS * _FLOAT32_BYTES * math.prod(one)
        if needed_bytes > memory_bytes():
            shown = "x".join(map(str, one))
            raise ConversionError(
                f"{named}: too large: an input of {shown} and one tensor like it take"
                f" {needed_bytes / 1e9:,.0f} GB in float32, and this machine has"
                f" {memory_bytes() / 1e9:,.0f} GB. Choose a smaller size."
            )
