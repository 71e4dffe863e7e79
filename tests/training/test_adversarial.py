"""Training with critics: gradient penalty, who learns when, resume to the same
bits, and what is refused.
"""

import dataclasses
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from bokeh_tf.data.archives import read_archive
from bokeh_tf.data.pairs.layouts import find_pairs
from bokeh_tf.errors import TrainingError
from bokeh_tf.training import checkpoints
from bokeh_tf.training.adversarial import WassersteinTrainer, adversarial_job
from bokeh_tf.training.callbacks import CsvLog
from bokeh_tf.training.distribution import Workers
from bokeh_tf.training.plans.schedule import Adversary, LearningRate, Phase, Plan, Term
from bokeh_tf.training.run import RunOptions
from bokeh_tf.training.session import Settings, train
from bokeh_tf.training.supervised import build_model
from tests.training_pairs import write_pairs

SHAPE = (32, 32)
PHASE = Phase(
    "wgan_gp",
    losses=(Term("l1"),),
    learning_rate=LearningRate(1e-4),
    image_shape=SHAPE,
    batch_size=2,
    steps=4,
    adversary=Adversary(critics=("patch",), learning_rate=1e-4),
)
PLAN = Plan("toy", "unet", "a test", (PHASE,), variant="tiny")
FLOAT32_TOLERANCE = 1e-5
TIME_LIMIT_S = 600


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("adversarial") / "pairs", count=4, shape=(40, 48))


def settings(**options):
    options = {"batches_per_checkpoint": 2, **options}
    return Settings(is_deterministic=True, allow_refused=True, run=RunOptions(**options))


def generator():
    """Adds one learned number to a picture."""
    image = keras.Input((*SHAPE, 3), name="image")
    added = keras.layers.Dense(3, kernel_initializer="identity", name="added")(image)
    return keras.Model({"image": image}, added)


def linear_critic(weights):
    """Scores that are the sum of weights times pixels: its gradient is `weights` everywhere."""
    image = keras.Input((*SHAPE, 3))
    score = keras.layers.Conv2D(1, SHAPE, use_bias=False, name="score")
    critic = keras.Model(image, score(image))
    score.set_weights([weights[..., None]])
    return critic


def linear_trainer(weights, adversary):
    def picture_loss(expected, actual):
        return keras.ops.mean(keras.ops.abs(expected - actual), axis=(1, 2, 3))

    trainer = WassersteinTrainer(
        generator(), [linear_critic(weights)], adversary, picture_loss, seed=3
    )
    trainer.compile(keras.optimizers.SGD(0.01))
    return trainer


def batch(seed=0):
    random = np.random.default_rng(seed)
    return [random.random((2, *SHAPE, 3), dtype=np.float32) for _ in range(2)]


def test_the_losses_of_a_linear_critic_by_hand():
    random = np.random.default_rng(1)
    weights = random.normal(0, 0.05, (*SHAPE, 3)).astype(np.float32)
    image, photo = batch()
    trainer = linear_trainer(weights, Adversary(weight=0.5, learning_rate=1e-9))
    losses = trainer.train_on_batch({"image": image}, photo, return_dict=True)
    scores = {
        "photo": (photo * weights).sum(axis=(1, 2, 3)),
        "image": (image * weights).sum(axis=(1, 2, 3)),
    }
    norm = np.linalg.norm(weights.astype(np.float64))
    assert norm > 2
    # The fresh network returns the image.
    expected = scores["image"].mean() - scores["photo"].mean() + 10 * (norm - 1) ** 2
    np.testing.assert_allclose(losses["critic_loss"], expected, rtol=FLOAT32_TOLERANCE)
    np.testing.assert_allclose(losses["adversarial_loss"], -scores["image"].mean(), atol=1e-4)
    picture_loss = np.abs(image - photo).mean()
    np.testing.assert_allclose(losses["picture_loss"], picture_loss, rtol=FLOAT32_TOLERANCE)
    total = picture_loss - 0.5 * scores["image"].mean()
    np.testing.assert_allclose(losses["loss"], total, atol=1e-4)


def test_the_penalty_alone_makes_a_critic_as_steep_as_one():
    image = batch()[0]
    trainer = linear_trainer(np.full((*SHAPE, 3), 0.1, np.float32), Adversary(learning_rate=1e-3))
    # With pictures equal to the photos nothing is left but the penalty.
    trainer.optimizer.learning_rate = 0.0
    for _ in range(150):
        trainer.train_on_batch({"image": image}, image)
    norm = np.linalg.norm(trainer.critics[0].get_weights()[0])
    assert abs(norm - 1) < 0.1


def test_critics_take_their_steps_and_the_network_one():
    image, photo = batch()
    trainer = linear_trainer(np.full((*SHAPE, 3), 0.1, np.float32), Adversary(critic_steps=3))
    for _ in range(2):
        trainer.train_on_batch({"image": image}, photo)
    assert int(trainer.critic_optimizer.iterations) == 6
    assert int(trainer.optimizer.iterations) == 2


