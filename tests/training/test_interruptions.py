"""A training process that is killed or interrupted at any moment ends, resumed, with the
bits of an undisturbed one.
"""

import functools
import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from bokeh_tf.data.archives import read_archive
from bokeh_tf.training import checkpoints
from tests.training_pairs import write_pairs

# A checkpoint after every second batch: about half of the time something is being written.
PROGRAM = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from bokeh_tf.program import run_program
data, out, steps, *options = sys.argv[1:]
def load():
    from bokeh_tf.cli import main
    return lambda: main(["train", "unet", "--scale", "small", "--steps", steps, "--checkpoint-every", "2",
                         "--deterministic", "--allow-refused", "--data", data, "--out", out, *options])
sys.exit(run_program("bokeh-tf", load))
"""
# A process that is killed has made two steps at least: room for two kills, and for twenty.
FEW_STEPS, MANY_STEPS = 12, 50
WEIGHTS = "unet_tiny.weights.h5"
# Whole ones: what is being written has another name, and the same ending.
CHECKPOINTS = "checkpoints/phase*.npz"
TIME_LIMIT_S = 600


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("killed") / "pairs", shape=(200, 200))


@pytest.fixture(scope="module")
def undisturbed(pairs, tmp_path_factory):
    """`undisturbed(steps)`: the weights after a run of so many steps that nothing disturbs."""

    @functools.cache
    def weights(steps):
        out = tmp_path_factory.mktemp("killed") / "whole"
        finish(pairs, out, steps)
        return read_archive(out / "phases" / "whole.npz")

    return weights


def start(pairs, out, steps):
    options = ["--resume"] if (out / "manifest.json").exists() else []
    command = [sys.executable, "-c", PROGRAM, str(pairs), str(out), str(steps), *options]
    # Tests that run in the background have Ctrl-C switched off, which children inherit.
    listen = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=listen
    )


def finish(pairs, out, steps):
    child = start(pairs, out, steps)
    output, _ = child.communicate(timeout=TIME_LIMIT_S)
    assert child.returncode == 0, output


def wait_for_progress(child, out, *, since):
    """Waits until the run has written a checkpoint that was not there before, or has ended."""
    deadline_s = time.monotonic() + TIME_LIMIT_S
    while child.poll() is None and time.monotonic() < deadline_s:
        if set(out.glob(CHECKPOINTS)) - since:
            return
        time.sleep(0.005)


def disturb(pairs, out, steps, number, *, after_s=0.0):
    """Starts or resumes the run and sends it the signal `number` so long after its first
    progress.
    """
    since = set(out.glob(CHECKPOINTS))
    child = start(pairs, out, steps)
    wait_for_progress(child, out, since=since)
    time.sleep(after_s)
    child.send_signal(number)
    output, _ = child.communicate(timeout=TIME_LIMIT_S)
    return child.returncode, output


def assert_undisturbed(out, steps, expected):
    actual = read_archive(out / "phases" / "whole.npz")
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)
    rows = (out / "log.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [int(row.split(",")[1]) for row in rows] == list(range(2, steps + 1, 2))


@pytest.mark.parametrize(
    ("kills", "steps"), [(2, FEW_STEPS), pytest.param(20, MANY_STEPS, marks=pytest.mark.slow)]
)
def test_killed_at_random_moments(pairs, tmp_path, undisturbed, kills, steps):
    moments = random.Random(kills)
    done = 0
    while done < kills and not (tmp_path / WEIGHTS).exists():
        code, output = disturb(
            pairs, tmp_path, steps, signal.SIGKILL, after_s=moments.uniform(0, 0.3)
        )
        assert code in (0, -signal.SIGKILL), output
        done += code == -signal.SIGKILL
        # Whatever was being written, what can be read is whole.
        assert checkpoints.newest(tmp_path / "checkpoints") is not None
    finish(pairs, tmp_path, steps)
    assert_undisturbed(tmp_path, steps, undisturbed(steps))


def test_ctrl_c_saves_and_leaves(pairs, tmp_path, undisturbed):
    code, output = disturb(pairs, tmp_path, FEW_STEPS, signal.SIGINT)
    assert code == 130, output
    assert "interrupted" in output and "Traceback" not in output
    assert not (tmp_path / WEIGHTS).exists()
    assert (
        json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))["phases"]["whole"][
            "skipped"
        ]
        == []
    )
    finish(pairs, tmp_path, FEW_STEPS)
    assert_undisturbed(tmp_path, FEW_STEPS, undisturbed(FEW_STEPS))
