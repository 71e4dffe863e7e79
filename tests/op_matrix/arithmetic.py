"""Element by element: arithmetic, broadcasting, activations, comparisons and casts."""

import tensorflow as tf
from keras import layers

from tests.op_matrix.constants import normal

_ACTIVATIONS = (
    *(
        "relu",
        "relu6",
        "elu",
        "selu",
        "gelu",
        "silu",
        "hard_silu",
        "hard_sigmoid",
        "sigmoid",
        "tanh",
    ),
    *("softplus", "softsign", "mish", "exponential"),
)


def _gelu_of_tanh(image):
    return tf.nn.gelu(image, approximate=True)


def _relu_times_input(image):
    return tf.nn.relu(image) * image


def _srgb_to_linear_by_selection(image):
    return tf.where(image <= 0.04045, image * (1 / 12.92), ((image + 0.055) * (1 / 1.055)) ** 2.4)


def _srgb_to_linear_by_weight(image):
    is_bright = tf.clip_by_value((image - 0.04045) * 1e4, 0, 1)
    bright = ((image + 0.055) * (1 / 1.055)) ** 2.4
    return is_bright * bright + (1 - is_bright) * (image * (1 / 12.92))


def _between(image):
    return tf.cast(tf.logical_and(image > 0.0, image < 0.5), tf.float32)


def _round_trip(image, dtype, scale):
    return tf.cast(tf.cast(image * scale, dtype), tf.float32)


KERAS = {
    **{f"act_{name}": layers.Activation(name) for name in _ACTIVATIONS},
    "leaky_relu": layers.LeakyReLU(0.2),
    "prelu_shared": layers.PReLU(shared_axes=[1, 2]),
    "prelu_full": layers.PReLU(),
    "f16c_prelu": layers.PReLU(shared_axes=[1, 2]),
    "u8_input_rescaling_conv": lambda x: layers.Conv2D(8, 3, padding="same")(
        layers.Rescaling(1 / 255)(x)
    ),
}

_UNARY = {
    "act_gelu_tanh": _gelu_of_tanh,
    "relu_n1_1_clip": lambda x: tf.clip_by_value(x * 2.0, -1.0, 1.0),
    "clip01": lambda x: tf.clip_by_value(x * 2.0, 0.0, 1.0),
    "clip_arbitrary": lambda x: tf.clip_by_value(x, -0.3, 0.7),
    "minimum_maximum_const": lambda x: tf.minimum(tf.maximum(x * 2.0, 0.0), 0.5),
    "add_scalar": lambda x: x + 0.3,
    "mul_scalar": lambda x: x * 0.3,
    "rsub_scalar": lambda x: 1.0 - x,
    "scale_127": lambda x: (x - 127.5) * (1 / 127.5),
    "div_const": lambda x: x / 3.0,
    "rdiv_const": lambda x: 1.0 / x,
    "pow_const2_2": lambda x: x**2.2,
    "pow_const_1_2_4": lambda x: x ** (1 / 2.4),
    "sqrt": tf.sqrt,
    "rsqrt": tf.math.rsqrt,
    "log": tf.math.log,
    "log1p": tf.math.log1p,
    "exp": lambda x: tf.exp(x * 2.0),
    "expm1": lambda x: tf.math.expm1(x * 2.0),
    "abs": lambda x: tf.abs(x * 2.0),
    "neg": lambda x: -(x * 2.0),
    "square": lambda x: tf.square(x * 2.0),
    "sin": lambda x: tf.sin(x * 2.0),
    "cos": lambda x: tf.cos(x * 2.0),
    "floor": lambda x: tf.floor(x * 5.0),
    "ceil": lambda x: tf.math.ceil(x * 5.0),
    "round": lambda x: tf.round(x * 5.0),
    "sign": lambda x: tf.sign(x * 5.0),
    "floormod": lambda x: tf.math.floormod(x * 5.0, 2.0),
    "floordiv": lambda x: tf.math.floordiv(x * 5.0, 2.0),
    "mul_self": lambda x: x * x,
    "add_self": lambda x: x + x,
    "concat_self": lambda x: tf.concat([x, x], -1),
    "sub_self_max": lambda x: x - tf.reduce_max(x, -1, keepdims=True),
    "relu_mul_self": _relu_times_input,
    "identity_output_is_input_plus": lambda x: x + 1.0,
    "multi_output": lambda x: (tf.nn.relu(x), tf.sigmoid(x)),
    "rng_square_255": lambda x: tf.sqrt(x * x + 1.0),
    "rng_exp_12": lambda x: tf.math.log(tf.exp(x)),
    "rng_eps_1e-8": lambda x: x / (tf.abs(x) + 1e-8),
    "rng_rsqrt_eps1e-8": lambda x: tf.math.rsqrt(x * x + 1e-8),
    "rng_sigmoid_big": lambda x: tf.sigmoid(x * 100.0),
    "rng_silu_big": lambda x: tf.nn.silu(x * 100.0),
    "rng_gelu_big": lambda x: tf.nn.gelu(x * 100.0),
    "rng_tanh_big": lambda x: tf.tanh(x * 100.0),
    "rng_softplus_big": lambda x: tf.math.softplus(x * 100.0),
    "rng_elu_big": lambda x: tf.nn.elu(x * 100.0),
    "rng_mish_big": lambda x: x * 100.0 * tf.tanh(tf.math.softplus(x * 100.0)),
}

