"""Inspection of pairs: measures against hand-computed values, dirty pairs named, lists, resuming,
Ctrl-C.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bokeh_tf.commands import data as data_command
from bokeh_tf.data.inspection import cleaning
from bokeh_tf.data.inspection.cleaning import complaints, measure
from bokeh_tf.data.inspection.inspection import inspect_folder
from bokeh_tf.data.pairs.layouts import find_pairs
from bokeh_tf.errors import DataError, OutputError
from tests.data.aperture_photos import PHOTOS, defocused, save, small_photo

ROOT = Path(__file__).resolve().parents[2]
# Keypoints on a photograph that lost half its detail.
SHIFT_TOLERANCE_PX = 0.5
# Samples are whole numbers; the brightness of these photographs keeps that
# below a hundredth of a stop.
STOPS_TOLERANCE = 0.02
TIMEOUT_S = 600


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def scene():
    source = small_photo(PHOTOS[0])
    return source, defocused(source, sigma_px=3)


def darker(picture, stops):
    """`picture` with its linear light reduced by so many stops, by the formulas of sRGB."""
    encoded = picture / 255
    linear = (
        np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
        * 2.0**-stops
    )
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)


def shifted(picture, columns):
    return np.ascontiguousarray(np.roll(picture, columns, axis=1))


def test_a_good_pair_has_no_complaints(scene):
    measures = measure(*scene)
    assert complaints(measures) == ()
    assert measures.source_size == measures.target_size == (576, 384)
    assert measures.sharpness_ratio < 0.8 and measures.likeness > 0.95
    assert (
        abs(measures.exposure_stops) < STOPS_TOLERANCE
        and measures.misalignment_px < SHIFT_TOLERANCE_PX
    )


def test_a_photo_and_itself_measure_exactly_nothing(scene):
    measures = measure(scene[0], scene[0])
    assert (measures.sharpness_ratio, measures.exposure_stops, measures.misalignment_px) == (
        1,
        0,
        0,
    )
    assert measures.likeness == pytest.approx(1)


def test_exposure_is_measured_in_stops(scene):
    assert measure(scene[0], darker(scene[0], 1)).exposure_stops == pytest.approx(
        -1, abs=STOPS_TOLERANCE
    )
    assert measure(darker(scene[0], 0.7), scene[0]).exposure_stops == pytest.approx(
        0.7, abs=STOPS_TOLERANCE
    )
    assert complaints(measure(scene[0], darker(scene[1], 1)))[0].startswith(
        "exposure differs: -1.0 stops"
    )


def test_sharpness_is_the_ratio_of_laplacian_variances_and_does_not_see_exposure():
    random = np.random.default_rng(0)
    grey = random.integers(80, 120, (40, 60)).astype(np.float64)
    pictures = [
        np.repeat(g.astype(np.uint8)[..., None], 3, axis=2) for g in (grey, 100 + (grey - 100) // 2)
    ]

    def detail(picture):
        plane = np.pad(picture[..., 0].astype(np.float64), 1, mode="reflect")
        middle = plane[1:-1, 1:-1]
        laplacian = (
            plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:] - 4 * middle
        )
        return laplacian.var() / middle.mean() ** 2

    expected = detail(pictures[1]) / detail(pictures[0])
    assert measure(*pictures).sharpness_ratio == pytest.approx(expected, rel=1e-5)
    half = (pictures[0] // 2 * 2, pictures[0] // 2)
    assert measure(*half).sharpness_ratio == pytest.approx(1, rel=1e-6)


def test_a_swapped_pair_is_sharper(scene):
    (complaint,) = complaints(measure(*scene[::-1]))
    assert complaint.startswith("target sharper than source: ")


@pytest.mark.parametrize("columns", [5, -9])
def test_misalignment_is_measured_in_pixels(scene, columns):
    measures = measure(scene[0], shifted(scene[1], columns))
    assert measures.misalignment_px == pytest.approx(abs(columns), abs=SHIFT_TOLERANCE_PX)
    assert complaints(measures)[0].startswith("misaligned: ")


def test_misalignment_of_the_subject_alone_is_seen(scene):
    # The background in place, the rest of the frame a few pixels off.
    target = scene[0].copy()
    target[:, 144:] = shifted(scene[0], 8)[:, 144:]
    assert measure(scene[0], target).misalignment_px == pytest.approx(8, abs=SHIFT_TOLERANCE_PX)


def test_another_scene_is_not_alike(scene):
    measures = measure(scene[0], small_photo(PHOTOS[1]))
    assert measures.likeness < cleaning.MIN_LIKENESS
    assert any(complaint.startswith("different pictures") for complaint in complaints(measures))


def test_sizes_that_differ_are_said_and_the_rest_measured_where_it_can_be(scene):
    smaller = np.asarray(Image.fromarray(scene[1]).resize((288, 192), Image.Resampling.BOX))
    measures = measure(scene[0], smaller)
    assert measures.likeness > 0.95 and complaints(measures) == (
        "sizes differ: 576x384 and 288x192",
    )
    other_shape = measure(scene[0], np.ascontiguousarray(scene[1][:, :400]))
    assert other_shape.likeness is None and complaints(other_shape) == (
        "sizes differ: 576x384 and 400x384",
    )


def test_flat_pictures_allow_few_measures():
    flat = np.full((32, 48, 3), 0, np.uint8)
    measures = measure(flat, flat)
    assert (
        measures.sharpness_ratio,
        measures.exposure_stops,
        measures.misalignment_px,
        measures.likeness,
    ) == (None,) * 4
    assert complaints(measures) == ()


@pytest.fixture
def folder(tmp_path, scene):
    """Six pairs: clean, misaligned, swapped, damaged, of a comma and
    quote in its name, too dark.
    """
    source, target = scene
    pairs = {
        "0": (source, target),
        "1": (source, shifted(target, 7)),
        "2": (target, source),
        "3": (source, target),
        'a, "b" – 写真': (source, target),
        "4": (source, darker(target, 1)),
    }
    root = tmp_path / "данные"
    for name, pictures in pairs.items():
        for place, picture in zip(("original", "bokeh"), pictures, strict=True):
            save(root / place / f"{name}.jpg", picture, quality=95)
    damaged = root / "bokeh" / "3.jpg"
    damaged.write_bytes(damaged.read_bytes()[:3000])
    return root


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_inspected_and_its_clean_list_chooses_the_clean_pairs(folder, tmp_path):
    out = tmp_path / "out"
    inspection = inspect_folder(folder, out=out)
    reasons = {finding.pair.id: "; ".join(finding.complaints) for finding in inspection.findings}
    assert reasons["0"] == reasons['a, "b" – 写真'] == ""
    assert (
        "misaligned: " in reasons["1"]
        and "target sharper" in reasons["2"]
        and "exposure" in reasons["4"]
    )
    assert reasons["3"].startswith("unreadable: ") and "3.jpg" in reasons["3"]

    again = find_pairs(folder, only=out / "clean_pairs.csv")
    assert again.pairs == inspection.clean_pairs and {pair.id for pair in again.pairs} == {
        "0",
        'a, "b" – 写真',
    }
    assert {row["id"] for row in rows_of(out / "dirty_pairs.csv")} == {"1", "2", "3", "4"}
    document = json.loads((out / "inspection.json").read_text(encoding="utf-8"))
    assert (document["schema_version"], document["clean_count"], document["dirty_count"]) == (
        1,
        2,
        4,
    )
    with Image.open(out / "contact_sheet.jpg") as sheet:
        # Six cells in rows of three.
        assert sheet.width > 3 * 480 and sheet.height > 2 * 160


def test_another_run_measures_only_what_changed(folder, tmp_path, scene):
    out = tmp_path / "out"
    first = inspect_folder(folder, out=out)
    journal = out / "measures.jsonl"
    lines = journal.read_bytes().count(b"\n")
    assert inspect_folder(folder, out=out) == first
    assert journal.read_bytes().count(b"\n") == lines
    save(folder / "bokeh" / "3.jpg", scene[1], quality=95)
    mended = inspect_folder(folder, out=out)
    assert "3" in {pair.id for pair in mended.clean_pairs}
    assert journal.read_bytes().count(b"\n") == lines + 1


def command(*arguments):
    parser = argparse.ArgumentParser(prog="bokeh-tf")
    data_command.add(parser.add_subparsers())
    options = parser.parse_args(["data", *map(str, arguments)])
    return options.run(options)


def test_the_command_prints_a_table_and_what_is_missing(folder, tmp_path, capsys):
    (folder / "bokeh" / "2.jpg").unlink()
    assert command("inspect", folder, "-o", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "1 target missing, of 2" in printed and "misaligned: 7." in printed.replace("6.9", "7.")
    assert "2 clean, 3 dirty" in printed and "clean_pairs.csv" in printed


def test_the_command_prints_json_and_takes_a_list(folder, tmp_path, capsys):
    (tmp_path / "list.txt").write_text("0.jpg\n4.jpg\n", encoding="utf-8")
    assert command("inspect", folder, "--only", tmp_path / "list.txt", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [pair["id"] for pair in document["pairs"]] == ["0", "4"]
    assert document["limits"]["misalignment_px"] == cleaning.MAX_MISALIGNMENT_PX
    assert list(tmp_path.glob("*.jsonl")) == []


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(DataError, match="no pairs of pictures found"):
        inspect_folder(tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["clean_pairs.csv", "inspection.json", "contact_sheet.jpg", "measures.jsonl"]
)
def test_files_of_others_are_not_replaced(folder, tmp_path, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("somebody's\n")
    with pytest.raises(OutputError, match="Choose another folder"):
        inspect_folder(folder, out=out)
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_text() == "somebody's\n"


def test_a_full_disk_leaves_no_half_file(folder, tmp_path):
    out = tmp_path / "out"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system cuts every file off here, as a full disk would.
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(OutputError) as error:
            inspect_folder(folder, out=out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value)
    assert {path.name for path in out.iterdir()} <= {
        "measures.jsonl",
        "clean_pairs.csv",
        "dirty_pairs.csv",
    }
    assert len(inspect_folder(folder, out=out).findings) == 6


# The main thread is interrupted once the first pair is written down. Job runners start their jobs
# with the signal ignored, which children inherit.
INTERRUPTED_PROGRAM = """
import os, pathlib, signal, sys, threading, time
from bokeh_tf.data.inspection.inspection import inspect_folder

