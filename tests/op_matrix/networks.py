"""Small pieces of networks: matrix products, attention, dynamic filters,
warps, colour, control flow.
"""

import numpy as np
import tensorflow as tf
from keras import layers

from tests.op_matrix.constants import normal, taps_kernel, taps_kernel_dense


def _depthwise(image, kernel):
    return tf.nn.depthwise_conv2d(image, kernel, [1, 1, 1, 1], "SAME")


def _convolution(image, kernel):
    return tf.nn.conv2d(image, kernel, 1, "SAME")


def _filtered_by_slices(image, weights):
    padded = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]])
    shifted = [padded[:, i : i + 48, j : j + 64] for i in range(3) for j in range(3)]
    return sum(part * weights[..., k : k + 1] for k, part in enumerate(shifted))


def _filtered_by_sums(image, weights):
    return _weighted_sums(_depthwise(image, taps_kernel(3)), weights)


def _weighted_sums(taps, weights):
    parts = [taps[..., start : start + 9] * weights for start in (0, 9, 18)]
    return tf.concat([_sum(part) for part in parts], -1)


def _filtered_by_convolutions(image, weights):
    repeated = np.repeat(np.eye(9, dtype=np.float32), 3, axis=1).reshape(1, 1, 9, 27)
    summed = np.tile(np.eye(3, dtype=np.float32), (9, 1)).reshape(1, 1, 27, 3)
    return _convolution(
        _convolution(image, taps_kernel_dense(3)) * _convolution(weights, repeated), summed
    )


def _blended_blurs(image, scores):
    weights = tf.nn.softmax(scores)
    blurs = []
    for length in (25, 45, 75):
        kernel = np.full((length, 3, 1), 1 / length, np.float32)
        blurs.append(_depthwise(_depthwise(image, kernel[:, None]), kernel[None]))
    return sum(blur * weights[..., k : k + 1] for k, blur in enumerate(blurs))


def _warped(image, flow):
    grid = np.stack(np.mgrid[:48, :64], axis=-1)[None].astype(np.float32)
    position = tf.clip_by_value(flow + grid, 0.0, [46.0, 62.0])
    corner = tf.floor(position)
    fraction = position - corner
    index = tf.cast(corner, tf.int32)
    batch = tf.zeros((1, 48, 64, 1), tf.int32)

    def pixel(row, column):
        shifted = index if row == column == 0 else index + tf.constant([row, column])
        return tf.gather_nd(image, tf.concat([batch, shifted], -1))

    down, right = fraction[..., :1], fraction[..., 1:]
    top = pixel(0, 0) * (1.0 - right) + pixel(0, 1) * right
    bottom = pixel(1, 0) * (1.0 - right) + pixel(1, 1) * right
    return top * (1.0 - down) + bottom * down


def _gathered(image, flow):
    index = tf.concat([tf.zeros((1, 48, 64, 1), tf.int32), tf.cast(flow * 5.0, tf.int32)], -1)
    return tf.gather_nd(image, index)


def _squeezed(reduced, expanded):
    def block(image):
        weights = layers.GlobalAveragePooling2D(keepdims=True)(image)
        return layers.Multiply()([image, expanded(reduced(weights))])

    return block


def _squeezed_flat(image):
    weights = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D()(image))
    return layers.Multiply()([image, layers.Reshape((1, 1, 8))(weights)])


def _sum(image):
    return tf.reduce_sum(image, -1, keepdims=True)


def _two_terms(taps, weights, width):
    """The two branches that only differ in where they slice."""
    return [_sum(taps[..., start : start + width] * weights) for start in (0, width)]


def _max_and_mean(image):
    return tf.concat(
        [tf.reduce_max(image, -1, keepdims=True), tf.reduce_mean(image, -1, keepdims=True)], -1
    )


def _spatial_attention(image):
    return image * tf.sigmoid(_convolution(_max_and_mean(image), normal(7, 7, 2, 1)))


def _symmetric_between(image):
    first = _convolution(image, normal(3, 3, 3, 8))
    padded = tf.pad(first, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
    return tf.nn.conv2d(padded, normal(3, 3, 8, 8), 1, "VALID")


def _upsampled_between(image):
    hidden = layers.UpSampling2D(2)(layers.Conv2D(4, 3, padding="same")(image))
    return layers.Conv2D(4, 3, padding="same")(hidden)


def _counted_loop(image):
    return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 0.5 + 0.1), [0, image])[1]


def _conditional(image):
    return tf.cond(tf.reduce_mean(image) > 0.0, lambda: image * 2.0, lambda: image + 1.0)


def _unit_length_between(image):
    return tf.nn.l2_normalize(image * 2.0, [1, 2])


def _first_tap_weighted(taps, weights):
    parts = [taps[..., start : start + 9] * weights[..., :1] for start in (0, 9)]
    return tf.concat([_sum(part) for part in parts], -1)


def _summed_by_convolution(taps, weights):
    ones = np.ones((1, 1, 9, 1), np.float32)
    return tf.concat(
        [_convolution(taps[..., start : start + 9] * weights, ones) for start in (0, 9)], -1
    )


def _channelwise_attention(taps, weights):
    return sum(taps[..., 3 * k : 3 * k + 3] * weights[..., k : k + 1] for k in range(9))


