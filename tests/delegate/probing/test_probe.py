"""The check on the real delegate: every verdict is met for real."""

import io
import json
import warnings

import numpy as np
import pytest
from rich.console import Console

from bokeh_tf.delegate.check import Steps, check_paths
from bokeh_tf.delegate.judging.policy import Policy, exit_code, judge
from bokeh_tf.delegate.probing.probe import probe
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.writers.document import plain
from bokeh_tf.delegate.writers.probe_text import print_precisions
from bokeh_tf.errors import CheckError, ModelFileError, PhotoError
from bokeh_tf.tflite.running.gpu_adapter import find_adapters

# A two-layer network in half precision, measured at 71 dB; half that error again is still
# plainly half precision.
HALF_PRECISION_PSNR_DB = (50, 100)


@pytest.fixture(scope="module")
def mirror_pad(tiny_tflite):
    """MIRROR_PAD SYMMETRIC, which the delegate refuses."""

    def graph(image):
        import keras

        return keras.ops.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric") * 2.0

    return tiny_tflite("mirror_pad", graph)


def _grouped(name, channels, tiny_tflite):
    def graph(image):
        import keras

        wide = keras.layers.Conv2D(channels, 1)(image)
        return keras.layers.Conv2D(channels, 3, groups=2 if channels == 12 else 4, padding="same")(
            wide
        )

    return tiny_tflite(name, graph)


@pytest.fixture(scope="module")
def grouped_8_by_4(tiny_tflite):
    """Two channels per group, which the delegate accepts and computes wrong."""
    return _grouped("grouped_8_by_4", 8, tiny_tflite)


@pytest.fixture(scope="module")
def grouped_12_by_2(tiny_tflite):
    """Six channels per group, which ends the delegate's process."""
    return _grouped("grouped_12_by_2", 12, tiny_tflite)


@pytest.fixture(scope="module")
def wide_upsampling(tiny_tflite):
    """Bilinear x2 from width 1024: right in float32, wrong in half precision, where
    coordinates run out of digits.
    """

    def graph(image):
        import keras

        return keras.layers.UpSampling2D(2, interpolation="bilinear")(image)

    return tiny_tflite("wide_upsampling", graph, image_shape=(4, 1024))


@pytest.mark.gpu
def test_full_in_both_precisions(gpu, tiny_convolution, photo_file):
    report = probe(tiny_convolution, photo=photo_file)
    assert report.verdict is Verdict.FULL and report.verdict.exit_code == 0
    assert report.picture == str(photo_file) and report.doubts == ()
    assert report.adapter == gpu
    float32, default = report.precisions
    assert {check.trial for check in default.outputs} == {"photo", "signed_random"}
    assert all(check.difference.max_abs < 1e-5 for check in float32.outputs)
    assert report.adapter_has_float16, "software Vulkan must compute in real half precision"
    low_db, high_db = HALF_PRECISION_PSNR_DB
    assert all(low_db < check.difference.psnr_db < high_db for check in default.outputs)


@pytest.mark.gpu
def test_refused_with_the_delegates_own_reason(gpu, mirror_pad):
    report = probe(mirror_pad, precisions=("default",))
    assert report.verdict is Verdict.REFUSED and report.verdict.exit_code == 3
    assert any(
        "MIRROR_PAD" in reason and "Reflective" in reason for reason in report.precisions[0].reasons
    )


@pytest.mark.gpu
def test_wrong_values_are_found_although_everything_is_accelerated(gpu, grouped_8_by_4):
    report = probe(grouped_8_by_4, precisions=("float32",))
    assert report.verdict is Verdict.WRONG and report.verdict.exit_code == 3
    (part,) = report.precisions
    assert any("largest error" in reason for reason in part.reasons)
    assert max(check.difference.max_abs for check in part.outputs) > 0.1


@pytest.mark.gpu
def test_wrong_in_half_precision_only(gpu, wide_upsampling):
    float32, default = probe(wide_upsampling).precisions
    assert float32.verdict is Verdict.FULL
    assert default.verdict is Verdict.WRONG
    assert any(reason.startswith("signed_random") for reason in default.reasons)


@pytest.mark.gpu
def test_crashed_names_the_signal_and_the_stage(gpu, grouped_12_by_2):
    report = probe(grouped_12_by_2, precisions=("default",))
    assert report.verdict is Verdict.CRASHED and report.verdict.exit_code == 3
    assert (
        "SIGILL" in report.precisions[0].reasons[0]
        and "compiling" in report.precisions[0].reasons[0]
    )


@pytest.mark.gpu
def test_several_inputs_and_outputs_keep_their_order(gpu, tiny_tflite):
    def graph(image):
        return [image * 3.0, image[..., :1] + 5.0, image[:, :8] - 7.0]

    report = probe(tiny_tflite("three_outputs", graph))
    assert report.verdict is Verdict.FULL
    assert len(report.precisions[0].outputs) == 2 * 3


