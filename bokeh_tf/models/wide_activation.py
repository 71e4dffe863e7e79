"""Wide activation with channel attention: residual blocks, wide where they are activated,
at a quarter of the size.

Team CET_ECE, AIM 2020 Challenge on Rendering Realistic Bokeh, section 4.7: space-to-depth by 4,
feature extraction, a series of wide-activation residual blocks (Yu et al. 2018) with channel
attention (Zhang et al. 2018), depth-to-space.

Input: images `[B, H, W, 3]` in [0, 1], H and W multiples of 4. Output: "rendered"
    `[B, H, W, 3]` in [0, 1].

629,376 trainable parameters and 61.6 billion multiply-accumulates at 1024x1536. The
report gives no sizes. Our
choices: 32 channels and 8 blocks, because the team reports an eighth of the time of
    BGNet, which has 298.6 billion
multiply-accumulates; blocks of two 3x3 convolutions with four times the channels between them
(WDSR-A); attention through a sixteenth of the channels, as in RCAN as released (yulunzhang/RCAN);
one skip around all blocks; no weight normalisation; the photo is not added to the output, as the
report mentions no such path. "tiny" is ours and
untrained: 24 channels and 6 blocks, 6.8 billion multiply-accumulates at 512x768. On a
    phone nothing is large: all
convolutions see a sixteenth of the pixels, and both shuffles are slices and concatenations.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.layers import ClipAtInference, image_input
from bokeh_tf.ops.means import picture_means
from bokeh_tf.ops.shuffle import DepthToSpace, SpaceToDepth

# Side of the cells that become one pixel.
BLOCK_PX = 4


@dataclass(frozen=True)
class Config:
    """What may vary in the wide-activation network."""

    # Channels between blocks.
    channels: int = 32
    # Residual blocks.
    blocks: int = 8
    # Channels inside a block, where it is activated, per channel outside.
    expansion: int = 4
    # Channels per channel inside the attention.
    attention_reduction: int = 16

    def __post_init__(self):
        if min(self.channels, self.blocks, self.expansion, self.attention_reduction) < 1:
            raise ValueError(
                "channels, blocks, expansion and attention_reduction must be positive. Received:"
                f" {self}"
            )
        if self.channels < self.attention_reduction:
            raise ValueError(
                f"channels must be at least attention_reduction, {self.attention_reduction}."
                f" Received: {self.channels}"
            )


VARIANTS = {"base": Config(), "tiny": Config(channels=24, blocks=6, attention_reduction=8)}


def _convolution(x, channels, *, name, activation=None):
    return layers.Conv2D(channels, 3, padding="same", activation=activation, name=name)(x)


def _attend(x, config, *, name):
    """Scales every channel by a number in (0, 1) that depends on the means of all channels."""
    means = picture_means(x)
    reduced = config.channels // config.attention_reduction
    hidden = layers.Conv2D(reduced, 1, activation="relu", name=f"{name}_reduce")(means)
    scales = layers.Conv2D(config.channels, 1, activation="sigmoid", name=f"{name}_scales")(hidden)
    return layers.Multiply(name=f"{name}_scaled")([x, scales])


def _block(x, config, *, name):
    wide = _convolution(
        x, config.channels * config.expansion, activation="relu", name=f"{name}_expand"
    )
    narrow = _convolution(wide, config.channels, name=f"{name}_project")
    return layers.Add(name=f"{name}_sum")([x, _attend(narrow, config, name=f"{name}_attention")])


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=BLOCK_PX)
    cells = SpaceToDepth(BLOCK_PX, name="cells")(image)

    # Residual blocks.
    features = x = _convolution(cells, config.channels, name="features")
    for number in range(1, config.blocks + 1):
        x = _block(x, config, name=f"block{number}")
    x = _convolution(x, config.channels, name="last_features")
    x = layers.Add(name="features_sum")([features, x])

    # Colours.
    cells = _convolution(x, 3 * BLOCK_PX**2, name="colours_of_cells")
    colours = DepthToSpace(BLOCK_PX, name="colours")(cells)
    return keras.Model(image, ClipAtInference(name="rendered")(colours), name="wide_activation")
