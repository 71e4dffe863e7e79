"""Training plans against what the papers and public code say, and what no plan may be."""

import dataclasses
import itertools
from importlib import import_module

import pytest

from bokeh_tf.losses import NAMES as LOSSES
from bokeh_tf.models import MODELS
from bokeh_tf.training.plans import PLANS
from bokeh_tf.training.plans.schedule import Adversary, LearningRate, Phase, Plan, Term

# Losses of scenes, which have targets of their own.
_SUBJECT_LOSSES = ("focus", "presence")
OWN_LOSSES = {
    "scenes": ("weight_maps", "picture"),
    "subjects": _SUBJECT_LOSSES,
    "tapped_subjects": _SUBJECT_LOSSES,
    "partly_tapped_subjects": _SUBJECT_LOSSES,
}
PHASE = Phase(
    "whole", losses=(Term("l1"),), learning_rate=LearningRate(1e-4), image_shape=(64, 64), steps=4
)


# As published: AIM 2020 report, sections 4.1 to 4.8; Dutta 2021, 4.3.2 and 4.3.3; train_model.py of
# PyNET-Bokeh; option.py of DDDF; train_SCRN.py.
PUBLISHED = {
    "dbsi": {
        "image_shape": [(384, 512), (768, 1024), (768, 1024)],
        "losses": [(Term("l1"),), (Term("l1"),), (Term("ssim"),)],
        "beta_1": [0.9] * 3,
        "beta_2": [0.999] * 3,
        "augmentations": [("horizontal", "vertical")] * 3,
        "starts_from": [None, "l1_384", "l1_768"],
    },
    "bgnet": {"batch_size": [1, 1, 1], "starts_from": [None, "first_unet", "second_unet"]},
    "defocus": {"image_shape": [(256, 256), (512, 512), (512, 512)]},
    "wavelet_cnn_cet_sp": {"batch_size": [10], "epochs": [600], "optimizer": ["adam"]},
    "wavelet_cnn_cet_cvlab": {"batch_size": [10], "epochs": [500], "optimizer": ["adam"]},
    "dddf": {"batch_size": [16], "image_shape": [(192, 192)], "losses": [(Term("l1"),)]},
    "unet": {"losses": [(Term("l1"),)], "optimizer": ["adam"]},
    "wide_activation": {"losses": [(Term("charbonnier"),)]},
    "pynet": {
        "batch_size": [50, 50, 40, 14, 9, 9, 5],
        "steps": [5_000, 5_000, 20_000, 20_000, 30_000, 80_000, 100_000],
        "changes": [(("level", level),) for level in range(7, 1, -1)] + [()],
    },
    "scrn": {
        "batch_size": [8],
        "epochs": [30],
        "image_shape": [(352, 352)],
        "weight_decay": [5e-4],
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_values_are_in_the_plan_and_not_called_ours(name):
    for field, expected in PUBLISHED[name].items():
        assert [getattr(phase, field) for phase in PLANS[name].phases] == expected, field
        # Of BGNet's three phases only the last one's batch is published.
        published = PLANS[name].phases[-1 if name == "bgnet" else 0 :]
        assert not any(field in phase.ours for phase in published), field


def test_published_weights_of_losses():
    bgnet = PLANS["bgnet"].phases
    assert [phase.losses for phase in bgnet[:2]] == [(Term("l1", 0.5), Term("ssim", 1.0))] * 2
    assert bgnet[2].adversary == Adversary(critics=("patch", "full"), gradient_penalty=10.0)
    cet_sp, cet_cvlab = (
        PLANS[f"wavelet_cnn_{team}"].phases[0].losses for team in ("cet_sp", "cet_cvlab")
    )
    assert [term.loss for term in cet_sp] == ["charbonnier", "vgg"]
    assert [term.loss for term in cet_cvlab] == ["charbonnier", "vgg", "sobel", "grey"]
    assert {term.loss for term in PLANS["horizon"].phases[0].losses} == {"ms_ssim", "ssim"}
    assert {term.loss for term in PLANS["defocus"].phases[0].losses} == {
        "l1",
        "vgg",
        "ssim",
        "gradient",
    }
    *levels, last = PLANS["pynet"].phases
    assert all(phase.losses == (Term("l1", 100.0),) for phase in levels)
    assert last.losses == (Term("l1", 10.0), Term("vgg_255", 0.1), Term("ssim", 10.0))


def test_published_learning_rates():
    rates = [phase.learning_rate for phase in PLANS["dbsi"].phases]
    assert (rates[0].start, rates[-1].end) == (1e-3, 1e-5)
    assert all(later.start == earlier.end for earlier, later in itertools.pairwise(rates))
    assert PLANS["defocus"].phases[0].learning_rate == LearningRate(
        1e-4, decay="steps", every_epochs=30, factor=0.1
    )
    assert {phase.learning_rate for phase in PLANS["pynet"].phases} == {LearningRate(5e-5)}
    assert PLANS["scrn"].phases[0].learning_rate == LearningRate(
        2e-3, decay="steps", every_epochs=20, factor=0.1
    )
    assert PLANS["dddf"].phases[0].learning_rate == LearningRate(
        1e-4, decay="steps", every_epochs=200
    )


@pytest.mark.parametrize("name", PLANS)
def test_what_a_plan_leaves_is_a_variant_of_its_model(name):
    plan = PLANS[name]
    known = import_module(f"bokeh_tf.models.{plan.model}").VARIANTS
    last = dataclasses.replace(known[plan.variant], **dict(plan.phases[-1].changes))
    assert last == known[plan.result or plan.variant]


def test_every_system_has_a_plan_and_every_plan_a_model():
    assert {plan.model for plan in PLANS.values()} >= set(MODELS) - {"megadepth", "saliency_blend"}
    for name, plan in PLANS.items():
        assert plan.name == name and plan.model in MODELS and plan.source
        for phase in plan.phases:
            known = OWN_LOSSES.get(phase.data, LOSSES)
            assert all(term.loss in known and term.weight > 0 for term in phase.losses)


def test_steps_are_epochs_times_whole_batches():
    phase = dataclasses.replace(PHASE, steps=None, epochs=3, batch_size=4)
    assert phase.total_steps(4400) == 3 * 1100
    assert phase.total_steps(10) == 3 * 2
    assert phase.total_steps(1) == 3
    # 4400 EBB! pairs in batches of 10, 600 times.
    assert PLANS["wavelet_cnn_cet_sp"].phases[0].total_steps(4400) == 264_000


def test_a_small_plan_has_the_same_phases():
    for name, plan in PLANS.items():
        small = plan.small(image_shape=(192, 192))
        assert [phase.name for phase in small.phases] == [phase.name for phase in plan.phases], name
        assert [phase.losses for phase in small.phases] == [
            phase.losses for phase in plan.phases
        ], name
        assert all(phase.steps == 8 and phase.batch_size <= 2 for phase in small.phases), name


def test_a_shorter_phase_averages_and_warms_up_over_the_same_share():
    [phase] = PLANS["dbsi_mobile"].phases
    # 500 and 200 of 10,000 steps.
    shorter = phase.shortened(2_500)
    assert (shorter.steps, shorter.average_steps, shorter.learning_rate.warm_up_steps) == (
        2_500,
        125,
        50,
    )
    assert phase.shortened(20).average_steps == 1
    longer = phase.shortened(20_000)
    assert (longer.average_steps, longer.learning_rate.warm_up_steps) == (500, 200)
    by_epochs = dataclasses.replace(PHASE, steps=None, epochs=3).shortened(7)
    assert (by_epochs.steps, by_epochs.epochs, by_epochs.average_steps) == (7, None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"losses": ()}, "at least one term"),
        ({"epochs": 3}, "epochs or of steps"),
        ({"steps": None}, "epochs or of steps"),
        ({"steps": 0}, "epochs or of steps"),
        ({"batch_size": 0}, "batch_size must be positive"),
        ({"accumulated_batches": 0}, "accumulated_batches must be positive"),
        ({"framing": "stretch"}, "Received: 'stretch'. Known: crop, resize"),
        ({"optimizer": "lion"}, "Known: adam, adamw, sgd"),
        ({"target": "depth"}, "Known: bokeh, saliency"),
        ({"data": "videos"}, "Known: pairs, scenes, subjects"),
        ({"ours": ("colour",)}, "ours must name fields. Received: colour"),
    ],
)
def test_impossible_phases_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PHASE, **changes)


@pytest.mark.parametrize(
    "options",
    [
        {"start": 0.0},
        {"start": 1e-4, "end": 1e-3, "decay": "cosine"},
        {"start": 1e-4, "end": 1e-5},
        {"start": 1e-4, "decay": "cosine"},
        {"start": 1e-4, "decay": "steps"},
        {"start": 1e-4, "every_epochs": 3},
        {"start": 1e-4, "decay": "steps", "every_epochs": 3, "factor": 1.0},
        {"start": 1e-4, "warm_up_steps": 5},
        {"start": 1e-4, "decay": "exponential"},
    ],
)
def test_impossible_learning_rates_are_refused(options):
    with pytest.raises(ValueError, match="Received"):
        LearningRate(**options)


def test_phases_have_names_of_their_own_and_start_from_earlier_ones():
    later = dataclasses.replace(PHASE, name="later", starts_from="whole")
    assert Plan("toy", "unet", "a test", (PHASE, later)).phases[1] == later
    for phases in ((), (PHASE, PHASE), (later, PHASE)):
        with pytest.raises(ValueError, match="Received"):
            Plan("toy", "unet", "a test", phases)
