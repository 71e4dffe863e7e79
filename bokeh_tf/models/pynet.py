"""PyNET with depth: seven levels from a coarse picture to the full one, each trained
before the next finer one.

Teams Xuehuapiaopiao and Terminator, AIM 2020 Challenge on Rendering Realistic Bokeh, section
4.8, used a slightly modified PyNET with estimated depth; what they modified is not published.
This is PyNET as released for bokeh (aiff22/PyNET-Bokeh, `model.py`), with switches where a
team may have changed it.

Inputs: images `[B, H, W, 3]` in [0, 1], H and W multiples of 64, and "depth" `[B, H, W,
    1]` in [0, 1], see `maps`.
Output: "rendered" in [0, 1], `[B, H, W, 3]` at level 1; level n gives the picture at 1 /
    2^(n - 1) of the size, which
its training compares with the equally reduced photograph. Layers have the same names at every
level, so weights carry over from one to the next.

47,524,992 trainable parameters and 658 billion multiply-accumulates at 1024x1536. The released
network also has an output at each coarser level, for training alone; `are_coarser_levels_output`
brings its 47,551,791 parameters.

Both inputs are halved inside, by means of four pixels instead of bicubically before, so that photo
and picture have one size. "fused" estimates the depth from the halved photo, for another 241
billion multiply-accumulates. "tiny" is ours and untrained: a quarter of the channels, single
residual blocks, 6.4 billion multiply-accumulates at 512x768. On a phone the 9x9 convolutions of 128
channels at a quarter of the size cost the time, and 95 MB of float16 weights the start.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.layers import ClipAtInference, InstanceNormalization, image_input
from bokeh_tf.models.maps import depth_map
from bokeh_tf.ops.shuffle import SpaceToDepth
from bokeh_tf.ops.transposed import DoublingConv2DTranspose

COARSEST_LEVEL = 7
# The finest level made of blocks, at a quarter of the photo's size; levels 2 and 1
# only enlarge its result.
FINEST_BLOCK_LEVEL = 3
# The photo is halved, made cells of 2 x 2 pixels, and pooled four times.
MULTIPLE = 2 ** (COARSEST_LEVEL - 1)
SLOPE = 0.2
# Channels of level 2.
ENLARGED_CHANNELS = 8


@dataclass(frozen=True)
class Config:
    """Widths of PyNET, and what its users may have changed."""

    # Channels of one branch at level 3; each coarser level has twice as many.
    channels: int = 32
    # Residual blocks in a row at levels 7, 6, 5, 4 and 3.
    residual_blocks: tuple[int, ...] = (2, 2, 3, 3, 3)
    # The finest level built, 7 to 1.
    level: int = 1
    # Whether coarser levels have outputs of their own: "level7_rendered" and so on.
    are_coarser_levels_output: bool = False
    # Whether the network sees depth at all.
    has_depth: bool = True
    # Whether the depth is estimated inside the graph.
    are_maps_estimated: bool = False
    # Whether levels 7 to 4 have instance normalisation; level 3 never has.
    is_normalised: bool = True

    def __post_init__(self):
        if self.channels < 1:
            raise ValueError(f"channels must be positive. Received: {self.channels}")
        if len(self.residual_blocks) != 5 or min(self.residual_blocks) < 0:
            raise ValueError(
                "residual_blocks must be five numbers, none negative. Received:"
                f" {self.residual_blocks}"
            )
        if not 1 <= self.level <= COARSEST_LEVEL:
            raise ValueError(f"level must be 1 to {COARSEST_LEVEL}. Received: {self.level}")
        if self.are_maps_estimated and not self.has_depth:
            raise ValueError("are_maps_estimated needs has_depth. Received: has_depth=False")


VARIANTS = {
    "base": Config(),
    "fused": Config(are_maps_estimated=True),
    "without_depth": Config(has_depth=False),
    "tiny": Config(channels=8, residual_blocks=(1, 1, 1, 1, 1)),
}


class _Level:
    """The blocks of one level: their channels and normalisation, and layer
    names that count up from 1.
    """

    def __init__(self, number, config, *, name):
        self.number, self.config, self.name = number, config, name
        self.channels = config.channels * 2 ** (number - FINEST_BLOCK_LEVEL)
        self.is_normalised = config.is_normalised and number > FINEST_BLOCK_LEVEL
        self.count = 0

    def block(self, x, largest_kernel):
        """Parallel branches of two convolutions each, with kernels 3, 5, ...
        `largest_kernel`, concatenated.
        """
        self.count += 1
        name = f"{self.name}_block{self.count}"
        branches = []
        for size in range(3, largest_kernel + 1, 2):
            branch = self._convolution(x, size, name=f"{name}_{size}x{size}_conv1")
            branches.append(self._convolution(branch, size, name=f"{name}_{size}x{size}_conv2"))
        return _joined(branches, name=f"{name}_branches") if len(branches) > 1 else branches[0]

    def residual_blocks(self, x, largest_kernel):
        """Blocks in a row, each added to its input."""
        for _ in range(self.config.residual_blocks[COARSEST_LEVEL - self.number]):
            block = self.block(x, largest_kernel)
            x = layers.Add(name=f"{self.name}_block{self.count}_sum")([block, x])
        return x

    def joined(self, *features):
        """The features side by side as channels, named after the last block."""
        return _joined(features, name=f"{self.name}_joined{self.count}")

    def _convolution(self, x, size, *, name):
        x = _plain_convolution(x, self.channels, size, name=name)
        if self.is_normalised:
            x = InstanceNormalization(epsilon=1e-3, affine=True, name=f"{name}_norm")(x)
        return layers.LeakyReLU(SLOPE, name=f"{name}_relu")(x)


def _joined(features, *, name):
    return layers.Concatenate(name=name)(list(features))


def _initializer():
    # As released. One for each layer: an initializer without a seed repeats its numbers.
    return keras.initializers.TruncatedNormal(stddev=0.01)


def _plain_convolution(x, channels, size, *, name):
    bias = keras.initializers.Constant(0.01)
    return layers.Conv2D(
        channels,
        size,
        padding="same",
        kernel_initializer=_initializer(),
        bias_initializer=bias,
        name=name,
    )(x)


def _enlarged(x, channels, *, name):
    """Twice the height and width, by a transposed convolution."""
    x = DoublingConv2DTranspose(
        channels, 3, 2, padding="same", use_bias=False, kernel_initializer=_initializer(), name=name
    )(x)
    return layers.LeakyReLU(SLOPE, name=f"{name}_relu")(x)


def _encode(x, config):
    """Features of levels 3 to 6, by level, and the input of level 7."""
    encoded = {}
    for number in range(FINEST_BLOCK_LEVEL, COARSEST_LEVEL):
        encoded[number] = _Level(number, config, name=f"encoder{number}").block(x, 3)
        x = layers.MaxPooling2D(2, name=f"encoder{number}_pool")(encoded[number])
    return encoded, x


def _level7(level, pooled):
    x = level.block(pooled, 3)
    x = level.residual_blocks(x, 3)
    return level.block(x, 3)


def _level6(level, encoded, first, second):
    x = level.block(level.joined(encoded, first), 3)
    x = level.residual_blocks(x, 3)
    x = level.joined(level.block(x, 3), second)
    return level.block(x, 3)


def _level5(level, encoded, first, second):
    x = level.residual_blocks(level.joined(encoded, first), 5)
    x = level.joined(level.block(x, 5), encoded, second)
    return level.block(x, 3)


def _level4(level, encoded, first, second):
    x = level.block(level.joined(encoded, first), 5)
    x = level.residual_blocks(level.joined(x, encoded), 7)
    x = level.joined(level.block(x, 7), encoded)
    x = level.joined(level.block(x, 5), second)
    return level.block(x, 3)


def _level3(level, encoded, first, second):
    x = level.block(level.joined(encoded, first), 5)
    x = level.block(level.joined(x, encoded), 7)
    x = level.residual_blocks(level.block(x, 9), 9)
    x = level.joined(level.block(x, 7), encoded)
    x = level.joined(level.block(x, 5), second, encoded)
    return level.block(x, 3)


_FINER_LEVELS = {6: _level6, 5: _level5, 4: _level4, 3: _level3}


def _features(x, config):
    """Features of the levels that are made of blocks, by level, down to
    the finest that is built.
    """
    encoded, pooled = _encode(x, config)
    features = {COARSEST_LEVEL: _level7(_Level(COARSEST_LEVEL, config, name="level7"), pooled)}
    for number, run in _FINER_LEVELS.items():
        if number < config.level:
            break
        level = _Level(number, config, name=f"level{number}")
        coarser = features[number + 1]
        first, second = (
            _enlarged(coarser, level.channels, name=f"level{number + 1}_transposed{copy}")
            for copy in (1, 2)
        )
        features[number] = run(level, encoded[number], first, second)
    return features


def _colours(features, config):
    """Three unbounded maps per level that is an output, finest first, by level."""
    numbers = [
        number for number in features if config.are_coarser_levels_output or number == config.level
    ]
    colours = {
        number: _plain_convolution(features[number], 3, 3, name=f"level{number}_colours")
        for number in numbers
    }
    if config.level < FINEST_BLOCK_LEVEL:
        x = _enlarged(features[FINEST_BLOCK_LEVEL], ENLARGED_CHANNELS, name="level2_transposed")
        colours[2] = _plain_convolution(x, 3, 3, name="level2_colours")
    if config.level == 1:
        x = _enlarged(colours[2], 3, name="level1_transposed")
        colours[1] = _plain_convolution(x, 3, 3, name="level1_colours")
        if not config.are_coarser_levels_output:
            del colours[2]
    return dict(reversed(colours.items()))


def _picture(colours, *, name):
    bounded = layers.Activation("tanh", name=f"{name}_tanh")(colours)
    return ClipAtInference(name=name)(layers.Rescaling(0.58, 0.5, name=f"{name}_scaled")(bounded))


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Photo and depth, halved.
    image = image_input(image_shape, multiple=MULTIPLE)
    half_image = layers.AveragePooling2D(2, name="half_image")(image)
    inputs, seen = [image], [half_image]
    if config.are_maps_estimated:
        seen.append(depth_map(half_image, is_estimated=True))
    elif config.has_depth:
        inputs.append(depth_map(image, is_estimated=False))
        seen.append(layers.AveragePooling2D(2, name="half_depth")(inputs[-1]))
    half = _joined(seen, name="half_image_and_depth") if len(seen) > 1 else half_image

    # Levels, coarse to fine.
    features = _features(SpaceToDepth(2, name="cells")(half), config)

    # Pictures.
    names = {number: f"level{number}_rendered" for number in range(1, 8)} | {
        config.level: "rendered"
    }
    pictures = [
        _picture(maps, name=names[number]) for number, maps in _colours(features, config).items()
    ]
    return keras.Model(inputs, pictures if len(pictures) > 1 else pictures[0], name="pynet")
