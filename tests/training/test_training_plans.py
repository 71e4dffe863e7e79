"""Every plan, phase after phase, for a few steps on two pictures: what it learns, and what a
phase leaves to the next.

Steps run layer by layer here. As users run them, by the command and at its sizes, the plans are run
in the slow test.
"""

import dataclasses
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
import tensorflow as tf

from bokeh_tf.data.archives import read_archive
from bokeh_tf.data.pairs.layouts import find_pairs
from bokeh_tf.training.adversarial import adversarial_job
from bokeh_tf.training.plans import PLANS
from bokeh_tf.training.run import Run, RunOptions
from bokeh_tf.training.supervised import pairs_job
from tests.labelled_subjects import write_subjects
from tests.photographs import write_folder
from tests.training.learning import assert_descends
from tests.training.smallest_networks import CHANGES
from tests.training_pairs import write_pairs

pytestmark = [
    pytest.mark.usefixtures("module_layer_by_layer"),
    pytest.mark.filterwarnings(
        "ignore:Even though the `tf.config.experimental_run_functions_eagerly`"
    ),
]
TIME_LIMIT_S = 1_200


@dataclass(frozen=True)
class Trial:
    """The least at which a plan can be tried: MS-SSIM needs 176 px, the largest disk
    69, PyNET two cells of 64.
    """

    size_px: int = 64
    steps: int = 2
    # Dropout hides most of one gradient.
    averaged_gradients: int = 1
    maps: tuple[str, ...] = ()


TRIALS = {
    "dbsi": Trial(),
    "bgnet": Trial(steps=6, averaged_gradients=16),
    "defocus": Trial(128),
    "wavelet_cnn_cet_sp": Trial(),
    "wavelet_cnn_cet_cvlab": Trial(),
    "horizon": Trial(192),
    "dmshn": Trial(192),
    "dddf": Trial(maps=("depth", "saliency")),
    "unet": Trial(),
    "wide_activation": Trial(),
    "pynet": Trial(128, maps=("depth",)),
    "scrn": Trial(),
}
# Seven phases, the last of all five levels, take minutes.
LONG = {"pynet": pytest.mark.slow}
# Half of the time of all plans, and of layers that the others train too.
LONG |= dict.fromkeys(("dbsi", "bgnet", "dmshn"), pytest.mark.twice_nightly)


@dataclass(frozen=True)
class Start:
    """A phase before its first step: its job, weights and critics, which weights
    learn, and where losses fall.

    With critics, `gradients` are empty.
    """

    job: object
    critics: dict = field(repr=False)
    weights: dict = field(repr=False)
    learning: frozenset = field(repr=False)
    gradients: dict = field(repr=False)


def pair_folder(folder, size_px, *, maps=(), is_target_a_map=False):
    """Two pairs as large as what the network sees, so that every batch is
    those two, turned or not.
    """
    write_pairs(folder, count=2, shape=(size_px, size_px), maps=maps)
    if is_target_a_map:
        write_pairs(folder, count=2, shape=(size_px, size_px), maps=("saliency",))
        shutil.rmtree(folder / "Training" / "bokeh")
        (folder / "Training" / "saliency").rename(folder / "Training" / "bokeh")
    return folder


def arrays_of(variables):
    return {variable.path: np.array(variable) for variable in variables}


def critic_variables(job):
    return [
        variable
        for critic in getattr(job.trainer, "critics", ())
        for variable in critic.trainable_weights
    ]


def gradients_of(loss, variables, tape):
    """By path; a weight that the loss does not depend on has none."""
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    pairs = zip(variables, gradients, strict=True)
    return {
        variable.path: np.array(gradient) for variable, gradient in pairs if gradient is not None
    }


def network_gradients(job, batch, variables):
    """Of the phase's loss on a batch, which normalises itself as in a step."""
    inputs, target = batch
    with tf.GradientTape() as tape:
        loss = job.trainer.compute_loss(inputs, target, job.trainer(inputs, training=True), None)
    return gradients_of(loss, variables, tape)


def averaged(gradients):
    count = len(gradients)
    return {path: sum(each[path] for each in gradients) / count for path in gradients[0]}


def started(phase, model, pairs, *, averaged_gradients):
    weights = arrays_of(model.weights)
    learning = frozenset(variable.path for variable in model.trainable_weights)
    make_job = adversarial_job if phase.adversary else pairs_job
    job = make_job(model, phase, pairs, seed=0, vgg_weights="random")
    batch = next(iter(job.batches(0, frozenset())))
    critics = arrays_of(critic_variables(job))
    # What critics and network want of each other moves with both: test_adversarial.py judges that.
    gradients = {}
    if not critics:
        variables = model.trainable_weights
        draws = [network_gradients(job, batch, variables) for _ in range(averaged_gradients)]
        gradients = averaged(draws)
    return Start(job, critics, weights, learning, gradients)


