"""Jobs that learn from pairs of photographs, with the losses of a plan's phase."""

import keras
from keras import layers

from bokeh_tf import models
from bokeh_tf.data.pairs.pipeline import PairSettings, batch_pairs, pair_batches, pair_reader
from bokeh_tf.errors import DataError
from bokeh_tf.losses import combined
from bokeh_tf.training.distribution import ALONE, jit_compile
from bokeh_tf.training.jobs import Job
from bokeh_tf.training.optimizers import build_optimizer


def build_model(plan, phase):
    """The network of a phase with fresh weights."""
    changes = dict(phase.changes)
    return models.build(
        plan.model, variant=plan.variant, image_shape=phase.image_shape, changes=changes
    )


def pair_settings(phase, trainer):
    """What the pipeline has to make of the pairs: sizes, maps and target of the
    trainer's inputs and output.

    Besides the image, inputs `[B, h, w, 1]` are maps and inputs `[B, 1]` are
    conditions, by their names.
    """
    further = {
        name: len(tensor.shape) for name, tensor in sorted(trainer.input.items()) if name != "image"
    }
    return PairSettings(
        image_shape=phase.image_shape,
        framing=phase.framing,
        batch_size=phase.batch_size,
        augmentations=phase.augmentations,
        maps=tuple(name for name, rank in further.items() if rank == 4),
        conditions=tuple(name for name, rank in further.items() if rank == 2),
        target=phase.target,
        target_shape=tuple(trainer.output.shape[1:3]),
    )


def require_inputs(pairs, settings):
    """Raises `DataError` where a pair lacks a map or a condition that the network takes."""
    entries = [
        (name, "maps", f"{name} map", f"Put them into a folder named {name}")
        for name in settings.maps
    ]
    for name in settings.conditions:
        entries.append((name, "conditions", name, f"Put a CSV table with columns id,{name}"))
    for name, kind, what, remedy in entries:
        lacking = [pair.id for pair in pairs if name not in getattr(pair, kind)]
        if lacking:
            raise DataError(
                f"{lacking[0]}: no {what}, which this network takes ({len(lacking)} of"
                f" {len(pairs)} pairs have none). "
                f"{remedy} beside the photos."
            )


def pairs_job(model, phase, pairs, *, seed, vgg_weights=None, workers=ALONE):
    """The job of a phase without critics.

    Args:
        model: its network, with the weights to start from.
        pairs: `bokeh_tf.data.pairs.pair.Pair`s.
        workers: `distribution.Workers` that share each batch.
    """
    trainer = trainer_of(model, phase)
    data = batches_of(pairs, pair_settings(phase, trainer), seed=seed, workers=workers)
    total_steps, steps_per_epoch = phase.total_steps(len(pairs)), phase.steps_per_epoch(len(pairs))
    terms = [(term.loss, term.weight) for term in phase.losses]
    trainer.compile(
        build_optimizer(phase, total_steps=total_steps, steps_per_epoch=steps_per_epoch),
        loss=combined(terms, vgg_weights=vgg_weights),
        jit_compile=jit_compile(),
    )
    # Made during the first step, the optimiser's variables would have
    # TensorFlow trace that step twice.
    trainer.optimizer.build(trainer.trainable_variables)
    return Job(model, trainer, total_steps=total_steps, **data)


def batches_of(pairs, settings, *, seed, workers=ALONE):
    """What a `Job` knows of its data: `batches`, `batch_ids` and `data_error`; `DataError`
    where they lack an input.
    """
    require_inputs(pairs, settings)
    reader = pair_reader(pairs, settings)
    options = {"seed": seed, "share": (workers.index, workers.count), "reader": reader}

    def batches(first, skipped):
        return pair_batches(pairs, settings, first_batch=first, skipped=skipped, **options)

    def batch_ids(batch):
        return tuple(
            pair.id for pair in batch_pairs(pairs, settings.batch_size, seed=seed, batch=batch)
        )

    return {"batches": batches, "batch_ids": batch_ids, "data_error": lambda: reader.error}


def trainer_of(model, phase):
    """The same network with its inputs by name and, alone, the pictures that the phase compares."""
    output = model.get_layer(phase.output_layer).output if phase.output_layer else model.outputs[0]
    if phase.is_output_signed:
        output = layers.Rescaling(0.5, offset=0.5, name="in_unit_range")(output)
    return keras.Model({tensor.name: tensor for tensor in model.inputs}, output, name="trainer")
