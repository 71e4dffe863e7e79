"""DDDF: a dense network, shown depth and saliency, renders colours and adds the photo
through a filter per pixel.

IPCV_IITM's entry (AIM 2020 report, section 4.5; Purohit et al., "Depth-guided Dense Dynamic
Filtering Network for Bokeh Effect Rendering", ICCV Workshops 2019), as released in
DDDF-Bokeh-Effect-Rendering-ICCV2019. An encoder of three DenseNet-121 blocks at half resolution
feeds two decoders: one renders colours, the other the 9x9 weights with which every pixel of the
photo is averaged with its neighbours; rendered = mean colour + colours + filtered photo.

Inputs: "image" `[B, H, W, 3]`, "saliency" and "depth" `[B, H, W, 1]` (see `maps`), all in
    [0, 1], H and W multiples
of 32; padding is the caller's, the released code repeats the first row and column.
Output: "rendered" `[B, H, W, 3]`, in [0, 1] at inference. Inside, what learned weights
read is in 0..255 as released.

13,839,968 trainable parameters and 53,440 moving statistics; 1382 billion multiply-accumulates at
1024x1536, 11 of them the constant convolutions of the filter. What differs or is open:

* The report counts 12, 16 and 24 dense layers; the released code has 6, 12 and 24, as
  DenseNet-121, and so has this.
* The released test leaves the network in training mode, so that every image is normalised by its
  own statistics. "batch" normalisation with moving statistics is the default here: the network
  then computes what it was trained to whatever is in the photo, and most of it folds into
  convolutions. `encoder_norm="image"` does what the release did, with the same trainable
  parameters. There the stem reads [0, 1]: its normalisation takes any scale out again, and the
  squares of larger numbers overflow half precision.
* Depth and saliency came from MegaDepth and DSS; the variant "fused" has MegaDepth and SCRN inside.
* Epsilons of normalisations by the image are 1e-4 instead of 1e-5, which half precision hardly
  tells from zero. The decoders' order in concatenations and the slope of the filter branch's
  leaky ReLUs are our choice.

On a phone memory is what it costs: 956 MB of float16 tensors at once at 1024x1536, in the
normalisation of 288 channels at half resolution; the filter branch, with 192 channels at full
resolution, comes next. The variant "tiny" has an eighth of the channels, half of the dense layers
and 7x7 windows; it is ours and untrained.
"""

from dataclasses import dataclass

import keras
from keras import layers

from bokeh_tf.models.layers import ClipAtInference, InstanceNormalization, image_input
from bokeh_tf.models.maps import depth_map, saliency_map
from bokeh_tf.ops.dynamic_filter import DynamicFilter
from bokeh_tf.ops.shuffle import SpaceToDepth

STRIDE = 32
ENCODER_NORMS = ("batch", "image")
_SLOPE = 0.2
# Of the stem's convolution with fresh weights over 0..255. With 1 in its place a fresh network
# would compute with numbers whose squares come close to the largest of half precision.
_FRESH_STEM_VARIANCE = 64.0**2
# Sides of the cells that the colours are averaged over for context.
_CONTEXT_PX = (16, 8, 4, 2)
# Dense layers of a decoder's block.
_DECODER_LAYERS = 5


@dataclass(frozen=True)
class Config:
    """Widths, depths and where maps and statistics come from."""

    # Channels that a dense layer adds. All other widths are multiples of it.
    growth: int = 32
    # Dense layers of the encoder's blocks at 1/2, 1/4 and 1/8 of the resolution.
    block_layers: tuple[int, int, int] = (6, 12, 24)
    # Channels at full resolution from which colours and their context are rendered.
    colour_channels: int = 20
    # Side of the window that a pixel is filtered with, odd.
    window_px: int = 9
    # Statistics of the encoder's normalisations: moving ones ("batch") or
    # each image's own ("image").
    encoder_norm: str = "batch"
    # Estimate saliency and depth inside the graph instead of taking them as inputs.
    are_maps_estimated: bool = False

    def __post_init__(self):
        if (
            len(self.block_layers) != 3
            or min(self.growth, self.colour_channels, *self.block_layers) < 1
        ):
            raise ValueError(
                "growth, colour_channels and three block_layers must be positive. "
                f"Received: {self.growth}, {self.colour_channels}, {self.block_layers}"
            )
        if self.window_px < 1 or self.window_px % 2 == 0:
            raise ValueError(f"window_px must be a positive odd number. Received: {self.window_px}")
        if self.encoder_norm not in ENCODER_NORMS:
            known = ", ".join(ENCODER_NORMS)
            raise ValueError(
                f"encoder_norm must be a known one. Received: {self.encoder_norm!r}. Known:"
                f" {known}."
            )


