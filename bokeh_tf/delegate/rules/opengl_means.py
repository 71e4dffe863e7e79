"""The kernel that OpenGL has for means over rows and columns by tiles, of pictures `(batch, height,
width, channels)`: when the engine chooses it, and how far it reaches (gl/kernels/mean.cc).

It has 8 x 8 threads, each for one tile. Beyond their reach it leaves rows and columns out; where
there are fewer tiles than threads it stores sums beyond its memory.
"""

TILE_PX = 8
_THREADS_PX = 8 * TILE_PX
_MEMORY_BYTES, _FLOAT32_BYTES = 32768, 4


def has_tiles(shape: tuple[int, ...]) -> bool:
    """Whether a picture is made of whole tiles."""
    _, height, width, channels = shape
    return not (height % TILE_PX or width % TILE_PX or channels % 4)


def is_by_tiles(shape: tuple[int, ...]) -> bool:
    """Whether the engine chooses the kernel: there its sums have room."""
    _, height, width, channels = shape
    sums_bytes = height * width // TILE_PX**2 * channels * _FLOAT32_BYTES
    return has_tiles(shape) and sums_bytes <= _MEMORY_BYTES


def is_cut(shape: tuple[int, ...]) -> bool:
    """Whether the kernel's threads do not reach all rows and columns."""
    return max(shape[1:3]) > _THREADS_PX


def is_overrun(shape: tuple[int, ...]) -> bool:
    """Whether some of the kernel's threads have no tile, and store sums beyond its memory."""
    return min(shape[1:3]) < _THREADS_PX
