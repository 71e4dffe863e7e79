"""What is wrong with a training pair, measured.

    size                width and height of both pictures, in pixels
    sharpness_ratio     detail of the target over detail of the source. Detail is the variance of the Laplacian of the
                        grey picture over the square of its mean, so that exposure
                        does not count. 1: as sharp.
    exposure_stops      log2 of the ratio (target over source) of mean linear luminance. Blur leaves that mean as it
                        is. 0: the same exposure.
    misalignment_px     how far points of the target lie from where they are in the source, in pixels of the source:
                        of a grid of 6 x 4 cells the upper quartile of the cells' median shifts.
    likeness            correlation of both pictures reduced to 32 rows. Blur and exposure hardly touch it, another
                        scene does. 1: alike.

A measure that a pair does not allow is None: a target without a matching keypoint says
nothing of its alignment.
"""

import dataclasses

import cv2
import numpy as np

from bokeh_tf.data.keypoints import match
from bokeh_tf.photos import read, reduced_to_8_bits

# A target with as much detail as its source holds no bokeh; 57 of EBB!'s
# 4400 training pairs are so.
MAX_SHARPNESS_RATIO = 1.0
# Cameras set exposure in thirds of a stop, and a wide aperture darkens the rim by about as much;
# beyond half a stop a network learns to change brightness.
MAX_EXPOSURE_STOPS = 0.5
# Well-aligned pairs measure below 1 px, of which keypoints out of focus contribute most.
MAX_MISALIGNMENT_PX = 3.0
# Pairs of one scene measure above 0.92, misaligned ones too; of unrelated photographs
# 99.7 % measure below 0.8.
MIN_LIKENESS = 0.8
# The other measures need pictures of one shape; a difference below this is a matter
# of rounding in a resize.
_MAX_ASPECT_DIFFERENCE = 0.01

_KEYPOINT_HEIGHT_PX = 512
_MOST_KEYPOINTS = 2500
_CELLS = (4, 6)
_LEAST_MATCHES_IN_CELL = 8
# Median deviation within a cell beyond which its matches contradict each other.
_MAX_CELL_DEVIATION_PX = 4.0
# Matches further apart than this share of the height are mistakes: pairs are taken
# within a second or two.
_MAX_SHIFT = 0.08
_LIKENESS_HEIGHT_PX = 32


@dataclasses.dataclass(frozen=True)
class Measures:
    """The measures of one pair; see the module's docstring. Sizes are (width, height)."""

    source_size: tuple[int, int]
    target_size: tuple[int, int]
    sharpness_ratio: float | None = None
    exposure_stops: float | None = None
    misalignment_px: float | None = None
    likeness: float | None = None


def measure_files(source, target):
    """The `Measures` of the pair in two files; `PhotoError` where one cannot be read."""
    return measure(*(reduced_to_8_bits(read(path).pixels) for path in (source, target)))


def measure(source, target):
    """The `Measures` of two photographs, uint8 `[H, W, 3]` RGB."""
    sizes = source.shape[1::-1], target.shape[1::-1]
    aspects = [width / height for width, height in sizes]
    if abs(aspects[0] / aspects[1] - 1) > _MAX_ASPECT_DIFFERENCE:
        return Measures(*sizes)
    if sizes[0] != sizes[1]:
        target = cv2.resize(target, sizes[0], interpolation=cv2.INTER_AREA)
    return Measures(
        *sizes,
        _sharpness_ratio(source, target),
        _exposure_stops(source, target),
        _misalignment_px(source, target),
        _likeness(source, target),
    )


def complaints(measures):
    """What is wrong with a pair of these measures, a short sentence
    each; empty for a clean pair.
    """
    found = []
    if measures.source_size != measures.target_size:
        sizes = ["x".join(map(str, size)) for size in (measures.source_size, measures.target_size)]
        found.append(f"sizes differ: {sizes[0]} and {sizes[1]}")
    if measures.sharpness_ratio is not None and measures.sharpness_ratio > MAX_SHARPNESS_RATIO:
        found.append(f"target sharper than source: {measures.sharpness_ratio:.2f} times")
    if measures.exposure_stops is not None and abs(measures.exposure_stops) > MAX_EXPOSURE_STOPS:
        found.append(f"exposure differs: {measures.exposure_stops:+.1f} stops")
    if measures.misalignment_px is not None and measures.misalignment_px > MAX_MISALIGNMENT_PX:
        found.append(f"misaligned: {measures.misalignment_px:.1f} px")
    if measures.likeness is not None and measures.likeness < MIN_LIKENESS:
        found.append(f"different pictures: likeness {measures.likeness:.2f}")
    return tuple(found)


def _sharpness_ratio(source, target):
    details = []
    for photo in (source, target):
        grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        details.append(
            cv2.Laplacian(grey, cv2.CV_32F).var(dtype=np.float64)
            / max(float(grey.mean()), 1.0) ** 2
        )
    # A source without any detail has none to lose.
    return float(details[1] / details[0]) if details[0] > 0 else None


def _linear_luminance_mean(photo):
    # A table: 8-bit samples have 256 values. sRGB, IEC 61966-2-1; weights of ITU-R BT.709.
    encoded = np.arange(256) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    means = [
        np.bincount(photo[..., channel].ravel(), minlength=256) @ linear for channel in range(3)
    ]
    return float(np.dot(means, (0.2126, 0.7152, 0.0722)) / photo[..., 0].size)


def _exposure_stops(source, target):
    means = [_linear_luminance_mean(photo) for photo in (source, target)]
    return float(np.log2(means[1] / means[0])) if min(means) > 0 else None


def _misalignment_px(source, target):
    height, width = source.shape[:2]
    found = match(source, target, height_px=_KEYPOINT_HEIGHT_PX, most_keypoints=_MOST_KEYPOINTS)
    shifts = found.second - found.first
    is_near = np.linalg.norm(shifts, axis=1) < _MAX_SHIFT * height
    rows, columns = _CELLS
    cells = (found.first[:, 1] * rows // height) * columns + found.first[:, 0] * columns // width
    lengths = []
    for cell in np.unique(cells[is_near]):
        inside = shifts[is_near & (cells == cell)]
        median = np.median(inside, axis=0)
        deviation_px = np.median(np.linalg.norm(inside - median, axis=1))
        if len(inside) >= _LEAST_MATCHES_IN_CELL and deviation_px <= _MAX_CELL_DEVIATION_PX:
            lengths.append(np.linalg.norm(median))
    return float(np.percentile(lengths, 75)) if lengths else None


def _likeness(source, target):
    height, width = source.shape[:2]
    size = max(2, round(width * _LIKENESS_HEIGHT_PX / height)), _LIKENESS_HEIGHT_PX
    first, second = (
        cv2.resize(
            cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA
        ).astype(np.float64)
        for photo in (source, target)
    )
    deviations = first.std() * second.std()
    if deviations == 0:
        return None
    return float(((first - first.mean()) * (second - second.mean())).mean() / deviations)
