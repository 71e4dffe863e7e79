"""Random scenes and batches of them: deterministic, in range, of every kind, and
blurred as the model blurs.
"""

import cv2
import numpy as np
import pytest

from bokeh_tf.data.pairs.pipeline import blurs_of_the_rest, scene_batches
from bokeh_tf.data.scenes.scenes import SceneMaker
from bokeh_tf.data.scenes.sources import Source
from bokeh_tf.models.dbsi_mobile import BackgroundBlend
from tests.photographs import disc

SHAPE = (64, 96)
# The bank's sigmas at 1024 rows, and those that the scenes are to have at 64.
SIGMAS_PX = (16.0, 64.0)
SCENE_SIGMAS_PX = (1.0, 4.0)
SUM_TOLERANCE = 1e-5
# Sensor noise has a sigma of at most 0.02; the mean of its size is 0.8 of that.
NOISE_TOLERANCE = 0.03
# OpenCV cuts a Gaussian at four sigma, the model at three.
CUT_TOLERANCE = 0.01


@pytest.fixture(autouse=True)
def opencv_threads():
    """`scene_batches` takes OpenCV's threads away; the other tests get them back."""
    count = cv2.getNumThreads()
    yield
    cv2.setNumThreads(count)


def coloured(colour, *, seed):
    noise = np.random.default_rng(seed).normal(0, 12, (90, 130, 1))
    return np.clip(np.asarray(colour) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def sources():
    """A blue backdrop, and a red subject that was photographed before green: hues tell
    where a pixel comes from.
    """
    mask = disc((90, 130), radius=0.35)
    subject = np.where(
        mask[..., None], coloured((190, 50, 50), seed=1), coloured((50, 180, 50), seed=2)
    )
    return [
        Source("backdrop.png", coloured((50, 60, 190), seed=3), None, 0.9, False),
        Source("subject.png", subject, mask.astype(np.float32), 0.3, True),
    ]


@pytest.fixture(scope="module")
def maker(sources):
    return SceneMaker(sources, shape=SHAPE, sigmas_px=SIGMAS_PX)


@pytest.fixture(scope="module")
def scenes(maker):
    return [maker.draw(np.random.default_rng(seed)) for seed in range(60)]


def kind_of(scene):
    """What surrounds the subject gives the kind away: blue behind a
    composite, green in a portrait.
    """
    if scene.importance < 1:
        return "view"
    corners = np.concatenate([scene.image[:6, :6], scene.image[:6, -6:]]).mean(axis=(0, 1))
    return {1: "portrait", 2: "composite"}.get(int(np.argmax(corners)), "covered")


def test_a_scene_depends_on_its_generator_alone(maker, scenes):
    again = maker.draw(np.random.default_rng(7))
    for name in ("image", "bokeh", "weights"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scenes[7], name))
    assert np.abs(again.image - scenes[8].image).max() > 0.1


def test_shapes_ranges_and_sums(maker, scenes):
    np.testing.assert_allclose(maker.sigmas_px, SCENE_SIGMAS_PX)
    for scene in scenes:
        for picture in (scene.image, scene.bokeh):
            assert picture.shape == (*SHAPE, 3) and picture.dtype == np.float32
            assert picture.min() >= 0 and picture.max() <= 1
            assert picture.flags.c_contiguous
        assert scene.weights.shape == (*SHAPE, 3) and scene.weights.dtype == np.float32
        assert scene.weights.min() >= 0
        np.testing.assert_allclose(scene.weights.sum(axis=-1), 1, atol=SUM_TOLERANCE)


def test_every_kind_occurs_about_as_often_as_it_should(scenes):
    kinds = [kind_of(scene) for scene in scenes]
    assert 15 <= kinds.count("composite") <= 48
    assert 8 <= kinds.count("portrait") <= 35
    assert 1 <= kinds.count("view") <= 18
    assert kinds.count("covered") <= 6


def test_what_is_in_focus_looks_the_same_in_the_bokeh(scenes):
    differences = []
    for scene in scenes:
        in_focus = scene.weights[..., 0] > 0.99
        if in_focus.any():
            differences.append(np.abs(scene.image - scene.bokeh)[in_focus].mean())
    assert len(differences) > 40
    assert np.median(differences) < NOISE_TOLERANCE


def test_the_focus_of_a_portrait_is_on_its_subject(scenes):
    portraits = [scene for scene in scenes if kind_of(scene) == "portrait"]
    for scene in portraits:
        red = scene.image[..., 0] > 1.6 * scene.image[..., 1]
        green = scene.image[..., 1] > 1.6 * scene.image[..., 0]
        assert scene.weights[..., 0][red].mean() > 0.8
        assert scene.weights[..., 0][green].mean() < scene.weights[..., 0][red].mean() - 0.1


def test_sources_without_a_subject_are_refused(sources):
    empty = Source("empty.png", sources[0].photo, np.zeros((90, 130), np.float32), 0.3, True)
    for useless in ([], sources[:1], [empty]):
        with pytest.raises(ValueError, match="at least one with a matte"):
            SceneMaker(useless, shape=SHAPE, sigmas_px=SIGMAS_PX)


def test_a_batch_is_the_same_wherever_the_run_starts(maker):
    from_start = list(scene_batches(maker, batch_size=2, seed=5).take(3).as_numpy_iterator())
    resumed = next(scene_batches(maker, batch_size=2, seed=5, first_batch=2).as_numpy_iterator())
    inputs, targets, importance = resumed
    for kept, parts in zip(from_start[2], resumed, strict=True):
        assert kept.keys() == parts.keys()
        for name, values in parts.items():
            np.testing.assert_array_equal(kept[name], values)
            assert np.isfinite(values).all() and values.dtype == np.float32
    assert np.abs(from_start[1][0]["image"] - inputs["image"]).max() > 0.1
    assert inputs["image"].shape == targets["rendered"].shape == (2, *SHAPE, 3)
    assert inputs["blurs"].shape == (2, *SHAPE, 6) and targets["weights"].shape == (2, *SHAPE, 3)
    assert {name: values.shape for name, values in importance.items()} == {
        "weights": (2,),
        "rendered": (2,),
    }


def test_another_seed_gives_other_batches(maker):
    first, second = (
        next(scene_batches(maker, batch_size=1, seed=s).as_numpy_iterator())[0] for s in (1, 2)
    )
    assert np.abs(first["image"] - second["image"]).max() > 0.1


def test_training_blurs_as_the_model_does(scenes):
    scene = next(scene for scene in scenes if kind_of(scene) == "portrait")
    blurs = blurs_of_the_rest(scene.image, scene.weights[..., 0], SCENE_SIGMAS_PX)
    in_focus = scene.weights[None, ..., :1]
    for index in range(2):
        chosen = np.broadcast_to(np.float32([index == 0, index == 1]), (1, *SHAPE, 2))
        blend = np.asarray(BackgroundBlend(SCENE_SIGMAS_PX)(scene.image[None], in_focus, chosen))[
            0, ..., :3
        ]
        expected = (1 - in_focus[0]) * blurs[..., 3 * index : 3 * index + 3]
        inside = (slice(12, -12), slice(12, -12))
        np.testing.assert_allclose(blend[inside], expected[inside], atol=CUT_TOLERANCE)
