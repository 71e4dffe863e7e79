"""The list of files that run with oneDNN and without: complete, and asked for by `make test`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.numeric import NUMERIC_FILES

TESTS = Path(__file__).resolve().parent
# What computes a loss or its gradient, or takes a step.
TRAINS = re.compile(
    r"GradientTape|train_on_batch|bokeh_tf\.training\.\w+ import"
    r" .*\b(train|Run|pairs_job|adversarial_job|scenes_job)\b"
)


def trains(text):
    return any(TRAINS.search(line) for line in text.splitlines())


def place(path):
    return path.relative_to(TESTS).as_posix()


def test_the_listed_files_exist():
    assert set(map(place, TESTS.rglob("test_*.py"))) >= NUMERIC_FILES


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.stem)
def test_what_trains_is_listed(path):
    # Several processes train on JAX, which oneDNN is no part of.
    others = {"test_distribution.py", Path(__file__).name}
    if path.name not in others and trains(path.read_text(encoding="utf-8")):
        assert place(path) in NUMERIC_FILES


def test_the_list_can_be_asked_for():
    command = [sys.executable, "-m", "tests.numeric"]
    said = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=True)
    assert said.stdout.split() == sorted(f"tests/{place}" for place in NUMERIC_FILES)


def test_training_is_seen():
    assert trains("from bokeh_tf.training.session import Settings, train\n")
    assert trains("    with tf.GradientTape() as tape:\n")
    assert not trains("from bokeh_tf.training.plans import PLANS\n")


def test_make_runs_all_tests_with_onednn_and_the_listed_ones_without():
    lines = (TESTS.parent / "Makefile").read_text(encoding="utf-8").splitlines()
    first = lines.index(next(line for line in lines if line.startswith("test:"))) + 1
    with_onednn, without = lines[first], " ".join(lines[first + 1 : first + 3])
    assert "$(WITH_ONEDNN)" in with_onednn and " -m " not in with_onednn.replace("-m pytest", "")
    assert "$(WITHOUT_ONEDNN)" in without and '-m "numeric and' in without
    assert "$$($(BIN)/python -m tests.numeric)" in without
    assert "WITHOUT_ONEDNN := TF_ENABLE_ONEDNN_OPTS=0" in lines
    assert "WITH_ONEDNN := TF_ENABLE_ONEDNN_OPTS=1" in lines