def test_the_network_goes_where_the_critic_points():
    # A critic that likes light: without photos to match, the network adds light, in every channel.
    image, photo = batch()
    trainer = linear_trainer(
        np.full((*SHAPE, 3), 0.1, np.float32), Adversary(weight=1.0, learning_rate=1e-9)
    )
    bias = trainer.generator.get_layer("added").bias
    trainer.train_on_batch({"image": image}, photo)
    # The slope is 32 * 32 * 0.1 a channel less at most a third of the picture's, the rate 0.01.
    np.testing.assert_allclose(np.asarray(bias), 1.024, atol=0.01 / 3 + FLOAT32_TOLERANCE)


def test_critics_fall_and_both_sides_learn(data):
    keras.utils.set_random_seed(0)
    model = build_model(PLAN, PHASE)
    job = adversarial_job(model, PHASE, find_pairs(data).pairs, seed=0)
    inputs, photos = next(iter(job.batches(0, frozenset())))
    before = [model.get_weights(), job.trainer.critics[0].get_weights()]
    critics = []
    for _ in range(8):
        job.trainer.reset_metrics()
        critics.append(
            float(job.trainer.train_on_batch(inputs, photos, return_dict=True)["critic_loss"])
        )
    after = [model.get_weights(), job.trainer.critics[0].get_weights()]
    # At 1e-5 a step: eight of them take off about a sixteenth.
    assert critics[-1] < 0.97 * critics[0]
    for old, new in zip(before, after, strict=True):
        assert sum(not np.array_equal(a, b) for a, b in zip(old, new, strict=True)) > 0.8 * len(old)


def test_a_checkpoint_holds_critics_their_optimizer_and_the_random_state(data):
    job = adversarial_job(build_model(PLAN, PHASE), PHASE, find_pairs(data).pairs, seed=0)
    held = {id(variable) for variable in job.variables}
    assert len(held) == len(job.variables)
    trainer = job.trainer
    wanted = [*trainer.generator.variables, *trainer.critics[0].variables, trainer.random.state]
    wanted += [*trainer.optimizer.variables, *trainer.critic_optimizer.variables]
    assert {id(variable) for variable in wanted} == held
    # Two moments for every weight of the critics.
    assert len(trainer.critic_optimizer.variables) >= 2 * len(
        trainer.critics[0].trainable_variables
    )


@pytest.mark.usefixtures("layer_by_layer")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
@pytest.mark.twice_nightly
def test_a_crashed_run_with_critics_ends_with_the_same_bits(data, tmp_path, monkeypatch):
    assert_a_crash_changes_nothing(data, tmp_path, monkeypatch)


@pytest.mark.slow
def test_a_crashed_run_with_critics_ends_with_the_same_bits_as_graphs(data, tmp_path, monkeypatch):
    assert_a_crash_changes_nothing(data, tmp_path, monkeypatch)


def assert_a_crash_changes_nothing(data, tmp_path, monkeypatch):
    train(PLAN, data=data, out=tmp_path / "whole", settings=settings())
    expected = checkpoints.newest(tmp_path / "whole" / "checkpoints")

    def crash(self, batch, values):
        raise MemoryError("after two batches")

    with monkeypatch.context() as patch:
        patch.setattr(CsvLog, "add", crash)
        with pytest.raises(MemoryError):
            train(PLAN, data=data, out=tmp_path / "crashed", settings=settings())
    train(PLAN, data=data, out=tmp_path / "crashed", settings=settings(resume=True))
    actual = checkpoints.newest(tmp_path / "crashed" / "checkpoints")
    assert (actual.batch, len(actual.arrays)) == (4, len(expected.arrays))
    for one, other in zip(actual.arrays, expected.arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    weights = [
        read_archive(tmp_path / name / "phases" / "wgan_gp.npz") for name in ("whole", "crashed")
    ]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    ("change", "workers", "message"),
    [
        ({}, Workers(0, 2), "trained by one process. Leave out the others"),
        (
            {"precision": "mixed_float16"},
            Workers(),
            "in float32, not in mixed_float16. Leave out --precision",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_phase(data, tmp_path, change, workers, message):
    first = dataclasses.replace(PHASE, name="first", adversary=None)
    plan = dataclasses.replace(
        PLAN, phases=(first, dataclasses.replace(PHASE, starts_from="first"))
    )
    with pytest.raises(TrainingError, match=message) as error:
        train(
            plan,
            data=data,
            out=tmp_path,
            settings=dataclasses.replace(settings(), **change),
            workers=workers,
        )
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    assert keras.config.dtype_policy().name == "float32"


JAX_PROGRAM = """
import sys
from bokeh_tf.cli import main
sys.exit(main(["train", "bgnet", "--scale", "small", "--data", sys.argv[1], "--out", sys.argv[2]]))
"""


@pytest.mark.once
def test_jax_is_refused_before_the_first_phase(data, tmp_path):
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", JAX_PROGRAM, str(data), str(out)],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert (
        "needs TensorFlow, Keras runs on jax. Set KERAS_BACKEND=tensorflow"
        in done.stderr.splitlines()[-1]
    )
    assert not out.exists()
