"""What moves values without computing: slices, padding, concatenation, splitting, reshaping."""

import numpy as np
import tensorflow as tf
from keras import layers

from tests.op_matrix.constants import normal

_RANGES = [(0, 9), (9, 18), (18, 27), (1, 4), (3, 6), (5, 6), (4, 8), (2, 9)]


def _sliced(start, stop):
    return lambda x: x[..., start:stop]


def _sliced_sum(start, stop):
    return lambda x: tf.reduce_sum(x[..., start:stop], -1, keepdims=True)


def _pixel_shuffle(image):
    height, width = image.shape[1:3]
    blocks = tf.transpose(tf.reshape(image, (1, height, width, 2, 2, 3)), [0, 1, 3, 2, 4, 5])
    return tf.reshape(blocks, (1, height * 2, width * 2, 3))


def _grouped_weights(image, weights):
    groups = tf.reshape(image, (1, 48, 64, 2, 3)) * tf.reshape(weights, (1, 48, 64, 2, 1))
    return tf.reduce_sum(groups, 3)


def _edges_repeated(image):
    tall = tf.concat([image[:, :1]] * 4 + [image] + [image[:, -1:]] * 4, 1)
    return tf.concat([tall[:, :, :1]] * 4 + [tall] + [tall[:, :, -1:]] * 4, 2)


def _edges_mirrored(image):
    before = [image[:, i : i + 1] for i in (3, 2, 1)]
    after = [image[:, i : i + 1] for i in (46, 45, 44)]
    tall = tf.concat([*before, image, *after], 1)
    before = [tall[:, :, i : i + 1] for i in (3, 2, 1)]
    after = [tall[:, :, i : i + 1] for i in (62, 61, 60)]
    return tf.concat([*before, tall, *after], 2)


def _padded(rows, columns, channels=0, **options):
    paddings = [[0, 0], [rows, rows], [columns, columns], [0, channels]]
    return lambda x: tf.pad(x, paddings, **options)


def _split_product(image):
    first, second = tf.split(image, 2, -1)
    return first * second + first


def _split_changed(image):
    first, second = tf.split(image, [2, 4], -1)
    return tf.concat([first + 1.0, second * 2.0], -1)


def _split_swapped(*sizes):
    return lambda x: tf.concat(tf.split(x, list(sizes), -1)[::-1], -1)


def _split_filtered(image):
    first, second = tf.split(image, [2, 4], -1)
    kernels = normal(3, 3, 2, 8), normal(3, 3, 4, 8)
    return tf.nn.conv2d(first, kernels[0], 1, "SAME") * tf.nn.conv2d(second, kernels[1], 1, "SAME")


def _luma(red, green, blue):
    return red * 0.299 + green * 0.587 + blue * 0.114


def _widened(image):
    return tf.concat([image, image * 2.0, image + 1.0, image - 1.0, image * image], -1)


KERAS = {
    "zeropad2d": layers.ZeroPadding2D(2),
    "cropping2d": layers.Cropping2D(2),
}

_SHAPES = {
    "pixelshuffle_reshape6d": _pixel_shuffle,
    "tile_c": lambda x: tf.tile(x, [1, 1, 1, 3]),
    "tile_hw": lambda x: tf.tile(x, [1, 2, 2, 1]),
    "broadcast_to": lambda x: tf.broadcast_to(x, (1, 48, 64, 3)),
    "repeat_hw": lambda x: tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2),
    "transpose_nchw": lambda x: tf.transpose(x, [0, 3, 1, 2]),
    "transpose_hw": lambda x: tf.transpose(x, [0, 2, 1, 3]),
    "reshape_4d": lambda x: tf.reshape(x, (1, 24, 128, 6)),
    "reshape_hw_merge": lambda x: tf.reshape(x, (1, 48 * 64, 6)),
    "reshape_hw_merge_back": lambda x: tf.reshape(
        tf.reshape(x, (1, 48 * 64, 6)) * 2.0, (1, 48, 64, 6)
    ),
    "reshape_5d_out": lambda x: tf.reshape(x, (1, 48, 64, 2, 3)),
    "reshape_5d_mul_back": lambda x: tf.reshape(
        tf.reshape(x, (1, 48, 64, 2, 3)) * normal(2, 1), (1, 48, 64, 6)
    ),
    "reshape_5d_sum": lambda x: tf.reduce_sum(tf.reshape(x, (1, 48, 64, 2, 3)), 3),
    "reshape_5d_mul_broadcast_sum": _grouped_weights,
    "reshape_6d_mean_pool": lambda x: tf.reduce_mean(tf.reshape(x, (1, 24, 2, 32, 2, 6)), [2, 4]),
    "squeeze_expand": lambda x: tf.expand_dims(tf.squeeze(x[:, :1], 1) * 2.0, 1),
}

