"""ImageNet encoders that several published networks start from: ResNet-50 and ResNeXt-50
32x4d, without their heads.

He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), table 1, and Xie et al.,
"Aggregated Residual Transformations for Deep Neural Networks" (CVPR 2017), table 1, in
torchvision's layout: a block's stride is in its 3x3 convolution, and padding is explicit, since
TensorFlow's "same" pads a stride of two on one side only. Layers are called as in torchvision, with
underscores, behind a prefix: `scrn_resnet_layer1_0_conv1`.

Trainable parameters: 23,508,032 (ResNet-50) and 22,979,904 (ResNeXt-50).
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.ops import grouped

# Output channels of a bottleneck per planes, those of torchvision's stage.
_EXPANSION = 4
# The encoders halve the image five times.
ENCODER_STRIDE = 32


@dataclass(frozen=True)
class Encoder:
    """Sizes of a residual encoder of bottleneck blocks."""

    # Channels of the stem; a stage's output has 4, 8, 16 and 32 times as many.
    planes: int = 64
    # Bottleneck blocks in each stage.
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    # Groups of the 3x3 convolutions.
    groups: int = 1
    # Channels of the first stage's 3x3 convolution; each stage doubles them.
    width: int = 64

    def __post_init__(self):
        if self.planes < 1 or len(self.blocks) != 4 or min(self.blocks) < 1:
            raise ValueError(
                f"planes and the four numbers of blocks must be positive. Received: {self}"
            )
        if self.groups < 1 or self.width < 1 or self.width % self.groups:
            raise ValueError(f"width must be a multiple of groups. Received: {self}")


RESNET50 = Encoder()
RESNEXT50 = Encoder(groups=32, width=128)


def encode(image, encoder, *, prefix):
    """Features of the four stages, finest first, at 1/4, 1/8, 1/16 and 1/32 of the size.

    Args:
        image: normalised as the weights expect, `[B, H, W, 3]`, H and W
            multiples of `ENCODER_STRIDE`.
        prefix: of all layer names.
    """
    x = _conv_norm(image, encoder.planes, 7, strides=2, names=(f"{prefix}_conv1", f"{prefix}_bn1"))
    x = layers.ReLU(name=f"{prefix}_relu")(x)
    # Zeros are below nothing here: the pooling follows a ReLU.
    x = layers.ZeroPadding2D(1, name=f"{prefix}_maxpool_pad")(x)
    x = layers.MaxPooling2D(3, 2, name=f"{prefix}_maxpool")(x)
    stages = []
    for stage, count in enumerate(encoder.blocks):
        for block in range(count):
            strides = 2 if stage > 0 and block == 0 else 1
            x = _bottleneck(
                x, encoder, stage, strides=strides, name=f"{prefix}_layer{stage + 1}_{block}"
            )
        stages.append(x)
    return stages


def _bottleneck(x, encoder, stage, *, strides, name):
    """1x1, 3x3 and 1x1 convolution beside a shortcut, which is
    projected where the shape changes.
    """
    width, channels = encoder.width * 2**stage, encoder.planes * 2**stage * _EXPANSION
    y = layers.ReLU(name=f"{name}_relu1")(
        _conv_norm(x, width, 1, names=(f"{name}_conv1", f"{name}_bn1"))
    )
    names = (f"{name}_conv2", f"{name}_bn2")
    y = layers.ReLU(name=f"{name}_relu2")(
        _conv_norm(y, width, 3, strides=strides, groups=encoder.groups, names=names)
    )
    y = _conv_norm(y, channels, 1, names=(f"{name}_conv3", f"{name}_bn3"))
    if strides > 1 or x.shape[-1] != channels:
        names = (f"{name}_downsample_0", f"{name}_downsample_1")
        x = _conv_norm(x, channels, 1, strides=strides, names=names)
    return layers.ReLU(name=f"{name}_relu3")(layers.Add(name=f"{name}_sum")([y, x]))


def _conv_norm(x, filters, kernel_size, *, names, strides=1, groups=1):
    """Convolution without bias, padded by half its kernel on every
    side, and batch normalisation.
    """
    if strides > 1 and kernel_size > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{names[0]}_pad")(x)
    padding = "valid" if strides > 1 else "same"
    settings = {"padding": padding, "groups": groups, "use_bias": False, "name": names[0]}
    conv = grouped.Conv2D(filters, kernel_size, strides, **settings)
    # PyTorch's defaults, which the published weights were trained with: its
    # momentum 0.1 is 0.9 here.
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=names[1])(conv(x))


@keras.saving.register_keras_serializable(package="bokeh_tf")
class FirstInput(layers.Layer):
    """Returns the first of its inputs; the others are in the graph for their weights alone.

    So a network keeps the parts that only its training used, and published weights fit. A converter
    leaves out what leads to no output.
    """

    def call(self, inputs):
        return inputs[0]

    def compute_output_shape(self, input_shape):
        return input_shape[0]
