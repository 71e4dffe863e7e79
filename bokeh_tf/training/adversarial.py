"""WGAN-GP (Gulrajani et al. 2017): a network trained beside critics that tell its
pictures from photographs.

Every batch updates the critics `critic_steps` times and then the network once. Gradients of
gradients are written for TensorFlow, and the penalty on them for float32; what else is
refused, `require_support` says.
"""

import keras
import tensorflow as tf
from keras import ops

from bokeh_tf.errors import TrainingError
from bokeh_tf.losses import adversarial, combined
from bokeh_tf.models import bgnet
from bokeh_tf.training.distribution import ALONE, jit_compile
from bokeh_tf.training.jobs import Job
from bokeh_tf.training.optimizers import build_optimizer
from bokeh_tf.training.supervised import batches_of, pair_settings, trainer_of


def require_support(*, precision, workers=ALONE):
    """Raises `TrainingError` where a phase with critics cannot be trained.

    Args:
        precision: Keras's policy for layers.
        workers: `distribution.Workers` that share the training.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise TrainingError(
            f"A phase with critics needs TensorFlow, Keras runs on {backend}. Set"
            " KERAS_BACKEND=tensorflow."
        )
    if workers.count > 1:
        raise TrainingError("A phase with critics is trained by one process. Leave out the others.")
    if precision != "float32":
        raise TrainingError(
            f"A phase with critics is trained in float32, not in {precision}. Leave out"
            " --precision."
        )


class WassersteinTrainer(keras.Model):
    """A network with named inputs and the critics of its pictures.

    Args:
        generator: a trainer as `supervised.trainer_of` makes it.
        critics: Keras models from pictures to score maps; their scores are averaged.
        adversary: a plan's `Adversary`.
        picture_loss: a function of (expected, actual) pictures to one value per picture.
        seed: of the random mixtures at which the critics' gradients are looked at.
    """

    def __init__(self, generator, critics, adversary, picture_loss, *, seed):
        super().__init__(name="wasserstein_trainer")
        self.generator, self.critics = generator, critics
        self.adversary, self.picture_loss = adversary, picture_loss
        self.random = keras.random.SeedGenerator(seed)
        self.critic_optimizer = keras.optimizers.Adam(
            adversary.learning_rate, beta_1=0.0, beta_2=0.9
        )
        names = ("loss", "picture_loss", "adversarial_loss", "critic_loss")
        self._means = {name: keras.metrics.Mean(name) for name in names}
        for model in (generator, *critics):
            model.build(None)
        self.built = True

    @property
    def metrics(self):
        """Running means of the losses."""
        return list(self._means.values())

    def compile(self, optimizer):
        """Takes the network's optimiser and makes both optimisers' variables."""
        super().compile(optimizer, jit_compile=jit_compile())
        optimizer.build(self.generator.trainable_variables)
        self.critic_optimizer.build(self._critic_variables())

    def call(self, inputs, training=None):
        return self.generator(inputs, training=training)

    def train_step(self, data):
        """One batch: the critics, then the network."""
        inputs, photos, _ = keras.utils.unpack_x_y_sample_weight(data)
        for _ in range(self.adversary.critic_steps):
            critic_loss = self._update_critics(photos, self.generator(inputs, training=True))
        losses = {**self._update_generator(inputs, photos), "critic_loss": critic_loss}
        for name, value in losses.items():
            self._means[name].update_state(value)
        return {name: mean.result() for name, mean in self._means.items()}

    def _update_critics(self, photos, rendered):
        shape = (ops.shape(photos)[0], 1, 1, 1)
        share = keras.random.uniform(shape, seed=self.random)
        mixed = share * photos + (1 - share) * rendered
        with tf.GradientTape() as tape:
            loss = 0.0
            for critic in self.critics:
                scores = [critic(pictures, training=True) for pictures in (photos, rendered)]
                difference = adversarial.wasserstein_critic(*scores)
                with tf.GradientTape() as inner:
                    inner.watch(mixed)
                    # Each picture's own mean score, so that the gradients of a batch do not mix.
                    scores = ops.sum(ops.mean(critic(mixed, training=True), axis=(1, 2, 3)))
                penalty = adversarial.gradient_penalty(inner.gradient(scores, mixed))
                loss += (difference + self.adversary.gradient_penalty * penalty) / len(self.critics)
        variables = self._critic_variables()
        self.critic_optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def _update_generator(self, inputs, photos):
        with tf.GradientTape() as tape:
            rendered = self.generator(inputs, training=True)
            picture = ops.mean(self.picture_loss(photos, rendered))
            scores = [
                adversarial.wasserstein_generator(critic(rendered, training=False))
                for critic in self.critics
            ]
            opinion = sum(scores) / len(scores)
            loss = picture + self.adversary.weight * opinion
        variables = self.generator.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss, "picture_loss": picture, "adversarial_loss": opinion}

    def _critic_variables(self):
        return [variable for critic in self.critics for variable in critic.trainable_variables]


def adversarial_job(model, phase, pairs, *, seed, vgg_weights=None):
    """The job of a phase with critics; arguments as for `supervised.pairs_job`."""
    generator = trainer_of(model, phase)
    settings = pair_settings(phase, generator)
    data = batches_of(pairs, settings, seed=seed)
    total_steps, steps_per_epoch = phase.total_steps(len(pairs)), phase.steps_per_epoch(len(pairs))
    critics = [
        bgnet.build_critic(kind, image_shape=settings.target_shape)
        for kind in phase.adversary.critics
    ]
    terms = [(term.loss, term.weight) for term in phase.losses]
    losses = combined(terms, vgg_weights=vgg_weights)
    trainer = WassersteinTrainer(generator, critics, phase.adversary, losses, seed=seed)
    trainer.compile(
        build_optimizer(phase, total_steps=total_steps, steps_per_epoch=steps_per_epoch)
    )
    others = (trainer.critic_optimizer,)
    return Job(model, trainer, total_steps=total_steps, other_optimizers=others, **data)
