"""From a plan and a data folder to a run: data found, model checked,
jobs made, processes joined.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import keras

from bokeh_tf.data.pairs.layouts import find_pairs
from bokeh_tf.data.pairs.pair import places_of
from bokeh_tf.data.scenes.sources import load_sources
from bokeh_tf.data.scenes.subjects import load_subjects
from bokeh_tf.errors import DataError, TrainingError
from bokeh_tf.losses import PERCEPTUAL_SCALES
from bokeh_tf.models import dbsi_mobile
from bokeh_tf.models.variation import vary_constant_weights
from bokeh_tf.paths import printable
from bokeh_tf.training import scenes, subjects, supervised, validation
from bokeh_tf.training.distribution import ALONE, device_scope, make_deterministic
from bokeh_tf.training.gpu_check import require_gpu_compatible
from bokeh_tf.training.run import Run, RunOptions

# Splits that results are compared on are never trained on.
_TRAINING_SPLITS = ("train", "extra")


@dataclass(frozen=True)
class Watch:
    """What a run is watched on, and how; see `validation.Plan`."""

    # A folder of pairs, or one of `validation.SPLITS` of the training folder.
    source: Path | str
    every: int
    metric: str = "psnr_db"
    patience: int | None = None
    # So many pairs at most, evenly spread.
    most_pairs: int | None = None


@dataclass(frozen=True)
class Settings:
    """What a training may choose besides its plan."""

    # A list of pairs to use (`bokeh_tf.data.pairs.pair.read_list`), else all of the training split.
    only: Path | None = None
    # Keras's policy for layers, one of `bokeh_tf.training.PRECISIONS`.
    precision: str = "float32"
    # The same bits on every run, where the backend can; slower.
    is_deterministic: bool = False
    # For perceptual losses, see `bokeh_tf.losses.perceptual`.
    vgg_weights: str | None = None
    # For subjects, tensors by name that their encoder begins with, see `subjects.subjects_job`.
    encoder: dict | None = None
    # Train even what a GPU delegate would refuse.
    allow_refused: bool = False
    # Held-out pairs to be watched on, see `Watch`.
    watch: Watch | None = None
    run: RunOptions = field(default_factory=RunOptions)


def train(plan, *, data, out, settings=None, only_phase=None, workers=ALONE):
    """Trains `plan` on the folder `data`; returns the path of the weights.

    Args:
        out: output folder, see `run`.
        only_phase: number of the one phase to run, counted from 1.
        workers: `distribution.Workers`, if several processes train together.

    Raises:
        DataError: the data cannot be used.
        TrainingError: a phone's GPU would refuse the network, or see `run.Run`.
    """
    settings = settings or Settings()
    phases = _chosen_phases(plan, only_phase)
    _require_possible(phases, settings, workers)
    keras.config.set_dtype_policy(settings.precision)
    if settings.is_deterministic:
        make_deterministic()
    examples, summary = _examples(plan, Path(data), Path(out), settings)
    watch = _watch(plan, settings, data=data, examples=examples, workers=workers)
    if workers.is_first:
        places = places_of(examples, data) if plan.phases[0].data == "pairs" else None
        _say_what_is_done(
            plan, phases, examples, out=out, settings=settings, watch=watch, places=places
        )
    if not settings.allow_refused:
        require_gpu_compatible(_exported_model(plan))

    def make_job(phase, model):
        return _job(phase, model, examples, plan, settings, workers)

    conditions = {"data": summary, "precision": settings.precision}
    run = Run(
        plan,
        out=Path(out),
        options=settings.run,
        make_job=make_job,
        conditions=conditions,
        workers=workers,
        watch=watch,
    )
    with device_scope([phase.batch_size for phase in phases]):
        return run.train(only_phase=only_phase)


def _watch(plan, settings, *, data, examples, workers):
    """The `validation.Plan` of a run, None where nobody asked for one."""
    asked = settings.watch
    if asked is None:
        return None
    if plan.phases[0].data != "pairs":
        raise TrainingError(
            f"{plan.name} learns from {plan.phases[0].data}, not from pairs. Leave out --val."
        )
    if workers.count > 1:
        raise TrainingError(
            "Validation is for one process. Leave out --val, or the other processes."
        )
    pairs = validation.held_out_pairs(
        asked.source, data=data, training_pairs=examples, most=asked.most_pairs
    )
    return validation.Plan(pairs, asked.every, asked.metric, asked.patience)


def _say_what_is_done(plan, phases, examples, *, out, settings, watch, places):
    """What the run begins with, before anything slow."""
    what = "goes on" if settings.run.resume else "starts"
    names = ", ".join(f"{phase.name} ({phase.starts_from or 'fresh weights'})" for phase in phases)
    lines = [
        f"{plan.name} {what} in {out}: {len(examples)} examples; phases, and what each starts"
        f" from: {names}"
    ]
    if places is not None:
        lines.append(f"pairs: {places}")
    if watch is not None:
        stop = (
            f"; a phase ends after {watch.patience} times without a better one"
            if watch.patience
            else ""
        )
        lines.append(
            f"watched on {len(watch.pairs)} held-out pairs every {watch.every} batches by"
            f" {watch.metric}{stop}"
        )
    print("\n".join(map(printable, lines)), flush=True)


def _chosen_phases(plan, number):
    if number is None:
        return plan.phases
    if not 1 <= number <= len(plan.phases):
        names = ", ".join(
            f"{index} {phase.name}" for index, phase in enumerate(plan.phases, start=1)
        )
        raise ValueError(
            f"only_phase must be one of {plan.name}'s. Received: {number}. Known: {names}."
        )
    return plan.phases[number - 1 : number]


def _require_possible(phases, settings, workers):
    """Refuses at once what the last phase would refuse after days."""
    if any(phase.adversary for phase in phases):
        # Only these phases need TensorFlow itself.
        from bokeh_tf.training.adversarial import require_support

        require_support(precision=settings.precision, workers=workers)
    if any(phase.data != "pairs" for phase in phases) and workers.count > 1:
        raise TrainingError(
            "Scenes and subjects are trained on by one process. Leave out the others."
        )
    if any(term.loss in PERCEPTUAL_SCALES for phase in phases for term in phase.losses):
        from bokeh_tf.losses.perceptual import find_weights

        find_weights(settings.vgg_weights)


def _exported_model(plan):
    """The network that the last phase leaves, in float32, with the graph that a
    file for a phone would hold.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        model = supervised.build_model(plan, plan.phases[-1])
    finally:
        keras.config.set_dtype_policy(policy)
    vary_constant_weights(model)
    return model


