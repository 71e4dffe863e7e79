"""Training on several devices or machines, by engines that exist.

* One machine with several GPUs, TensorFlow: `tf.distribute.MirroredStrategy`;
  Keras splits every batch.
* Several machines (or processes), JAX: Keras's `DataParallel` over `jax.distributed`. Every process
  runs the same command with these variables set, which Keras reads:

      KERAS_BACKEND=jax
      KERAS_DISTRIBUTION_JOB_ADDRESSES=10.0.0.1:1234      address of process 0
      KERAS_DISTRIBUTION_NUM_PROCESSES=2
      KERAS_DISTRIBUTION_PROCESS_ID=0                     0, 1, ...

Each process reads its share of every batch, so several together learn what one learns from
whole batches. Only process 0 writes; all must see its output folder, from which they resume.
Keras's own `fit` under TensorFlow's MultiWorkerMirroredStrategy fails for Keras 3, which is why
several machines need JAX.
"""

import contextlib
import os
from dataclasses import dataclass

import keras
from absl import logging

from bokeh_tf.errors import TrainingError

_VARIABLES = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
)


@dataclass(frozen=True)
class Workers:
    """This process among those that train together."""

    index: int = 0
    count: int = 1

    @property
    def is_first(self):
        """Whether it is the one that writes."""
        return self.index == 0

    def wait_for_all(self):
        """Returns once every process has come here; before and after files
        change that the others read.
        """
        if self.count > 1:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices("bokeh_tf")


ALONE = Workers()


def join_workers():
    """Joins the other processes if the environment names any; must come
    before anything else of Keras.

    Raises:
        TrainingError: the variables contradict themselves, or Keras does not run on JAX.
    """
    values = [os.environ.get(name) for name in _VARIABLES]
    if not any(values):
        return ALONE
    if not all(values):
        missing = [name for name, value in zip(_VARIABLES, values, strict=True) if not value]
        raise TrainingError(
            f"{', '.join(missing)}: not set. Set all of {', '.join(_VARIABLES)}, or none."
        )
    address, count, index = values
    if not (count.isdecimal() and index.isdecimal() and int(index) < int(count)):
        raise TrainingError(
            f"Process {index} of {count}: {_VARIABLES[2]} must count from 0 to one below the"
            " number."
        )
    if int(count) == 1:
        return ALONE
    if keras.backend.backend() != "jax":
        raise TrainingError(
            f"Several processes train together on JAX, Keras runs on {keras.backend.backend()}."
            " Set KERAS_BACKEND=jax."
        )
    keras.distribution.initialize(address, int(count), int(index))
    # Every process brings its own share of a batch.
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    return Workers(int(index), int(count))


def device_scope(batch_sizes):
    """The context in which to build, compile and train: TensorFlow's strategy over
    several GPUs, else nothing.

    Of the GPUs, as many are used as share a batch of each of the `batch_sizes` equally: Keras would
    weigh the pictures of a smaller share more, and fail on an empty one.
    """
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    count = max(n for n in range(1, len(devices) + 1) if not any(size % n for size in batch_sizes))
    if count < len(devices):
        sizes = ", ".join(str(size) for size in sorted(set(batch_sizes)))
        logging.warning(
            "%d of %d devices are used: no more share batches of %s equally.",
            count,
            len(devices),
            sizes,
        )
    return (
        tf.distribute.MirroredStrategy(devices[:count]).scope()
        if count > 1
        else contextlib.nullcontext()
    )


def jit_compile():
    """What to tell `compile`: XLA on accelerators; on a CPU under TensorFlow it would
    compile longer than it saves.
    """
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return "auto" if tf.config.list_logical_devices("GPU") else False


def make_deterministic():
    """Has TensorFlow compute the same bits every time; JAX does on a CPU anyway."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
