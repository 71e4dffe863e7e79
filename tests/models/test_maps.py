"""Maps as inputs and as estimates inside a graph, against the estimators themselves."""

import keras
import numpy as np
import pytest

from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.models import maps, megadepth, scrn
from bokeh_tf.models.backbones import Encoder
from bokeh_tf.tflite.conversion import convert
from bokeh_tf.tflite.inspection import inspect

SHAPE = (64, 96)
SMALL = scrn.Config(channels=4, units=1, encoder=Encoder(planes=4, blocks=(1, 1, 1, 1), width=4))
# float32 roundings of values up to 1.
TOLERANCE = 2e-6
# One exponential.
FLOAT32_RTOL = 1e-6
# A few hundred float32 sums on the way to an exponential.
DEPTH_TOLERANCE = 1e-4


@pytest.mark.parametrize(
    ("map_of", "name"), [(maps.depth_map, "depth"), (maps.saliency_map, "saliency")]
)
def test_a_map_that_is_not_estimated_is_an_input(map_of, name):
    given = map_of(keras.Input((*SHAPE, 3)), is_estimated=False)
    assert given.shape == (None, *SHAPE, 1)
    assert given.name == name


@pytest.mark.parametrize(
    ("image_shape", "factor"),
    [
        ((352, 352), 1),
        ((1024, 1536), 4),
        ((768, 1024), 2),
        ((512, 768), 2),
        ((128, 192), 1),
        ((1056, 1568), 1),
    ],
)
def test_saliency_is_estimated_near_the_size_scrn_was_trained_at(image_shape, factor):
    assert maps.saliency_reduction(image_shape) == factor


def test_estimated_saliency_is_scrns_on_the_reduced_photo_enlarged():
    shape = (512, 768)
    keras.utils.set_random_seed(1)
    image = keras.Input((*shape, 3))
    model = keras.Model(image, maps.saliency_map(image, is_estimated=True, network=SMALL))
    estimator = scrn.build(SMALL, image_shape=(256, 384))
    estimator.set_weights(model.get_weights())
    photo = np.random.default_rng(2).random((1, *shape, 3), dtype=np.float32)
    reduced = photo.reshape(1, 256, 2, 384, 2, 3).mean(axis=(2, 4))
    expected = keras.ops.image.resize(
        estimator(reduced, training=False), shape, interpolation="bilinear"
    )
    actual = np.asarray(model(photo, training=False))
    assert actual.std() > 0.005
    np.testing.assert_allclose(actual, np.asarray(expected), atol=20 * TOLERANCE)


def test_estimated_depth_is_megadepths_as_inverse_depth_over_its_largest():
    # The least: oneDNN is slow at its convolutions of 11x11.
    shape = (16, 32)
    image = keras.Input((*shape, 3))
    model = keras.Model(image, maps.depth_map(image, is_estimated=True))
    estimator = megadepth.build(image_shape=shape)
    estimator.set_weights(model.get_weights())
    photo = np.random.default_rng(3).random((1, *shape, 3), dtype=np.float32)
    inverse = np.exp(-np.asarray(estimator(photo, training=False)))
    actual = np.asarray(model(photo, training=False))
    np.testing.assert_allclose(actual, inverse / inverse.max(), atol=DEPTH_TOLERANCE)


@pytest.mark.parametrize("shift", [0.0, 300.0, -300.0])
def test_inverse_depth_is_one_where_it_is_nearest_and_does_not_overflow(shift):
    log_depth = np.random.default_rng(4).normal(shift, 2, (2, 16, 24, 1)).astype(np.float32)
    nearest = log_depth.min(axis=(1, 2), keepdims=True)
    expected = np.exp(nearest.astype(np.float64) - log_depth)
    actual = np.asarray(maps.InverseDepth()(log_depth))
    np.testing.assert_allclose(actual, expected, rtol=FLOAT32_RTOL)
    assert (actual.max(axis=(1, 2)) == 1).all()


@pytest.mark.once
def test_opengl_takes_inverse_depth():
    log_depth = keras.Input((16, 24, 1), batch_size=1)
    moved = keras.layers.Rescaling(2.0, 1.0)(log_depth)
    content = convert(keras.Model(log_depth, maps.InverseDepth()(moved)), precision="float16")
    report = lint(inspect(content), "v2")
    assert not (report.findings or report.without_opencl)


@pytest.mark.once
def test_both_maps_fit_into_one_graph():
    image = keras.Input((*SHAPE, 3), name="image")
    both = [
        maps.depth_map(image, is_estimated=True),
        maps.saliency_map(image, is_estimated=True, network=SMALL),
    ]
    model = keras.Model(image, both)
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)
    assert {"depth", "saliency"} <= set(names)


@pytest.mark.parametrize(("map_of", "multiple"), [(maps.depth_map, 16), (maps.saliency_map, 32)])
def test_sizes_that_an_estimator_cannot_take_are_refused(map_of, multiple):
    with pytest.raises(ValueError, match=rf"needs multiples of {multiple}\. Received"):
        map_of(keras.Input((40, 64, 3)), is_estimated=True)
