"""BGNet: a U-Net renders bokeh, and a second one, shown what the first changed, renders it again.

Airia-bokeh's "Glass-Net" (AIM 2020 report, section 4.1; Qian et al., "BGGAN: Bokeh-Glass Generative
Adversarial Network", ECCV Workshops 2020), as released in AIM2020-bokeh-BGNet. The two PatchGAN
critics that it is trained against are here too; a phone never sees them.

Input: "image" `[B, H, W, 3]` in [0, 1], H and W multiples of 8. Output: "rendered" `[B, H,
    W, 3]` in [0, 1]. Inside,
pictures are in [-1, 1]; the first U-Net's picture is the output of the layer
"stage1_rendered", for training it alone.

10,352,784 trainable parameters (3,055,056 and 7,297,728); 298.6 billion multiply-accumulates at
1024x1536. What differs: the released layer called instance normalisation divides by the root of the
sum of squared deviations, not of their mean, so its outputs shrink with the size of the image. Here
it is instance normalisation; `is_norm_as_released` brings the other back for the released weights,
as the same layer and a constant factor, because that sum overflows half precision. Epsilon is 1e-4
instead of 1e-5, which half precision hardly tells from zero. On a phone the 24 channels at full
resolution cost memory, 75 MB as float16 at 1024x1536. The variant "tiny" has 8 channels there in
both U-Nets and a third of the residual blocks; it is ours and untrained.
"""

from dataclasses import dataclass
from math import prod

import keras
from keras import layers

from bokeh_tf.models.layers import InstanceNormalization, image_input

# Both U-Nets halve the image this often.
_HALVINGS = 3


@dataclass(frozen=True)
class Config:
    """Widths and depths of the two U-Nets."""

    # Channels of each U-Net at full resolution; they double at every halving.
    stage_channels: tuple[int, int] = (16, 24)
    # Residual blocks at 1/8 of the resolution, in each U-Net.
    residual_blocks: int = 9
    # Probability that a residual block drops an activation while training.
    dropout: float = 0.1
    # Divide by the root of the sum of squared deviations, as the released weights expect.
    is_norm_as_released: bool = False

    def __post_init__(self):
        if len(self.stage_channels) != 2 or min(self.stage_channels) < 1:
            raise ValueError(
                f"stage_channels must be two positive numbers. Received: {self.stage_channels}"
            )
        if self.residual_blocks < 1:
            raise ValueError(f"residual_blocks must be positive. Received: {self.residual_blocks}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1). Received: {self.dropout}")


VARIANTS = {
    "base": Config(),
    "tiny": Config(stage_channels=(8, 8), residual_blocks=3),
}

# Channels of each critic's convolutions of stride 2; the more of them, the larger the
# patch that a score judges.
CRITICS = {"patch": (64, 128, 256), "full": (64, 128, 256, 512, 512)}
_CRITIC_CHANNELS = 512


def _initializer():
    """N(0, 0.02), as released."""
    return keras.initializers.RandomNormal(stddev=0.02)


def _conv(x, channels, *, name, strides=1, activation="relu"):
    return layers.Conv2D(
        channels,
        3,
        strides,
        padding="same",
        use_bias=False,
        activation=activation,
        kernel_initializer=_initializer(),
        name=name,
    )(x)


def _deconv(x, channels, *, name):
    """Transposed convolution to twice the size, the only ones with a bias."""
    x = layers.Conv2DTranspose(
        channels, 4, 2, padding="same", kernel_initializer=_initializer(), name=name
    )(x)
    # A rectifier of this form, or the converter fuses it into an operator that delegates
    # refuse (TRANSPOSE_CONV v4).
    return layers.LeakyReLU(0.0, name=f"{name}_relu")(x)


def _norm(x, config, *, name):
    normalised = InstanceNormalization(name=name)(x)
    if not config.is_norm_as_released:
        return normalised
    return layers.Rescaling(prod(x.shape[1:3]) ** -0.5, name=f"{name}_shrink")(normalised)


def _residual(x, config, *, name):
    """Two normalised convolutions added to their input."""
    y = _conv(x, x.shape[-1], name=f"{name}_conv1", activation=None)
    y = layers.ReLU(name=f"{name}_relu1")(_norm(y, config, name=f"{name}_norm1"))
    y = layers.Dropout(config.dropout, name=f"{name}_dropout")(y)
    y = _conv(y, x.shape[-1], name=f"{name}_conv2", activation=None)
    y = _norm(y, config, name=f"{name}_norm2")
    return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_sum")([x, y]))


