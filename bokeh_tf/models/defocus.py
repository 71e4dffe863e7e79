"""Bokeh from defocus estimation: a network says how far every pixel is out of focus, and
disks of that size blur it.

Team AIA-Smart in Ignatov et al., "AIM 2020 Challenge on Rendering Realistic Bokeh" (2020), section
4.2, and its successor, Luo et al., "Bokeh Rendering from Defocus Estimation" (2020), as released in
xianrui-luo/defocustofocus. At half size, a ResNeXt-50 with MiDaS's decoder estimates defocus, three
1x1 convolutions estimate how much light a pixel has, and layers of disk blur are laid over one
another, weighted by that light; the result is enlarged.

"base" is the challenge's six layers, a probability of each per pixel. "single_channel" is their
successor: one defocus value, 15 layers, and the photo's own foreground pasted over the enlarged
result, by the released constants.

Input: images `[B, H, W, 3]` in [0, 1], H and W multiples of 64 and larger than the
    largest disk. Output: "rendered"
`[B, H, W, 3]` in [0, 1]; but for "base" also "in_focus_weight" `[B, H, W, 1]` in [0,
1], the mask of the paste.

Trainable parameters: 41,600,678 (six layers) or 41,600,513 (one channel) in the defocus network,
of them 22,979,904 in its encoder and 1,180,160 in a residual unit that the published decoder owns
but never uses; 353 in the radiance network; 68,224 moving statistics. 207 billion
multiply-accumulates at 1024x1536 with six layers, 26 of them for the disks; 230 billion with 15
layers, 50 of them for the disks.

What differs from the release: the report does not say how the six layers were composited, so it is
done as the 15 are; saturation, the step at 0.99 where a pixel's light follows its brightness, is a
ramp from 0.98 on; the smallest divisor is 1e-3 instead of 1e-10, below half precision; masks are
sigmoids, equal to the published tanh. An unused unit's weights are kept so that published ones fit;
a converted file leaves them out.

On a phone the large disks cost most memory and lose most in half precision, as sums of
4761 products do. "tiny" is ours and untrained: a quarter of the channels, six disks, the
large ones on coarse grids.
"""

from dataclasses import dataclass

import keras
from keras import layers, ops

from bokeh_tf.models.backbones import ENCODER_STRIDE, RESNEXT50, Encoder, FirstInput, encode
from bokeh_tf.models.layers import Channel, image_input
from bokeh_tf.ops.channelwise import ChannelwiseUpsampling
from bokeh_tf.ops.compositing import composite, defocus_masks
from bokeh_tf.ops.disk import SoftDiskBlur
from bokeh_tf.ops.resize import BilinearUpsampling

# All but the paste is computed on a photo of half the size.
_REDUCTION = 2
# Least divisor, for half precision.
_EPSILON = 1e-3
# The paste keeps the photo where defocus is below 1/8, and mixes around it:
# sigmoid(20 * (1/8 - defocus)).
_PASTE_DEFOCUS, _PASTE_SLOPE = 0.125, 20.0
# A channel this bright is saturated; within the ramp below, partly so.
_SATURATED, _SATURATION_RAMP = 0.99, 0.01


@dataclass(frozen=True)
class Config:
    """Disks, heads and widths."""

    # Disk sizes on the half-size photo, odd and rising; one more layer stays sharp.
    disk_sizes_px: tuple[int, ...] = (9, 21, 37, 53, 69)
    # One defocus value per pixel, and the paste of the foreground, instead of
    # a probability per layer.
    is_single_channel: bool = False
    # Whether large disks are computed on coarse grids.
    are_disks_decimated: bool = False
    # The encoder.
    encoder: Encoder = RESNEXT50
    # Channels of the decoder and of its head's two convolutions.
    features: int = 256
    head_features: tuple[int, int] = (128, 32)
    # Keep the published decoder's unused residual unit.
    has_idle_unit: bool = True

    def __post_init__(self):
        sizes_px = self.disk_sizes_px
        if (
            not sizes_px
            or list(sizes_px) != sorted(set(sizes_px))
            or any(k < 3 or k % 2 == 0 for k in sizes_px)
        ):
            raise ValueError(
                f"disk_sizes_px must be rising odd numbers from 3 on. Received: {sizes_px}"
            )
        if self.features < 1 or len(self.head_features) != 2 or min(self.head_features) < 1:
            raise ValueError(
                f"features and two head_features must be positive. Received: {self.features},"
                f" {self.head_features}"
            )