VARIANTS = {
    "base": Config(),
    "fused": Config(are_maps_estimated=True),
    "tiny": Config(growth=4, block_layers=(3, 6, 12), colour_channels=12, window_px=7),
}


def _conv(x, channels, kernel_size, *, name, use_bias=True):
    return layers.Conv2D(channels, kernel_size, padding="same", use_bias=use_bias, name=name)(x)


def _leaky(x, *, name):
    return layers.LeakyReLU(negative_slope=_SLOPE, name=name)(x)


def _encoder_norm_relu(x, config, *, name, fresh_variance=1.0):
    """Normalisation with scale and shift, then ReLU; before training, the moving
    variance is `fresh_variance`.
    """
    if config.encoder_norm == "batch":
        x = layers.BatchNormalization(
            # PyTorch's defaults, which the release trained with: its momentum 0.1 is 0.9 here.
            momentum=0.9,
            epsilon=1e-5,
            moving_variance_initializer=keras.initializers.Constant(fresh_variance),
            name=f"{name}_norm",
        )(x)
    else:
        x = InstanceNormalization(affine=True, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _stem(image, saliency, depth, config):
    """Features at half resolution of the photo's four phases and the averaged maps."""
    maps = layers.Concatenate(name="maps")([saliency] * 3 + [depth] * 3)
    halves = [
        SpaceToDepth(2, name="image_cells")(image),
        layers.AveragePooling2D(2, name="maps_half")(maps),
    ]
    x = layers.Concatenate(name="encoder_input")(halves)
    if config.encoder_norm == "batch":
        x = layers.Rescaling(255.0, name="encoder_input_255")(x)
    x = _conv(x, 2 * config.growth, 3, name="encoder_stem_conv")
    return _encoder_norm_relu(x, config, name="encoder_stem", fresh_variance=_FRESH_STEM_VARIANCE)


def _encoder_block(x, count, config, *, name):
    """DenseNet: every layer reads all before it, 1x1 to a bottleneck, 3x3
    to `growth` more channels.
    """
    for number in range(1, count + 1):
        layer = f"{name}_layer{number}"
        y = _encoder_norm_relu(x, config, name=f"{layer}_in")
        y = _conv(y, 4 * config.growth, 1, name=f"{layer}_reduce", use_bias=False)
        y = _encoder_norm_relu(y, config, name=f"{layer}_middle")
        y = _conv(y, config.growth, 3, name=f"{layer}_conv", use_bias=False)
        x = layers.Concatenate(name=f"{layer}_concat")([x, y])
    return x


def _encoder(x, config):
    """Features at 1/4 (the first skip) and at 1/8 of the resolution."""
    features = []
    for number, count in enumerate(config.block_layers, start=1):
        x = _encoder_block(x, count, config, name=f"encoder{number}")
        y = _encoder_norm_relu(x, config, name=f"encoder{number}_end")
        x = _conv(y, x.shape[-1] // 2, 1, name=f"encoder{number}_end_conv", use_bias=False)
        if number < len(config.block_layers):
            x = layers.AveragePooling2D(2, name=f"encoder{number}_pool")(x)
        features.append(x)
    return features[0], features[2]


def _norm_relu(x, *, name):
    return layers.ReLU(name=f"{name}_relu")(InstanceNormalization(name=f"{name}_norm")(x))


def _decoder_block(x, channels, config, *, name):
    """A dense block, squeezed to `channels` and put before its own input."""
    y = x
    for number in range(1, _DECODER_LAYERS + 1):
        grown = _norm_relu(y, name=f"{name}_layer{number}")
        grown = _conv(grown, config.growth, 3, name=f"{name}_layer{number}_conv", use_bias=False)
        y = layers.Concatenate(name=f"{name}_layer{number}_concat")([y, grown])
    y = _conv(
        _norm_relu(y, name=f"{name}_widen"),
        4 * channels,
        1,
        name=f"{name}_widen_conv",
        use_bias=False,
    )
    y = _conv(
        _norm_relu(y, name=f"{name}_end"), channels, 3, name=f"{name}_end_conv", use_bias=False
    )
    return layers.Concatenate(name=f"{name}_concat")([y, x])


def _enlarge(x, channels, *, name):
    """Transposed convolution to twice the size, cropped as by PyTorch with
    padding 1 and output padding 1.
    """
    x = _norm_relu(x, name=f"{name}_up")
    x = layers.Conv2DTranspose(channels, 3, 2, padding="valid", name=f"{name}_up_conv")(x)
    return layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_up_crop")(x)


def _shared_decoder(deepest, quarter, config):
    """From 1/8 to 1/4 of the resolution, for both branches."""
    x = _decoder_block(deepest, 8 * config.growth, config, name="decoder")
    return layers.Concatenate(name="decoder_skip")(
        [_enlarge(x, 4 * config.growth, name="decoder"), quarter]
    )


def _branch(x, half, config, *, name):
    """From 1/4 to full resolution; both branches have one of their own."""
    x = _decoder_block(x, 4 * config.growth, config, name=f"{name}_quarter")
    x = _enlarge(x, 2 * config.growth, name=f"{name}_quarter")
    x = layers.Concatenate(name=f"{name}_skip")([x, half])
    x = _decoder_block(x, 2 * config.growth, config, name=f"{name}_half")
    return _enlarge(x, 2 * config.growth, name=f"{name}_half")


def _colours(features, centred, config):
    """Colours less their mean, from the features, the photo and averages
    over cells of several sizes.
    """
    photo = layers.Rescaling(255.0, name="centred_255")(centred)
    x = layers.Concatenate(name="colour_input")([features, photo])
    x = _leaky(_conv(x, config.colour_channels, 3, name="colour_conv"), name="colour_relu")
    parts = []
    for cell_px in _CONTEXT_PX:
        name = f"context{cell_px}"
        mean = _conv(
            layers.AveragePooling2D(cell_px, name=f"{name}_pool")(x), 1, 1, name=f"{name}_conv"
        )
        mean = _leaky(mean, name=f"{name}_relu")
        # UpSampling2D(nearest) would become five-dimensional tensors, which
        # the GPU delegate refuses.
        parts.append(
            layers.Resizing(*x.shape[1:3], interpolation="nearest", name=f"{name}_resize")(mean)
        )
    colours = _conv(
        layers.Concatenate(name="context_concat")([*parts, x]), 3, 3, name="colours_255"
    )
    return layers.Rescaling(1 / 255, name="colours")(colours)


def _filtered(features, centred, config):
    """The photo less its mean, every pixel averaged with its neighbours
    by weights that sum to one.
    """
    x = _leaky(features, name="filter_relu1")
    x = _leaky(_conv(x, 4 * config.growth, 3, name="filter_conv"), name="filter_relu2")
    logits = _conv(x, config.window_px**2, 1, name="filter_logits")
    return DynamicFilter(name="filtered")(centred, layers.Softmax(name="filter_weights")(logits))


def build(config=Config(), *, image_shape):
    """Builds the network for images of (height, width) `image_shape`."""
    # Inputs.
    image = image_input(image_shape, multiple=STRIDE)
    saliency = saliency_map(image, is_estimated=config.are_maps_estimated)
    depth = depth_map(image, is_estimated=config.are_maps_estimated)
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="image_mean")(image)
    centred = layers.Subtract(name="image_centred")([image, mean])

    # Features.
    half = _stem(centred, saliency, depth, config)
    quarter, deepest = _encoder(half, config)
    shared = _shared_decoder(deepest, quarter, config)

    # Colours plus the filtered photo.
    colours = _colours(_branch(shared, half, config, name="colour"), centred, config)
    filtered = _filtered(_branch(shared, half, config, name="filter"), centred, config)
    deviations = layers.Add(name="deviations")([colours, filtered])
    # The mean first: Keras adds a second operand of this shape as a bias of one dimension, which
    # the classic delegate's OpenGL half refuses while running.
    total = layers.Add(name="sum")([mean, deviations])
    rendered = ClipAtInference(name="rendered")(total)
    inputs = image if config.are_maps_estimated else [image, saliency, depth]
    return keras.Model(inputs, rendered, name="dddf")
