"""Weights are written whole or not at all, and Keras reads them back."""

import resource
import subprocess
import sys

import keras
import numpy as np
import pytest

from bokeh_tf.errors import OutputError
from bokeh_tf.models.weights import FLAGSHIP_FILE, packaged_weights, save_weights, weights_name


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
        with pytest.raises(OutputError, match=r"größe\.weights\.h5: cannot write \(File too large\)") as error:
            save_weights(model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == b"old"
