"""What a blur's strength is worth: pictures whose true radius is known, and guesses by hand."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks import strength
from benchmarks.__main__ import main
from benchmarks.pictures import natural_noise

SHAPE = (64, 96)
TRUE_PX = 20.0


@pytest.fixture(scope="module")
def image():
    return natural_noise(*SHAPE, seed=1).astype(np.float32)


@pytest.fixture(scope="module")
def bank(image):
    in_focus = np.zeros(SHAPE, np.float32)
    in_focus[16:48, 24:72] = 1
    return strength.draw_bank(image, in_focus)


def test_the_bank_grows_from_the_photo_to_its_blur(image, bank):
    assert bank.shape == (len(strength.RADII_PX), *SHAPE, 3)
    detail = [cv2.Laplacian(picture[:8], cv2.CV_32F).std() for picture in bank]
    assert detail == sorted(detail, reverse=True) and detail[-1] < 0.5 * detail[0]
    for picture in bank:
        np.testing.assert_allclose(picture[30:34, 40:56], image[30:34, 40:56], atol=1e-5)


def test_one_radius_in_all_rows_is_the_banks_picture(bank):
    number = strength.RADII_PX.index(TRUE_PX)
    np.testing.assert_array_equal(strength.along(bank, np.full(SHAPE[0], TRUE_PX)), bank[number])
    between = strength.along(bank, np.full(SHAPE[0], (TRUE_PX + strength.RADII_PX[number + 1]) / 2))
    np.testing.assert_allclose(between, (bank[number] + bank[number + 1]) / 2, atol=1e-6)


def test_tiles_find_the_radius_of_each(bank):
    truth = bank[2].copy()
    truth[:, 48:] = bank[5][:, 48:]
    np.testing.assert_array_equal(strength.by_tiles(bank, truth), truth)


def test_a_prediction_is_a_regression_that_is_held_back():
    random = np.random.default_rng(0)
    facts, values, wanted = random.normal(size=(8, 3)), random.normal(size=8), random.normal(size=3)
    mean, deviation = facts.mean(axis=0), facts.std(axis=0) + 1e-6
    # Ridge by more rows: each holds one slope at 0 with the weight of a root of 3.
    rows = np.vstack([(facts - mean) / deviation, np.sqrt(3) * np.eye(3)])
    slopes = np.linalg.lstsq(rows, np.append(values - values.mean(), np.zeros(3)), rcond=None)[0]
    expected = values.mean() + (wanted - mean) / deviation @ slopes
    assert strength.predict(facts, values, wanted) == pytest.approx(expected)


def test_guesses_know_all_pairs_but_their_own():
    best = {"a": 2, "b": 2, "c": 5}
    measured = {
        name: {
            "psnr_db": {"default": 1.0},
            "by_radius": [30.0 if number == place else 20.0 for number in range(9)],
            "best_px": strength.RADII_PX[place],
            "facts": {"brightness": float(place)},
        }
        for name, place in best.items()
    }
    strength.add_guesses(measured)
    # Of "b" and "c" the first is as good as the other in the mean, and smaller.
    assert [one["psnr_db"]["others"] for one in measured.values()] == [30.0, 30.0, 20.0]


@pytest.mark.slow
def test_the_suite_knows_the_truth_best(tmp_path, capsys):
    for seed in range(2):
        photo = np.rint(255 * natural_noise(*SHAPE, seed=seed)).astype(np.uint8)
        Image.fromarray(photo).save(tmp_path / f"ebb_{seed}_Input.png")
        Image.fromarray(cv2.GaussianBlur(photo, (0, 0), 2)).save(tmp_path / f"ebb_{seed}_GT.png")
    assert main(["strength", "--pairs", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    (path,) = (tmp_path / "out").iterdir()
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["schema_version"] == strength.SCHEMA_VERSION and len(result["pairs"]) == 2
    for one in result["pairs"].values():
        psnr = one["psnr_db"]
        assert psnr["single"] == max(one["by_radius"]) >= max(psnr["default"], psnr["predicted"])
        assert psnr["rows"] >= psnr["single"] - 1e-3
    assert "exposure matched" in capsys.readouterr().out
