"""Variants that never become a file: TensorFlow operators without a TFLite builtin."""

import tensorflow as tf


def _resized(method, size=(96, 128), **options):
    return lambda x: tf.image.resize(x, size, method=method, **options)


def _patches(image):
    return tf.image.extract_patches(image, [1, 3, 3, 1], [1, 1, 1, 1], [1, 1, 1, 1], "SAME")


TENSORFLOW = {
    "resize_bicubic": _resized("bicubic"),
    "resize_bilinear_down_antialias": _resized("bilinear", (24, 32), antialias=True),
    "resize_area": _resized("area"),
    "resize_lanczos3": _resized("lanczos3"),
    "maxpool_with_argmax": lambda x: tf.nn.max_pool_with_argmax(x, 2, 2, "SAME").output,
    "erf": tf.math.erf,
    "atan": tf.math.atan,
    "extract_patches3": _patches,
    "fft2d_abs": lambda x: tf.abs(tf.signal.fft2d(tf.complex(x[..., 0], x[..., 1]))),
    "rgb_to_hsv": tf.image.rgb_to_hsv,
}
