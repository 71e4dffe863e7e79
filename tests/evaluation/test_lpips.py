"""LPIPS against the authors' own package, with weights that anybody can make again."""

import numpy as np
import pytest
from PIL import Image

from bokeh_tf.cli import main
from bokeh_tf.data.pairs.layouts import find_pairs
from bokeh_tf.errors import ModelFileError
from bokeh_tf.evaluation.lpips import FILES, LEAST_PX, Lpips
from bokeh_tf.evaluation.predictors import predictors_of
from bokeh_tf.evaluation.protocols import PROTOCOLS
from bokeh_tf.evaluation.run import evaluate
from bokeh_tf.evaluation.summary import summarise

KERNELS = {
    "features.0": (64, 3, 11, 11),
    "features.3": (192, 64, 5, 5),
    "features.6": (384, 192, 3, 3),
    "features.8": (256, 384, 3, 3),
    "features.10": (256, 256, 3, 3),
}
# By `lpips.LPIPS(net="alex", version="0.1")` of the PyPI package lpips 0.1.4 on PyTorch 2.13, with
# `tensors()` as its AlexNet, of `pictures()`.
OF_THE_AUTHORS = 0.0056062862277030945


def tensors():
    found = {}
    for place, (name, shape) in enumerate(KERNELS.items()):
        waves = np.cos(1.7 * np.arange(np.prod(shape)) + place)
        found[f"{name}.weight"] = (waves.reshape(shape) * (2 / np.prod(shape[1:])) ** 0.5).astype(
            np.float32
        )
        found[f"{name}.bias"] = (0.1 * np.cos(np.arange(shape[0]))).astype(np.float32)
    return found


def pictures():
    rows, columns, channels = np.indices((97, 131, 3))
    first = (127 + 120 * np.sin(rows / 5 + channels) * np.cos(columns / 7)).astype(np.uint8)
    second = np.clip(first + 40 * np.cos(rows * columns / 50), 0, 255).astype(np.uint8)
    return first, second


@pytest.fixture(scope="module")
def lpips():
    return Lpips(tensors())


def test_it_is_what_the_authors_compute(lpips):
    first, second = pictures()
    assert lpips.distance(first, second) == pytest.approx(OF_THE_AUTHORS, rel=1e-5)
    assert lpips.distance(first, first) == 0
    floats = lpips.distance(first / np.float32(255), second / np.float32(255))
    assert floats == pytest.approx(OF_THE_AUTHORS, rel=1e-4)


def test_a_reference_that_is_kept_for_the_next_picture_is_the_right_one(lpips):
    first, second = pictures()
    expected = [Lpips(tensors()).distance(*pair) for pair in ((first, second), (second, first))]
    pairs = [(first, second), (second, first), (second, first), (first, second)]
    found = [lpips.distance(*pair) for pair in pairs]
    assert found == [expected[0], expected[1], expected[1], expected[0]]


def test_what_is_too_small_has_no_score(lpips):
    first, second = pictures()
    assert lpips.distance(first[: LEAST_PX - 1], second[: LEAST_PX - 1]) is None
    assert lpips.distance(first[:LEAST_PX, :LEAST_PX], second[:LEAST_PX, :LEAST_PX]) > 0


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.pop("features.3.bias"),
        lambda found: found.update({"features.6.weight": np.zeros((384, 192, 1, 1), np.float32)}),
    ],
)
def test_another_network_is_refused_by_the_layer_that_differs(change):
    found = tensors()
    change(found)
    with pytest.raises(
        ModelFileError, match=r"features\.[36] is not that of torchvision's AlexNet"
    ):
        Lpips(found)


def test_models_are_scored_by_it_and_less_is_better(lpips, tmp_path):
    sharp, truth = pictures()
    for folder, picture in (("input", sharp), ("gt", truth)):
        (tmp_path / folder).mkdir()
        Image.fromarray(picture).save(tmp_path / folder / "1.png")
    pairs = find_pairs(tmp_path).pairs
    predictors = predictors_of(["untouched", "global blur"])
    found = evaluate(pairs, predictors, PROTOCOLS["plain"], lpips=lpips)
    assert "lpips" in found.metrics
    [summary] = summarise(found)
    means = [row.means["lpips"].value for row in summary.rows]
    assert means[0] == pytest.approx(OF_THE_AUTHORS, rel=1e-4) and means[1] > means[0]


def test_only_the_file_with_the_hash_in_its_name_is_taken(tmp_path, capsys):
    path = tmp_path / next(iter(FILES))
    path.write_bytes(b"something else")
    for folder in ("input", "gt"):
        (tmp_path / folder).mkdir()
    first, second = pictures()
    Image.fromarray(first).save(tmp_path / "input" / "1.png")
    Image.fromarray(second).save(tmp_path / "gt" / "1.png")
    for file, message in (
        (path, "its SHA-256 begins with"),
        (tmp_path / "absent.pth", "no such file. Fetch https://download.pytorch.org/"),
    ):
        command = ["evaluate", str(tmp_path), "--model", "untouched", "--lpips", str(file)]
        assert main(command) == 1
        said = capsys.readouterr()
        assert message in said.err and said.err.count("\n") == 1 and not said.out
