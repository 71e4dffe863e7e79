"""A training that is killed on the way and resumed: `bokeh-tf train` in child
processes, as a user would run it.
"""

import contextlib
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bokeh_tf.errors import OutputError, TrainingError
from bokeh_tf.models.weights import weights_name
from bokeh_tf.paths import exists
from bokeh_tf.training import checkpoints

PLAN, MODEL, VARIANT = "dbsi_mobile_focus", "dbsi_mobile", "focus"
# Small batches: in the same time more of them fit.
_SCALE = "small"
# The first is written before the first batch.
_CHECKPOINTS_BEFORE_THE_KILL = 3
_POLL_S = 0.05
# After Ctrl-C, which reaches the child too, it finishes its batch and saves.
_SAVING_LIMIT_S = 10


@dataclass(frozen=True)
class InterruptedRun:
    """What came of it: the weights file, and the batch after which the second process went on."""

    weights: Path
    resumed_from: int


def train_interrupted(photos, out, *, steps, batches_per_checkpoint, console) -> InterruptedRun:
    """Trains on the folder `photos` anew into the folder `out`, with a SIGKILL once
    there are a few checkpoints.

    Args:
        steps: batches of each phase of the plan.

    Raises:
        TrainingError: a process failed, or the first one was done before it could be killed.
    """
    _remove_earlier_run(out)
    arguments = ["train", PLAN, "--data", photos, "--out", out, "--scale", _SCALE]
    arguments = [
        *map(str, arguments),
        "--steps",
        str(steps),
        "--checkpoint-every",
        str(batches_per_checkpoint),
    ]
    with _process(arguments, console) as child:
        _kill_on_the_way(child, out / "checkpoints")
    checkpoint = checkpoints.newest(out / "checkpoints")
    console.print(
        f"killed with SIGKILL; the newest whole checkpoint is that of batch {checkpoint.batch}"
    )
    with _process([*arguments, "--resume"], console) as child:
        _check_status(child.wait())
    return InterruptedRun(out / weights_name(MODEL, VARIANT), checkpoint.batch)


def _remove_earlier_run(out):
    """Removes what an earlier demo left; a folder without a run's manifest is none and stays."""
    if not exists(out / "manifest.json"):
        return
    try:
        shutil.rmtree(out)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot remove this earlier run ({error.strerror}). Choose another folder."
        ) from error


@contextlib.contextmanager
def _process(arguments, console):
    """A `bokeh-tf` process that shows its progress in this terminal and
    does not outlive the block.
    """
    console.print(
        f"$ bokeh-tf {shlex.join(arguments)}", soft_wrap=True, markup=False, highlight=False
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "bokeh_tf", *arguments], stdin=subprocess.DEVNULL
    )
    try:
        yield child
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_SAVING_LIMIT_S)
        raise
    finally:
        child.kill()
        child.wait()
        # A progress bar hides the cursor, and a killed one does not give it back.
        console.show_cursor()


def _kill_on_the_way(child, folder):
    while child.poll() is None:
        # Unfinished files are called otherwise.
        if len(list(folder.glob("phase*.npz"))) >= _CHECKPOINTS_BEFORE_THE_KILL:
            child.kill()
            return
        time.sleep(_POLL_S)
    _check_status(child.returncode)
    raise TrainingError("The training was done before it could be killed. Give it more --steps.")


def _check_status(status):
    if status:
        raise TrainingError(f"The training ended with status {status}; what it said is above.")
