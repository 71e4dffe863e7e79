"""The wheel in an environment of its own, with the extras that README names: the networks that
people bring go from file to checked file by one command each.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from bokeh_tf.tflite.inspection import inspect
from tests.converting import own_nets

ROOT = Path(__file__).resolve().parents[2]
INSTALL_LIMIT_S = 1800
CONVERT_LIMIT_S = 900

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """`bokeh-tf` of a fresh environment; nothing of this checkout or its packages is in it."""
    folder = tmp_path_factory.mktemp("fresh")
    source = folder / "source"
    source.mkdir()
    # A build leaves folders beside the sources.
    shutil.copytree(ROOT / "bokeh_tf", source / "bokeh_tf")
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=300)
    pip = [python, "-m", "pip", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--wheel-dir", folder / "wheel", source]
    subprocess.run(wheel, check=True, timeout=INSTALL_LIMIT_S)
    [built] = (folder / "wheel").glob("*.whl")
    subprocess.run([*pip, "install", f"{built}[tensorflow]"], check=True, timeout=INSTALL_LIMIT_S)
    return python.parent / "bokeh-tf"


@pytest.mark.parametrize("name", ["unet", "depth", "generator", "sequential", "doubling", "mixed"])
def test_one_command_takes_each_network_from_file_to_checked_file(name, program, tmp_path):
    keras.utils.set_random_seed(1)
    getattr(own_nets, name)().save(tmp_path / "mine.keras")
    shutil.copy(own_nets.__file__, tmp_path)
    command = [program, "convert", "mine.keras", "-o", "mine.tflite", "--format", "json"]
    ended = subprocess.run(
        [*command, "--custom-objects", "own_nets"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=CONVERT_LIMIT_S,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    document = json.loads(ended.stdout)
    verdicts = {target["verdict"] for target in document["check"]["targets"].values()}
    assert verdicts == {"compatible"} and document["written"] == "mine.tflite"
    assert all(one["share"] <= document["tolerance"] for one in document["parity"])
    assert inspect((tmp_path / "mine.tflite").read_bytes()).operators
