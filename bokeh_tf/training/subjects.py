"""The job of the network that knows subjects: it learns from labelled photographs and from
subjects cut out of them.

The encoder may begin with weights that somebody trained on ImageNet; the losses trust each label as
far as its source is trusted, pixel by pixel.
"""

import keras
from keras import ops

from bokeh_tf.data.pairs.pipeline import subject_batches
from bokeh_tf.data.scenes.subjects import SubjectMaker
from bokeh_tf.models.efficientnet_lite import assign_published_weights
from bokeh_tf.training.distribution import jit_compile
from bokeh_tf.training.jobs import Job
from bokeh_tf.training.optimizers import build_optimizer

# What is trained, and the layers that give it.
_OUTPUTS = {"focus_logit": "focus_logit", "presence_logit": "subject_confidence_logit"}
# How many of the examples have a tap, by a phase's data.
TAPPED_SHARES = {"subjects": 0.0, "tapped_subjects": 1.0, "partly_tapped_subjects": 0.4}
# The share of the learning rate that a pretrained encoder gets.
ENCODER_RATE = 0.25
# A picture in which less than this is labelled has no overlap worth measuring.
_LEAST_COVERAGE = 0.01


@keras.saving.register_keras_serializable(package="bokeh_tf")
def trusted_cross_entropy(expected, logits):
    """Cross entropy of a map, weighted: `expected` `[B, h, w, 2]` holds the map and
    the weight of each pixel.
    """
    wanted, trust = expected[..., :1], expected[..., 1:]
    # log(1 + e^x) - x y, in the form that cannot overflow.
    losses = ops.relu(logits) - logits * wanted + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.mean(losses * trust, axis=(1, 2, 3))


@keras.saving.register_keras_serializable(package="bokeh_tf")
def focus_error(expected, logits):
    """Cross entropy plus half of what the overlap of map and label lacks of 1
    (a soft Dice coefficient).
    """
    wanted, trust = expected[..., :1], expected[..., 1:]
    focus = ops.sigmoid(logits)
    shared = ops.mean(focus * wanted * trust, axis=(1, 2, 3))
    both = ops.mean((focus + wanted) * trust, axis=(1, 2, 3))
    lacking = 1 - (2 * shared + 1e-3) / (both + 1e-3)
    weight = ops.mean(trust, axis=(1, 2, 3))
    covered = ops.cast(ops.mean(wanted * trust, axis=(1, 2, 3)) > _LEAST_COVERAGE, logits.dtype)
    return trusted_cross_entropy(expected, logits) + 0.5 * weight * covered * lacking


@keras.saving.register_keras_serializable(package="bokeh_tf")
class GentleAdamW(keras.optimizers.AdamW):
    """AdamW that changes what somebody else has trained already more slowly than what is new."""

    def build(self, variables):
        """Notes what of the variables is the encoder's: backends hand `update_step`
        nameless ones of their own.
        """
        super().build(variables)
        self._rates = [
            ENCODER_RATE if "encoder_" in variable.path else 1.0 for variable in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        """One step; the encoder's at `ENCODER_RATE` of the learning rate."""
        super().update_step(
            gradient, variable, learning_rate * self._rates[self._get_variable_index(variable)]
        )


def subjects_job(model, phase, photos, *, seed, encoder=None):
    """The job of a phase of a model that holds `bokeh_tf.models.subject.subject_maps`.

    Args:
        model: its network sees the photo itself or what a layer called "grid" reduces it to.
        photos: `bokeh_tf.data.scenes.subjects.LabelledPhoto`s.
        encoder: tensors of EfficientNet-Lite0 by name, to begin with; see
            `bokeh_tf.models.efficientnet_lite.assign_published_weights`.
    """
    if encoder is not None:
        assign_published_weights(model, encoder)
    trainer = trainer_of(model)
    total_steps = phase.total_steps(len(photos))
    weights = {term.loss: term.weight for term in phase.losses}
    trainer.compile(
        _gentle(
            build_optimizer(
                phase, total_steps=total_steps, steps_per_epoch=phase.steps_per_epoch(len(photos))
            )
        ),
        loss={"focus_logit": focus_error, "presence_logit": trusted_cross_entropy},
        loss_weights={"focus_logit": weights["focus"], "presence_logit": weights["presence"]},
        jit_compile=jit_compile(),
    )
    trainer.optimizer.build(trainer.trainable_variables)
    # What the losses keep is made here: made during the first step, it has
    # TensorFlow trace that step twice.
    nothing = {
        name: ops.zeros((1, *output.shape[1:3], 2)) for name, output in trainer.output.items()
    }
    trainer.compute_loss(y=nothing, y_pred={name: part[..., :1] for name, part in nothing.items()})
    shape = tuple(trainer.input["image"].shape[1:3])
    maker = SubjectMaker(photos, shape=shape, tapped_share=TAPPED_SHARES[phase.data])
    return Job(
        model=model,
        trainer=trainer,
        batches=lambda first, skipped: subject_batches(
            maker, batch_size=phase.batch_size, seed=seed, first_batch=first, skipped=skipped
        ),
        batch_ids=lambda batch: tuple(
            f"example {batch * phase.batch_size + n}" for n in range(phase.batch_size)
        ),
        total_steps=total_steps,
    )


def _gentle(optimizer):
    if not isinstance(optimizer, keras.optimizers.AdamW):
        raise ValueError(
            f"A phase of subjects needs the optimizer adamw. Received: {optimizer.name}"
        )
    return GentleAdamW.from_config(optimizer.get_config())


def trainer_of(model):
    """The subject network inside `model`, from its image and focus to its two answers;
    its weights are the model's.
    """
    layer_names = {layer.name for layer in model.layers}
    first = model.get_layer("grid").output if "grid" in layer_names else model.inputs[0]
    inputs = {"image": first, "focus": model.get_layer("focus").output}
    outputs = {name: model.get_layer(layer).output for name, layer in _OUTPUTS.items()}
    return keras.Model(inputs, outputs, name="subject_trainer")
