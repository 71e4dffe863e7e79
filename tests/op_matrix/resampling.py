"""What changes the size of an image: resizing, pooling, space to depth, wavelets."""

import numpy as np
import tensorflow as tf
from keras import layers

from tests.op_matrix.constants import haar_kernel, haar_kernel_dense

V1 = tf.compat.v1.image
WIDTHS_PX = (256, 512, 1024, 2048)
# A bilinear upsampling by two as a transposed convolution's 4x4 kernel.
_TENT = np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25]).astype(np.float32)


def _doubled(image):
    return image.shape[1] * 2, image.shape[2] * 2


def _scaled(image, factor):
    return round(image.shape[1] * factor), round(image.shape[2] * factor)


def _spread(image, kernel):
    """A transposed convolution that doubles each channel on its own with one fixed kernel."""
    channels = image.shape[3]
    weights = kernel[:, :, None, None] * np.eye(channels, dtype=np.float32)
    return tf.nn.conv2d_transpose(image, weights, (1, *_doubled(image), channels), 2, "SAME")


def _haar_of_slices(image):
    a, b = image[:, ::2, ::2], image[:, ::2, 1::2]
    c, d = image[:, 1::2, ::2], image[:, 1::2, 1::2]
    bands = a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d
    return tf.concat([band * 0.5 for band in bands], axis=-1)


def _haar_per_band(image):
    bands = [np.repeat(haar_kernel()[:, :, None, i, None], 3, axis=2) for i in range(4)]
    return tf.concat(
        [tf.nn.depthwise_conv2d(image, band, [1, 2, 2, 1], "VALID") for band in bands], axis=-1
    )


def _haar_depthwise(image):
    kernel = np.repeat(haar_kernel()[:, :, None], 3, axis=2)
    return tf.nn.depthwise_conv2d(image, kernel, [1, 2, 2, 1], "VALID")


def _inverse_haar_transposed(bands):
    shape = (1, bands.shape[1] * 2, bands.shape[2] * 2, 3)
    return tf.nn.conv2d_transpose(bands, haar_kernel_dense(3), shape, 2, "VALID")


def _inverse_haar_shuffled(bands):
    mixed = tf.nn.conv2d(bands, haar_kernel_dense(3).reshape(1, 1, 12, 12), 1, "VALID")
    return tf.nn.depth_to_space(mixed, 2)


KERAS = {
    "upsampling_bilinear_x2": layers.UpSampling2D(2, interpolation="bilinear"),
    "upsampling_nearest_x2": layers.UpSampling2D(2),
    "upsampling_bilinear_x4": layers.UpSampling2D(4, interpolation="bilinear"),
    "keras_resizing_bilinear": layers.Resizing(96, 128),
    "nearest_keras_resizing": layers.Resizing(96, 128, interpolation="nearest"),
    "avgpool2": layers.AveragePooling2D(2),
    "maxpool2": layers.MaxPooling2D(2),
    "avgpool3_s1_same": layers.AveragePooling2D(3, strides=1, padding="same"),
    "maxpool3_s1_same": layers.MaxPooling2D(3, strides=1, padding="same"),
    "avgpool25_s1_same": layers.AveragePooling2D(25, strides=1, padding="same"),
    "maxpool_1x25_s1_same": layers.MaxPooling2D((1, 25), strides=1, padding="same"),
    "rng_avgpool_51_s1": layers.AveragePooling2D(51, strides=1, padding="same"),
    **{
        f"xl_upbilinear_keras_x2_w{w}": layers.UpSampling2D(2, interpolation="bilinear")
        for w in WIDTHS_PX
    },
    **{
        f"xl_convT_x2_w{w}": layers.Conv2DTranspose(4, 4, strides=2, padding="same")
        for w in WIDTHS_PX
    },
}

_LARGE = {
    "v1bilinear_legacy_x2": lambda x: V1.resize_bilinear(x, _doubled(x)),
    "v1bilinear_align_x2": lambda x: V1.resize_bilinear(x, _doubled(x), align_corners=True),
    "nearest_x2": lambda x: tf.image.resize(x, _doubled(x), method="nearest"),
    "nearest_legacy_x2": lambda x: V1.resize_nearest_neighbor(x, _doubled(x)),
    "bilinear_down2": lambda x: tf.image.resize(x, _scaled(x, 0.5)),
    "bilinear_x4": lambda x: tf.image.resize(x, _scaled(x, 4)),
    "bilinear_frac": lambda x: tf.image.resize(x, _scaled(x, 1.5)),
    "d2s": lambda x: tf.nn.depth_to_space(x, 2),
    "bilinear_as_convT4": lambda x: _spread(x, _TENT),
}

TENSORFLOW = {
    "resize_bilinear_up_frac": lambda x: tf.image.resize(x, (77, 101)),
    "resize_bilinear_down2": lambda x: tf.image.resize(x, _scaled(x, 0.5)),
    "resize_nearest_up": lambda x: tf.image.resize(x, _doubled(x), method="nearest"),
    "resize_nearest_down": lambda x: tf.image.resize(x, _scaled(x, 0.5), method="nearest"),
    "v1resize_bilinear_align": lambda x: V1.resize_bilinear(x, _doubled(x), align_corners=True),
    "v1resize_bilinear_halfpixel": lambda x: V1.resize_bilinear(
        x, _doubled(x), half_pixel_centers=True
    ),
    "v1resize_bilinear_legacy": lambda x: V1.resize_bilinear(x, _doubled(x)),
    "v1resize_nearest_align": lambda x: V1.resize_nearest_neighbor(
        x, _doubled(x), align_corners=True
    ),
    "v1resize_nearest_halfpixel": lambda x: V1.resize_nearest_neighbor(
        x, _doubled(x), half_pixel_centers=True
    ),
    "v1resize_nearest_legacy": lambda x: V1.resize_nearest_neighbor(x, _doubled(x)),
    "nearest_tfimage": lambda x: tf.image.resize(x, _doubled(x), method="nearest"),
    "nearest_ones_convT": lambda x: _spread(x, np.ones((2, 2), np.float32)),
    "nearest_tile_d2s": lambda x: tf.nn.depth_to_space(tf.tile(x, [1, 1, 1, 4]), 2),
    "nearest_concat_d2s": lambda x: tf.nn.depth_to_space(tf.concat([x] * 4, axis=-1), 2),
    **{f"xl_{name}_w{w}": model for name, model in _LARGE.items() for w in WIDTHS_PX},
    "space_to_depth2": lambda x: tf.nn.space_to_depth(x, 2),
    "depth_to_space2": lambda x: tf.nn.depth_to_space(x, 2),
    "depth_to_space4": lambda x: tf.nn.depth_to_space(x, 4),
    "haar_strided_slice": _haar_of_slices,
    "haar_dwconv_s2_mult4": _haar_depthwise,
    "haar_dwconv_per_band": _haar_per_band,
    "haar_conv_s2": lambda x: tf.nn.conv2d(x, haar_kernel_dense(3), 2, "VALID"),
    "ihaar_convT": _inverse_haar_transposed,
    "ihaar_depth_to_space": _inverse_haar_shuffled,
}
