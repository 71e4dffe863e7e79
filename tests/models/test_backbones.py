"""The encoders against torchvision's counts and a plain NumPy forward pass with its padding."""

import keras
import numpy as np
import pytest

from bokeh_tf.models import backbones

# float32 sums of some hundred terms of order one, through a dozen layers.
FORWARD_TOLERANCE = 2e-5
SMALL = backbones.Encoder(planes=4, blocks=(1, 2, 1, 1), groups=2, width=8)


def elements(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def encoder_model(encoder, image_shape=(32, 64)):
    image = keras.Input((*image_shape, 3), name="image")
    return keras.Model(image, backbones.encode(image, encoder, prefix="net"))


# torchvision's parameters of the whole networks, less the 2,049,000 of the
# classifier; batch-norm channels.
@pytest.mark.parametrize(
    ("encoder", "whole", "normalised"),
    [(backbones.RESNET50, 25_557_032, 26_560), (backbones.RESNEXT50, 25_028_904, 34_112)],
)
@pytest.mark.once
def test_parameters_are_the_published_ones(encoder, whole, normalised):
    model = encoder_model(encoder)
    assert elements(model.trainable_weights) == whole - 2_049_000
    assert elements(model.non_trainable_weights) == 2 * normalised
    assert [tuple(output.shape[1:]) for output in model.outputs] == [
        (8, 16, 256),
        (4, 8, 512),
        (2, 4, 1024),
        (1, 2, 2048),
    ]


@pytest.mark.once
def test_layers_are_called_as_in_torchvision():
    shapes = {
        layer.name: layer.kernel.shape
        for layer in encoder_model(SMALL).layers
        if hasattr(layer, "kernel")
    }
    assert shapes["net_conv1"] == (7, 7, 3, 4)
    assert shapes["net_layer1_0_conv2"] == (3, 3, 4, 8)
    assert shapes["net_layer2_0_downsample_0"] == (1, 1, 16, 32)
    assert shapes["net_layer4_0_conv3"] == (1, 1, 64, 128)
    assert "net_layer2_1_downsample_0" not in shapes


def numpy_conv(images, kernel, *, stride, groups=1):
    """Convolution padded by half the kernel on all four sides, as PyTorch's
    `padding=k // 2`; [H, W, C] arrays.
    """
    size = kernel.shape[0]
    padded = np.pad(images, ((size // 2, size // 2), (size // 2, size // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))[
        ::stride, ::stride
    ]
    parts = zip(np.split(windows, groups, axis=2), np.split(kernel, groups, axis=3), strict=True)
    return np.concatenate(
        [np.einsum("hwcij,ijco->hwo", part, taps) for part, taps in parts], axis=-1
    )


def numpy_encode(image, weights, encoder):
    """He et al.'s table 1 in NumPy; `weights(layer)` gives a layer's arrays."""

    def conv_norm(x, names, stride=1, groups=1):
        gamma, beta, mean, variance = weights(names[1])
        x = numpy_conv(x, weights(names[0])[0], stride=stride, groups=groups)
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    x = np.maximum(conv_norm(image, ("net_conv1", "net_bn1"), stride=2), 0)
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    x = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))[::2, ::2].max(
        axis=(3, 4)
    )
    stages = []
    for stage, count in enumerate(encoder.blocks, start=1):
        for block in range(count):
            name, stride = f"net_layer{stage}_{block}", 2 if stage > 1 and block == 0 else 1
            y = np.maximum(conv_norm(x, (f"{name}_conv1", f"{name}_bn1")), 0)
            y = np.maximum(
                conv_norm(y, (f"{name}_conv2", f"{name}_bn2"), stride, encoder.groups), 0
            )
            y = conv_norm(y, (f"{name}_conv3", f"{name}_bn3"))
            x = (
                conv_norm(x, (f"{name}_downsample_0", f"{name}_downsample_1"), stride)
                if block == 0
                else x
            )
            x = np.maximum(x + y, 0)
        stages.append(x)
    return stages


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_forward_pass_equals_numpy(groups):
    encoder = backbones.Encoder(planes=4, blocks=SMALL.blocks, groups=groups, width=8)
    model = encoder_model(encoder)
    random = np.random.default_rng(1)
    for weight in model.weights:
        if weight.path.endswith(("gamma", "variance")):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif not weight.path.endswith("kernel"):
            weight.assign(random.uniform(-0.5, 0.5, weight.shape))
    image = random.standard_normal((32, 64, 3)).astype(np.float32)
    expected = numpy_encode(
        image, lambda name: [np.asarray(w) for w in model.get_layer(name).weights], encoder
    )
    for actual, stage in zip(model(image[None], training=False), expected, strict=True):
        assert stage.max() > 0.5
        np.testing.assert_allclose(
            np.asarray(actual)[0], stage, rtol=0, atol=FORWARD_TOLERANCE * stage.max()
        )


def test_first_input_keeps_the_others_weights(tmp_path):
    image = keras.Input((4, 6, 3))
    kept = keras.layers.Conv2D(2, 1, name="kept")(image)
    unused = keras.layers.Conv2D(5, 1, name="unused")(image)
    model = keras.Model(image, backbones.FirstInput(name="first")([kept, unused]))
    assert elements(model.trainable_weights) == 4 * 2 + 4 * 5
    values = np.random.default_rng(2).random((1, 4, 6, 3), np.float32)
    np.testing.assert_array_equal(
        np.asarray(model(values)), np.asarray(model.get_layer("kept")(values))
    )


def test_a_converted_file_leaves_unused_weights_out():
    from bokeh_tf.tflite.conversion import convert
    from bokeh_tf.tflite.inspection import inspect

    image = keras.Input((4, 6, 3), name="image")
    kept, unused = keras.layers.Conv2D(2, 1)(image), keras.layers.Conv2D(5, 1)(image)
    model = keras.Model(image, backbones.FirstInput(name="first")([kept, unused]), name="first")
    assert inspect(convert(model, precision="float32")).macs == 4 * 6 * 3 * 2


@pytest.mark.parametrize("sizes", [{"planes": 0}, {"blocks": (3, 4, 6)}, {"blocks": (3, 4, 6, 0)}])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="planes and the four numbers of blocks must be positive"):
        backbones.Encoder(**sizes)


def test_a_width_that_groups_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="width must be a multiple of groups"):
        backbones.Encoder(groups=3)
