"""Porting with PyTorch itself, in an environment of its own: twins that compute the same,
and files that try tricks.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.errors import ModelFileError
from bokeh_tf.porting.checkpoint import read_state_dict
from bokeh_tf.porting.port import port

# float32 sums of some thousand products, in another order than PyTorch's;
# relative to the largest value.
TWIN_TOLERANCE = 1e-4
# Names a Python that has PyTorch 2.6 or newer; without it these tests install one, which is large.
PYTHON_VARIABLE = "BOKEH_TF_PYTORCH_PYTHON"


@pytest.fixture(scope="session")
def pytorch_python(tmp_path_factory):
    """The interpreter of a new environment with PyTorch, or the one that a variable names."""
    if os.environ.get(PYTHON_VARIABLE):
        return os.environ[PYTHON_VARIABLE]
    folder = tmp_path_factory.mktemp("pytorch")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=600)
    python = folder / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "torch==2.13.*", "numpy"],
        check=True,
        timeout=1500,
    )
    return str(python)


@pytest.fixture
def pytorch(pytorch_python, monkeypatch):
    """`pytorch(*arguments)` runs that interpreter; child processes of ours find its PyTorch too."""

    def run(*arguments):
        return subprocess.run(
            [pytorch_python, *arguments], capture_output=True, text=True, check=True, timeout=300
        )

    code = "import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])"
    monkeypatch.setenv("PYTHONPATH", run("-c", code).stdout.strip())
    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variant", "parameters"),
    [
        ("dmshn", "base", 5_424_393),
        ("dmshn", "stacked", 10_848_786),
        ("megadepth", "base", 5_357_153),
    ],
)
def test_ported_twin_computes_the_same(pytorch, tmp_path, name, variant, parameters):
    twin = name if variant == "base" else f"{name}_{variant}"
    printed = pytorch(str(Path(__file__).with_name("torch_twins.py")), twin, str(tmp_path)).stdout
    assert int(printed) == parameters
    ported = port(name, tmp_path / "checkpoint.pth", tmp_path / "a.weights.h5", variant=variant)
    assert ported.parameters == parameters
    photo, expected = np.load(tmp_path / "photo.npy"), np.load(tmp_path / "expected.npy")
    model = models.build(name, variant=variant, image_shape=photo.shape[1:3])
    model.load_weights(ported.path)
    # DMSHN's picture is clipped at inference; it has nothing else that training would change.
    actual = np.asarray(model(photo, training=name == "dmshn"))
    assert expected.std() > 0.01
    np.testing.assert_allclose(actual, expected, atol=TWIN_TOLERANCE * np.abs(expected).max())


HOSTILE = """
import os, sys, torch
class Command:
    def __reduce__(self): return os.mkdir, (sys.argv[1] + "/was_run",)
torch.save({"a": torch.ones(2), "b": Command()}, sys.argv[1] + "/hostile.pth")
torch.save({"a": torch.ones(2000)}, sys.argv[1] + "/whole.pth")
"""


@pytest.mark.slow
def test_real_pytorch_runs_nothing_from_a_file_and_names_damage(pytorch, tmp_path):
    pytorch("-c", HOSTILE, str(tmp_path))
    with pytest.raises(ModelFileError, match=r"hostile.pth: damaged, or holds more than tensors"):
        read_state_dict(tmp_path / "hostile.pth")
    assert not (tmp_path / "was_run").exists()
    whole = (tmp_path / "whole.pth").read_bytes()
    np.testing.assert_array_equal(
        read_state_dict(tmp_path / "whole.pth")["a"], np.ones(2000, np.float32)
    )
    for damaged in (
        whole[: len(whole) // 2],
        b"",
        b"no checkpoint",
        whole[:4000] + b"\0" * 500 + whole[4500:],
    ):
        (tmp_path / "damaged.pth").write_bytes(damaged)
        with pytest.raises(ModelFileError, match=r"damaged.pth"):
            read_state_dict(tmp_path / "damaged.pth")
