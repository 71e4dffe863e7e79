"""Shared layers against NumPy: instance normalisation, clipping at inference,
map inputs, inverse depth.
"""

import keras
import numpy as np
import pytest

from bokeh_tf.models.layers import ClipAtInference, InstanceNormalization, map_input
from bokeh_tf.models.maps import InverseDepth, depth_map

SHAPE = (2, 9, 14, 5)
# float32 means of 126 values of order one.
FLOAT32_TOLERANCE = 1e-5
# Half precision keeps 11 bits of the deviations, of a few standard deviations.
HALF_MAX_ERROR = 1e-2


def features(*, scale=1.0, offset=0.0, shape=SHAPE, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape) * scale + offset
    return values.astype(np.float32)


def reload(layer, input_shape, folder):
    """A model of the layer alone, saved and loaded."""
    image = keras.Input(input_shape)
    model = keras.Model(image, layer(image))
    model.save(folder / "layer.keras")
    return model, keras.saving.load_model(folder / "layer.keras")


class TestInstanceNormalization:
    def test_equals_its_formula_for_every_image_and_channel(self):
        values = features(scale=np.array([0.1, 1, 3, 10, 30]), offset=np.array([0, 5, -2, 100, 1]))
        actual = np.asarray(InstanceNormalization()(values))
        for image in range(SHAPE[0]):
            for channel in range(SHAPE[3]):
                plane = values[image, :, :, channel].astype(np.float64)
                expected = (plane - plane.mean()) / np.sqrt(plane.var() + 1e-4)
                # An offset of ten standard deviations costs float32 as many times its precision.
                np.testing.assert_allclose(
                    actual[image, :, :, channel], expected, atol=10 * FLOAT32_TOLERANCE
                )

    def test_epsilon_is_added_to_the_variance(self):
        values = features(scale=0.5)
        halved = np.asarray(InstanceNormalization(epsilon=1.0)(values))
        deviations = values - values.mean(axis=(1, 2), keepdims=True)
        expected = deviations / np.sqrt(values.var(axis=(1, 2), keepdims=True) + 1)
        np.testing.assert_allclose(halved, expected, atol=FLOAT32_TOLERANCE)

    def test_a_flat_channel_becomes_zero(self):
        actual = np.asarray(InstanceNormalization()(np.full(SHAPE, 0.25, np.float32)))
        np.testing.assert_array_equal(actual, np.zeros(SHAPE))

    def test_affine_scales_and_shifts_every_channel(self):
        layer = InstanceNormalization(affine=True)
        layer.build(SHAPE)
        assert [tuple(weight.shape) for weight in layer.trainable_weights] == [(5,), (5,)]
        scale, shift = features(shape=(2, 5), seed=1)
        values = features(seed=2)
        plain = np.asarray(InstanceNormalization()(values))
        np.testing.assert_allclose(np.asarray(layer(values)), plain, atol=FLOAT32_TOLERANCE)
        layer.gamma.assign(scale)
        layer.beta.assign(shift)
        np.testing.assert_allclose(
            np.asarray(layer(values)), plain * scale + shift, atol=FLOAT32_TOLERANCE
        )

    def test_plain_has_no_weights(self):
        layer = InstanceNormalization()
        layer.build(SHAPE)
        assert not layer.weights

    @pytest.mark.parametrize("affine", [False, True])
    def test_survives_a_keras_file(self, affine, tmp_path):
        layer = InstanceNormalization(epsilon=3e-3, affine=affine, name="norm")
        layer.build((None, *SHAPE[1:]))
        for weight in layer.weights:
            weight.assign(features(shape=(5,), seed=3))
        model, loaded = reload(layer, SHAPE[1:], tmp_path)
        assert (
            loaded.get_layer("norm").epsilon == 3e-3 and loaded.get_layer("norm").affine == affine
        )
        np.testing.assert_array_equal(np.asarray(loaded(features())), np.asarray(model(features())))

    @pytest.mark.gpu
    def test_right_on_the_delegate_in_half_precision(self, gpu, tmp_path):
        from bokeh_tf.delegate.probing.probe import Verdict, probe
        from bokeh_tf.tflite.conversion import convert

        # 256 x 384 values: their sum would leave half precision's range, their mean does not.
        image = keras.Input((256, 384, 3), batch_size=1, name="image")
        bright = keras.layers.Rescaling(4.0, offset=2.0)(image)
        model = keras.Model(image, InstanceNormalization(name="normalised")(bright), name="norm")
        path = tmp_path / "norm.tflite"
        path.write_bytes(convert(model, precision="float16"))
        report = probe(path, precisions=("default",))
        assert report.verdict is Verdict.FULL, report
        assert (
            max(output.difference.max_abs for output in report.precisions[0].outputs)
            <= HALF_MAX_ERROR
        )


class TestClipAtInference:
    def test_clips_unless_training(self):
        values = np.array([[-0.5, 0.0, 0.3, 1.0, 1.5]], np.float32)
        layer = ClipAtInference()
        np.testing.assert_array_equal(np.asarray(layer(values, training=False)), values.clip(0, 1))
        np.testing.assert_array_equal(np.asarray(layer(values)), values.clip(0, 1))
        np.testing.assert_array_equal(np.asarray(layer(values, training=True)), values)

    def test_a_model_passes_its_mode_on(self, tmp_path):
        model, loaded = reload(ClipAtInference(), (4, 6, 3), tmp_path)
        values = features(shape=(1, 4, 6, 3))
        for network in (model, loaded):
            np.testing.assert_array_equal(np.asarray(network(values, training=True)), values)
            np.testing.assert_array_equal(
                np.asarray(network(values, training=False)), values.clip(0, 1)
            )


def test_map_input_is_one_channel_of_the_size_of_the_image():
    tensor = map_input((48, 80), name="saliency")
    assert tensor.name == "saliency" and tensor.shape == (None, 48, 80, 1)


class TestInverseDepth:
    def test_is_inverse_depth_over_its_largest_value(self):
        log_depth = features(shape=(2, 6, 9, 1), offset=2)
        inverse = 1 / np.exp(log_depth.astype(np.float64))
        expected = inverse / inverse.max(axis=(1, 2, 3), keepdims=True)
        actual = np.asarray(InverseDepth()(log_depth))
        np.testing.assert_allclose(actual, expected, rtol=FLOAT32_TOLERANCE)
        np.testing.assert_array_equal(actual.max(axis=(1, 2, 3)), 1)

    def test_cannot_overflow(self):
        log_depth = np.linspace(-3000, 3000, 24, dtype=np.float32).reshape(1, 4, 6, 1)
        actual = np.asarray(InverseDepth()(log_depth))
        assert actual.max() == 1 and actual.min() == 0 and np.isfinite(actual).all()

    def test_survives_a_keras_file(self, tmp_path):
        model, loaded = reload(InverseDepth(), (4, 6, 1), tmp_path)
        values = features(shape=(2, 4, 6, 1))
        np.testing.assert_array_equal(np.asarray(loaded(values)), np.asarray(model(values)))


class TestDepthMap:
    def test_an_input_where_it_is_given(self):
        depth = depth_map(keras.Input((20, 30, 3)), is_estimated=False)
        assert depth.name == "depth" and depth.shape == (None, 20, 30, 1)

    def test_refuses_to_estimate_at_other_sizes(self):
        with pytest.raises(ValueError, match=r"multiples of 16\. Received: \(24, 32\)"):
            depth_map(keras.Input((24, 32, 3)), is_estimated=True)
