"""Sums, means and extremes over an axis, and what is made of them:
softmax, normalisation, ranking.
"""

import tensorflow as tf
from keras import layers

CHANNEL_COUNTS = (2, 3, 4, 5, 6, 8, 9, 27)
SMALL = 1e-5


def _instance_norm(image):
    mean = tf.reduce_mean(image, [1, 2], keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(image, mean), [1, 2], keepdims=True)
    return (image - mean) * tf.math.rsqrt(variance + SMALL)


def _instance_norm_of_moments(image):
    mean, variance = tf.nn.moments(image, [1, 2], keepdims=True)
    return (image - mean) * tf.math.rsqrt(variance + SMALL)


def _root_mean_square_norm(image):
    return image * tf.math.rsqrt(tf.reduce_mean(tf.square(image), -1, keepdims=True) + SMALL)


def _best_channel(image):
    return tf.cast(tf.argmax(image, -1, output_type=tf.int32), tf.float32)[..., tf.newaxis]


def _softmax_5d(image):
    grouped = tf.nn.softmax(tf.reshape(image, (1, *image.shape[1:3], 2, 3)))
    return tf.reshape(grouped, image.shape)


def _softmax_by_hand(image):
    exponentials = tf.exp(image)
    return exponentials / tf.reduce_sum(exponentials, -1, keepdims=True)


def _whole_mean_times_corner(image):
    return image[:, :8, :8] * tf.reduce_mean(image, [1, 2], keepdims=True)


KERAS = {
    "gap": layers.GlobalAveragePooling2D(),
    "gap_keepdims": layers.GlobalAveragePooling2D(keepdims=True),
    "gmp_keepdims": layers.GlobalMaxPooling2D(keepdims=True),
    "bn_alone": layers.BatchNormalization(),
    "bn_after_conv": lambda x: layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(x)),
    "bn_before_conv": lambda x: layers.Conv2D(8, 3, padding="same")(layers.BatchNormalization()(x)),
    "bn_after_dw": lambda x: layers.BatchNormalization()(
        layers.DepthwiseConv2D(3, padding="same")(x)
    ),
    "bn_after_convT": lambda x: layers.BatchNormalization()(
        layers.Conv2DTranspose(8, 2, strides=2, padding="same")(x)
    ),
    "layernorm_c": layers.LayerNormalization(),
    "layernorm_hwc": layers.LayerNormalization(axis=(1, 2, 3)),
    "groupnorm": layers.GroupNormalization(4),
    "instancenorm_keras_gn": layers.GroupNormalization(-1),
    **{f"layernorm_c{channels}": layers.LayerNormalization() for channels in CHANNEL_COUNTS},
}

_PER_CHANNEL_COUNT = {
    "reduce_sum": lambda x: tf.reduce_sum(x, -1, keepdims=True),
    "reduce_mean": lambda x: tf.reduce_mean(x, -1, keepdims=True),
    "reduce_max_neg": lambda x: tf.reduce_max(x - 5.0, -1, keepdims=True),
    "reduce_min_pos": lambda x: tf.reduce_min(x + 5.0, -1, keepdims=True),
    "softmax_neg": lambda x: tf.nn.softmax(x - 20.0),
    "argmax": _best_channel,
    "topk2": lambda x: tf.math.top_k(x, 2).values,
}

TENSORFLOW = {
    **{
        f"{name}_c{count}": model
        for name, model in _PER_CHANNEL_COUNT.items()
        for count in CHANNEL_COUNTS
    },
    "mean_hw_keep": lambda x: tf.reduce_mean(x, [1, 2], keepdims=True),
    "mean_hw_nokeep": lambda x: tf.reduce_mean(x, [1, 2]),
    "mean_h_keep": lambda x: tf.reduce_mean(x, 1, keepdims=True),
    "mean_c_keep": lambda x: tf.reduce_mean(x, -1, keepdims=True),
    "mean_c_nokeep": lambda x: tf.reduce_mean(x, -1),
    "mean_hwc_keep": lambda x: tf.reduce_mean(x, [1, 2, 3], keepdims=True),
    "mean_all_scalar": lambda x: tf.reshape(tf.reduce_mean(x), (1, 1)),
    "sum_c_keep": lambda x: tf.reduce_sum(x, -1, keepdims=True),
    "sum_c_nokeep": lambda x: tf.reduce_sum(x, -1),
    "sum_hw_keep": lambda x: tf.reduce_sum(x, [1, 2], keepdims=True),
    "max_c_keep": lambda x: tf.reduce_max(x, -1, keepdims=True),
    "min_c_keep": lambda x: tf.reduce_min(x, -1, keepdims=True),
    "max_hw_keep": lambda x: tf.reduce_max(x, [1, 2], keepdims=True),
    "max_c_nokeep": lambda x: tf.reduce_max(x, -1),
    "prod_c_keep": lambda x: tf.reduce_prod(x, -1, keepdims=True),
    "std_hw": lambda x: tf.math.reduce_std(x, [1, 2], keepdims=True),
    "logsumexp_c": lambda x: tf.reduce_logsumexp(x, -1, keepdims=True),
    "softmax_c": tf.nn.softmax,
    "softmax_c4": tf.nn.softmax,
    "softmax_c2": tf.nn.softmax,
    "softmax_axis1": lambda x: tf.nn.softmax(x, axis=1),
    "softmax_axis2": lambda x: tf.nn.softmax(x, axis=2),
    "softmax_5d": _softmax_5d,
    "log_softmax_c": tf.nn.log_softmax,
    "softmax_manual_exp": _softmax_by_hand,
    "instancenorm_manual": _instance_norm,
    "instancenorm_moments": _instance_norm_of_moments,
    "l2_normalize_c": lambda x: tf.nn.l2_normalize(x, -1),
    "rmsnorm": _root_mean_square_norm,
    "lrn": tf.nn.local_response_normalization,
    "rng_mean_hw_512": lambda x: tf.reduce_mean(x, [1, 2], keepdims=True),
    "rng_gap_512_then_mul": _whole_mean_times_corner,
    "rng_sum_hw_512": lambda x: tf.reduce_sum(x, [1, 2], keepdims=True),
    "rng_instnorm_256": _instance_norm,
    "rng_instnorm_256_255": _instance_norm,
    "rng_softmax_big": tf.nn.softmax,
    "argmax_c": lambda x: tf.argmax(x, -1, output_type=tf.int32),
    "argmax_c_float": _best_channel,
    "topk": lambda x: tf.math.top_k(x, 3).values,
    "sort_c": lambda x: tf.sort(x, axis=-1),
    "onehot": lambda x: tf.one_hot(tf.argmax(x, -1, output_type=tf.int32), 6),
    "cumsum_c": lambda x: tf.cumsum(x, -1),
    "cumsum_h": lambda x: tf.cumsum(x, 1),
}
