"""What watches a phase while Keras's `fit` runs it: progress, losses that are not
finite, interruptions, logs.
"""

import csv
import io
import math
import signal
import threading
import time
from pathlib import Path

import keras
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bokeh_tf.errors import TrainingError
from bokeh_tf.files import write_text
from bokeh_tf.paths import exists, read_bytes
from bokeh_tf.program import Interruption, ending_signals
from bokeh_tf.training.durations import duration_text

# A row is a hundred bytes, and there is one for each round.
_LARGEST_LOG_BYTES = 256_000_000


class NonFiniteLoss(Exception):
    """A loss became NaN or infinite; `step` counts the batches since `fit` began."""

    def __init__(self, step, names):
        super().__init__(f"step {step}: {', '.join(names)}")
        self.step, self.names = step, names


class StopWhenNotFinite(keras.callbacks.Callback):
    """Raises `NonFiniteLoss` after the batch that made a loss NaN or infinite."""

    def __init__(self):
        super().__init__()
        self._step = 0

    def on_train_batch_end(self, batch, logs=None):
        self._step += 1
        broken = [name for name, value in (logs or {}).items() if not math.isfinite(value)]
        if broken:
            raise NonFiniteLoss(self._step, broken)


class RichProgress(keras.callbacks.Callback):
    """One progress bar over all batches of a phase, with the time left and the losses.

    Args:
        title: what the bar is called.
        first: batches done before.
        total: batches of the phase.
    """

    def __init__(self, title, *, first, total):
        super().__init__()
        self._progress = Progress(
            TextColumn(title, markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        self._task = self._progress.add_task("", total=total, completed=first, losses="")
        self._title, self._first, self._total = title, first, total
        self._started_s = time.monotonic()

    def say_round(self, done, values):
        """Prints a line on a round that has ended, where no terminal shows the bar."""
        if self._progress.console.is_terminal:
            return
        per_batch_s = (time.monotonic() - self._started_s) / max(1, done - self._first)
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        left = duration_text(per_batch_s * (self._total - done))
        print(f"{self._title}: {done} of {self._total} batches, {left} left  {numbers}", flush=True)

    def on_train_begin(self, logs=None):
        self._progress.start()

    def on_train_batch_end(self, batch, logs=None):
        losses = "  ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        self._progress.update(self._task, advance=1, losses=losses)

    def stop(self):
        """Takes the bar away."""
        self._progress.stop()


class SaveWhenInterrupted(keras.callbacks.Callback):
    """On Ctrl-C, SIGTERM or SIGHUP finishes the batch, saves, and leaves; a
    second one leaves at once.

    Args:
        save: a function of the number of batches since `fit` began.
    """

    def __init__(self, save):
        super().__init__()
        self._save = save
        self._step = 0
        self._asked_by: int | None = None
        self._previous: dict = {}

    def on_train_begin(self, logs=None):
        """Takes over the signals that end a program, unless it was started to ignore them."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in ending_signals():
            self._previous[number] = signal.signal(number, self._ask)

    def on_train_batch_end(self, batch, logs=None):
        """Saves and raises `Interruption` if that was asked for."""
        self._step += 1
        if self._asked_by is not None:
            self._save(self._step)
            raise Interruption(self._asked_by)

    def give_back(self):
        """Gives the signals back."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _ask(self, number, frame):
        self._asked_by = number
        self.give_back()


class CsvLog:
    """A table of losses, one row per round; rows after the batch that a run
    goes on from are taken back.

    Args:
        path: of the file.
        phase: name of the phase.
        first: batches that are done.

    Raises:
        TrainingError: the file is no such table.
    """

    def __init__(self, path, *, phase, first):
        self._path, self._phase = Path(path), phase
        try:
            content = read_bytes(path, limit_bytes=_LARGEST_LOG_BYTES) if exists(path) else b""
            rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
            self._rows = [
                row for row in rows if row["phase"] != phase or int(row["batch"]) <= first
            ]
        except (OSError, csv.Error, LookupError, TypeError, ValueError) as error:
            raise TrainingError(f"{path}: not the log of a run. Move it elsewhere.") from error

    def add(self, batch, values):
        """Adds the row of a round that ended with `batch`, and writes the table in one step."""
        self._rows.append({"phase": self._phase, "batch": batch, **values})
        columns = list(dict.fromkeys(column for row in self._rows for column in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_text(self._path, text.getvalue())
