"""The suite that times training batches: it runs and keeps its result, and its
contenders do the same work.
"""

import json

import cv2
import numpy as np
import pytest

from benchmarks import data
from benchmarks.__main__ import main as run_suite

FLOAT_TOLERANCE = 1e-6


@pytest.fixture(autouse=True)
def opencv_threads():
    """The pipeline takes OpenCV's threads away; the other tests get them back."""
    count = cv2.getNumThreads()
    yield
    cv2.setNumThreads(count)


def test_the_suite_compares_every_framing_with_bare_decoding_and_a_generator(tmp_path, capsys):
    options = [
        "--rounds",
        "2",
        "--pairs",
        "1",
        "--batches",
        "1",
        "--threads",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert run_suite(["data", *options]) == 0
    (path,) = tmp_path.iterdir()
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["images_a_run"] == 8 and set(result["images_per_second"]) == {
        data.BARE,
        *(
            f"{framing}, {loader}"
            for framing in data.FRAMINGS
            for loader in ("pipeline", "generator")
        ),
    }
    rounds_ns = {
        one["name"]: one["samples"]["rounds_ns"] for one in result["timing"]["measurements"]
    }
    for framing in data.FRAMINGS:
        ratio = result["rate_ratios"][f"{framing}: pipeline / {data.BARE}"]
        # A rate is a time's inverse: the pipeline's rate over the limit's is the limit's
        # time over the pipeline's.
        pairs = zip(rounds_ns[data.BARE], rounds_ns[f"{framing}, pipeline"], strict=True)
        by_round = [np.median(bare) / np.median(ours) for bare, ours in pairs]
        assert ratio["value"] == pytest.approx(np.median(by_round))
        assert ratio["low"] <= ratio["value"] <= ratio["high"]
    assert result["mean_file_bytes"]["source"] > 2 * result["mean_file_bytes"]["target"]
    assert f"written: {path}" in capsys.readouterr().out


@pytest.mark.parametrize("framing", data.FRAMINGS)
def test_the_generator_makes_what_the_pipeline_makes(framing, tmp_path):
    pairs = data.write_pairs(tmp_path, 1)
    images, targets = next(data.plain_batches(pairs, framing))
    for pictures in (images, targets):
        assert pictures.shape == (4, *data.FRAMINGS[framing], 3) and pictures.dtype == np.float32
        assert pictures.min() >= 0 and 0.5 < pictures.max() <= 1
    if framing == "resize":
        whole = cv2.cvtColor(cv2.imread(str(pairs[0].source)), cv2.COLOR_BGR2RGB)
        small = cv2.resize(whole, data.FRAMINGS[framing][::-1], interpolation=cv2.INTER_AREA) / 255
        for one in images:
            assert (
                min(np.abs(one - small).max(), np.abs(one - small[:, ::-1]).max()) < FLOAT_TOLERANCE
            )


def test_a_file_that_does_not_decode_is_no_result(tmp_path):
    path = tmp_path / "text.jpg"
    path.write_text("no picture")
    with pytest.raises(RuntimeError, match="does not decode"):
        data._decode(path)


@pytest.mark.parametrize("option", ["--rounds", "--pairs", "--batches", "--threads"])
def test_nothing_to_do_is_refused(option, capsys):
    with pytest.raises(SystemExit):
        run_suite(["data", option, "0"])
    assert "must be at least 1" in capsys.readouterr().err