KERAS = {
    "mha": lambda x: layers.MultiHeadAttention(2, 8)(x, x),
    "flatten_dense": lambda x: layers.Dense(10)(layers.Flatten()(x)),
    "dense_2d": layers.Dense(8),
    "dense_on_4d": layers.Dense(8),
    "se_block": _squeezed(
        layers.Dense(4, activation="relu"), layers.Dense(8, activation="sigmoid")
    ),
    "se_block_conv": _squeezed(
        layers.Conv2D(4, 1, activation="relu"), layers.Conv2D(8, 1, activation="sigmoid")
    ),
    "se_block_reshape": _squeezed_flat,
    "bis_upnearest5d_conv": _upsampled_between,
}

_MATRICES = {
    "matmul_runtime": tf.matmul,
    "bmm_4d_runtime": tf.matmul,
    "matmul_transpose_b": lambda x, y: tf.matmul(x, y, transpose_b=True),
    "matmul_const": lambda x: tf.matmul(x, normal(16, 24)),
    "einsum_bhwc_cd": lambda x: tf.einsum("bhwc,cd->bhwd", x, normal(6, 8)),
    "einsum_runtime_percol": lambda x, y: tf.einsum("bhwc,bhwc->bhw", x, y),
    "einsum_attn": lambda x, y: tf.einsum("bqhd,bkhd->bhqk", x, y),
    "rgb_to_gray_tensordot": lambda x: tf.tensordot(x, tf.constant([[0.299], [0.587], [0.114]]), 1),
    "rgb_to_yuv": tf.image.rgb_to_yuv,
    "image_gradients": lambda x: tf.image.image_gradients(x)[0],
    "sobel": lambda x: tf.image.sobel_edges(x)[..., 0],
}

_FILTERS = {
    "unfold_by_identity_conv": lambda x: _convolution(x, taps_kernel_dense(3)),
    "dynfilter_3x3_shift_slices": _filtered_by_slices,
    "dynfilter_3x3_dwconv_reduce": _filtered_by_sums,
    "dynfilter_3x3_convs_only": _filtered_by_convolutions,
    "gauss_blend_softmax": _blended_blurs,
    "warp_gather_nd": _warped,
    "rfft2d_abs": lambda x: tf.abs(tf.signal.rfft2d(x[..., 0])),
    "while_loop": _counted_loop,
    "cond": _conditional,
}

_PIECES = {
    "bis_dw_slice0": lambda x: _depthwise(x, taps_kernel(3))[..., :9],
    "bis_dw_slice1": lambda x: _depthwise(x, taps_kernel(3))[..., 9:18],
    "bis_dw_slice1_mul": lambda x, w: _depthwise(x, taps_kernel(3))[..., 9:18] * w,
    "bis_dw_slice1_mul_reduce": lambda x, w: _sum(_depthwise(x, taps_kernel(3))[..., 9:18] * w),
    "bis_slices_mul_reduce_concat": _weighted_sums,
    "bis_reduce_concat": lambda x: tf.concat(
        [_sum(x[..., start : start + 9]) for start in (0, 9, 18)], -1
    ),
    "bis_reduce_add": lambda x: _sum(x[..., :9]) + _sum(x[..., 9:18]),
    "bis_reduce_two_out": lambda x: (_sum(x[..., :9]), _sum(x[..., 9:18])),
    "bis_concat_ones": lambda x: tf.concat(
        [x[..., :1], x[..., 9:10] * 2.0, x[..., 18:19] + 1.0], -1
    ),
    "bis_reduce_same_concat": lambda x: tf.concat([_sum(x), _sum(x * x)], -1),
    "bis_reduceconcat_in2": lambda x, y: tf.concat([_sum(x), _sum(y)], -1),
    "bis_reducemax_concat": _max_and_mean,
    "bis_cbam_spatial": _spatial_attention,
    "bis_gathernd_alone_mid": lambda x: tf.gather_nd(x * 2.0, [[[0, 3, 5], [0, 40, 60]]]) + 1.0,
    "bis_cast_i32_out_gather": _gathered,
    "bis_gpu_cpu_gpu": lambda x: tf.nn.log_softmax(x * 2.0) * 3.0,
    "bis_gpu_cpu_gpu_2in": lambda x, y: tf.nn.log_softmax(x * 2.0) * 3.0 + y,
    "bis_l2norm_mid": _unit_length_between,
    "bis_sympad_conv": _symmetric_between,
    "b2_two_terms": lambda x, w: tf.concat(_two_terms(x, w, 9), -1),
    "b2_two_terms_add": lambda x, w: _two_terms(x, w, 9)[0] + _two_terms(x, w, 9)[1] * 2.0,
    "b2_two_inputs_noslice": lambda x, y, w: tf.concat([_sum(x * w), _sum(y * w)], -1),
    "b2_noslice_diffw": lambda x, y, v, w: tf.concat([_sum(x * v), _sum(y * w)], -1),
    "b2_c8": lambda x, w: tf.concat(_two_terms(x, w, 8), -1),
    "b2_c4": lambda x, w: tf.concat(_two_terms(x, w, 4), -1),
    "b2_mulonly_concat": lambda x, w: tf.concat([x[..., :9] * w, x[..., 9:18] * w], -1),
    "b2_slice_add_reduce": lambda x, w: tf.concat(
        [_sum(x[..., start : start + 9] + w) for start in (0, 9)], -1
    ),
    "b2_conv1x1_instead": _summed_by_convolution,
    "b2_slice_reduce_w1": _first_tap_weighted,
    "b2_two_outputs": lambda x, w: tuple(_two_terms(x, w, 9)),
    "b2_slice_relu_reduce": lambda x: tf.concat(
        [_sum(tf.nn.relu(x[..., start : start + 9])) for start in (0, 9)], -1
    ),
    "b2_attention3": _channelwise_attention,
}

TENSORFLOW = {**_MATRICES, **_FILTERS, **_PIECES}