def interrupt():
    journal = pathlib.Path(sys.argv[2], "measures.jsonl")
    while not journal.exists() or journal.read_bytes().count(b"\\n") < 2:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        inspect_folder(sys.argv[1], out=sys.argv[2])
    except KeyboardInterrupt:
        sys.exit(130)
"""


def test_ctrl_c_keeps_what_is_measured(folder, tmp_path):
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", INTERRUPTED_PROGRAM, str(folder), str(out)]
    child = subprocess.run(
        arguments, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert (child.returncode, child.stderr) == (130, "")
    assert [path.name for path in out.iterdir()] == ["measures.jsonl"]
    assert (out / "measures.jsonl").read_bytes().count(b"\n") >= 2
    assert len(inspect_folder(folder, out=out).findings) == 6


def test_help_needs_no_heavy_module():
    program = (
        "import argparse, sys; from bokeh_tf.commands import data; parser ="
        " argparse.ArgumentParser(); "
        "data.add(parser.add_subparsers()); parser.format_help(); "
        "print([name for name in ('tensorflow', 'keras', 'cv2', 'numpy', 'PIL', 'rich') if name in"
        " sys.modules])"
    )
    child = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert child.stdout.strip() == "[]"


def test_no_part_of_it_needs_tensorflow():
    names = [
        "pairs.layouts",
        "pairs.pair",
        "pairs.tables",
        "inspection.cleaning",
        "inspection.inspection",
        "workers",
    ]
    names += ["inspection.contact_sheet", "alignment.registration", "alignment.run", "journal"]
    modules = ", ".join(f"bokeh_tf.data.{name}" for name in names)
    program = f"import sys; import {modules}; print({{'tensorflow', 'keras'}} & sys.modules.keys())"
    child = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert child.stdout.strip() == "set()"
