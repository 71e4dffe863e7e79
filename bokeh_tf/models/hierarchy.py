"""Encoder and decoder of Team Horizon's networks, and the steps between their scales; `dmshn`
and `horizon` share them.

Dutta et al., "Stacked Deep Multi-Scale Hierarchical Network for Fast Bokeh Effect Rendering
from a Single Image" (MAI 2021), as released (saikatdutta/Stacked_DMSHN_bokeh, DMSHN.py).
All tensors are float32 `[B, H, W, C]`. There is no normalisation, and no activation but the
ReLU inside a residual block.
"""

from keras import initializers, layers

from bokeh_tf.ops.resize import BilinearUpsampling

# Sizes at which the network works: the photo's, a half and a quarter.
LEVELS = 3
# The coarsest level's encoder halves its quarter of the photo twice.
STRIDE = 16


def check_widths(channels, blocks):
    """Refuses what no encoder and decoder can be built of."""
    if len(channels) != 3 or min(channels) < 1:
        raise ValueError(f"channels must be three positive numbers. Received: {channels}")
    if blocks < 1:
        raise ValueError(f"blocks must be at least 1. Received: {blocks}")


def encoder(x, channels, blocks, *, name):
    """An image, or one with maps, to features `[B, H / 4, W / 4, channels[2]]`."""
    x = _conv(x, channels[0], name=f"{name}_scale1_conv")
    x = _residual_blocks(x, blocks, name=f"{name}_scale1")
    for scale, filters in enumerate(channels[1:], start=2):
        # Padding on all sides, as the published weights expect; "same" would pad the
        # bottom and the right only.
        x = layers.ZeroPadding2D(1, name=f"{name}_scale{scale}_pad")(x)
        x = _conv(x, filters, strides=2, padding="valid", name=f"{name}_scale{scale}_conv")
        x = _residual_blocks(x, blocks, name=f"{name}_scale{scale}")
    return x


def decoder(x, channels, blocks, out_channels, *, name):
    """Features `[B, H / 4, W / 4, channels[2]]` to `out_channels` maps `[B, H, W,
    out_channels]`, unbounded.
    """
    x = _residual_blocks(x, blocks, name=f"{name}_scale3")
    for scale in (2, 1):
        x = layers.Conv2DTranspose(
            channels[scale - 1],
            4,
            strides=2,
            padding="same",
            kernel_initializer=_initializer(),
            name=f"{name}_scale{scale}_deconv",
        )(x)
        x = _residual_blocks(x, blocks, name=f"{name}_scale{scale}")
    return _conv(x, out_channels, name=f"{name}_head")


def _conv(x, filters, *, name, strides=1, padding="same"):
    start = _initializer()
    return layers.Conv2D(filters, 3, strides, padding=padding, kernel_initializer=start, name=name)(
        x
    )


def _initializer():
    """Kernels that give a fresh network's picture a photo's range.

    The release leaves PyTorch's default, a third of the variance per convolution: the picture fades
    to a hundredth. Keras's default gives it several times a photo's range. This lies between.
    """
    return initializers.VarianceScaling(2 / 3, mode="fan_in", distribution="uniform")


def _residual_blocks(x, count, *, name):
    for block in range(1, count + 1):
        inner = _conv(x, x.shape[-1], name=f"{name}_block{block}_conv1")
        inner = layers.ReLU(name=f"{name}_block{block}_relu")(inner)
        inner = _conv(inner, x.shape[-1], name=f"{name}_block{block}_conv2")
        x = layers.Add(name=f"{name}_block{block}_sum")([x, inner])
    return x


def halved_images(image, *, prefix=""):
    """The image at the sizes of the levels, finest first: halving bilinearly is
    the mean of 2 x 2 pixels.
    """
    images = [image]
    for level in range(2, LEVELS + 1):
        images.append(layers.AveragePooling2D(2, name=f"{prefix}level{level}_image")(images[-1]))
    return images


def doubled_image(image, *, name):
    """An image or maps at twice the size, in a form that is right in half
    precision at every width.
    """
    return BilinearUpsampling(2, name=name)(image)


def doubled_features(features, *, name):
    """Features at twice the size.

    They are an eighth of the photo's width at most, where half precision can still place the
    samples of a plain resize (up to 512 pixels), which for this many channels is far cheaper
    than the form for images.
    """
    return layers.UpSampling2D(2, interpolation="bilinear", name=name)(features)
