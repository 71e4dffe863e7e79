"""The protocols by which papers measure bokeh: what the network sees, what is
compared, and in which numbers.

Scores of one protocol do not compare with those of another: the two kinds of SSIM alone differ by
0.017 on the same pictures. A protocol is a line of `PROTOCOLS`; its steps, in this order, are

    window      the part of both photos that counts; the rest is cut away before all else
    network_px  (height, width) that the photo is resized to by PIL's `kernel`, in 8 bits, and the
                picture resized back from, bilinearly between half-pixel centres; None: its own size
    quantised   whether the picture is rounded to 8 bits, as one that was saved, before it is compared
    stretched   whether the truth's darkest and brightest sample become 0 and 255, before it is cut
    border_px   what is left out at each side of both
    metrics     what is computed, by the names of `scores.METRICS`; the published ones come first
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, picture):
        """The part of `picture` `[H, W, ...]` (a view)."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


def whole(height, width) -> Window:
    """All of the picture."""
    return Window(0, 0, height, width)


def centre_of_fours(height, width) -> Window:
    """The middle, with sides that four divides; what is left over goes
    first above and to the left.
    """
    return Window(
        -(-(height % 4) // 2), -(-(width % 4) // 2), height - height % 4, width - width % 4
    )


def left_of_64ths(height, width) -> Window:
    """The left part, with a width that 64 divides: half of it is a multiple of 32."""
    return Window(0, 0, height, width - width % 64)


def centre_1024x1440(height, width) -> Window:
    """The middle, at most 1024 x 1440; places are rounded to even ones, as Python does."""
    sides = min(height, 1024), min(width, 1440)
    return Window(round((height - sides[0]) / 2), round((width - sides[1]) / 2), *sides)


@dataclass(frozen=True)
class Protocol:
    """One protocol; see the module's docstring. `doubts` says what its source leaves open."""

    name: str
    title: str
    source: str
    metrics: tuple[str, ...]
    window: Callable[[int, int], Window] = whole
    network_px: tuple[int, int] | None = None
    kernel: Image.Resampling = Image.Resampling.LANCZOS
    quantised: bool = True
    stretched: bool = False
    border_px: int = 0
    doubts: str = ""


_MATCHED = ("psnr_matched_db", "ssim_matched")
_UNIFORM = ("psnr_db", "ssim", "ssim_gaussian", "ms_ssim", *_MATCHED)
_GAUSSIAN = ("psnr_db", "ssim_gaussian", "ssim", "ms_ssim", *_MATCHED)

_ROWS = (
    Protocol(
        "plain",
        "photos of any size, as bokeh-tf render makes them, compared whole",
        "this package",
        _UNIFORM,
    ),
    Protocol(
        "dmshn",
        "DMSHN, MPFNet, BRViT: the network at 1024x1536, saved pictures compared whole",
        "github.com/saikatdutta/Stacked_DMSHN_bokeh: DMSHN_test.py, eval.py",
        _UNIFORM,
        network_px=(1024, 1536),
    ),
    Protocol(
        "dbsi",
        "DBSI, phases 2 and 3: the network at 768x1024, saved pictures compared whole",
        "Dutta 2021, sections 4.1 and 5",
        _UNIFORM,
        network_px=(768, 1024),
        doubts="the paper does not name the kernel that shrinks the photo: DMSHN's, of the same"
        " author, is used",
    ),
    Protocol(
        "pynet",
        "PyNET: pictures as floats, 32 pixels at each side left out",
        "github.com/aiff22/PyNET-Bokeh: load_dataset.py, test_model.py",
        ("psnr_db", "ssim_gaussian", "ms_ssim", "ssim", *_MATCHED),
        window=left_of_64ths,
        quantised=False,
        stretched=True,
        border_px=32,
        doubts="PyNET halves the photo (bicubic) and takes a depth map; the networks here get the"
        " photo itself",
    ),
    Protocol(
        "ebokehnet",
        "EBokehNet on Val294: the middle of 1024x1440, as floats; SSIM of pictures reduced to"
        " about 256 rows",
        "github.com/TimSeizinger/EBokehNet: its script for EBB, and piq 0.7",
        ("psnr_db", "ssim_reduced", "ssim_gaussian", "ssim", "ms_ssim", *_MATCHED),
        window=centre_1024x1440,
        quantised=False,
    ),
    Protocol(
        "bokehlicious",
        "Bokehlicious: the middle with sides that four divides, pictures as floats",
        "github.com/TimSeizinger/Bokehlicious: dataset/util.py, eval.py; torchmetrics",
        _GAUSSIAN,
        window=centre_of_fours,
        quantised=False,
    ),
)
PROTOCOLS = {protocol.name: protocol for protocol in _ROWS}


def to_8_bits(picture):
    """A picture in [0, 1] as a saved one: times 255, plus a half, cut off.
    What is uint8 stays as it is.
    """
    if picture.dtype == np.uint8:
        return picture
    return np.floor(np.clip(picture, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def truth_in_window(truth, protocol):
    """What the protocol compares with: `truth` uint8 `[H, W, 3]`, stretched as a whole
    where it does that, then cut.
    """
    whole_truth = stretched_to_full_range(truth) if protocol.stretched else truth
    return protocol.window(*truth.shape[:2]).of(whole_truth)


def stretched_to_full_range(truth):
    """uint8 with its darkest sample at 0 and its brightest at 255, as SciPy's
    `imresize` made of floats.
    """
    # In SciPy's order of operations: many values lie half way between two steps.
    values = truth / 255
    low, high = values.min(), values.max()
    if high == low:
        return truth
    return (np.clip((values - low) * (255 / (high - low)), 0, 255) + 0.5).astype(np.uint8)


def compared(picture, truth, protocol):
    """What the metrics of `protocol` are taken of.

    Args:
        picture: `[H, W, 3]`, uint8 or float in [0, 1], already only the protocol's window.
        truth: uint8 `[H, W, 3]`, of `truth_in_window`.

    Returns:
        Both as uint8, or both as float32 in [0, 1], without the border.
    """
    if protocol.quantised:
        pair = to_8_bits(picture), truth
    else:
        scaled = picture / np.float32(255) if picture.dtype == np.uint8 else np.clip(picture, 0, 1)
        pair = scaled.astype(np.float32), truth / np.float32(255)
    border = protocol.border_px
    height, width = truth.shape[:2]
    return tuple(one[border : height - border, border : width - border] for one in pair)