_FIFTEEN_LAYERS_PX = (3, 5, 7, 11, 15, 19, 23, 27, 33, 39, 45, 53, 61, 69)
VARIANTS = {
    "base": Config(),
    "single_channel": Config(disk_sizes_px=_FIFTEEN_LAYERS_PX, is_single_channel=True),
    "tiny": Config(
        is_single_channel=True,
        are_disks_decimated=True,
        encoder=Encoder(planes=16, groups=8, width=32),
        features=64,
        head_features=(32, 16),
        has_idle_unit=False,
    ),
}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class LightWeight(layers.Layer):
    """Weights of pixels by their light, `[B, H, W, 3]`: the network's, and 3 I⁵
    where a pixel is saturated.
    """

    def call(self, image, weight):
        """Returns `weight` `[B, H, W, 1]`, per channel, with saturated pixels replaced."""
        # Not the maximum over an axis, for which the classic delegate's OpenGL half has no kernel.
        brightest = ops.maximum(ops.maximum(image[..., :1], image[..., 1:2]), image[..., 2:])
        ramp = (brightest - (_SATURATED - _SATURATION_RAMP)) * (1 / _SATURATION_RAMP)
        saturated = ops.clip(ramp, 0.0, 1.0)
        square = image * image
        light = 3.0 * square * square * image * saturated
        # As many channels as the light: OpenGL adds one channel to nothing else.
        return ops.concatenate([weight * (1.0 - saturated)] * 3, axis=-1) + light


@keras.saving.register_keras_serializable(package="bokeh_tf")
class DefocusMasks(layers.Layer):
    """One mask per layer from one value of defocus."""

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def call(self, defocus):
        """Returns `count` masks `[B, H, W, 1]`, sharpest first."""
        return defocus_masks(defocus, self.count)

    def get_config(self):
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable(package="bokeh_tf")
class LayeredBlur(layers.Layer):
    """The photo composited from layers of disk blur, pixels weighted by their light."""

    def __init__(self, disk_sizes_px, are_disks_decimated=False, **kwargs):
        super().__init__(**kwargs)
        self.disk_sizes_px = tuple(disk_sizes_px)
        self.are_disks_decimated = are_disks_decimated
        # Names that Keras counts up would change the file with what was built before.
        self._blurs = [
            SoftDiskBlur(size_px, are_disks_decimated, name=f"disk{size_px}")
            for size_px in self.disk_sizes_px
        ]

    def build(self, image_shape, weight_shape, masks_shape):
        """Builds the blurs, which take light and weight together."""
        for blur in self._blurs:
            blur.build((*image_shape[:3], image_shape[3] + weight_shape[3]))

    def call(self, image, weight, masks):
        """Returns the composite of image times weight over that of weight, `[B, H, W, 3]`."""
        light = ops.concatenate([image * weight, weight], axis=-1)
        blurred = composite(light, masks, [None, *self._blurs], epsilon=_EPSILON)
        return blurred[..., :3] / (blurred[..., 3:] + _EPSILON)

    def get_config(self):
        own = {"disk_sizes_px": self.disk_sizes_px, "are_disks_decimated": self.are_disks_decimated}
        return {**super().get_config(), **own}


def _residual_unit(x, *, name):
    """Two 3x3 convolutions, a ReLU before each. The sum takes the first ReLU: as
    released, it works in place.
    """
    x = layers.ReLU(name=f"{name}_relu1")(x)
    y = layers.Conv2D(x.shape[-1], 3, padding="same", name=f"{name}_conv1")(x)
    y = layers.ReLU(name=f"{name}_relu2")(y)
    y = layers.Conv2D(x.shape[-1], 3, padding="same", name=f"{name}_conv2")(y)
    return layers.Add(name=f"{name}_sum")([y, x])


