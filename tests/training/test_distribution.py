"""Several processes on one machine learn what one learns from whole batches; a
lost one costs a restart.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from bokeh_tf.data.archives import read_archive
from bokeh_tf.errors import TrainingError
from bokeh_tf.training.distribution import Workers, join_workers
from tests.training.learning import assert_falls
from tests.training_pairs import write_pairs

# Sums over a batch are made in two parts.
AGREEMENT = 1e-4
TIME_LIMIT_S = 600
STEPS = 12
PROGRAM = """
import dataclasses, sys
from bokeh_tf.training.distribution import join_workers
workers = join_workers()
from bokeh_tf.training.plans import PLANS
from bokeh_tf.training.run import RunOptions
from bokeh_tf.training.session import Settings, train
plan = PLANS["unet"].small(image_shape=(64, 64), steps=int(sys.argv[3]), batch_size=4)
options = RunOptions(batches_per_checkpoint=2, resume="--resume" in sys.argv)
train(plan, data=sys.argv[1], out=sys.argv[2], settings=Settings(allow_refused=True, run=options), workers=workers)
"""

# The first process writes slowly, the other comes late; the second phase starts
# from what the first leaves.
UNEVEN_PROGRAM = PROGRAM.replace(
    "options = ",
    """
import os, time
replace = os.replace
if workers.is_first:
    os.replace = lambda *paths: (time.sleep(8 if "phases" in str(paths[1]) else 0), replace(*paths))
else:
    time.sleep(5)
whole = plan.phases[0]
plan = dataclasses.replace(plan, phases=(whole, dataclasses.replace(whole, name="again", starts_from="whole")))
options = """,
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("together"), shape=(96, 80), count=8)


def environment(**variables):
    return {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        # A compiler at its best takes longer than all steps of these trainings.
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **variables,
    }


def start_together(pairs, out, *options, steps=STEPS, count=2, program=PROGRAM):
    """The processes of one training."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", program, str(pairs), str(out), str(steps), *options]
    shared = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
    }
    return [
        subprocess.Popen(
            command,
            env=environment(**shared, KERAS_DISTRIBUTION_PROCESS_ID=str(index)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(count)
    ]


def finish_together(processes):
    outputs = [process.communicate(timeout=TIME_LIMIT_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(outputs)


def weights_of(out):
    return read_archive(out / "phases" / "whole.npz")


def losses_of(out):
    rows = (out / "log.csv").read_text(encoding="utf-8").splitlines()
    column = rows[0].split(",").index("loss")
    return np.array([float(row.split(",")[column]) for row in rows[1:]])


@pytest.fixture(scope="module")
def alone(pairs, tmp_path_factory):
    """The output folder of one process with whole batches."""
    out = tmp_path_factory.mktemp("alone") / "out"
    command = [sys.executable, "-c", PROGRAM, str(pairs), str(out), str(STEPS)]
    done = subprocess.run(
        command,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


def assert_agreement(out, alone):
    np.testing.assert_allclose(losses_of(out), losses_of(alone), atol=AGREEMENT)
    actual, expected = weights_of(out), weights_of(alone)
    assert actual.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(actual[name], expected[name], atol=AGREEMENT, err_msg=name)


def test_two_processes_learn_what_one_does(pairs, alone, tmp_path):
    finish_together(start_together(pairs, tmp_path / "out"))
    assert_agreement(tmp_path / "out", alone)
    assert_falls(losses_of(alone))
    assert (
        json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))["versions"][
            "backend"
        ]
        == "jax"
    )


@pytest.mark.slow
def test_a_late_process_and_slow_storage_change_nothing(pairs, tmp_path):
    finish_together(start_together(pairs, tmp_path / "out", steps=2, program=UNEVEN_PROGRAM))
    phases = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))["phases"]
    assert [phase["is_finished"] for phase in phases.values()] == [True, True]


@pytest.mark.slow
def test_a_lost_worker_costs_a_restart(pairs, alone, tmp_path):
    out = tmp_path / "out"
    first, second = start_together(pairs, out)
    deadline_s = time.monotonic() + TIME_LIMIT_S
    while (
        len(list(out.glob("checkpoints/phase*.npz"))) < 2
        and time.monotonic() < deadline_s
        and second.poll() is None
    ):
        time.sleep(0.02)
    second.send_signal(signal.SIGKILL)
    second.communicate(timeout=TIME_LIMIT_S)
    # The one that is left ends by itself, or is ended by whoever watches the workers.
    try:
        first.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        first.kill()
        first.communicate()
    assert first.returncode != 0
    assert not (out / "unet_tiny.weights.h5").exists()
    finish_together(start_together(pairs, out, "--resume"))
    assert_agreement(out, alone)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"KERAS_DISTRIBUTION_NUM_PROCESSES": "2"},
            "JOB_ADDRESSES, KERAS_DISTRIBUTION_PROCESS_ID: not set",
        ),
        ({"addresses": "127.0.0.1:1", "count": "2", "index": "2"}, "Process 2 of 2"),
        ({"addresses": "127.0.0.1:1", "count": "two", "index": "0"}, "Process 0 of two"),
        (
            {"addresses": "127.0.0.1:1", "count": "2", "index": "0"},
            "train together on JAX, Keras runs on tensorflow",
        ),
    ],
)
def test_contradicting_variables_are_said(monkeypatch, variables, message):
    assert keras.backend.backend() == "tensorflow"
    names = {"addresses": "JOB_ADDRESSES", "count": "NUM_PROCESSES", "index": "PROCESS_ID"}
    for name, value in variables.items():
        monkeypatch.setenv(f"KERAS_DISTRIBUTION_{names[name]}" if name in names else name, value)
    with pytest.raises(TrainingError, match=message) as error:
        join_workers()
    assert "\n" not in str(error.value)


def test_without_variables_a_process_is_alone(monkeypatch):
    for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID"):
        monkeypatch.delenv(f"KERAS_DISTRIBUTION_{name}", raising=False)
    assert join_workers() == Workers(index=0, count=1)
    assert join_workers().is_first


MIRRORED_PROGRAM = """
import tensorflow as tf
devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(devices[0], [tf.config.LogicalDeviceConfiguration()] * {count})
"""


@pytest.mark.slow
def test_two_devices_of_one_machine_learn_what_one_does(pairs, tmp_path):
    for name, preamble in (("one", ""), ("two", MIRRORED_PROGRAM.format(count=2))):
        command = [
            sys.executable,
            "-c",
            preamble + PROGRAM,
            str(pairs),
            str(tmp_path / name),
            str(STEPS),
        ]
        done = subprocess.run(
            command,
            env={**environment(), "KERAS_BACKEND": "tensorflow"},
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert_agreement(tmp_path / "two", tmp_path / "one")


SCOPES_PROGRAM = """
from bokeh_tf.training.distribution import device_scope
for sizes in ([4], [8, 6], [4, 9], [1], []):
    with device_scope(sizes):
        print(tf.distribute.get_strategy().num_replicas_in_sync)
"""


# Three devices do all that two do, besides.
@pytest.mark.parametrize(
    ("count", "replicas"),
    [(3, [2, 2, 1, 1, 3]), pytest.param(2, [2, 2, 1, 1, 2], marks=pytest.mark.slow)],
)
def test_devices_are_used_that_share_batches_equally(count, replicas):
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED_PROGRAM.format(count=count) + SCOPES_PROGRAM],
        env={**environment(), "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=True,
    )
    assert [int(line) for line in done.stdout.split()] == replicas
    assert f"1 of {count} devices are used: no more share batches of 4, 9 equally" in done.stderr
