"""SCRN: a single photo to its salient object, by two branches, object and
edges, that refine one another.

Wu et al., "Stacked Cross Refinement Network for Edge-Aware Salient Object Detection" (ICCV 2019),
section 3, as released in wuzhe71/SCRN: ResNet-50 features of four levels, reduced to 32 channels
for either branch, pass four cross-refinement units; a U-Net-like fusion gives one map per branch.

Input: images `[B, H, W, 3]` in [0, 1], H and W multiples of 32; the published size is
    352x352. Output: "saliency"
`[B, H, W, 1]` in [0, 1]; the variant "edges" adds "edges", which training wants.

25,226,498 trainable parameters and 63,488 moving statistics; 14.2 billion multiply-accumulates at
352x352 as a file. The normalisation by ImageNet's mean and deviation and the final sigmoid, outside
the published network, are inside. The edge head and the last unit's edges do not reach "saliency":
their weights stay, so that published ones fit, but a converted file leaves them out. On a phone the
edge branch multiplies up to five features, which half precision bears while they stay below nine.
"tiny" is ours and untrained: a quarter of the encoder's channels, half of the rest.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.backbones import ENCODER_STRIDE, RESNET50, Encoder, FirstInput, encode
from bokeh_tf.models.layers import image_input
from bokeh_tf.ops.channelwise import ChannelwiseUpsampling

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_LEVELS = 4
# The finest level has a quarter of the image's rows.
_FINEST_STRIDE = 4


@dataclass(frozen=True)
class Config:
    """Widths of SCRN and what it returns."""

    # Channels of every level of both branches.
    channels: int = 32
    # Cross-refinement units in a row.
    units: int = 4
    # The encoder.
    encoder: Encoder = RESNET50
    # Whether the map of edges is a second output.
    are_edges_returned: bool = False

    def __post_init__(self):
        if self.channels < 1 or self.units < 1:
            raise ValueError(
                f"channels and units must be positive. Received: {self.channels}, {self.units}"
            )


VARIANTS = {
    "base": Config(),
    "edges": Config(are_edges_returned=True),
    "tiny": Config(channels=16, encoder=Encoder(planes=16, width=16)),
}


def _conv_norm(x, filters, kernel_size, *, name):
    """Convolution without bias and batch normalisation; SCRN has no activation after it."""
    x = layers.Conv2D(filters, kernel_size, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)


def _convs_norm(x, filters, *, name):
    """Two 3x3 convolutions, each with batch normalisation."""
    return _conv_norm(_conv_norm(x, filters, 3, name=f"{name}1"), filters, 3, name=f"{name}2")


def _resized(x, factor, *, name):
    """Bilinear with aligned corners, as the published weights expect."""
    return ChannelwiseUpsampling(factor, align_corners=True, name=f"{name}_resize")(x)


def _branch(stages, channels, *, name):
    """The encoder's stages, each reduced to `channels`."""
    reduced = [
        _conv_norm(x, channels, 1, name=f"{name}{level}_1x1")
        for level, x in enumerate(stages, start=1)
    ]
    return [
        _convs_norm(x, channels, name=f"{name}{level}_3x3_")
        for level, x in enumerate(reduced, start=1)
    ]


def cross_refinement(saliency, edges, *, name):
    """One cross-refinement unit: both branches after their residual updates,
    lists of levels, finest first.

    Saliency takes in, concatenated, the edges of its own and all coarser levels; edges
    take the product with the saliency of its own and all coarser levels. All eight updates
    start from the unit's inputs.
    """
    channels = saliency[0].shape[-1]

    def coarser(features, level, target):
        for other in range(level + 1, _LEVELS):
            part = f"{name}_{target}{level + 1}_from{other + 1}"
            yield _conv_norm(
                _resized(features[other], 2 ** (other - level), name=part), channels, 1, name=part
            )

    new_saliency, new_edges = [], []
    for level, (s, e) in enumerate(zip(saliency, edges, strict=True)):
        part = f"{name}_saliency{level + 1}"
        update = layers.Concatenate(name=f"{part}_concat")(
            [s, e, *coarser(edges, level, "saliency")]
        )
        new_saliency.append(
            layers.Add(name=f"{part}_sum")([s, _convs_norm(update, channels, name=f"{part}_3x3_")])
        )
        part = f"{name}_edges{level + 1}"
        update = layers.Multiply(name=f"{part}_product")([e, s, *coarser(saliency, level, "edges")])
        new_edges.append(
            layers.Add(name=f"{part}_sum")([e, _convs_norm(update, channels, name=f"{part}_3x3_")])
        )
    return new_saliency, new_edges


def _fused(levels, *, name):
    """One logit per pixel from all levels, coarsest first, at the finest level's size."""
    channels = levels[0].shape[-1]
    x = levels[-1]
    for level in range(_LEVELS - 1, 0, -1):
        part = f"{name}_level{level}"
        x = _conv_norm(_resized(x, 2, name=part), channels, 3, name=f"{part}_up")
        x = layers.Concatenate(name=f"{part}_concat")([levels[level - 1], x])
        x = _conv_norm(x, 2 * channels, 3, name=f"{part}_mix")
        x = _conv_norm(x, channels, 1, name=f"{part}_reduce")
    x = _conv_norm(x, channels, 3, name=f"{name}_last")
    return layers.Conv2D(1, 1, name=f"{name}_logits")(x)


def _probability(logits, *, name, output_name):
    return layers.Activation("sigmoid", name=output_name)(
        _resized(logits, _FINEST_STRIDE, name=name)
    )


def saliency_and_edges(image, config=Config(), *, output_names=("saliency", "edges")):
    """The network on a photo `[B, H, W, 3]` in [0, 1]; saliency and edges, both
    `[B, H, W, 1]` in [0, 1].

    Args:
        output_names: of the last layer of either branch; all other names start with "scrn".
    """
    # No photo leaves [0, 1]. What does would grow, through four units of
    # products, beyond half precision.
    inside = layers.ReLU(max_value=1.0, name="scrn_inside")(image)
    scale = [1 / deviation for deviation in _IMAGENET_DEVIATION]
    offset = [-mean * factor for mean, factor in zip(_IMAGENET_MEAN, scale, strict=True)]
    normalised = layers.Rescaling(scale, offset, name="scrn_normalised")(inside)
    stages = encode(normalised, config.encoder, prefix="scrn_resnet")
    saliency = _branch(stages, config.channels, name="scrn_saliency")
    edges = _branch(stages, config.channels, name="scrn_edges")
    for unit in range(1, config.units + 1):
        saliency, edges = cross_refinement(saliency, edges, name=f"scrn_unit{unit}")
    heads = ((saliency, "scrn_saliency_head"), (edges, "scrn_edges_head"))
    return [
        _probability(_fused(levels, name=name), name=name, output_name=output_name)
        for (levels, name), output_name in zip(heads, output_names, strict=True)
    ]


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Input.
    image = image_input(image_shape, multiple=ENCODER_STRIDE)

    # Both branches.
    if config.are_edges_returned:
        return keras.Model(image, saliency_and_edges(image, config), name="scrn")

    # Saliency alone, the weights of the edges kept.
    maps = saliency_and_edges(image, config, output_names=("scrn_saliency", "scrn_edges"))
    return keras.Model(image, FirstInput(name="saliency")(maps), name="scrn")
