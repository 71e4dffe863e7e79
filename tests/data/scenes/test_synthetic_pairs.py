"""Pairs made of photographs: what they hold, that they are the simulated lens's,
resuming, refusals, Ctrl-C.
"""

import csv
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bokeh_tf.data.lens.optics import DisparityScale, Lens
from bokeh_tf.data.lens.renderer import to_linear
from bokeh_tf.data.pairs.layouts import find_pairs
from bokeh_tf.data.scenes.run import synthesise
from bokeh_tf.data.scenes.sources import Source, load_sources
from bokeh_tf.data.scenes.synthetic_pairs import PairMaker, PairOptions, map_bytes
from bokeh_tf.errors import DataError, OutputError
from tests.photographs import disc, texture, with_subject, write_folder

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = PairOptions(height_px=64)
VARIED = PairOptions(height_px=64, is_varied=True, blades=6)
SHAPE = (64, 96)
# Noise at 3000 electrons, twice, and JPEG.
NOISE_TOLERANCE = 0.04
TIMEOUT_S = 600


@pytest.fixture(scope="module")
def sources():
    mask = disc((90, 130), radius=0.35)
    return [
        Source("backdrop.png", texture((90, 130), (70, 90, 180), seed=3), None, 0.9, False),
        Source("subject.png", with_subject((90, 130), mask), mask.astype(np.float32), 0.3, True),
    ]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("photos") / "Fotos – 写真")


@pytest.fixture
def new_folder(photos, tmp_path, tmp_path_factory):
    """Makes folders that hold prepared photographs already: that is the slow part."""
    prepared = tmp_path_factory.getbasetemp() / "prepared"
    load_sources(photos, cache=prepared, long_side_px=SHAPE[1])

    def make(name):
        shutil.copytree(prepared, tmp_path / name / "prepared")
        return tmp_path / name

    return make


def draw(sources, options, seed):
    return PairMaker(sources, options).draw(np.random.default_rng(seed))


def files_of(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".npz")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def pictures_of(folder):
    return {
        path: content
        for path, content in files_of(folder / "Training").items()
        if path != "pairs.csv"
    }


def rows_of(folder):
    with (folder / "Training" / "pairs.csv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def stamps_of(folder):
    """When the last file of each pair was written."""
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("Training/depth/*.png")}


