"""What the papers and the released code say of each network's size, written down
independently of our code.

`FACTS[(model, variant)]` has the trainable parameters, and where they are published or follow from
the published layers, the moving statistics, and billions of multiply-accumulates at a size
(height, width) in pixels.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    parameters: int
    moving_statistics: int = 0
    gmacs: float | None = None
    size_px: tuple[int, int] = (1024, 1536)


_MEGADEPTH, _MEGADEPTH_STATISTICS = 5_357_153, 14_144
# A head of n maps has n 3x3 filters over 64 channels and n biases.
_HEAD = 64 * 9 + 1
_SCRN = 25_226_498
_PYNET_ALL_OUTPUTS = 47_551_791
# The outputs of levels 7 to 3, which are for training alone: 3x3 convolutions to 3 channels.
_PYNET_COARSER_OUTPUTS = sum(3 * (9 * channels + 1) for channels in (512, 256, 128, 64, 32))
_PYNET = _PYNET_ALL_OUTPUTS - _PYNET_COARSER_OUTPUTS
# Without depth the one convolution that reads the cells has 12 input channels instead of 16.
_PYNET_DEPTH = 4 * 9 * 32
_DEFOCUS_RADIANCE = 353
_DDDF = 13_839_968

FACTS = {
    ("megadepth", "base"): Fact(_MEGADEPTH, _MEGADEPTH_STATISTICS, 121, (384, 512)),
    ("scrn", "base"): Fact(_SCRN),
    ("scrn", "edges"): Fact(_SCRN),
    ("dbsi", "base"): Fact(_MEGADEPTH + 3 * _HEAD, _MEGADEPTH_STATISTICS, 484, (768, 1024)),
    ("dbsi", "one_kernel"): Fact(_MEGADEPTH + _HEAD, _MEGADEPTH_STATISTICS),
    ("dbsi", "small_kernels"): Fact(_MEGADEPTH + 3 * _HEAD, _MEGADEPTH_STATISTICS),
    ("saliency_blend", "base"): Fact(_SCRN),
    ("saliency_blend", "from_map"): Fact(0),
    ("bgnet", "base"): Fact(3_055_056 + 7_297_728, gmacs=298.6),
    ("defocus", "base"): Fact(41_600_678 + _DEFOCUS_RADIANCE, 68_224),
    ("defocus", "single_channel"): Fact(41_600_513 + _DEFOCUS_RADIANCE, 68_224),
    ("wavelet_cnn", "base"): Fact(1_560_019, gmacs=102.8),
    ("wavelet_cnn", "width32"): Fact(6_235_043, gmacs=408.6),
    ("wavelet_cnn", "width64"): Fact(24_930_115, gmacs=1628.9),
    ("horizon", "base"): Fact(5_429_292, gmacs=515),
    ("dmshn", "base"): Fact(5_424_393, gmacs=513.0),
    ("dmshn", "stacked"): Fact(10_848_786, gmacs=1026.1),
    ("dddf", "base"): Fact(_DDDF, 53_440, 1371),
    ("dddf", "fused"): Fact(_DDDF + _MEGADEPTH + _SCRN),
    ("unet", "base"): Fact(2_942_963, gmacs=92.0),
    ("unet", "width32"): Fact(11_765_731, gmacs=365.1),
    ("wide_activation", "base"): Fact(629_376, gmacs=61.6),
    ("pynet", "base"): Fact(_PYNET, gmacs=658),
    ("pynet", "fused"): Fact(_PYNET + _MEGADEPTH),
    ("pynet", "without_depth"): Fact(_PYNET - _PYNET_DEPTH),
}

# What a network may cost at most to be called small enough for a phone.
TINY_GMACS = 8.0
TINY_SIZE_PX = (512, 768)
