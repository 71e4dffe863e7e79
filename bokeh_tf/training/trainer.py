"""Trains the weights network of `dbsi_mobile` on synthesised scenes, with checkpoints a run goes on from.

Only the network has weights to learn; it works at half the grid (128 rows), so it is trained there: on the cross
entropy between its weight maps and those of the scene's circles of confusion, and on the L1 error of the picture
that the maps blend. An output folder holds:

    prepared/         the photos made ready, see `data.sources`
    checkpoint.npz    weights and optimiser, replaced in one step after every `steps_per_checkpoint` steps
    logs/             TensorBoard
    dbsi_mobile_<variant>.weights.h5    the result
"""

import math
import tempfile
from pathlib import Path

import keras
from absl import logging
from keras import layers, ops

from bokeh_tf import models
from bokeh_tf.data.pipeline import training_batches
from bokeh_tf.data.scenes import SceneMaker
from bokeh_tf.data.sources import load_sources
from bokeh_tf.errors import OutputError
from bokeh_tf.files import make_folder, write_bytes
from bokeh_tf.models import dbsi_mobile
from bokeh_tf.ops.blur import default_sigma_px
from bokeh_tf.training import checkpoint
from bokeh_tf.training.plan import Plan
from bokeh_tf.training.progress import RichProgress

_WARM_UP_STEPS = 200
# The size the network itself sees at every export size.
TRAINING_SHAPE = (dbsi_mobile.GRID_ROWS, dbsi_mobile.GRID_ROWS * 3 // 2)


@keras.saving.register_keras_serializable(package="bokeh_tf")
class DbsiWeights(layers.Layer):
    """The four weight maps from the network's logits: W0 by a sigmoid, the rest shared among the blurs by a softmax."""

    def call(self, logits):
        """Returns `[B, H, W, 1 + n]`, summing to one."""
        in_focus = ops.sigmoid(logits[..., :1])
        return ops.concatenate([in_focus, (1 - in_focus) * ops.softmax(logits[..., 1:], axis=-1)], axis=-1)


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


def build_trainer(model, plan):
    """Wraps the weights network of `model` with the blend and the losses; trains the very same weights."""
    network = keras.Model(model.get_layer("half_grid").output, model.get_layer("logits").output, name="network")
    image = keras.Input(network.input_shape[1:], name="image")
    count = network.output_shape[-1] - 1
    blurs = keras.Input((*network.input_shape[1:3], 3 * count), name="blurs")
    weights = DbsiWeights(name="weights")(network(image))
    rendered = Blend(name="rendered")(image, blurs, weights)
    trainer = keras.Model({"image": image, "blurs": blurs}, {"weights": weights, "rendered": rendered})
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, plan.steps - _WARM_UP_STEPS), warmup_target=plan.learning_rate, warmup_steps=_WARM_UP_STEPS
    )
    optimizer = keras.optimizers.AdamW(
        rate,
        weight_decay=plan.weight_decay,
        global_clipnorm=1.0,
        use_ema=True,
        ema_momentum=1 - 1 / plan.average_steps,
    )
    trainer.compile(
        optimizer,
        loss={"weights": weight_map_cross_entropy, "rendered": picture_error},
        loss_weights={"weights": 1.0, "rendered": plan.picture_loss},
    )
    # What optimiser and losses keep is made here: made during the first step, it has TensorFlow trace that step twice.
    optimizer.build(trainer.trainable_variables)
    nothing = {name: ops.zeros((1, *output.shape[1:])) for name, output in trainer.output.items()}
    trainer.compute_loss(y=nothing, y_pred=nothing)
    return trainer


def train(variant, *, photos, out, plan=Plan(), resume=False):
    """Trains `dbsi_mobile` and writes its weights; returns their path.

    Args:
        variant: a variant of `dbsi_mobile`.
        photos: folder of photographs, see `data.sources.load_sources`.
        out: output folder; holds the checkpoints too.
        resume: go on from the checkpoint in `out`. Without it `out` must hold none.

    Raises:
        DataError: the photos cannot be used.
        TrainingError: there is a checkpoint and no `resume`, or the other way round, or the loss is not finite.
    """
    out = make_folder(out)
    keras.utils.set_random_seed(plan.seed)
    model = models.build("dbsi_mobile", variant=variant, image_shape=TRAINING_SHAPE)
    trainer = build_trainer(model, plan)
    first_step = checkpoint.restore(trainer, out, plan=plan, resume=resume)
    sources = load_sources(photos, cache=out / "prepared")
    sigmas_px = [default_sigma_px(size) for size in dbsi_mobile.VARIANTS[variant].blur_sizes_px]
    maker = SceneMaker(sources, shape=tuple(side // 2 for side in TRAINING_SHAPE), sigmas_px=sigmas_px)
    batches = training_batches(maker, batch_size=plan.batch_size, seed=plan.seed, first_batch=first_step)
    _fit(trainer, batches, plan, out)
    trainer.optimizer.finalize_variable_values(trainer.trainable_variables)
    result = out / f"dbsi_mobile_{variant}.weights.h5"
    save_weights(model, result)
    return result


def save_weights(model, path):
    """Writes the weights of `model` to `path` (`….weights.h5`) in one step."""
    # Keras insists on the double suffix, so the temporary name needs a folder of its own.
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            temporary = Path(folder) / path.name
            model.save_weights(temporary)
            write_bytes(path, temporary.read_bytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot write ({error.strerror or error}). Free some space and --resume.") from error


def _fit(trainer, batches, plan, out):
    """Trains from the optimiser's step to the plan's last; keeps a checkpoint after every round."""
    first_step = int(trainer.optimizer.iterations.numpy())
    if first_step >= plan.steps:
        return
    progress = RichProgress(first_step=first_step, steps=plan.steps)
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: checkpoint.save(trainer, out, plan=plan))
    tensorboard = keras.callbacks.TensorBoard(str(out / "logs"), update_freq=100)
    first_round, rounds = (math.ceil(s / plan.steps_per_checkpoint) for s in (first_step, plan.steps))
    try:
        trainer.fit(
            batches,
            steps_per_epoch=plan.steps_per_checkpoint,
            initial_epoch=first_round,
            epochs=rounds,
            verbose=0,
            shuffle=False,
            callbacks=[progress, keep, tensorboard],
        )
    except KeyboardInterrupt:
        if int(trainer.optimizer.iterations.numpy()) >= plan.steps_per_checkpoint:
            logging.warning("Interrupted; the last checkpoint is in %s. Go on with --resume.", out)
        raise
    finally:
        progress.stop()
