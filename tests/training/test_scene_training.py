"""Training `dbsi_mobile` on scenes: from a folder of photographs to a weights
file, and what it refuses.
"""

import dataclasses

import keras
import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.data.scenes.sources import load_sources
from bokeh_tf.errors import DataError
from bokeh_tf.models import dbsi_mobile
from bokeh_tf.training import scenes
from bokeh_tf.training.plans import PLANS
from bokeh_tf.training.run import RunOptions
from bokeh_tf.training.session import Settings, train
from tests.photographs import write_folder

PLAN = PLANS["dbsi_mobile"]
PHASE = dataclasses.replace(PLAN.phases[0], steps=4, batch_size=2)
SHORT_PLAN = dataclasses.replace(PLAN, phases=(PHASE,))
WEIGHTS = "dbsi_mobile_base.weights.h5"
FLOAT32_TOLERANCE = 1e-5


def settings(**options):
    return Settings(is_deterministic=True, run=RunOptions(batches_per_checkpoint=2, **options))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("training") / "фото")


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """The output folder of a whole tiny run."""
    out = tmp_path_factory.mktemp("training") / "größe" / "run"
    assert train(SHORT_PLAN, data=photos, out=out, settings=settings()) == out / WEIGHTS
    return out


@pytest.fixture(scope="module")
def job(photos, tmp_path_factory):
    sources = load_sources(photos, cache=tmp_path_factory.mktemp("prepared"))
    sigmas_px = scenes.sigmas_of(dbsi_mobile.VARIANTS["base"])
    return scenes.scenes_job(flagship(), PHASE, sources, sigmas_px=sigmas_px, seed=0)


def flagship(*, seed=0):
    keras.utils.set_random_seed(seed)
    return models.build("dbsi_mobile", image_shape=PHASE.image_shape)


def trained_weights(path):
    model = flagship(seed=99)
    model.load_weights(path)
    return model.get_weights()


def test_a_run_leaves_weights_and_prepared_photos(finished):
    assert (finished / WEIGHTS).exists()
    assert len(list((finished / "prepared").iterdir())) == 3


def test_the_weights_have_changed_and_are_finite(finished):
    changes = [
        np.abs(after - before).max()
        for after, before in zip(
            trained_weights(finished / WEIGHTS), flagship().get_weights(), strict=True
        )
    ]
    assert np.isfinite(changes).all()
    assert np.mean(np.array(changes) > 0) > 0.9


def test_resuming_a_finished_run_writes_the_same_weights(finished, photos):
    before = trained_weights(finished / WEIGHTS)
    (finished / WEIGHTS).unlink()
    train(SHORT_PLAN, data=photos, out=finished, settings=settings(resume=True))
    for actual, expected in zip(trained_weights(finished / WEIGHTS), before, strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.slow
def test_how_often_it_saves_does_not_change_what_it_learns(photos, tmp_path):
    # The weights are an average over the last steps, which must not take
    # their place before the end.
    averaging = dataclasses.replace(PHASE, average_steps=3)
    plan = dataclasses.replace(PLAN, phases=(averaging,))
    for size in (2, 4):
        often = Settings(is_deterministic=True, run=RunOptions(batches_per_checkpoint=size))
        train(plan, data=photos, out=tmp_path / str(size), settings=often)
    weights = [trained_weights(tmp_path / size / WEIGHTS) for size in ("2", "4")]
    for actual, expected in zip(*weights, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_unusable_photos_stop_before_the_first_step(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="no photographs here"):
        train(SHORT_PLAN, data=tmp_path / "photos", out=tmp_path / "out", settings=settings())
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_the_trainer_trains_the_models_own_weights(job):
    assert {id(v) for v in job.trainer.trainable_variables} == {
        id(v) for v in job.model.trainable_variables
    }
    assert job.trainer.output["weights"].shape == (None, 128, 192, 4)
    assert job.batch_ids(3) == ("scene 6", "scene 7")


def test_the_picture_is_the_blend_of_image_and_blurs(job):
    random = np.random.default_rng(0)
    image = random.random((1, 128, 192, 3), dtype=np.float32)
    blurs = random.random((1, 128, 192, 9), dtype=np.float32)
    outputs = {
        name: np.asarray(value)
        for name, value in job.trainer({"image": image, "blurs": blurs}).items()
    }
    weights = outputs["weights"]
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=FLOAT32_TOLERANCE)
    stacked = np.concatenate([image, blurs], axis=-1).reshape(1, 128, 192, 4, 3)
    expected = np.einsum("bhwn,bhwnc->bhwc", weights, stacked)
    np.testing.assert_allclose(outputs["rendered"], expected, atol=FLOAT32_TOLERANCE)


def test_losses_by_hand():
    expected = np.float32([[[[1.0, 0.0], [0.5, 0.5]]]])
    actual = np.float32([[[[0.25, 0.75], [0.5, 0.5]]]])
    # (ln 4 + ln 2) / 2, and where the network is certain and wrong, the floor of 1e-4: ln 10^4.
    np.testing.assert_allclose(
        scenes.weight_map_cross_entropy(expected, actual), [1.0397208], rtol=1e-6
    )
    wrong = np.float32([[[[0.0, 1.0]]]])
    np.testing.assert_allclose(
        scenes.weight_map_cross_entropy(expected[:, :, :1], wrong), [9.2103404], rtol=1e-6
    )
    np.testing.assert_allclose(
        scenes.picture_error(expected, actual), [(0.75 + 0.75) / 4], rtol=1e-6
    )


def test_the_shipped_weights_schedule_is_the_plan():
    phase = PLAN.phases[0]
    facts = (
        phase.steps,
        phase.batch_size,
        phase.learning_rate.start,
        phase.weight_decay,
        phase.average_steps,
    )
    # The model card of the shipped weights.
    assert facts == (10_000, 8, 2e-3, 1e-4, 500)
