"""The first blocks of EfficientNet-Lite0 as an encoder, with its ImageNet weights
where somebody brings them.

Inverted residual blocks (Tan and Le 2019; the Lite family drops squeeze-and-excitation and
swish, which phones run badly): 1x1 expansion, depthwise convolution, 1x1 projection. The
published batch normalisation is part of the convolutions here: frozen statistics cost a pass
over every tensor and change nothing.

Images are float32 `[B, H, W, 3]` in [0, 1], H and W multiples of `STRIDE`. Convolutions pad as
TensorFlow's "same", with which the published weights were trained.
"""

from dataclasses import dataclass

import numpy as np
from keras import layers

STRIDE = 32
# Published: pictures of 0..255, less 127, over 128.
_SCALE, _OFFSET = 255 / 128, -127 / 128
_NORM_EPSILON = 1e-3
_STEM = "encoder_stem"
_STEM_CHANNELS = 32


@dataclass(frozen=True)
class _Block:
    """An inverted residual block: the depthwise kernel's side, its stride, the expansion
    and the output's channels.
    """

    kernel_size: int
    stride: int
    expansion: int
    channels: int


# All published blocks but the last four, which hold two thirds of the weights.
_BLOCKS = (
    _Block(3, 1, 1, 16),
    *(_Block(3, 2, 6, 24), _Block(3, 1, 6, 24)),
    *(_Block(5, 2, 6, 40), _Block(5, 1, 6, 40)),
    *(_Block(3, 2, 6, 80), _Block(3, 1, 6, 80), _Block(3, 1, 6, 80)),
    *(_Block(5, 1, 6, 112), _Block(5, 1, 6, 112), _Block(5, 1, 6, 112)),
    _Block(5, 2, 6, 192),
)


def encoder(image):
    """Features of an image at 1/2, 1/4, 1/8, 1/16 and 1/32 of its size: 16, 24,
    40, 112 and 192 channels.
    """
    x = layers.Rescaling(_SCALE, _OFFSET, name="encoder_normalised")(image)
    x = layers.Conv2D(_STEM_CHANNELS, 3, 2, padding="same", name=f"{_STEM}_conv")(x)
    x = layers.ReLU(6, name=f"{_STEM}_relu")(x)
    features = []
    for number, block in enumerate(_BLOCKS):
        if block.stride > 1:
            features.append(x)
        x = _inverted_residual(x, block, f"encoder_block{number}")
    return [*features, x]


def _inverted_residual(x, block, name):
    inner = x
    if block.expansion > 1:
        inner = layers.Conv2D(block.expansion * x.shape[-1], 1, name=f"{name}_expand_conv")(inner)
        inner = layers.ReLU(6, name=f"{name}_expand_relu")(inner)
    depthwise = layers.DepthwiseConv2D(
        block.kernel_size, block.stride, padding="same", name=f"{name}_depthwise_conv"
    )
    inner = layers.ReLU(6, name=f"{name}_depthwise_relu")(depthwise(inner))
    inner = layers.Conv2D(block.channels, 1, name=f"{name}_project_conv")(inner)
    if block.stride > 1 or block.channels != x.shape[-1]:
        return inner
    return layers.Add(name=f"{name}_sum")([x, inner])


def assign_published_weights(model, tensors):
    """Gives the encoder's layers in `model` the published weights, normalisation folded in.

    Args:
        model: a Keras model that holds an `encoder`.
        tensors: name to array of the PyTorch checkpoint `efficientnet-lite0`, see
            `bokeh_tf.porting.checkpoint.read_state_dict`.

    Raises:
        ValueError: a tensor is missing or has another shape.
    """
    for layer, (convolution, norm) in _published_names().items():
        kernel, bias = _folded(tensors, convolution, norm, is_depthwise="depthwise" in layer)
        model.get_layer(layer).set_weights([kernel, bias])


def _published_names():
    """Our layer's name to the published convolution's and its normalisation's."""
    names = {f"{_STEM}_conv": ("_conv_stem", "_bn0")}
    for number, block in enumerate(_BLOCKS):
        ours, theirs = f"encoder_block{number}", f"_blocks.{number}."
        if block.expansion > 1:
            names[f"{ours}_expand_conv"] = (f"{theirs}_expand_conv", f"{theirs}_bn0")
        names[f"{ours}_depthwise_conv"] = (f"{theirs}_depthwise_conv", f"{theirs}_bn1")
        names[f"{ours}_project_conv"] = (f"{theirs}_project_conv", f"{theirs}_bn2")
    return names


def _folded(tensors, convolution, norm, *, is_depthwise):
    wanted = [f"{convolution}.weight"]
    wanted += [f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    missing = [name for name in wanted if name not in tensors]
    if missing:
        raise ValueError(
            f"tensors must be those of EfficientNet-Lite0. Missing: {', '.join(missing)}"
        )
    kernel, scale, shift, mean, variance = (np.asarray(tensors[name]) for name in wanted)
    factor = scale / np.sqrt(variance + _NORM_EPSILON)
    kernel = kernel * factor[:, None, None, None]
    order = (2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0)
    return kernel.transpose(order), shift - mean * factor
