"""The colour space that a photo's file names by numbers instead of a profile."""

import dataclasses
import struct

from bokeh_tf.photos.colour import name_of_transfer, profile_of_code_points, profile_of_gamma
from bokeh_tf.photos.png import colour_chunk, kept_chunks

_GAMMA_UNIT = 100_000


@dataclasses.dataclass(frozen=True)
class NamedColours:
    """What a file says.

    Attributes:
        code_points: primaries and transfer function as H.273 numbers them, or None.
        gamma: from light to value, as PNG's gAMA, or None.
        chromaticities: x and y of white, red, green and blue, or None.
        png_chunks: as in `Photo`.
    """

    code_points: tuple[int, int] | None = None
    gamma: float | None = None
    chromaticities: tuple[tuple[float, float], ...] | None = None
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()

    def profile(self, *, grey):
        """The ICC profile that says the same, empty for sRGB, and notes."""
        if self.code_points:
            profile = profile_of_code_points(*self.code_points, grey=grey)
            if profile is not None:
                return profile, ()
            # A PNG keeps its chunk; what another format loses is said where it is written.
            name = name_of_transfer(self.code_points[1])
            is_kept = bool(self.png_chunks)
            return b"", (
                ()
                if is_kept
                else (f"its HDR colours ({name}) are left out; the result looks flat",)
            )
        if self.gamma is None and self.chromaticities is None:
            return b"", ()
        return profile_of_gamma(self.gamma, self.chromaticities, grey=grey), ()


def colours_of(content, image):
    """The `NamedColours` of the file `content` (bytes) that Pillow has opened as `image`."""
    if image.format == "PNG":
        return _of_png(kept_chunks(content))
    if image.format == "HEIF":
        nclx = image.info.get("nclx_profile")
        has_points = isinstance(nclx, dict)
        points = (nclx["color_primaries"], nclx["transfer_characteristics"]) if has_points else None
        return NamedColours(code_points=points)
    if image.format == "AVIF":
        start = content.find(b"colrnclx")
        found = content[start + 8 : start + 12] if start >= 0 else b""
        return NamedColours(code_points=struct.unpack(">HH", found) if len(found) == 4 else None)
    return NamedColours()


def _of_png(chunks):
    code_points = colour_chunk(chunks, b"cICP")
    if code_points:
        return NamedColours(code_points=(code_points[0], code_points[1]), png_chunks=chunks)
    gamma, chromaticities = colour_chunk(chunks, b"gAMA"), colour_chunk(chunks, b"cHRM")
    # sRGB says all; the others then stand there for readers that do not know it.
    if colour_chunk(chunks, b"sRGB"):
        return NamedColours(png_chunks=chunks)
    value = int.from_bytes(gamma, "big") / _GAMMA_UNIT if gamma else None
    points = (
        [number / _GAMMA_UNIT for number in struct.unpack(">8I", chromaticities)]
        if chromaticities
        else None
    )
    return NamedColours(
        gamma=value or None,
        chromaticities=tuple(zip(points[::2], points[1::2], strict=True)) if points else None,
        png_chunks=chunks,
    )
