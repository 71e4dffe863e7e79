"""The suites, on tiny pictures: pairs, baselines, tables, sheets and results."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks import blur_bank, quality
from benchmarks.__main__ import main
from benchmarks.contact_sheet import write_sheet
from benchmarks.pictures import highlights, natural_noise, photo_of_size
from benchmarks.suites import SUITES
from bokeh_tf.bench.results.samples import Samples
from bokeh_tf.errors import DataError
from bokeh_tf.evaluation.baselines import centre_ellipse, ellipse_weight, global_blur, untouched
from bokeh_tf.evaluation.summary import set_name
from bokeh_tf.metrics import match_exposure, psnr, ssim

HEIGHT_PX, WIDTH_PX = 64, 96
# The decimated bank is an approximation; on so small a picture the borders
# weigh more than on a photo.
BANK_FLOOR_DB = 40.0
# The direct bank is the exact blur in float32.
EXACT_FLOOR_DB = 110.0


def picture(seed=0):
    return np.round(255 * natural_noise(HEIGHT_PX, WIDTH_PX, seed=seed)).astype(np.uint8)


def read_pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def write_pairs(folder, names):
    for seed, name in enumerate(names):
        sharp = picture(seed)
        Image.fromarray(sharp).save(folder / f"{name}_Input.png")
        Image.fromarray(global_blur(sharp)).save(folder / f"{name}_GT.png")


@pytest.fixture(scope="module")
def bank_models():
    return blur_bank.build_models(HEIGHT_PX, WIDTH_PX)


@pytest.fixture
def model_path(tmp_path):
    """A bokeh model with fixed weights: a half and half blend of the photo and a box blur."""
    import keras

    from bokeh_tf.tflite.conversion import convert

    image = keras.Input((HEIGHT_PX, WIDTH_PX, 3), batch_size=1, name="image")
    blurred = keras.layers.AveragePooling2D(3, strides=1, padding="same")(image)
    weight = keras.layers.Rescaling(0.0, offset=0.5, name="in_focus_weight")(image[..., :1])
    rendered = keras.layers.Average(name="rendered")([image, blurred])
    path = tmp_path / "blend.tflite"
    ranges = {"image": (0, 1), "rendered": (0, 1)}
    path.write_bytes(
        convert(
            keras.Model(image, [rendered, weight], name="blend"), precision="float32", ranges=ranges
        )
    )
    return path


def test_every_suite_explains_itself(capsys):
    for name in SUITES:
        with pytest.raises(SystemExit) as stop:
            main([name, "--help"])
        assert stop.value.code == 0
        assert SUITES[name].summary in capsys.readouterr().out


def test_both_banks_blur_as_opencv_does(bank_models):
    pictures = {"noise": natural_noise(HEIGHT_PX, WIDTH_PX)}
    size_px = (HEIGHT_PX, WIDTH_PX)
    ours = blur_bank.measure_errors(bank_models[blur_bank.OURS], pictures, size_px)
    direct = blur_bank.measure_errors(bank_models[blur_bank.DIRECT], pictures, size_px)
    assert min(ours["noise"].values()) > BANK_FLOOR_DB
    assert min(direct["noise"].values()) > EXACT_FLOOR_DB
    assert list(ours["noise"]) == ["25", "45", "75"]


def test_errors_on_highlights_are_relative_to_the_blurred_peak(bank_models):
    (name,) = blur_bank.measure_errors(bank_models[blur_bank.DIRECT], {}, (HEIGHT_PX, WIDTH_PX))
    assert "of the blurred peak" in name


def test_opencv_bank_is_opencvs_default_gaussian():
    image = natural_noise(HEIGHT_PX, WIDTH_PX)
    blurred = blur_bank.opencv_bank(image, [np.empty_like(image) for _ in range(3)])
    for size_px, result in zip((25, 45, 75), blurred, strict=True):
        np.testing.assert_array_equal(result, cv2.GaussianBlur(image, (size_px, size_px), 0))


def test_ratios_compare_ours_with_each_other_contender_by_thread_count():
    def measured(name, time_ns):
        return SimpleNamespace(name=name, samples=Samples(1, (), True, ((time_ns,) * 3,) * 5))

    timing = SimpleNamespace(
        measurements=[
            measured("ours, 2 threads", 10),
            measured("direct, 2 threads", 250),
            measured("opencv, 2 threads", 40),
        ]
    )
    ratios = blur_bank.find_ratios(timing, [2])
    assert {name: ratio.value for name, ratio in ratios.items()} == {
        "ours / direct, 2 threads": 0.04,
        "ours / opencv, 2 threads": 0.25,
    }


def test_blur_bank_suite_times_prints_and_writes(tmp_path, capsys):
    photo = tmp_path / "photo ä.png"
    Image.fromarray(picture(seed=3)).save(photo)
    same_name = tmp_path / "other" / photo.name
    same_name.parent.mkdir()
    Image.fromarray(picture(seed=4)).save(same_name)
    threads_before = cv2.getNumThreads()
    arguments = [
        "--height",
        str(HEIGHT_PX),
        "--width",
        str(WIDTH_PX),
        "--rounds",
        "2",
        "--photos",
        str(photo),
        str(same_name),
    ]
    assert main(["blur_bank", "--out", str(tmp_path / "out"), *arguments]) == 0
    assert cv2.getNumThreads() == threads_before
    assert "ours / opencv, 2 threads" in capsys.readouterr().out
    (path,) = (tmp_path / "out").glob("blur_bank_*.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    names = [
        f"{name}, {threads}"
        for threads in ("1 thread", "2 threads")
        for name in ("ours", "direct", "opencv")
    ]
    assert [entry["name"] for entry in content["timing"]["measurements"]] == names
    pictures = {"natural noise (timed)", f"{tmp_path.name}/photo ä.png", "other/photo ä.png"}
    assert pictures < set(content["psnr_db_against_opencv"])
    # Padding is computed too, so the direct bank costs more than its taps: two
    # passes of 25 + 45 + 75.
    assert content["macs_per_pixel_and_channel"]["direct"] >= 2 * (25 + 45 + 75)
    assert len(content["ratios"]) == 4


def test_natural_noise_is_the_same_everywhere_and_falls_off_like_a_photo():
    image = natural_noise(HEIGHT_PX, WIDTH_PX)
    np.testing.assert_array_equal(image, natural_noise(HEIGHT_PX, WIDTH_PX))
    assert (image.shape, image.dtype) == ((HEIGHT_PX, WIDTH_PX, 3), np.float32)
    assert 0 <= image.min() < 0.1 < 0.9 < image.max() <= 1
    # White noise loses nine tenths of its deviation to a 9 px Gaussian, natural images far less.
    assert cv2.GaussianBlur(image, (9, 9), 0).std() > 0.6 * image.std()


def test_highlights_are_sparse_and_white():
    image = highlights(HEIGHT_PX * 2, WIDTH_PX)
    assert set(np.unique(image)) == {0.0, 1.0}
    assert image[..., 0].sum() == 2 * 1 * 9 * 1 + 2 * 9 * (WIDTH_PX // 64 - 1)


@pytest.mark.parametrize("size", [(40, 200), (200, 40), (30, 30)])
def test_photo_of_size_covers_and_crops_the_centre(tmp_path, size):
    path = tmp_path / "photo.png"
    grey = np.full((*size, 3), 30, np.uint8)
    grey[size[0] // 2 - 6 : size[0] // 2 + 6, size[1] // 2 - 6 : size[1] // 2 + 6] = 220
    Image.fromarray(grey).save(path)
    scaled = photo_of_size(path, HEIGHT_PX, WIDTH_PX)
    assert scaled.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert scaled[HEIGHT_PX // 2, WIDTH_PX // 2, 0] == pytest.approx(220 / 255)


@pytest.mark.parametrize(
    ("height_px", "kernel_px"), [(1024, 75), (688, 51), (512, 37), (1536, 113)]
)
def test_global_blur_scales_with_the_height(height_px, kernel_px):
    photo = np.random.default_rng(0).integers(0, 256, (height_px, 90, 3), np.uint8)
    expected = cv2.GaussianBlur(photo, (kernel_px, kernel_px), 0, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_array_equal(global_blur(photo), expected)


def test_ellipse_is_sharp_in_the_centre_and_blurred_outside():
    photo = picture()
    weight = ellipse_weight(*photo.shape[:2])
    result = centre_ellipse(photo)
    assert weight[HEIGHT_PX // 2, WIDTH_PX // 2] == 1
    assert weight[0, 0] == weight[HEIGHT_PX // 2, 0] == weight[0, WIDTH_PX // 2] == 0
    np.testing.assert_allclose(weight, weight[::-1, ::-1], atol=1e-6)
    # The weight is one half where the ellipse with semi-axes of 0.3 W and 0.4 H crosses the axes.
    assert np.interp(0.3 * WIDTH_PX, np.arange(48) + 0.5, weight[32, 48:]) == pytest.approx(
        0.5, abs=0.03
    )
    assert np.interp(0.4 * HEIGHT_PX, np.arange(32) + 0.5, weight[32:, 48]) == pytest.approx(
        0.5, abs=0.03
    )
    np.testing.assert_array_equal(result[weight == 1], photo[weight == 1])
    np.testing.assert_array_equal(result[weight == 0], global_blur(photo)[weight == 0])


def test_pairs_are_found_sorted_and_grouped(tmp_path):
    write_pairs(tmp_path, ["street_b", "street_a", "field_case_0"])
    (tmp_path / "notes.txt").touch()
    pairs = quality.find_pairs(tmp_path)
    assert [(pair.id, set_name(pair)) for pair in pairs] == [
        ("field_case_0", "field"),
        ("street_a", "street"),
        ("street_b", "street"),
    ]


@pytest.mark.parametrize(
    ("name", "missing"), [("a_1_Input.png", "target"), ("a_1_GT.png", "source")]
)
def test_a_pair_without_its_partner_is_refused(tmp_path, name, missing):
    write_pairs(tmp_path, ["b_1"])
    Image.fromarray(picture()).save(tmp_path / name)
    with pytest.raises(DataError, match=f"1 {missing} missing, of a_1"):
        quality.find_pairs(tmp_path)


def test_folders_without_pairs_are_refused(tmp_path):
    with pytest.raises(DataError, match="no pairs of pictures found"):
        quality.find_pairs(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        quality.find_pairs(tmp_path / "nowhere")


def test_pairs_must_be_aligned_and_different(tmp_path):
    write_pairs(tmp_path, ["a_1"])
    (pair,) = quality.find_pairs(tmp_path)
    Image.fromarray(picture()[:, :90]).save(pair.target)
    with pytest.raises(DataError, match=r"a_1_GT\.png: has another size"):
        quality.score_pair(pair, {}, tmp_path / "sheet.jpg")
    Image.fromarray(picture()).save(pair.target)
    with pytest.raises(DataError, match=r"a_1_GT\.png: is the same picture"):
        quality.score_pair(pair, {}, tmp_path / "sheet.jpg")


def test_quality_suite_scores_averages_and_draws(tmp_path, model_path, capsys):
    folder = tmp_path / "pairs ü"
    folder.mkdir()
    write_pairs(folder, ["street_a", "street_b", "field_0"])
    # A small change, so that no rendering equals its ground truth.
    for path in folder.glob("*_GT.png"):
        Image.fromarray(np.clip(read_pixels(path), 3, 250)).save(path)
    assert (
        main(
            [
                "quality",
                "--pairs",
                str(folder),
                "--model",
                str(model_path),
                "--out",
                str(tmp_path / "out"),
            ]
        )
        == 0
    )
    text = capsys.readouterr().out
    assert "street: mean of 2 pairs" in text
    assert "centre ellipse" in text
    (path,) = (tmp_path / "out").glob("quality_*.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert len(content["models"]["blend.tflite"]) == 64
    sharp, truth = (read_pixels(folder / f"street_a_{kind}.png") for kind in ("Input", "GT"))
    scores = content["pairs"]["street_a"]
    assert scores["untouched"] == {
        "psnr_db": psnr(untouched(sharp), truth),
        "ssim": ssim(sharp, truth),
        "ssim_gaussian": ssim(sharp, truth, window="gaussian"),
        "psnr_matched_db": psnr(*match_exposure(sharp, truth)),
        "ssim_matched": ssim(*match_exposure(sharp, truth)),
    }
    assert content["wins_over_best_trivial"]["blend.tflite"]["of"] == 3
    assert list(scores) == ["blend.tflite", "untouched", "global blur", "centre ellipse"]
    both = [content["pairs"][name]["blend.tflite"]["psnr_db"] for name in ("street_a", "street_b")]
    assert content["means"]["street"]["blend.tflite"]["psnr_db"] == pytest.approx(np.mean(both))
    sheets = sorted(path.with_suffix("").iterdir())
    assert [sheet.name for sheet in sheets] == ["field_0.jpg", "street_a.jpg", "street_b.jpg"]
    # Input, truth, rendering, weight and two baselines: two rows of three.
    assert read_pixels(sheets[0]).shape[1] == 3 * 640


@pytest.mark.parametrize(
    "option", [["--rounds", "0"], ["--threads", "2", "-1"], ["--height", "37"]]
)
def test_senseless_options_are_a_usage_error(option, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["blur_bank", *option])
    assert stop.value.code == 2
    assert f"argument {option[0]}: must be at least" in capsys.readouterr().err


def test_a_missing_model_is_one_line_and_exit_code_1(tmp_path, capsys):
    write_pairs(tmp_path, ["a_1"])
    assert (
        main(
            [
                "quality",
                "--pairs",
                str(tmp_path),
                "--model",
                str(tmp_path / "no.tflite"),
                "--out",
                str(tmp_path),
            ]
        )
        == 1
    )
    error = capsys.readouterr().err
    assert error.startswith("benchmarks: ")
    assert error.count("\n") == 1


def test_sheets_hold_every_tile_in_order(tmp_path):
    photo = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    photo[..., 0] = 200
    write_sheet(
        tmp_path / "sheet.jpg",
        [("red", photo), ("half", np.full((10, 20), 0.5)), *[("red", photo)] * 2],
    )
    sheet = read_pixels(tmp_path / "sheet.jpg").astype(int)
    height_px = sheet.shape[0] // 2
    assert sheet.shape[1] == 3 * 640
    tolerance = 6  # JPEG
    np.testing.assert_allclose(sheet[height_px // 2, 320], [200, 0, 0], atol=tolerance)
    np.testing.assert_allclose(sheet[height_px // 2, 960], [128, 128, 128], atol=tolerance)
    np.testing.assert_allclose(sheet[height_px + height_px // 2, 320], [200, 0, 0], atol=tolerance)
    np.testing.assert_allclose(sheet[height_px + height_px // 2, 1700], [0, 0, 0], atol=tolerance)
