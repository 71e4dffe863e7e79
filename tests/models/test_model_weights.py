"""Weights are written whole or not at all, and Keras reads them back."""

import os
import resource
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest

from bokeh_tf.errors import ModelFileError, OutputError
from bokeh_tf.models.weights import (
    FLAGSHIP_FILE,
    load_weights,
    packaged_weights,
    save_weights,
    weights_name,
)


def network():
    return keras.Sequential([keras.Input((300,)), keras.layers.Dense(1000)])


def test_packaged_files_are_found_by_name():
    assert weights_name("unet", "tiny") == "unet_tiny.weights.h5"
    assert packaged_weights("dbsi_mobile", "base").is_file() and FLAGSHIP_FILE.is_file()
    assert packaged_weights("unet", "tiny") is None


def test_their_names_need_no_keras():
    program = "import sys; sys.modules['keras'] = None; import bokeh_tf.models.weights"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_keras_reads_them_back(tmp_path):
    model, other = network(), network()
    save_weights(model, tmp_path / "größe.weights.h5")
    other.load_weights(tmp_path / "größe.weights.h5")
    for one, two in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_damaged_weights_are_one_line(tmp_path):
    """h5py answers with errors of many classes, RuntimeError among them."""
    path, model = tmp_path / "a.weights.h5", network()
    save_weights(model, path)
    content, refused = path.read_bytes(), 0
    generator = np.random.default_rng(1)
    for _ in range(40):
        damaged = bytearray(content)
        # The structure lies before and after the numbers.
        for position in generator.integers(0, 8000, 64):
            damaged[position] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            load_weights(model, path)
        except ModelFileError as error:
            refused += 1
            assert "\n" not in str(error) and str(path) in str(error)
    assert refused > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda group: group.create_dataset(
                "2", shape=(2**14, 2**15), chunks=(1, 1024), dtype="f4"
            ),
            "would take",
        ),
        (
            lambda group: group.create_dataset("2", data=np.zeros(10**7), compression="gzip"),
            "would take",
        ),
        (
            lambda group: group.__setitem__("2", h5py.ExternalLink("/etc/passwd", "/")),
            "in another file",
        ),
        (
            lambda group: group.create_dataset("2", (9,), "u1", external=[("/etc/passwd", 0, 9)]),
            "in another file",
        ),
    ],
)
def test_weights_that_expand_or_lie_elsewhere_are_refused_before_they_are_read(
    change, message, tmp_path
):
    path, model = tmp_path / "a.weights.h5", network()
    save_weights(model, path)
    load_weights(model, path)
    with h5py.File(path, "r+") as file:
        # A circle by itself does no harm.
        file["layers/again"] = h5py.SoftLink("/layers")
        change(file["layers/dense/vars"])
    with pytest.raises(ModelFileError, match=message):
        load_weights(model, path)


def test_what_is_no_weights_file_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe.weights.h5")
    (tmp_path / "lfs.weights.h5").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n"
    )
    model = network()
    for name in ("pipe.weights.h5", "missing.weights.h5", "a" * 5000, "a\0b"):
        with pytest.raises(ModelFileError, match="no trained weights"):
            load_weights(model, tmp_path / name)
    with pytest.raises(ModelFileError, match="Run: git lfs pull"):
        load_weights(model, tmp_path / "lfs.weights.h5")


def test_a_full_disk_is_one_line_and_leaves_the_old_weights(tmp_path, capfd):
    path = tmp_path / "größe.weights.h5"
    path.write_bytes(b"old")
    model = network()
    # TensorFlow greets at its first array.
    capfd.readouterr()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system cuts every file off here, as a full disk would.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(
            OutputError, match=r"größe\.weights\.h5: cannot write \(File too large\)"
        ) as error:
            save_weights(model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == b"old"