def assert_learns(phase, start, result):
    """Its weights went where the loss on the first batch falls; critics, which see another, went."""
    if start.critics:
        after = arrays_of(critic_variables(start.job))
        went = [path for path in after if not np.array_equal(after[path], start.critics[path])]
        # The last bias of a critic is the same for photo and picture.
        assert len(went) > 0.4 * len(after)
        return
    steps = {path: result[path] - start.weights[path] for path in start.gradients}
    assert_descends(start.gradients, steps, phase.name)


def tried(phase, name):
    """The phase on the smallest network; of critics no direction is asked, so that few steps do."""
    if phase.adversary:
        phase = phase.shortened(Trial.steps)
    return dataclasses.replace(phase, changes=(*phase.changes, *CHANGES.get(name, ())))


@pytest.mark.parametrize("name", [pytest.param(name, marks=LONG.get(name, ())) for name in TRIALS])
def test_every_phase_learns_and_hands_over(name, tmp_path):
    trial = TRIALS[name]
    plan = PLANS[name].small(image_shape=(trial.size_px, trial.size_px), steps=trial.steps)
    plan = dataclasses.replace(plan, phases=tuple(tried(phase, name) for phase in plan.phases))
    is_target_a_map = plan.phases[0].target == "saliency"
    pairs = find_pairs(
        pair_folder(
            tmp_path / "data", trial.size_px, maps=trial.maps, is_target_a_map=is_target_a_map
        )
    )
    starts = {}

    def make_job(phase, model):
        starts[phase.name] = started(
            phase, model, pairs.pairs, averaged_gradients=trial.averaged_gradients
        )
        return starts[phase.name].job

    Run(plan, out=tmp_path / "out", options=RunOptions(), make_job=make_job, conditions={}).train()
    assert list(starts) == [phase.name for phase in plan.phases]
    for phase in plan.phases:
        start = starts[phase.name]
        result = read_archive(tmp_path / "out" / "phases" / f"{phase.name}.npz")
        assert_learns(phase, start, result)
        assert_only_what_learns_has_changed(phase, start, result)
        if phase.starts_from:
            handed_over = read_archive(tmp_path / "out" / "phases" / f"{phase.starts_from}.npz")
            named = {
                prefix + path: value
                for path, value in handed_over.items()
                for prefix in phase.prefixes
            }
            assert_handed_over(named, start.weights)


def assert_only_what_learns_has_changed(phase, start, result):
    changed = {
        path for path, value in result.items() if not np.array_equal(value, start.weights[path])
    }
    # A bias before a normalisation has a gradient of zero, and those of PyNET's small fresh
    # weights are lost on ones.
    assert len(changed & start.learning) > 0.4 * len(start.learning), phase.name
    moving = {path for path in changed if path.rsplit("/", 1)[1].startswith("moving_")}
    assert changed - moving <= start.learning, phase.name
    assert all(np.isfinite(value).all() for value in result.values()), phase.name


def assert_handed_over(before, weights):
    fitting = [
        path for path in weights if path in before and before[path].shape == weights[path].shape
    ]
    assert len(fitting) > 0.4 * len(weights)
    for path in fitting:
        np.testing.assert_array_equal(weights[path], before[path], err_msg=path)


def test_every_plan_is_tried():
    # `dbsi_mobile` learns from scenes, its focus from subjects:
    # test_scene_training.py, test_subjects.py.
    assert set(TRIALS) == set(PLANS) - {"dbsi_mobile", "dbsi_mobile_focus"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_the_command_ends_well_at_a_small_scale(name, tmp_path):
    data = tmp_path / "data"
    if name == "dbsi_mobile":
        write_folder(data)
    elif name == "dbsi_mobile_focus":
        write_subjects(data)
    else:
        write_pairs(data, shape=(200, 220), maps=("depth", "saliency"))
    command = [
        sys.executable,
        "-m",
        "bokeh_tf",
        "train",
        name,
        "--scale",
        "small",
        "--data",
        str(data),
    ]
    command += ["--out", str(tmp_path / "out")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr and "Traceback" not in done.stderr, done.stderr
    [weights] = (tmp_path / "out").glob("*.weights.h5")
    assert f"written: {weights}" in done.stdout
    results = {path.stem for path in (tmp_path / "out" / "phases").iterdir()}
    assert results == {phase.name for phase in PLANS[name].phases}