_PADDING = {
    "pad_reflect": _padded(3, 3, mode="REFLECT"),
    "pad_const0": _padded(3, 3),
    "pad_const1": _padded(3, 3, constant_values=1.0),
    "pad_symmetric": _padded(3, 3, mode="SYMMETRIC"),
    "pad_reflect_37": _padded(37, 37, mode="REFLECT"),
    "pad_symmetric_37": _padded(37, 37, mode="SYMMETRIC"),
    "pad_channels": _padded(0, 0, 5),
    "pad_edge_by_concat": _edges_repeated,
    "pad_reflect_by_concat_slices": _edges_mirrored,
}

_SLICES = {
    "slice_channel": _sliced(2, 5),
    "slice_channel_1": _sliced(2, 3),
    "slice_spatial": lambda x: x[:, 5:30, 7:50],
    "strided_slice_2": lambda x: x[:, ::2, ::2],
    "strided_slice_c2": lambda x: x[..., ::2],
    "slice_shrink_channel": lambda x: x[..., 0],
    "slice_newaxis": lambda x: x[..., 0][..., tf.newaxis],
    "reverse_channels": lambda x: x[..., ::-1],
    "tf_reverse_w": lambda x: tf.reverse(x, [2]),
    "split_c": _split_product,
    "split_v_uneven": _split_swapped(1, 2, 3),
    "unstack_c": lambda x: tf.stack(tf.unstack(x, axis=-1)[::-1], -1),
    "gather_c": lambda x: tf.gather(x, [2, 0, 1], axis=-1),
    "gather_h": lambda x: tf.gather(x, np.arange(47, -1, -2, np.int32), axis=1),
    "gather_nd": lambda x: tf.gather_nd(x, [[[0, 3, 5], [0, 40, 60]]]),
    "roll": lambda x: tf.roll(x, 5, axis=2),
    **{f"slice_c27_{start}_{stop}": _sliced(start, stop) for start, stop in _RANGES},
    **{f"slice_c27_{start}_{stop}_reduce": _sliced_sum(start, stop) for start, stop in _RANGES},
    "slice_mul_reduce": lambda x, weights: tf.reduce_sum(x[..., 9:18] * weights, -1, keepdims=True),
}

_SPLITS = {
    "split_4_4": _split_swapped(4, 4),
    "split_2_4_convs": _split_filtered,
    "split_2_4_mul": _split_changed,
    "split_unused_output": lambda x: tf.split(x, 2, -1)[0] * 2.0,
    "split_3_ones": lambda x: _luma(*tf.split(x, 3, -1)),
    "slices_3_ones": lambda x: _luma(*(x[..., i : i + 1] for i in range(3))),
    "conv_gray_3to1": lambda x: tf.nn.conv2d(x, normal(1, 1, 3, 1), 1, "SAME"),
}

_CONCATENATIONS = {
    "concat_c": lambda x, y: tf.concat([x, y], -1),
    "concat_c_1_3": lambda x, y: tf.concat([x, y], -1),
    "concat_c_many": _widened,
    "concat_h": lambda x, y: tf.concat([x, y], 1),
    "concat_const": lambda x: tf.concat([x, normal(1, 48, 64, 2)], -1),
    "stack_last": lambda x, y: tf.stack([x, y], -1),
    "stack_c_of_3d": lambda x, y: tf.stack([x[..., 0], y[..., 0]], -1),
}

TENSORFLOW = {**_SHAPES, **_PADDING, **_SLICES, **_SPLITS, **_CONCATENATIONS}
