"""What a model is fed in a check: a photograph, and signed random numbers.

A photograph shows errors a user would see; signed random numbers reach what smooth, positive
pictures hide (wrong coordinates, padding lanes that win a maximum, the negative side of an
activation). Inputs of any rank and dtype get
something: those that cannot hold a picture get random numbers of the same range in the
    photo trial too. Integers
stay inside their bounds; quantised inputs take all that their type holds.
"""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bokeh_tf.errors import PhotoError
from bokeh_tf.paths import is_file, open_file

# A CC0 photograph that comes with the package; where it was left out a synthetic
# picture takes its place.
PACKAGED_PHOTO = Path(__file__).resolve().parents[2] / "samples" / "photo.jpg"
_SEED = 20
_SYNTHETIC_SIZE_PX = (768, 512)
_DISC_COUNT = 24
# Indices and counts: the only small whole numbers that a table of any size can look up.
_SAFE_BOUNDS = (0, 1)
_BYTE_TYPES = (np.uint8, np.int8)
_TEXTS = np.array([b"a", b"bokeh", b"", b"\xc3\xa9"])
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def trial_inputs(trial, specs, *, picture, ranges, bounds=None) -> tuple[np.ndarray, ...]:
    """One array per input spec, for the trial "photo", "positive_random" or "signed_random".

    An input's numbers depend on its tensor index and shape alone, not on
    which other inputs there are.

    Args:
        picture: a PIL RGB image, used by the trial "photo" only.
        ranges: per input the (low, high) that its contract declares, or None for [0, 1].
        bounds: per input the smallest and largest integer that it may hold, None for all that a
            quantised one's type holds; without this argument 8-bit inputs take all their
            values, other integers 0 and 1.
    """
    if bounds is None:
        bounds = [None if spec.dtype in _BYTE_TYPES else _SAFE_BOUNDS for spec in specs]
    arrays = []
    for spec, declared, integers in zip(specs, ranges, bounds, strict=True):
        generator = np.random.default_rng([_SEED, spec.index])
        if trial == "photo" and holds_a_picture(spec):
            unit = _fit(picture, spec.shape)
        else:
            unit = generator.random(spec.shape, np.float32)
        low, high = (-1.0, 1.0) if trial == "signed_random" else (declared or (0.0, 1.0))
        arrays.append(np.asarray(_cast(unit, spec, (low, high), integers, generator)))
    return tuple(arrays)


def holds_a_picture(spec) -> bool:
    """Whether an input is NHWC with at least 2x2 pixels and 1, 3 or 4 channels of a
    dtype that pictures have.
    """
    if len(spec.shape) != 4 or spec.shape[3] not in (1, 3, 4) or min(spec.shape[1:3]) < 2:
        return False
    return spec.dtype in (np.float32, np.float16, np.uint8, np.int8)


def load_picture(path) -> tuple[Image.Image, str]:
    """The picture for the photo trial and a word on where it comes from; None
    means the packaged photograph.
    """
    if path is None and not is_file(PACKAGED_PHOTO):
        return synthetic_picture(), "synthetic"
    source = Path(path) if path is not None else PACKAGED_PHOTO
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with open_file(source) as file, Image.open(file) as image:
                picture = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise PhotoError(
            f"{source}: cannot read this photo ({error}). Give another one."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(
            f"{source}: this photo is too large for a check. Give a smaller one."
        ) from error
    return picture, str(path) if path is not None else "packaged"


def synthetic_picture() -> Image.Image:
    """A deterministic stand-in for a photograph: cloud-like detail at every scale,
    hard edges, small highlights.
    """
    generator = np.random.default_rng(_SEED)
    width_px, height_px = _SYNTHETIC_SIZE_PX
    picture = np.full((height_px, width_px, 3), 0.5, np.float32)
    cell_px = 256
    while cell_px >= 2:
        # Amplitude falls with the scale, as the spectrum of natural images does.
        coarse = generator.normal(
            0, 0.002 * cell_px**0.8, (height_px // cell_px + 1, width_px // cell_px + 1, 3)
        )
        for channel in range(3):
            layer = Image.fromarray(coarse[..., channel].astype(np.float32)).resize(
                _SYNTHETIC_SIZE_PX, Image.Resampling.BICUBIC
            )
            picture[..., channel] += np.asarray(layer)
        cell_px //= 2
    rows, columns = np.mgrid[:height_px, :width_px]
    for index in range(_DISC_COUNT):
        is_highlight = index % 2
        radius_px = 2 if is_highlight else generator.integers(10, 60)
        row, column = generator.integers(height_px), generator.integers(width_px)
        inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius_px**2
        picture[inside] = 1.0 if is_highlight else generator.random(3)
    return Image.fromarray((np.clip(picture, 0, 1) * 255).round().astype(np.uint8))


def _fit(picture, shape):
    """The middle of the picture at the input's size, values [0, 1], in the
    input's number of channels.
    """
    batch, height_px, width_px, channels = shape
    fitted = ImageOps.fit(picture, (width_px, height_px), Image.Resampling.LANCZOS)
    pixels = np.asarray(fitted, np.float32) / 255
    if channels == 1:
        pixels = (pixels @ _LUMA)[..., None]
    elif channels == 4:
        pixels = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    return np.broadcast_to(pixels, (batch, height_px, width_px, channels))


def _cast(unit, spec, limits, integers, generator):
    """Unit values as the input's dtype: floats into their limits, integers over their bounds."""
    low, high = limits
    if np.issubdtype(spec.dtype, np.floating):
        return (low + unit * (high - low)).astype(spec.dtype)
    if np.issubdtype(spec.dtype, np.complexfloating):
        imaginary = generator.random(spec.shape, np.float32)
        return ((low + 1j * low) + (unit + 1j * imaginary) * (high - low)).astype(spec.dtype)
    if spec.dtype == np.bool_:
        return unit >= 0.5
    if np.issubdtype(spec.dtype, np.integer):
        lowest, highest = _integer_limits(spec.dtype, integers, is_signed_trial=low < 0)
        return (lowest + np.round(unit.astype(np.float64) * (highest - lowest))).astype(spec.dtype)
    if spec.dtype.kind in "SO":
        return generator.choice(_TEXTS, spec.shape)
    raise ValueError(
        f"an input of numbers or text. Received: input {spec.name!r} of type {spec.dtype}."
    )


def _integer_limits(dtype, integers, *, is_signed_trial):
    """(lowest, highest) of an integer input; bytes use their whole range in
    every trial, as pictures do.
    """
    held = np.iinfo(dtype)
    if integers is None:
        lowest = 0 if held.bits > 8 and not is_signed_trial else int(held.min)
        return lowest, int(held.max)
    lowest, highest = max(integers[0], int(held.min)), min(integers[1], int(held.max))
    return (lowest if is_signed_trial else max(lowest, min(0, highest))), highest
