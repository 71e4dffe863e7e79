"""Each protocol's quirks against what its paper's own tools compute: Pillow,
scikit-image, TensorFlow, plain loops.
"""

import math

import numpy as np
import pytest
from PIL import Image
from skimage.measure import block_reduce
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bokeh_tf.commands.evaluate import _PROTOCOLS
from bokeh_tf.errors import DataError
from bokeh_tf.evaluation.predictors import Network
from bokeh_tf.evaluation.protocols import PROTOCOLS, to_8_bits, truth_in_window
from bokeh_tf.evaluation.scores import METRICS, score
from bokeh_tf.rendering.backends import ModelOutput

SAME_SSIM = 1e-6
SAME_DB = 1e-4
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def photos(height, width, *, seed=0):
    """A truth with 20 to 230 as its extremes, uint8, and a picture near it, float32."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices((height, width))
    pattern = 0.5 + 0.3 * np.sin(rows / 7) * np.cos(columns / 9)
    truth = np.clip(
        pattern[..., None] * (1.0, 0.9, 0.8) + random.normal(0, 0.03, (height, width, 3)), 0, 1
    )
    truth = np.round(20 + 210 * (truth - truth.min()) / np.ptp(truth)).astype(np.uint8)
    picture = truth / 255 * 0.9 + 0.02 + random.normal(0, 0.04, truth.shape)
    return picture.astype(np.float32), truth


def windowed(picture, truth, protocol):
    window = protocol.window(*truth.shape[:2])
    return score(window.of(picture), truth_in_window(truth, protocol), protocol)


def saved(picture):
    """As torchvision's `save_image`: times 255, plus a half, clamped, cut off."""
    return np.clip(picture.astype(np.float64) * 255 + 0.5, 0, 255).astype(np.uint8)


def test_the_command_knows_all_of_them():
    assert tuple(PROTOCOLS) == _PROTOCOLS
    assert all(name in METRICS for protocol in PROTOCOLS.values() for name in protocol.metrics)


@pytest.mark.parametrize("name", ["plain", "dmshn", "dbsi"])
def test_saved_pictures_are_compared_as_scikit_image_does(name):
    picture, truth = photos(61, 83)
    ours = windowed(picture, truth, PROTOCOLS[name])
    theirs = saved(picture)
    assert np.array_equal(to_8_bits(picture), theirs)
    assert ours["psnr_db"] == pytest.approx(peak_signal_noise_ratio(truth, theirs), abs=1e-9)
    ssim = structural_similarity(truth, theirs, channel_axis=2, data_range=255)
    assert ours["ssim"] == pytest.approx(ssim, abs=SAME_SSIM)
    # All three colours count alike: no luma. Which channel comes first changes nothing.
    swapped = windowed(picture[..., ::-1], truth[..., ::-1], PROTOCOLS[name])
    assert swapped["psnr_db"] == pytest.approx(ours["psnr_db"], abs=1e-9)
    assert ours["ms_ssim"] is None


def test_pynet_stretches_the_truth_cuts_its_border_and_computes_as_tensorflow():
    import tensorflow as tf

    picture, truth = photos(246, 331)
    ours = windowed(picture, truth, PROTOCOLS["pynet"])
    width = 331 // 64 * 64
    # SciPy's bytescale, which its imresize applied to floats, here to the whole truth.
    values = truth / 255.0
    scaled = (values - values.min()) * (255 / (values.max() - values.min()))
    stretched = (scaled.clip(0, 255) + 0.5).astype(np.uint8).astype(np.float32) / np.float32(255)
    stretched = stretched[:, :width]
    assert stretched.min() == 0 and stretched.max() == 1
    clipped = np.clip(picture[:, :width], 0, 1)
    pair = [one[32:-32, 32:-32] for one in (clipped, stretched)]
    assert ours["psnr_db"] == pytest.approx(float(tf.image.psnr(*pair, 1.0)), abs=SAME_DB)
    assert ours["ssim_gaussian"] == pytest.approx(float(tf.image.ssim(*pair, 1.0)), abs=1e-5)
    assert ours["ms_ssim"] == pytest.approx(float(tf.image.ssim_multiscale(*pair, 1.0)), abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(67, 90), (64, 93), (65, 91)])
def test_bokehlicious_compares_floats_in_the_middle(height, width):
    picture, truth = photos(height, width)
    ours = windowed(picture, truth, PROTOCOLS["bokehlicious"])
    new = width - width % 4, height - height % 4
    box = (
        *(math.ceil((width - new[0]) / 2), math.ceil((height - new[1]) / 2)),
        *(width - math.floor((width - new[0]) / 2), height - math.floor((height - new[1]) / 2)),
    )
    target = np.asarray(Image.fromarray(truth).crop(box)) / np.float32(255)
    output = np.clip(picture[box[1] : box[3], box[0] : box[2]], 0, 1)
    # Not rounded to 8 bits before.
    assert ours["psnr_db"] == pytest.approx(
        peak_signal_noise_ratio(target, output, data_range=1), abs=SAME_DB
    )
    ssim = structural_similarity(target, output, channel_axis=2, data_range=1, **GAUSSIAN)
    assert ours["ssim_gaussian"] == pytest.approx(ssim, abs=1e-5)


