"""Files for Keras are read through by a child first: what cannot be is one line, and never a hang."""

import io
import multiprocessing
import zipfile

import h5py
import keras
import numpy as np
import pytest

from bokeh_tf import hdf5
from bokeh_tf.errors import ModelFileError
from bokeh_tf.hdf5 import read_through, require_readable
from bokeh_tf.rendering.backends import load_model
from tests.hdf5_damage import flipped, read_damaged

TIMEOUT_S = 600


def hdf5_bytes(change=lambda file: None):
    """A file of two layers' weights, and what `change` does to it."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs["layers"] = np.arange(3)
        for name in ("a", "b"):
            file.create_dataset(f"layers/{name}", data=np.arange(3000, dtype=np.float32))
        change(file)
    return memory.getvalue()


def keras_bytes(weights=None, **parts):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        entries = {"config.json": b"{}", "model.weights.h5": weights or hdf5_bytes()} | parts
        for name, content in entries.items():
            if content is not None:
                archive.writestr(name, content)
    return memory.getvalue()


SOUND = {"weights.h5": hdf5_bytes(), "model.keras": keras_bytes()}
# Bytes of files that are none, and what is said of each.
DAMAGED = {
    "cut.h5": (hdf5_bytes()[:5000], "its end is missing"),
    "cut.keras": (keras_bytes()[:5000], "its end is missing"),
    "cut to its head.h5": (hdf5_bytes()[:20], "damaged"),
    "empty.h5": (b"", "no HDF5 file"),
    "text.h5": (b"some text " * 99, "no HDF5 file"),
    "checksum.keras": (flipped(keras_bytes(), 9000), "has another checksum"),
    "cut inside.keras": (keras_bytes(hdf5_bytes()[:5000]), "its end is missing"),
    "no configuration.keras": (keras_bytes(**{"config.json": None}), r"no config\.json in it"),
    "elsewhere.h5": (
        hdf5_bytes(lambda file: file.__setitem__("c", h5py.ExternalLink("/etc/passwd", "/"))),
        "in another file",
    ),
    "expands.h5": (
        hdf5_bytes(lambda file: file.create_dataset("c", data=np.zeros(10**7), compression="gzip")),
        "would take",
    ),
    "expands.keras": (
        keras_bytes(
            hdf5_bytes(
                lambda file: file.create_dataset("c", data=np.zeros(10**7), compression="gzip")
            )
        ),
        "would take",
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_pass_in_a_child(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(SOUND[name])
    require_readable(path)
    # Changed since then, it is read again.
    path.write_bytes(SOUND[name][:1000])
    with pytest.raises(ModelFileError, match="its end is missing"):
        require_readable(path)


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_one_line_that_says_what_to_do(name, tmp_path):
    content, reason = DAMAGED[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=reason) as caught:
        read_through(path)
    advice = "Save it again without compression." if "expands" in name else "Save or copy it again."
    assert "\n" not in str(caught.value) and str(caught.value).endswith(advice)


def test_no_byte_brings_anything_but_one_line(tmp_path):
    # In a process of its own: what the library does with damaged bytes may be anything.
    context = multiprocessing.get_context("spawn")
    child = context.Process(
        target=read_damaged, args=(SOUND["weights.h5"], str(tmp_path / "a.h5")), daemon=True
    )
    child.start()
    child.join(TIMEOUT_S)
    assert child.exitcode == 0


def test_what_is_not_read_in_time_is_given_up(tmp_path, monkeypatch):
    path = tmp_path / "slow.h5"
    path.write_bytes(SOUND["weights.h5"])
    # Less than a child takes to start. Who asks for so little gets no word against the file.
    with pytest.raises(
        ModelFileError, match=r"slow\.h5: not read to its end in 0\.001 s"
    ) as caught:
        require_readable(path, timeout_s=1e-3)
    assert "\n" not in str(caught.value)
    with monkeypatch.context() as patch:
        patch.setattr(hdf5, "_LEAST_TIMEOUT_S", 0.0)
        with pytest.raises(ModelFileError, match=r"slow\.h5: damaged, .* not read to its end"):
            require_readable(path)
    require_readable(path)


def test_a_cut_model_is_one_line_where_it_renders(tmp_path):
    path = tmp_path / "cut.keras"
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 1)]).save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match=r"cut\.keras: cut off or damaged") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
