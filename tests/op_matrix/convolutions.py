"""Convolutions of every kind: plain, grouped, depthwise, transposed, and quantised ones."""

import numpy as np
import tensorflow as tf
from keras import layers

from tests.op_matrix.constants import SEED, normal, taps_kernel


def _convolution(filters, size, **options):
    return layers.Conv2D(filters, size, **{"padding": "same", **options})


def _depthwise(size, **options):
    return layers.DepthwiseConv2D(size, **{"padding": "same", **options})


def _transposed(size, strides, **options):
    return layers.Conv2DTranspose(8, size, strides=strides, **{"padding": "same", **options})


def _reflected_then_filtered(image):
    padded = tf.pad(image, [[0, 0], [37, 37], [0, 0], [0, 0]], mode="REFLECT")
    return tf.nn.depthwise_conv2d(padded, normal(75, 1, 3, 1), [1, 1, 1, 1], "VALID")


KERAS = {
    "conv3x3": _convolution(8, 3),
    "conv1x1": _convolution(8, 1),
    "conv3x3_valid": _convolution(8, 3, padding="valid"),
    "conv3x3_s2": _convolution(8, 3, strides=2),
    "conv3x3_dil2": _convolution(8, 3, dilation_rate=2),
    "conv3x3_dil8": _convolution(8, 3, dilation_rate=8),
    "conv3x3_groups2": _convolution(8, 3, groups=2),
    "conv3x3_groups4": _convolution(8, 3, groups=4),
    "conv7x7": _convolution(8, 7),
    "conv1x75": _convolution(3, (1, 75)),
    "conv75x1": _convolution(3, (75, 1)),
    "conv31x31": _convolution(3, 31),
    "conv3x3_relu": _convolution(8, 3, activation="relu"),
    "conv3x3_relu6": _convolution(8, 3, activation="relu6"),
    "conv3x3_tanh": _convolution(8, 3, activation="tanh"),
    "conv1x1_in3_out1": _convolution(1, 1),
    "conv3x3_out12": _convolution(12, 3),
    "sepconv3x3": layers.SeparableConv2D(8, 3, padding="same"),
    "conv1d_k5": layers.Conv1D(8, 5, padding="same"),
    "conv3d_k3": layers.Conv3D(4, 3, padding="same"),
    "dw3x3": _depthwise(3),
    "dw3x3_s2": _depthwise(3, strides=2),
    "dw3x3_dil2": _depthwise(3, dilation_rate=2),
    "dw3x3_dil6": _depthwise(3, dilation_rate=6),
    "dw3x3_mult2": _depthwise(3, depth_multiplier=2),
    "dw3x3_in1_mult4": _depthwise(3, depth_multiplier=4),
    "dw1x25": _depthwise((1, 25)),
    "dw25x1": _depthwise((25, 1)),
    "dw1x45": _depthwise((1, 45)),
    "dw1x75": _depthwise((1, 75)),
    "dw75x1": _depthwise((75, 1)),
    "dw1x25_dil3": _depthwise((1, 25), dilation_rate=(1, 3)),
    "dw25x1_dil3": _depthwise((25, 1), dilation_rate=(3, 1)),
    "dw_dil_sq1x25_dil3": _depthwise((1, 25), dilation_rate=3),
    "dw25x25": _depthwise(25),
    "dw75x75": _depthwise(75),
    "convT2x2_s2": _transposed(2, 2),
    "convT3x3_s2": _transposed(3, 2),
    "convT4x4_s2": _transposed(4, 2),
    "convT3x3_s1": _transposed(3, 1),
    "convT2x2_s2_valid": _transposed(2, 2, padding="valid"),
    "convT3x3_s2_odd": _transposed(3, 2),
    "convT5x3_s2x1_odd": _transposed((5, 3), (2, 1)),
    "convT4x4_s2_odd": _transposed(4, 2),
    "convT3x3_s2_valid_odd": _transposed(3, 2, padding="valid"),
    "xl_conv_1x1_2048x3072": _convolution(3, 1),
    "xl_dw1x75_2048x3072": _depthwise((1, 75)),
    "batch2_conv": _convolution(6, 3),
    **{
        f"grp_in{channels}_g{groups}_out{channels}": _convolution(channels, 3, groups=groups)
        for channels, groups in [
            (8, 2),
            (8, 4),
            (16, 4),
            (16, 2),
            (12, 3),
            (32, 8),
            (6, 2),
            (6, 3),
            (12, 2),
            (24, 4),
        ]
    },
    **{
        f"dwm_in{channels}_m{multiplier}": _depthwise(3, depth_multiplier=multiplier)
        for channels, multipliers in [
            (1, (3, 9)),
            (2, (1,)),
            (3, (1, 2, 4, 9)),
            (4, (2, 9)),
            (5, (1,)),
            (6, (2,)),
        ]
        for multiplier in multipliers
    },
    "dwm_in8_m2": _depthwise(3, depth_multiplier=2),
    "dwm_in8_m3": _depthwise(3, depth_multiplier=3),
}

TENSORFLOW = {
    "dw75x1_valid_on_pad": _reflected_then_filtered,
    "dw_tfnn_1x75_ch1": lambda x: tf.nn.depthwise_conv2d(
        x, normal(1, 75, 1, 1), [1, 1, 1, 1], "SAME"
    ),
    "dwm_pick_in3_m9": lambda x: tf.nn.depthwise_conv2d(x, taps_kernel(3), [1, 1, 1, 1], "SAME"),
}


def _sample_inputs(shapes):
    random = np.random.default_rng(SEED)
    for _ in range(4):
        yield [random.normal(size=shape).astype(np.float32) for shape in shapes]


def quantise_dynamically(converter, shapes):
    """Weights become int8, activations stay float."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def quantise_inside(converter, shapes):
    """The whole network becomes int8 between float inputs and outputs."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _sample_inputs(shapes)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def quantise_all(converter, shapes):
    """The whole network with its inputs and outputs becomes int8."""
    quantise_inside(converter, shapes)
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8


QUANTISED = {
    "conv3x3_int8_full": (_convolution(8, 3), quantise_inside),
    "conv3x3_dynrange": (_convolution(32, 3), quantise_dynamically),
    "conv3x3_int8_io_int8": (_convolution(8, 3), quantise_all),
}