def test_ebokehnet_crops_the_middle_and_reduces_before_its_ssim():
    picture, truth = photos(1027, 1459)
    protocol = PROTOCOLS["ebokehnet"]
    window = protocol.window(*truth.shape[:2])
    # As torchvision's CenterCrop: round((1027 - 1024) / 2) is 2, round((1459 - 1440) / 2) is 10.
    assert (window.top, window.left, window.height, window.width) == (2, 10, 1024, 1440)
    pair = [
        np.clip(one, 0, 1)[2:1026, 10:1450].astype(np.float64)
        for one in (picture, truth / np.float32(255))
    ]
    names = ("psnr_db", "ssim_reduced")
    ours = score(window.of(picture), window.of(truth), protocol, metrics=names)
    assert ours["psnr_db"] == pytest.approx(
        peak_signal_noise_ratio(*pair, data_range=1), abs=SAME_DB
    )
    reduced = [block_reduce(one, (4, 4, 1), np.mean) for one in pair]
    ssim = structural_similarity(*reduced, channel_axis=2, data_range=1, **GAUSSIAN)
    assert ours["ssim_reduced"] == pytest.approx(ssim, abs=1e-5)
    assert (
        abs(
            ours["ssim_reduced"]
            - structural_similarity(*pair, channel_axis=2, data_range=1, **GAUSSIAN)
        )
        > 0.01
    )
    # A smaller photo is compared whole.
    assert protocol.window(700, 900) == PROTOCOLS["plain"].window(700, 900)


def test_flip_is_nought_for_the_same_and_grows_with_what_an_eye_sees():
    pytest.importorskip("flip_evaluator")
    _, truth = photos(64, 96)
    floats = truth / np.float32(255)
    plain = PROTOCOLS["plain"]
    values = [
        score(floats + shift, truth, plain, metrics=("flip",))["flip"] for shift in (0.02, 0.1, 0.3)
    ]
    assert 0 < values[0] < values[1] < values[2] < 1
    assert METRICS["flip"].is_smaller_better and METRICS["flip"].compute(truth, truth) == 0


class Recorder:
    """A network that inverts what it is given, and remembers it."""

    name, has_one_size = "inverting", False

    def __init__(self):
        self.canvas = None

    def canvas_size(self, height, width):
        return 32, 48

    def run(self, canvas):
        self.canvas = canvas
        return ModelOutput(1 - canvas, None)


def network():
    recorder = Recorder()
    made = Network.__new__(Network)
    made._model, made.label, made.note = recorder, recorder.name, ""
    return made, recorder


def linear(values, size):
    """Interpolation of rows `[n, ...]` between half-pixel centres to `size` rows,
    as PyTorch's `interpolate`.
    """
    places = np.clip((np.arange(size) + 0.5) * len(values) / size - 0.5, 0, len(values) - 1)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, len(values) - 1)
    share = (places - below).reshape(-1, *[1] * (values.ndim - 1))
    return values[below] * (1 - share) + values[above] * share


@pytest.mark.parametrize(("name", "size"), [("dmshn", (1024, 1536)), ("dbsi", (768, 1024))])
def test_the_network_sees_pillows_lanczos_and_its_picture_comes_back_bilinearly(name, size):
    _, photo = photos(40, 61)
    predictor, recorder = network()
    window = PROTOCOLS[name].window(40, 61)
    picture = predictor.picture(None, photo, window, PROTOCOLS[name])
    shrunk = np.asarray(Image.fromarray(photo).resize(size[::-1], Image.LANCZOS))
    assert recorder.canvas.shape == (*size, 3)
    np.testing.assert_allclose(recorder.canvas, shrunk / 255, atol=1e-7)
    expected = linear(np.swapaxes(linear(1 - shrunk / 255, 40), 0, 1), 61).swapaxes(0, 1)
    np.testing.assert_allclose(picture, expected, atol=1e-5)


def test_a_network_of_its_own_size_pads_by_mirroring_and_cuts_again():
    _, photo = photos(40, 61)
    predictor, recorder = network()
    protocol = PROTOCOLS["bokehlicious"]
    picture = predictor.picture(None, photo, protocol.window(40, 61), protocol)
    assert recorder.canvas.shape == (64, 64, 3) and picture.shape == (40, 60, 3)
    np.testing.assert_allclose(picture, 1 - photo[:, 1:] / 255, atol=1e-6)


def test_a_file_of_another_size_runs_at_its_own_and_says_so():
    _, photo = photos(40, 61)
    predictor, recorder = network()
    recorder.has_one_size = True
    predictor.picture(None, photo, PROTOCOLS["dmshn"].window(40, 61), PROTOCOLS["dmshn"])
    assert recorder.canvas.shape == (32, 48, 3)
    assert predictor.note == "runs at 32x48, the protocol at 1024x1536"


def test_what_would_spoil_a_mean_is_refused():
    _, truth = photos(40, 61)
    with pytest.raises(DataError, match="same picture"):
        score(truth, truth, PROTOCOLS["plain"])
    with pytest.raises(DataError, match="not as large as the truth \\(39x61 and 40x61\\)"):
        score(truth[1:], truth, PROTOCOLS["plain"])
    with pytest.raises(DataError, match="too small"):
        score(1 - truth / np.float32(255), truth, PROTOCOLS["pynet"])