_BINARY = {
    "add": lambda x, y: x + y,
    "add3": lambda x, y, z: tf.add_n([x, y, z]),
    "mul": lambda x, y: x * y,
    "sub": lambda x, y: x - y,
    "div": lambda x, y: x / y,
    "div_no_nan": tf.math.divide_no_nan,
    "pow_runtime": tf.pow,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "squared_difference": tf.math.squared_difference,
    "atan2": tf.math.atan2,
    **dict.fromkeys(
        ("mul_1ch_x_3ch", "mul_3ch_x_1ch", "mul_11C", "mul_H11", "both_broadcast_H1_1W"),
        tf.multiply,
    ),
    "add_1ch_3ch": tf.add,
    "sub_1ch_3ch": tf.subtract,
    "div_3ch_1ch": lambda x, y: x / (y + 3.0),
}

_CONSTANTS = {
    "mul_H11_const": lambda x: x * normal(1, 48, 1, 1),
    "mul_W_const": lambda x: x * normal(1, 1, 64, 1),
    "mul_C_const": lambda x: x * normal(6),
    "add_C_const": lambda x: x + normal(3),
    "add_HWC_const": lambda x: x + normal(1, 48, 64, 3),
    "mul_HW1_const": lambda x: x * normal(1, 48, 64, 1),
    "mul_HW3_const_x_1ch": lambda x: x * normal(1, 48, 64, 3),
    "mul_1ch_x_Cconst": lambda x: x * normal(6),
    "f16c_add_hw1": lambda x: x + normal(1, 48, 64, 1),
    "f16c_sub_const_first": lambda x: normal(1, 48, 64, 3) - x,
    "f16c_concat": lambda x: tf.concat([x, normal(1, 48, 64, 3)], -1),
    "f16c_maximum": lambda x: tf.maximum(x, normal(1, 48, 64, 3)),
    "f16c_div": lambda x: x / normal(1, 48, 64, 3),
    "f16c_pow": lambda x: x ** abs(normal(1, 48, 64, 3)),
    "f16c_where_scalar": lambda x: tf.where(x > 0.0, x, 0.3),
    "f16c_less_const": lambda x: tf.cast(normal(1, 48, 64, 3) < x, tf.float32),
    "f16c_matmul": lambda x: tf.matmul(x, normal(6, 8)),
    "f16c_sqdiff": lambda x: tf.math.squared_difference(x, normal(1, 48, 64, 3)),
    "f16c_pad_value": lambda x: tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]], constant_values=0.7),
    "f16c_tile_const": lambda x: x * tf.tile(normal(1, 48, 64, 1), [1, 1, 1, 3]),
    "f16c_bcast_const_1ch_x": lambda x: x * normal(1, 48, 64, 3),
    "f16c_select_const_both": lambda x: x * tf.where(x > 0.0, 0.8, 0.2),
}

_LOGIC = {
    "where_select": lambda x, y: tf.where(x > y, x, y * 2.0),
    "where_bcast_1ch_mask": lambda mask, x: tf.where(mask > 0.0, x, x * 2.0),
    "where_scalar_else": lambda x: tf.where(x > 0.0, x, 0.1),
    "greater_cast": lambda x: tf.cast(x > 0.0, tf.float32),
    "greater_runtime_cast": lambda x, y: tf.cast(x > y, tf.float32),
    "equal_cast": lambda x, y: tf.cast(tf.equal(tf.maximum(x, y), x), tf.float32),
    "logical_and_cast": _between,
    "srgb_to_linear_where": _srgb_to_linear_by_selection,
    "srgb_to_linear_mask_mul": _srgb_to_linear_by_weight,
}

_CASTS = {
    "cast_i32": lambda x: _round_trip(x, tf.int32, 5.0),
    "cast_f16": lambda x: tf.cast(tf.cast(x, tf.float16), tf.float32),
    "cast_u8_roundtrip": lambda x: _round_trip(x, tf.uint8, 100.0),
    "u8_input_cast": lambda x: tf.cast(x, tf.float32) * (1 / 255),
    "u8_output": lambda x: tf.cast(x * 255.0 + 0.5, tf.uint8),
}

TENSORFLOW = {**_UNARY, **_BINARY, **_CONSTANTS, **_LOGIC, **_CASTS}
