"""Layers from tensor names: names as converters write them, and a
network whose layers are known.
"""

import pytest

from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.layer_names import layers


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        # Keras 2: the scopes are the model's and the layers' own names.
        (
            [
                ("CONV_2D", "model/conv_1/Relu;model/conv_1/Conv2D"),
                ("ADD", "model/add_3/add"),
                ("SUB", "model/x/sub"),
            ],
            ("conv_1", "add_3", "x"),
        ),
        # Keras 3 adds one suffix to every scope.
        (
            [
                ("CONV_2D", "net_1/conv2d_1_1/convolution"),
                ("MUL", "net_1/ln_1/batchnorm/mul_1"),
                ("ADD", "net_1/a_1/Add"),
            ],
            ("conv2d_1", "ln", "a"),
        ),
        # A nested model keeps its name; a slice outside layers has none.
        (
            [
                ("DEPTHWISE_CONV_2D", "net_1/block_1/dw_1/depthwise2"),
                ("CONV_2D", "net_1/last_1/convolution"),
                ("STRIDED_SLICE", "net_1/strided_slice3"),
            ],
            ("block/dw", "last", None),
        ),
        # Of a fused normalisation and activation it is the convolution that the node is.
        (
            [
                (
                    "CONV_2D",
                    "m/relu/Relu;m/norm/batchnorm/add_1;m/conv/convolution;m/norm/batchnorm/sub1",
                )
            ],
            ("conv",),
        ),
        # Two convolutions' names in one: whose it is cannot be told, but where it ends can.
        ([("CONV_2D", "m/last/Relu;m/a/Conv2D;m/b/Conv2D")], ("last",)),
        # No model's scope, as in MediaPipe's files.
        (
            [("CONV_2D", "conv2d_9/BiasAdd"), ("PRELU", "p_re_lu_5"), ("ADD", "add_1/add")],
            ("conv2d_9", "p_re_lu_5", "add_1"),
        ),
        (
            [("ADD", "PartitionedCall:0"), ("MUL", "tfl.mul"), ("SUB", "Identity"), ("NEG", "")],
            (None,) * 4,
        ),
        # Names are text from anywhere.
        (
            [
                ("ADD", "m/\x1b[31mred/add"),
                ("ADD", "m/a\nb/add"),
                ("ADD", "m/" + "x" * 900 + "/add"),
            ],
            (None,) * 3,
        ),
    ],
)
def test_layers_by_name(nodes, expected):
    assert layers(nodes) == expected


def test_layers_of_a_keras_network(tiny_tflite):
    def graph(image):
        import keras

        block = keras.Sequential(
            [
                keras.Input(image.shape[1:], batch_size=1),
                keras.layers.DepthwiseConv2D(3, padding="same", name="narrow"),
                keras.layers.Conv2D(6, 1, activation="gelu", name="wide"),
            ],
            name="block",
        )
        hidden = keras.layers.Conv2D(3, 3, padding="same", use_bias=False, name="first")(image)
        hidden = keras.layers.ReLU(name="first_relu")(
            keras.layers.BatchNormalization(name="first_norm")(hidden)
        )
        hidden = keras.layers.UpSampling2D(2, interpolation="bilinear", name="enlarged")(
            block(hidden)
        )
        return keras.layers.Softmax(name="weights")(
            keras.layers.LayerNormalization(name="even")(hidden)
        )

    file = inspect(tiny_tflite("layer_names", graph))
    found = [(node.name, file.layer(node.index)) for node in file.operators]
    for node in [
        ("CONV_2D", "first"),
        ("DEPTHWISE_CONV_2D", "block/narrow"),
        ("CONV_2D", "block/wide"),
        ("GELU", "block/wide"),
        ("RESIZE_BILINEAR", "enlarged"),
        ("RSQRT", "even"),
    ]:
        assert node in found


def test_huge_names():
    # Quadratic work on any of these would take hours.
    assert len(layers([("ADD", "/".join("abc" for _ in range(1_000_000)))] * 100_000)) == 100_000
    assert layers([("ADD", "." * 1_000_000 + "\n"), ("ADD", ";" * 1_000_000)]) == (None, None)