@pytest.mark.gpu
def test_values_that_are_not_finite_on_the_cpu_either_are_a_doubt(gpu, tiny_tflite):
    def graph(image):
        import keras

        return keras.ops.sqrt(image + 0.01)

    report = probe(tiny_tflite("square_root", graph), precisions=("float32",))
    assert report.verdict is Verdict.FULL
    assert any("not finite" in doubt for doubt in report.doubts)


@pytest.mark.gpu
def test_a_quantised_model_with_byte_input_is_checked(gpu, tiny_tflite, tmp_path):
    path = _quantised_file(tmp_path)
    report = probe(path)
    assert report.verdict in (Verdict.FULL, Verdict.REFUSED)
    if report.verdict is Verdict.FULL:
        assert report.precisions[0].outputs


def _quantised_file(folder):
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    image = keras.Input((8, 12, 3), batch_size=1, name="image")
    converter = tf.lite.TFLiteConverter.from_keras_model(
        keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    generator = np.random.default_rng(0)
    converter.representative_dataset = lambda: (
        [generator.random((1, 8, 12, 3), np.float32)] for _ in range(4)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    path = folder / "quantised.tflite"
    with warnings.catch_warnings():
        # TensorFlow warns of statistics that this way of quantising does not take.
        warnings.simplefilter("ignore", UserWarning)
        path.write_bytes(converter.convert())
    return path


def test_timed_out_before_and_while_compiling(tiny_convolution):
    report = probe(tiny_convolution, timeout_s=0.05)
    assert report.verdict is Verdict.TIMED_OUT and report.verdict.exit_code == 1


def test_unavailable_says_how_to_get_an_adapter(tiny_convolution, monkeypatch, tmp_path):
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.setenv(name, str(tmp_path / "no_driver.json"))
    report = probe(tiny_convolution)
    assert report.verdict is Verdict.UNAVAILABLE and report.verdict.exit_code == 1
    assert all("make software-gpu" in part.reasons[0] for part in report.precisions)
    assert report.adapter is None and report.adapter_has_float16 is None
    assert find_adapters() == ()


def test_files_that_are_no_models_do_not_stop_the_others(tiny_convolution, tmp_path):
    garbage, cut = tmp_path / "garbage.tflite", tmp_path / "cut.tflite"
    garbage.write_bytes(np.random.default_rng(1).bytes(5000))
    cut.write_bytes(tiny_convolution.read_bytes()[:1500])
    paths = [garbage, cut, tmp_path / "absent.tflite", tiny_convolution]
    *bad, good = check_paths(paths, Steps(probe=True, timeout_s=0.05))
    for path, report in zip(paths[:3], bad, strict=True):
        assert path.name in report.error and "\n" not in report.error and report.probe is None
    assert good.error is None and good.probe.verdict is Verdict.TIMED_OUT
    assert exit_code([judge(report, Policy()) for report in (*bad, good)]) == 1


def test_a_damaged_model_that_passes_inspection_does_not_take_us_down(tiny_convolution, tmp_path):
    generator = np.random.default_rng(5)
    content = np.frombuffer(tiny_convolution.read_bytes(), np.uint8)
    for number in range(6):
        damaged = content.copy()
        damaged[generator.integers(8, len(content), 12)] = generator.integers(0, 256, 12, np.uint8)
        path = tmp_path / f"damaged_{number}.tflite"
        path.write_bytes(damaged.tobytes())
        try:
            assert probe(path, timeout_s=20, precisions=("float32",)).verdict in Verdict
        except (ModelFileError, CheckError) as error:
            assert path.name in str(error) and "\n" not in str(error)


def test_a_photo_that_cannot_be_read_is_one_line(tiny_convolution, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 nothing")
    with pytest.raises(PhotoError, match=r"broken\.jpg") as caught:
        probe(tiny_convolution, photo=broken)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precisions": ("float16",)}, "Known: float32, default"),
        ({"precisions": ()}, "precisions"),
        ({"timeout_s": 0}, "timeout_s"),
    ],
)
def test_wrong_arguments_are_named(tiny_convolution, arguments, message):
    with pytest.raises(ValueError, match=message):
        probe(tiny_convolution, **arguments)


def test_a_missing_model_is_a_model_file_error(tmp_path):
    with pytest.raises(ModelFileError, match="cannot read this model file"):
        probe(tmp_path / "absent.tflite")


@pytest.mark.gpu
def test_an_infinite_psnr_is_valid_json(gpu, tiny_tflite):
    report = probe(tiny_tflite("doubled", lambda image: image * 2.0), precisions=("float32",))
    assert report.verdict is Verdict.FULL
    json.dumps(plain(report), allow_nan=False)
    text = io.StringIO()
    print_precisions(report, Console(file=text, width=100))
    assert "inf dB" in text.getvalue()
