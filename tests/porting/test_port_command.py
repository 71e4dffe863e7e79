"""Reading a checkpoint in a child, and the command around it."""

import argparse
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from bokeh_tf import models
from bokeh_tf.commands import port as command
from bokeh_tf.errors import DependencyError, ModelFileError, OutputError
from bokeh_tf.porting.checkpoint import read_state_dict
from bokeh_tf.porting.port import port
from tests.porting.published import SHAPE, published_dmshn
from tests.test_zips import of_several_disks

# What the child process meets under the name of PyTorch, so that these tests need none.
STAND_INS = {
    "missing": "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')",
    "old": "__version__ = '2.5.1+cpu'",
    "crash": "import os, signal\n__version__ = '2.6.0'\ndef load(*a, **k): os.kill(os.getpid(),"
    " signal.SIGSEGV)",
    "refuses": "import pickle\n__version__ = '2.6.0'\ndef load(*a, **k): raise"
    " pickle.UnpicklingError('Use unsafe!')",
    "damaged": "__version__ = '2.6.0'\ndef load(*a, **k): raise RuntimeError('failed\\nfinding"
    " central directory')",
    "reads": """
import numpy
__version__, float32 = "2.13.0+cpu", "float32"
class Tensor:
    def __init__(self, array): self.array, self.shape = array, array.shape
    def detach(self): return self
    def to(self, kind): return Tensor(self.array.astype(kind))
    def numpy(self): return self.array
    def numel(self): return self.array.size
def load(path, *, map_location, weights_only):
    assert map_location == "cpu" and weights_only is True
    with numpy.load(path) as archive:
        return {"state_dict": {"module." + name: Tensor(archive[name]) for name in archive.files}}
""",
}
# A tensor that is one stored value seen a billion times, which must not be written out.
STAND_INS["expands"] = STAND_INS["reads"].replace(
    "Tensor(archive[name]) for name in archive.files",
    "Tensor(numpy.broadcast_to(numpy.float32(1), (30_000, 40_000))) for name in archive.files",
)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """`stand_in(name)` puts one of STAND_INS in PyTorch's place, for child processes."""

    def put(name):
        (tmp_path / "torch.py").write_text(STAND_INS[name], encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return put


@pytest.fixture
def checkpoint(tmp_path):
    """Tensors of DMSHN in a file that the stand-in can read."""
    path = tmp_path / "größe.pth"
    with path.open("wb") as file:
        np.savez(file, **published_dmshn())
    return path


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (
            "missing",
            DependencyError,
            r'needs PyTorch \(No module named .torch.\). Run: pip install "bokeh-tf\[pytorch\]"$',
        ),
        ("old", DependencyError, r"PyTorch 2.5.1\+cpu cannot read files safely, 2.6 and newer can"),
        ("crash", ModelFileError, r"größe.pth: PyTorch cannot read it \(SIGSEGV\)"),
        (
            "refuses",
            ModelFileError,
            "größe.pth: damaged, or holds more than tensors, which is not read",
        ),
        (
            "damaged",
            ModelFileError,
            r"größe.pth: PyTorch cannot read it \(failed finding central directory\)",
        ),
    ],
)
def test_a_reader_that_cannot_is_one_clear_line(stand_in, checkpoint, name, error, message):
    stand_in(name)
    with pytest.raises(error, match=message) as raised:
        read_state_dict(checkpoint)
    assert "\n" not in str(raised.value) and "unsafe" not in str(raised.value)


def test_a_checkpoint_that_expands_beyond_its_size_is_refused_before_it_is_written(
    stand_in, tmp_path
):
    stand_in("expands")
    path = tmp_path / "small.pth"
    with path.open("wb") as file:
        np.savez(file, weight=np.zeros(1, np.float32))
    with pytest.raises(
        ModelFileError, match=r"small.pth: .* its tensors would take 4,800,000,000"
    ) as raised:
        read_state_dict(path)
    assert "\n" not in str(raised.value)


def test_an_archive_that_unpacks_beyond_its_size_is_refused(stand_in, tmp_path):
    stand_in("reads")
    path = tmp_path / "packed.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weight.npy", bytes(100_000_000))
    with pytest.raises(
        ModelFileError, match=r"packed.pth: .* what is packed in it would take 100,000,000"
    ):
        read_state_dict(path)


def test_an_archive_of_several_disks_is_one_line(stand_in, tmp_path):
    stand_in("reads")
    path = tmp_path / "several.pth"
    path.write_bytes(of_several_disks())
    with pytest.raises(ModelFileError, match=r"several.pth: a damaged archive \(") as raised:
        read_state_dict(path)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"nothing.pth: no such file"):
        read_state_dict(tmp_path / "nothing.pth")


def run_command(*arguments):
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    options = parser.parse_args(["port", *map(str, arguments)])
    return options.run(options)


def test_command_writes_weights_that_the_model_loads(stand_in, checkpoint, tmp_path, capsys):
    stand_in("reads")
    out = tmp_path / "aus gabe" / "dmshn_base.weights.h5"
    out.parent.mkdir()
    assert run_command("dmshn", checkpoint, "-o", out) == 0
    chosen = "read: the entry 'state_dict', names without 'module.'\n"
    assert (
        capsys.readouterr().out
        == f"{chosen}written: {out} (180 tensors, 5,424,393 trainable parameters)\n"
    )
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    model = models.build("dmshn", image_shape=SHAPE)
    model.load_weights(out)
    expected = published_dmshn()["decoder_lv1.layer24.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.get_layer("level1_decoder_head").kernel, expected)


def test_command_replaces_neither_its_checkpoint_nor_other_weights(stand_in, checkpoint, tmp_path):
    stand_in("reads")
    output = tmp_path / "dmshn.weights.h5"
    output.symlink_to(checkpoint)
    before = checkpoint.read_bytes()
    with pytest.raises(OutputError, match="this run reads that file"):
        run_command("dmshn", checkpoint, "-o", output, "--overwrite")
    assert checkpoint.read_bytes() == before
    output.unlink()
    output.write_bytes(b"trained for weeks")
    with pytest.raises(OutputError, match="--overwrite"):
        run_command("dmshn", checkpoint, "-o", output)
    assert output.read_bytes() == b"trained for weeks"
    assert run_command("dmshn", checkpoint, "-o", output, "--overwrite") == 0


def test_unwritable_output_leaves_nothing(stand_in, checkpoint, tmp_path):
    stand_in("reads")
    with pytest.raises(OutputError, match="cannot write"):
        port("dmshn", checkpoint, tmp_path / "nowhere" / "a.weights.h5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dmshn", "a.pth", "-o", "a.h5"), "--out must end in .weights.h5"),
        (
            ("dmshn", "a.pth", "-o", "a.weights.h5", "--variant", "huge"),
            "must be one of: base, stacked, tiny",
        ),
        (("dbsi", "a.pth", "-o", "a.weights.h5"), "invalid choice: 'dbsi'"),
    ],
)
def test_wrong_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        run_command(*arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_callers_mistakes_are_value_errors():
    with pytest.raises(ValueError, match=r"Received: 'dbsi'\. Known: dmshn, megadepth"):
        port("dbsi", "a.pth", "a.weights.h5")
    with pytest.raises(ValueError, match=r"output must end in \.weights\.h5"):
        port("dmshn", "a.pth", "a.h5")


def test_help_needs_no_framework():
    code = (
        "import sys, bokeh_tf.commands.port; print({'keras', 'tensorflow', 'torch', 'numpy'} &"
        " set(sys.modules))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    )
    assert printed.stdout.strip() == "set()"
