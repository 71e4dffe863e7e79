"""Archives of arrays: what is not one, or unpacks to more than it holds, is refused in one line."""

import os

import numpy as np
import pytest

from bokeh_tf.data.archives import read_archive, write_archive
from bokeh_tf.errors import DataError


def test_arrays_come_back(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.float16).reshape(2, 3), "b": np.array("text")}
    write_archive(tmp_path / "a.npz", arrays)
    for name, array in read_archive(tmp_path / "a.npz").items():
        np.testing.assert_array_equal(array, arrays[name])


def test_what_is_no_archive_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    np.save(tmp_path / "array.npz.npy", np.ones(3))
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("pipe.npz", "array.npz.npy", "text.npz", "missing.npz"):
        with pytest.raises(DataError, match="missing or damaged") as refusal:
            read_archive(tmp_path / name)
        assert "\n" not in str(refusal.value)


def test_an_archive_that_expands_is_refused_before_it_is_read(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", header=np.zeros(10**7))
    with pytest.raises(DataError, match="bytes that would take"):
        read_archive(tmp_path / "bomb.npz")