def test_a_pair_depends_on_its_generator_alone(sources):
    first, again, other = (draw(sources, VARIED, seed) for seed in (7, 7, 8))
    for name in ("all_in_focus", "bokeh", "disparity"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.conditions == again.conditions != other.conditions


@pytest.mark.parametrize(
    "options", [PairOptions(height_px=160), PairOptions(height_px=160, is_varied=True, blades=5)]
)
def test_a_pair_is_in_range_and_sharp_where_it_says(sources, options):
    sharp, soft = [], []
    for seed in range(6):
        example = draw(sources, options, seed)
        for picture in (example.all_in_focus, example.bokeh):
            assert picture.shape == (160, 240, 3) and picture.dtype == np.float32
            assert picture.min() >= 0 and picture.max() <= 1
        assert 0 <= example.disparity.min() < example.disparity.max() <= 1
        conditions = example.conditions
        radius_px = (
            np.abs(example.disparity - conditions["focus_disparity"]) * conditions["aperture_px"]
        )
        # What is sharp and far from anything that is not.
        is_sharp = cv2.erode((radius_px < 0.4).astype(np.uint8), np.ones((9, 9))) > 0
        difference = np.abs(example.all_in_focus - example.bokeh).mean(axis=-1)
        sharp += difference[is_sharp].tolist()
        soft += difference[radius_px > 1.5].tolist()
        # The frame's border lets some light out and some in.
        assert to_linear(example.bokeh).mean() == pytest.approx(
            to_linear(example.all_in_focus).mean(), rel=0.1
        )
    assert len(sharp) > 500 and np.mean(sharp) < NOISE_TOLERANCE
    assert len(soft) > 500 and np.mean(soft) > 2 * np.mean(sharp)


def test_conditions_are_the_thin_lenss(sources):
    f_numbers = set()
    for seed in range(5):
        conditions = draw(sources, VARIED, seed).conditions
        f_numbers.add(conditions["target_f_number"])
        lens = Lens(conditions["focal_length_mm"], conditions["target_f_number"], 36.0, SHAPE[1])
        focus_m = conditions["focus_distance_m"]
        # Infinity has disparity 0.
        far_px = conditions["focus_disparity"] * conditions["aperture_px"]
        assert -lens.radius_px(np.inf, focus_distance_m=focus_m) == pytest.approx(far_px, rel=1e-5)
        scale = DisparityScale(1 / focus_m / conditions["focus_disparity"])
        assert 0.6 <= scale.distance_m(1.0) <= 1.2
    assert len(f_numbers) == 5 and 1.4 <= min(f_numbers) < max(f_numbers) <= 11
    assert {draw(sources, OPTIONS, seed).conditions["target_f_number"] for seed in range(3)} == {
        1.8
    }


def test_a_map_keeps_sixteen_bits():
    values = np.float32([[0, 0.5, 1], [1 / 65535, 2, -1]])
    decoded = cv2.imdecode(np.frombuffer(map_bytes(values), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded, [[0, 32768, 65535], [1, 65535, 0]])


def test_the_folder_is_one_of_pairs_with_their_conditions(photos, new_folder):
    run = synthesise(photos, out=new_folder("paare ü"), pairs=3, seed=0, options=VARIED)
    assert (run.pairs, run.made) == (3, 3)
    found = find_pairs(run.folder)
    assert [Path(pair.id).name for pair in found.pairs] == ["000000", "000001", "000002"]
    assert (
        found.report.splits == {"train": 3}
        and found.report.maps == {"depth": 3}
        and not found.report.missing
    )
    maker = PairMaker(
        load_sources(photos, cache=run.folder / "prepared", long_side_px=SHAPE[1]), VARIED
    )
    for number, pair in enumerate(found.pairs):
        example = maker.draw(np.random.default_rng([0, number]))
        assert pair.conditions == pytest.approx(dict(example.conditions), rel=1e-5)
        for path, picture in ((pair.source, example.all_in_focus), (pair.target, example.bokeh)):
            with Image.open(path) as image:
                assert image.format == "JPEG" and image.size == SHAPE[::-1]
                assert (
                    np.abs(np.asarray(image, np.float32) / 255 - picture).mean() < NOISE_TOLERANCE
                )
        depth = cv2.imread(str(pair.maps["depth"]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_allclose(depth / 65535, example.disparity, atol=1e-5)


def test_more_pairs_are_the_same_and_those_there_are_not_made_again(photos, new_folder):
    whole, parts = new_folder("whole"), new_folder("parts")
    synthesise(photos, out=whole, pairs=4, seed=1, options=OPTIONS)
    synthesise(photos, out=parts, pairs=2, seed=1, options=OPTIONS)
    stamps = {path: path.stat().st_mtime_ns for path in parts.rglob("*.jpg")}
    # A file that is lost is made again; a pair that was not finished as well.
    (parts / "Training/bokeh/000001.jpg").unlink()
    (parts / "Training/original/000003.jpg").write_bytes(b"half")
    run = synthesise(photos, out=parts, pairs=4, seed=1, options=OPTIONS)
    assert (run.pairs, run.made) == (4, 3)
    assert pictures_of(parts) == pictures_of(whole)
    assert rows_of(parts) == rows_of(whole) and len(rows_of(parts)) == 4
    kept = parts / "Training/bokeh/000000.jpg"
    assert kept.stat().st_mtime_ns == stamps[kept]
    # Fewer than there are: nothing to do, nothing lost.
    assert synthesise(photos, out=parts, pairs=1, seed=1, options=OPTIONS).made == 0
    assert len(rows_of(parts)) == 4


def test_other_peoples_folders_are_left_alone(photos, new_folder):
    made, ebb = new_folder("made"), new_folder("EBB")
    synthesise(photos, out=made, pairs=1, seed=1, options=OPTIONS)
    before = files_of(made)
    with pytest.raises(
        DataError, match=r"holds pairs made with other seed, blades\. Choose another folder"
    ):
        synthesise(photos, out=made, pairs=1, seed=2, options=PairOptions(height_px=64, blades=5))
    assert files_of(made) == before
    (ebb / "Training/bokeh").mkdir(parents=True)
    (ebb / "Training/bokeh/0.jpg").write_bytes(b"precious")
    with pytest.raises(DataError, match="holds files that were not made here"):
        synthesise(photos, out=ebb, pairs=1, seed=0, options=OPTIONS)
    (made / "synthesis.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="holds pairs made with other schema_version"):
        synthesise(photos, out=made, pairs=1, seed=1, options=OPTIONS)
    (made / "synthesis.json").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"cannot be read\. Choose another folder"):
        synthesise(photos, out=made, pairs=1, seed=1, options=OPTIONS)


def test_what_cannot_be_used_is_named(photos, tmp_path):
    with pytest.raises(DataError, match="no photographs here"):
        synthesise(tmp_path, out=tmp_path / "out", pairs=1, seed=0, options=OPTIONS)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot create this folder"):
        synthesise(photos, out=tmp_path / "file" / "out", pairs=1, seed=0, options=OPTIONS)
    with pytest.raises(ValueError, match=r"pairs must be at least 1. Received: 0"):
        synthesise(photos, out=tmp_path / "out", pairs=0, seed=0, options=OPTIONS)
    with pytest.raises(ValueError, match=r"height_px must be from 32 to 2048. Received: 12"):
        PairOptions(height_px=12)


def test_ctrl_c_leaves_whole_pairs_and_the_next_run_goes_on(photos, new_folder):
    out = new_folder("out")
    arguments = ["data", "synthesise", str(photos), "-o", str(out), "--height", "64", "--pairs"]
    command = [sys.executable, "-m", "bokeh_tf", *arguments]
    environment = {**os.environ, "COLUMNS": "80"}
    pipes = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "env": environment,
        "cwd": ROOT,
    }
    # Tests that run in the background have Ctrl-C switched off, which children inherit.
    listen = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    child = subprocess.Popen([*command, "100000"], **pipes, preexec_fn=listen)
    try:
        limit_s = time.monotonic() + TIMEOUT_S
        while len(list(out.glob("Training/depth/0*.png"))) < 3 and time.monotonic() < limit_s:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=TIMEOUT_S)
    finally:
        child.kill()
    assert child.returncode not in (0, 1) and "Traceback" not in errors
    rows = rows_of(out)
    assert len(rows) >= 2
    assert not [path for path in out.rglob(".*") if path.is_file()]
    for row in rows:
        for name in ("original", "bokeh"):
            with Image.open(out / "Training" / row[name]) as image:
                image.load()
    stamps = stamps_of(out)
    finished = subprocess.run(
        [*command, str(len(rows) + 2)], timeout=TIMEOUT_S, check=True, **pipes
    )
    # A pair that was whole but not recorded when the signal came is made again.
    made = [name for name, stamp in stamps_of(out).items() if stamps.get(name) != stamp]
    last = finished.stdout.strip().splitlines()[-1]
    assert last.startswith(f"{len(made)} made, {len(rows) + 2} in ")
    assert not {Path(row["original"]).stem for row in rows} & set(made)
    assert len(rows_of(out)) == len(rows) + 2
