"""A phase made ready to run: a compiled Keras trainer, its batches by position,
and what identifies them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras


@dataclass(frozen=True)
class Job:
    """What `run` needs to know of a phase.

    Attributes:
        model: the network whose weights are the result.
        trainer: a compiled Keras model around it.
        batches: a function of (first batch, batches to leave out) to an endless `tf.data.Dataset`.
            Batch n is the same wherever a run starts.
        batch_ids: a function of a batch's number to the names of its examples.
        total_steps: batches in the phase.
        data_error: a function without arguments to the `DataError` that ended the batches, or None.
        other_optimizers: optimisers besides the trainer's own.
    """

    model: keras.Model
    trainer: keras.Model
    batches: Callable
    batch_ids: Callable
    total_steps: int
    data_error: Callable = lambda: None
    other_optimizers: tuple = ()

    @property
    def variables(self):
        """All that a checkpoint must hold: weights, random states and
        optimisers; metrics start anew.
        """
        metrics = {id(variable) for variable in self.trainer.metrics_variables}
        own = [variable for variable in self.trainer.variables if id(variable) not in metrics]
        optimizers = (self.trainer.optimizer, *self.other_optimizers)
        return [*own, *(variable for optimizer in optimizers for variable in optimizer.variables)]

    def synchronise(self):
        """Brings the variables up to date inside `fit`, where JAX keeps the numbers elsewhere."""
        if keras.backend.backend() == "jax":
            self.trainer.jax_state_sync()