def training_pairs(data, *, only=None):
    """The pairs in the folder `data` that may be trained on; `DataError` where there are none."""
    folder = find_pairs(data, only=only)
    pairs = [pair for pair in folder.pairs if pair.split in _TRAINING_SPLITS]
    if not pairs:
        splits = ", ".join(folder.report.splits)
        raise DataError(
            f"{data}: holds pairs, but none to train on ({splits}). Name another folder."
        )
    return pairs


def _examples(plan, data, out, settings):
    """What there is to learn from, and a summary that a resumed run must share."""
    if plan.phases[0].data == "subjects":
        photos = load_subjects(data)
        return photos, _summary([photo.stem for photo in photos])
    if plan.phases[0].data == "scenes":
        sources = load_sources(data, cache=out / "prepared")
        return sources, _summary([source.name for source in sources])
    pairs = training_pairs(data, only=settings.only)
    least = max(phase.batch_size for phase in plan.phases)
    if len(pairs) < least:
        raise DataError(
            f"{data}: {len(pairs)} training pairs are less than a batch of {least}. Add some."
        )
    return pairs, _summary(
        [f"{pair.id} {pair.source.stat().st_size} {pair.target.stat().st_size}" for pair in pairs]
    )


def _summary(lines):
    return {
        "examples": len(lines),
        "sha256": hashlib.sha256(json.dumps(lines).encode()).hexdigest(),
    }


def _job(phase, model, examples, plan, settings, workers):
    seed = settings.run.seed
    if phase.data in subjects.TAPPED_SHARES:
        # A later phase begins with what the one before has made of the encoder.
        encoder = None if phase.starts_from else settings.encoder
        return subjects.subjects_job(model, phase, examples, seed=seed, encoder=encoder)
    if phase.data == "scenes":
        sigmas_px = scenes.sigmas_of(dbsi_mobile.VARIANTS[plan.variant])
        return scenes.scenes_job(model, phase, examples, sigmas_px=sigmas_px, seed=seed)
    options = {"seed": seed, "vgg_weights": settings.vgg_weights}
    if phase.adversary:
        from bokeh_tf.training.adversarial import adversarial_job

        return adversarial_job(model, phase, examples, **options)
    return supervised.pairs_job(model, phase, examples, workers=workers, **options)