def _encoder(x, channels, *, name):
    """Features at 1, 1/2, 1/4 and 1/8 of the resolution."""
    features = [_conv(x, channels, name=f"{name}_in")]
    for depth in range(1, _HALVINGS + 1):
        features.append(
            _conv(features[-1], channels << depth, name=f"{name}_down{depth}", strides=2)
        )
    return features


def _residuals(x, config, *, name):
    for number in range(1, config.residual_blocks + 1):
        x = _residual(x, config, name=f"{name}_block{number}")
    return x


def _decoder(x, skips, channels, *, name):
    """A picture in [-1, 1] from features at 1/8 and the skips at 1/8, 1/4,
    ..., as far as there are any.
    """
    for depth in range(_HALVINGS, 0, -1):
        if skips:
            x = layers.Concatenate(name=f"{name}_skip{depth}")([skips.pop(0), x])
        x = _deconv(x, channels << (depth - 1), name=f"{name}_up{depth}")
    return _conv(x, 3, name=f"{name}_rendered", activation="tanh")


def _first_stage(image, config):
    channels = config.stage_channels[0]
    deepest = _encoder(image, channels, name="stage1")[-1]
    # The residual blocks' output comes first in this concatenation, and last in the
    # second stage's: as released.
    x = _residuals(deepest, config, name="stage1")
    x = layers.Concatenate(name="stage1_skip3")([x, deepest])
    return _decoder(x, [], channels, name="stage1")


def _second_stage(image, first, config):
    channels = config.stage_channels[1]
    removed = layers.Subtract(name="stage2_removed")([image, first])
    _, *skips = _encoder(
        layers.Concatenate(name="stage2_input")([first, removed]), channels, name="stage2"
    )
    x = _conv(skips[-1], skips[-1].shape[-1], name="stage2_middle")
    x = _residuals(x, config, name="stage2")
    return _decoder(x, skips[::-1], channels, name="stage2")


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=2**_HALVINGS)
    signed = layers.Rescaling(2.0, offset=-1.0, name="image_signed")(image)

    # Two renderings.
    first = _first_stage(signed, config)
    second = _second_stage(signed, first, config)

    # Output.
    rendered = layers.Rescaling(0.5, offset=0.5, name="rendered")(second)
    return keras.Model(image, rendered, name="bgnet")


def build_critic(kind, *, image_shape):
    """Builds the critic "patch" (3,019,200 trainable parameters) or "full"
    (11,408,832), as released.

    It maps "image" `[B, H, W, 3]` in [0, 1] to "score_map" `[B, h, w, 512]`, unbounded, larger
    where the picture looks real; training takes its mean. h and w are H and W by 8 ("patch") or 32
    ("full"), of which they are multiples. The released clipping of weights to 0.01 and decay are
    left out: the gradient penalty replaces them. Zeros beyond the border are our choice.
    """
    if kind not in CRITICS:
        raise ValueError(f"kind must be a critic. Received: {kind!r}. Known: {', '.join(CRITICS)}.")
    # Input.
    widths = CRITICS[kind]
    image = image_input(image_shape, multiple=2 ** len(widths))
    x = layers.Rescaling(2.0, offset=-1.0, name="image_signed")(image)

    # Patches.
    for number, channels in enumerate(widths, start=1):
        x = _critic_conv(x, channels, name=f"down{number}", strides=2)
    x = _critic_conv(x, _CRITIC_CHANNELS, name="middle")

    # Scores.
    scores = layers.Conv2D(
        _CRITIC_CHANNELS, 1, kernel_initializer=_initializer(), name="score_map"
    )(x)
    return keras.Model(image, scores, name=f"bgnet_critic_{kind}")


def _critic_conv(x, channels, *, name, strides=1):
    x = layers.Conv2D(
        channels, 4, strides, padding="same", kernel_initializer=_initializer(), name=f"{name}_conv"
    )(x)
    x = InstanceNormalization(name=f"{name}_norm")(x)
    return layers.LeakyReLU(negative_slope=0.2, name=f"{name}_relu")(x)