def _decoded(stages, config):
    """MiDaS's decoder: the encoder's stages, coarsest first, each added to twice the
    size of what came before.
    """
    x = None
    for level in range(len(stages), 0, -1):
        name = f"defocus_fusion{level}"
        conv = layers.Conv2D(
            config.features, 3, padding="same", use_bias=False, name=f"defocus_adapter{level}"
        )
        lateral = conv(stages[level - 1])
        if x is not None:
            x = layers.Add(name=f"{name}_sum")([x, _residual_unit(lateral, name=f"{name}_unit1")])
        elif config.has_idle_unit:
            x = FirstInput(name=f"{name}_idle")(
                [lateral, _residual_unit(lateral, name=f"{name}_unit1")]
            )
        else:
            x = lateral
        x = _residual_unit(x, name=f"{name}_unit2")
        x = ChannelwiseUpsampling(2, align_corners=True, name=f"{name}_resize")(x)
    return x


def _layer_masks(image, config):
    """Masks of the layers, sharpest first, and the defocus in [0, 1], or None
    where there are only layers.
    """
    x = _decoded(encode(image, config.encoder, prefix="defocus_resnext"), config)
    x = layers.Conv2D(config.head_features[0], 3, padding="same", name="defocus_head1")(x)
    x = ChannelwiseUpsampling(2, name="defocus_head_resize")(x)
    x = layers.Conv2D(
        config.head_features[1], 3, padding="same", activation="relu", name="defocus_head2"
    )(x)
    count = 1 + len(config.disk_sizes_px)
    if config.is_single_channel:
        # Fresh weights start in the middle: where the clamp acts there is no gradient.
        x = layers.Conv2D(
            1, 1, bias_initializer=keras.initializers.Constant(0.5), name="defocus_regression"
        )(x)
        defocus = layers.ReLU(max_value=1.0, name="defocus")(x)
        return DefocusMasks(count, name="defocus_masks")(defocus), defocus
    x = layers.Conv2D(count, 1, name="defocus_classes")(x)
    probabilities = layers.Softmax(axis=-1, name="defocus_probabilities")(x)
    return [
        Channel(index, name=f"defocus_mask{index}")(probabilities) for index in range(count)
    ], None


def _light_weight(image):
    """The radiance network: three 1x1 convolutions, and what saturates by itself."""
    x = layers.Conv2D(16, 1, activation="relu", name="radiance_conv1")(image)
    x = layers.Conv2D(16, 1, activation="relu", name="radiance_conv2")(x)
    weight = layers.Conv2D(1, 1, activation="sigmoid", name="radiance_conv3")(x)
    return LightWeight(name="radiance_weight")(image, weight)


def _pasted(image, blurred, defocus):
    """The photo where it is in focus, the enlarged blur elsewhere; and the mask."""
    enlarged = BilinearUpsampling(_REDUCTION, name="paste_defocus")(defocus)
    logits = layers.Rescaling(-_PASTE_SLOPE, _PASTE_SLOPE * _PASTE_DEFOCUS, name="paste_logits")(
        enlarged
    )
    mask = layers.Activation("sigmoid", name="in_focus_weight")(logits)
    detail = layers.Subtract(name="paste_detail")([image, blurred])
    kept = layers.Multiply(name="paste_kept")([detail, mask])
    return layers.Add(name="rendered")([blurred, kept]), mask


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # The photo at half size.
    image = image_input(image_shape, multiple=_REDUCTION * ENCODER_STRIDE)
    if min(image_shape) <= max(config.disk_sizes_px):
        raise ValueError(
            f"image_shape must exceed the largest disk, {max(config.disk_sizes_px)} px. Received:"
            f" {image_shape}"
        )
    reduced = layers.AveragePooling2D(_REDUCTION, name="half_size")(image)

    # Defocus, light and the layered blur.
    masks, defocus = _layer_masks(reduced, config)
    blur = LayeredBlur(config.disk_sizes_px, config.are_disks_decimated, name="layered_blur")
    blurred = blur(reduced, _light_weight(reduced), masks)

    # Full size, and the paste.
    if defocus is None:
        return keras.Model(
            image, BilinearUpsampling(_REDUCTION, name="rendered")(blurred), name="defocus"
        )
    enlarged = BilinearUpsampling(_REDUCTION, name="enlarged")(blurred)
    return keras.Model(image, _pasted(image, enlarged, defocus), name="defocus")
