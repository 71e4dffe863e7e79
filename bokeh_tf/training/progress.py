"""What a training run shows while it runs."""

import math

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bokeh_tf.errors import TrainingError


class RichProgress(keras.callbacks.Callback):
    """One progress bar over all steps of a plan, with the losses; stops the run when a loss is not finite."""

    def __init__(self, *, first_step, steps):
        super().__init__()
        self._step, self._steps = first_step, steps
        count, left = MofNCompleteColumn(), TimeRemainingColumn()
        columns = (TextColumn("Training"), BarColumn(), count, left, TextColumn("{task.fields[losses]}"))
        self._progress = Progress(*columns)

    def on_train_begin(self, logs=None):
        """Shows the bar."""
        self._task = self._progress.add_task("", total=self._steps, completed=self._step, losses="")
        self._progress.start()

    def on_train_batch_end(self, batch, logs=None):
        """Advances the bar."""
        self._step += 1
        losses = logs or {}
        broken = [name for name, value in losses.items() if not math.isfinite(value)]
        if broken:
            raise TrainingError(
                f"step {self._step}: {', '.join(broken)} is not finite. Start anew with another --seed; the last "
                "checkpoint is still good."
            )
        text = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
        self._progress.update(self._task, completed=self._step, losses=text)

    def stop(self):
        """Takes the bar away, also after an interruption."""
        self._progress.stop()
