"""The job of `dbsi_mobile`: its weights network learns from scenes composed of cut-out photographs.

Only the network has weights to learn; it works at half the grid (128 rows), so it is trained there:
on the cross entropy between its weight maps and those of the scene's circles of confusion, and on
the L1 error of the picture that the maps blend.
"""

import keras
from keras import layers, ops

from bokeh_tf.data.pairs.pipeline import scene_batches
from bokeh_tf.data.scenes.scenes import SceneMaker
from bokeh_tf.ops.blur import default_sigma_px
from bokeh_tf.training.distribution import jit_compile
from bokeh_tf.training.jobs import Job
from bokeh_tf.training.optimizers import build_optimizer

# The layers of the model between which the trained network lies.
_FIRST_LAYER, _LAST_LAYER = "half_grid", "logits"


@keras.saving.register_keras_serializable(package="bokeh_tf")
class DbsiWeights(layers.Layer):
    """The four weight maps from the network's logits: W0 by a sigmoid, the rest shared
    among the blurs by a softmax.
    """

    def call(self, logits):
        """Returns `[B, H, W, 1 + n]`, summing to one."""
        in_focus = ops.sigmoid(logits[..., :1])
        return ops.concatenate(
            [in_focus, (1 - in_focus) * ops.softmax(logits[..., 1:], axis=-1)], axis=-1
        )


@keras.saving.register_keras_serializable(package="bokeh_tf")
class Blend(layers.Layer):
    """Sum of the image and its given blurs `[B, H, W, 3 n]` times their weight maps."""

    def call(self, image, blurs, weights):
        """Returns the picture, `[B, H, W, 3]`."""
        rendered = weights[..., :1] * image
        for index in range(weights.shape[-1] - 1):
            rendered += weights[..., index + 1 : index + 2] * blurs[..., 3 * index : 3 * index + 3]
        return rendered


@keras.saving.register_keras_serializable(package="bokeh_tf")
def weight_map_cross_entropy(expected, actual):
    """Cross entropy of DBSI weight maps, averaged over the frame; 0 weights count as 1e-4."""
    return -ops.mean(ops.sum(expected * ops.log(ops.maximum(actual, 1e-4)), axis=-1), axis=(1, 2))


@keras.saving.register_keras_serializable(package="bokeh_tf")
def picture_error(expected, actual):
    """Mean absolute error of a picture."""
    return ops.mean(ops.abs(expected - actual), axis=(1, 2, 3))


def scenes_job(model, phase, sources, *, sigmas_px, seed):
    """The job of a phase of `dbsi_mobile`.

    Args:
        model: a `dbsi_mobile`.
        sources: photographs as `bokeh_tf.data.scenes.sources.load_sources` prepares them.
        sigmas_px: of the model's blurs, for a photo of 1024 rows.
    """
    trainer = trainer_of(model)
    weights = {
        "weights" if term.loss == "weight_maps" else "rendered": term.weight
        for term in phase.losses
    }
    total_steps = phase.total_steps(len(sources))
    trainer.compile(
        build_optimizer(
            phase, total_steps=total_steps, steps_per_epoch=phase.steps_per_epoch(len(sources))
        ),
        loss={"weights": weight_map_cross_entropy, "rendered": picture_error},
        loss_weights=weights,
        jit_compile=jit_compile(),
    )
    # What optimiser and losses keep is made here: made during the first step, it has
    # TensorFlow trace that step twice.
    trainer.optimizer.build(trainer.trainable_variables)
    nothing = {name: ops.zeros((1, *output.shape[1:])) for name, output in trainer.output.items()}
    trainer.compute_loss(y=nothing, y_pred=nothing)
    maker = SceneMaker(sources, shape=tuple(trainer.input["image"].shape[1:3]), sigmas_px=sigmas_px)
    return Job(
        model=model,
        trainer=trainer,
        batches=lambda first, skipped: scene_batches(
            maker, batch_size=phase.batch_size, seed=seed, first_batch=first, skipped=skipped
        ),
        batch_ids=lambda batch: tuple(
            f"scene {batch * phase.batch_size + n}" for n in range(phase.batch_size)
        ),
        total_steps=total_steps,
    )


def sigmas_of(config):
    """Sigmas of a `dbsi_mobile` Config's blurs, for a photo of 1024 rows."""
    return [default_sigma_px(size_px) for size_px in config.blur_sizes_px]


def trainer_of(model):
    """The weights network of `model` with the blend, inputs "image" and "blurs"; its
    weights are the model's own.
    """
    network = keras.Model(
        model.get_layer(_FIRST_LAYER).output, model.get_layer(_LAST_LAYER).output, name="network"
    )
    image = keras.Input(network.input_shape[1:], name="image")
    count = network.output_shape[-1] - 1
    blurs = keras.Input((*network.input_shape[1:3], 3 * count), name="blurs")
    weights = DbsiWeights(name="weights")(network(image))
    rendered = Blend(name="rendered")(image, blurs, weights)
    return keras.Model(
        {"image": image, "blurs": blurs}, {"weights": weights, "rendered": rendered}, name="trainer"
    )
