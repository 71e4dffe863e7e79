"""What the check on the real delegate is made of: the log's grammar, the
limits, the inputs, the report.
"""

import json
import math

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from PIL import Image

from bokeh_tf.delegate.check import Report, check
from bokeh_tf.delegate.judging.policy import Policy, judge
from bokeh_tf.delegate.probing.cpu_reference import CpuReference
from bokeh_tf.delegate.probing.probe import probe_request
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers.formats import write
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running import gpu_log
from bokeh_tf.tflite.running.agreement import (
    DEFAULT_MAX_ERROR,
    DEFAULT_MAX_OTHER_SHARE,
    DEFAULT_MIN_PSNR_DB,
    FLOAT32_MAX_ERROR,
    FLOAT32_MAX_OTHER_SHARE,
    LOWEST_MIN_PSNR_DB,
    SPREAD_MARGIN_DB,
    Difference,
    OutputKind,
    failure_reason,
    min_psnr_db,
    output_scale,
)
from bokeh_tf.tflite.running.feeding import load_picture, synthetic_picture, trial_inputs
from bokeh_tf.tflite.running.parity import compare
from bokeh_tf.tflite.running.runtime import TensorSpec
from bokeh_tf.tflite.running.signatures import find_graphs
from tests.delegate.rules.rule_graphs import build_graph
from tests.model_writer import FileWriter

# The runtime writes a blank after the colon where it gives no reason.
REFUSAL_LOG = f"""INFO: something
I0000 00:00:1.5    42 environment.cc:532] Selected adapter: Some GPU (v1, 256 bits), arch=software, vendor=mesa
ERROR: Following operations are not supported by GPU delegate:
DEQUANTIZE:{" "}
RESHAPE: Tensor dimensions must be less than 5. some/tensor
TILE: Tensor dimensions must be less than 5. some/tensor
No operations will run on the GPU, and all 9 operations will run on the CPU.
NOT: part of the list
"""


def test_log_gives_the_adapter_and_the_reasons():
    log = gpu_log.parse(REFUSAL_LOG)
    assert log.adapter == "Some GPU (v1, 256 bits)"
    assert log.reasons == tuple(
        f"{op}: Tensor dimensions must be less than 5. some/tensor" for op in ("RESHAPE", "TILE")
    )
    assert (log.on_gpu, log.on_cpu) == (0, 9)
    assert not log.errors and not log.has_no_adapter


def test_log_keeps_an_empty_reason_where_there_is_no_other():
    header = "ERROR: Following operations are not supported by GPU delegate:"
    text = (
        f"{header}\nCUSTOM: \n1 operations will run on the GPU, and the remaining 1 operations"
        " will run on the CPU."
    )
    log = gpu_log.parse(text)
    assert log.reasons == ("CUSTOM",) and (log.on_gpu, log.on_cpu) == (1, 1)


def test_log_gives_the_runtimes_reasons_where_the_delegate_is_not_asked():
    log = gpu_log.parse(
        "ERROR: [model_load.cc:316] Variable tensors not yet supported.\n"
        "ERROR: Encountered unresolved custom op: SignalWindow.\n"
        "ERROR: Node number 0 (SignalWindow) failed to prepare.\n"
        "WARNING: Attempting to use a delegate that only supports static-sized tensors with a"
        " graph that has "
        "dynamic-sized tensors (tensor#2 is a dynamic-sized tensor).\n"
    )
    assert [reason.split(":")[0].split(" has")[0] for reason in log.reasons] == [
        "the runtime does not load it",
        "SignalWindow",
        "tensor#2",
    ]
    assert "Node number 0 (SignalWindow) failed to prepare." in log.runtime_errors
    assert log.on_gpu is None and log.on_cpu is None


def test_log_errors_and_missing_adapters_are_seen():
    log = gpu_log.parse(
        "E0000 00:00:1.5    42 topk.cc:3] TopK requires C divisible by 4\nINTERNAL: No adapters"
        " found"
    )
    assert log.errors == ("topk.cc:3] TopK requires C divisible by 4",)
    assert log.has_no_adapter


def _difference(max_abs, psnr_db):
    return Difference(max_abs, max_abs / 10, psnr_db, 0)


@pytest.mark.parametrize(
    ("difference", "is_coarse", "passes"),
    [
        (_difference(FLOAT32_MAX_ERROR * 0.9, 90), False, True),
        (_difference(FLOAT32_MAX_ERROR * 1.1, 90), False, False),
        (_difference(FLOAT32_MAX_ERROR * 1.1, 90), True, True),
        (_difference(DEFAULT_MAX_ERROR * 0.9, DEFAULT_MIN_PSNR_DB + 1), True, True),
        (_difference(DEFAULT_MAX_ERROR * 0.9, DEFAULT_MIN_PSNR_DB - 1), True, False),
        (_difference(DEFAULT_MAX_ERROR * 1.1, DEFAULT_MIN_PSNR_DB + 1), True, False),
        (Difference(math.nan, math.nan, math.nan, 1), True, False),
    ],
)
def test_limits(difference, is_coarse, passes):
    assert (
        failure_reason(difference, OutputKind(scale=1.0), is_coarse=is_coarse) is None
    ) == passes


def test_errors_are_relative_to_the_scale():
    assert failure_reason(_difference(0.05, 90), OutputKind(scale=100.0), is_coarse=False) is None
    assert output_scale(np.array([-3.0, 5.0]), None) == 8
    assert output_scale(np.array([0.99, 1.0]), None) == 1
    assert output_scale(np.array([0.0, 1e-4]), (0, 1)) == 1
    # A file cannot excuse its errors by declaring a wide range.
    assert output_scale(np.array([0.0, 1.0]), (0, 1e6)) == 1


def test_whole_numbers_may_be_two_steps_off():
    for steps, passes in ((2, True), (3, False)):
        difference = compare(
            np.array([0, steps], np.uint8), np.array([0, 0], np.uint8), data_range=1.0
        )
        kind = OutputKind(scale=1.0, is_integer=True, is_quantised=True)
        assert (failure_reason(difference, kind, is_coarse=True) is None) == passes


@pytest.mark.parametrize(
    ("is_coarse", "limit"), [(False, FLOAT32_MAX_OTHER_SHARE), (True, DEFAULT_MAX_OTHER_SHARE)]
)
def test_among_classes_it_is_the_share_of_other_values_that_counts(is_coarse, limit):
    for share, passes in ((0.9 * limit, True), (1.1 * limit, False)):
        kind = OutputKind(scale=5.0, is_integer=True, other_share=share)
        assert (failure_reason(_difference(1, 20), kind, is_coarse=is_coarse) is None) == passes


def test_a_quantised_models_own_spread_widens_the_limit_down_to_a_floor():
    assert min_psnr_db(1.0, 0.0) == DEFAULT_MIN_PSNR_DB
    # 33 dB of spread allow 27 dB, 20 dB no more than the floor, 90 dB nothing.
    assert min_psnr_db(1.0, 10 ** (-33 / 20)) == pytest.approx(33 - SPREAD_MARGIN_DB)
    assert min_psnr_db(1.0, 10 ** (-20 / 20)) == LOWEST_MIN_PSNR_DB
    assert min_psnr_db(1.0, 10 ** (-90 / 20)) == DEFAULT_MIN_PSNR_DB
    wide = OutputKind(scale=1.0, spread=10 ** (-33 / 20))
    assert failure_reason(_difference(0.1, 28), wide, is_coarse=True) is None
    assert "at least 27.0 dB" in failure_reason(_difference(0.1, 26), wide, is_coarse=True)


SPECS = [
    TensorSpec("image", (1, 6, 10, 3), np.dtype(np.float32), 0),
    TensorSpec("grey", (2, 6, 10, 1), np.dtype(np.float16), 1),
    TensorSpec("bytes", (1, 6, 10, 4), np.dtype(np.int8), 2),
    TensorSpec("vector", (7,), np.dtype(np.float32), 3),
    TensorSpec("scalar", (), np.dtype(np.int64), 4),
    TensorSpec("flags", (2, 3), np.dtype(np.bool_), 5),
]


@pytest.mark.parametrize("trial", ["photo", "positive_random", "signed_random"])
def test_inputs_of_every_kind_fit_and_repeat(trial):
    picture = synthetic_picture()
    first = trial_inputs(trial, SPECS, picture=picture, ranges=[None] * len(SPECS))
    second = trial_inputs(trial, SPECS, picture=picture, ranges=[None] * len(SPECS))
    for spec, array, again in zip(SPECS, first, second, strict=True):
        assert (array.shape, array.dtype) == (spec.shape, spec.dtype)
        np.testing.assert_array_equal(array, again)
    assert (first[0].min() < -0.5) == (trial == "signed_random")
    assert abs(first[0]).max() <= 1


def test_inputs_do_not_depend_on_their_neighbours():
    alone = trial_inputs("signed_random", SPECS[3:4], picture=synthetic_picture(), ranges=[None])
    together = trial_inputs(
        "signed_random", SPECS, picture=synthetic_picture(), ranges=[None] * len(SPECS)
    )
    np.testing.assert_array_equal(alone[0], together[3])


ALL_TYPES = [
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]


@pytest.mark.parametrize("dtype", [*ALL_TYPES, "bool", "complex64", "S"])
@pytest.mark.parametrize("rank", range(7))
def test_every_type_and_rank_gets_an_input(dtype, rank):
    spec = TensorSpec("any", (2, 3, 1, 2, 3, 2)[:rank], np.dtype(dtype), 1)
    for trial in ("positive_random", "signed_random"):
        (array,) = trial_inputs(trial, [spec], picture=None, ranges=[None], bounds=[(0, 4)])
        assert array.shape == spec.shape and array.dtype.kind == spec.dtype.kind


def test_integers_stay_inside_their_bounds_and_reach_them():
    spec = TensorSpec("indices", (400,), np.dtype(np.int64), 1)
    for trial, low in (("positive_random", 0), ("signed_random", -7)):
        (array,) = trial_inputs(trial, [spec], picture=None, ranges=[None], bounds=[(-7, 5)])
        assert (array.min(), array.max()) == (low, 5)
    (divisor,) = trial_inputs(
        "positive_random", [spec], picture=None, ranges=[None], bounds=[(1, 9)]
    )
    assert divisor.min() == 1
    quantised = TensorSpec("activations", (4000,), np.dtype(np.int16), 1)
    (array,) = trial_inputs(
        "signed_random", [quantised], picture=None, ranges=[None], bounds=[None]
    )
    assert array.min() < -32000 and array.max() > 32000


def test_a_declared_input_range_is_used():
    (array,) = trial_inputs("photo", SPECS[:1], picture=synthetic_picture(), ranges=[(-1.0, 1.0)])
    assert array.min() < 0 and array.min() >= -1 and array.max() <= 1


def test_the_synthetic_picture_has_smooth_parts_edges_and_highlights():
    luma = np.asarray(synthetic_picture().convert("L"), np.float32) / 255
    steps = np.abs(np.diff(luma, axis=1))
    assert np.median(steps) < 0.05 and steps.max() > 0.3
    assert luma.max() > 0.99


def test_a_photo_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert load_picture(tmp_path / "turned.jpg")[0].size == (20, 40)


def test_reports_are_valid_json_and_safe_text(tiny_convolution):
    broken = Unchecked("a.tflite", "a.tflite: \x1b[31mred\x1b[0m")
    reports = [
        check(tiny_convolution, probe=True, timeout_s=0.05),
        Report("a.tflite", probe=broken),
    ]
    judged = [judge(report, Policy()) for report in reports]
    document = json.loads(write(judged, Policy(), format="json"))
    assert [file["probe"]["verdict"] for file in document["files"]] == ["timed out", None]
    assert document["exit_code"] == 1
    text = write(judged, Policy(), format="text")
    assert "timed out" in text and "NOT CHECKED" in text and "\x1b" not in text


def test_the_packaged_photograph_is_the_picture():
    assert load_picture(None)[1] == "packaged"


# The reference


def test_a_file_that_the_plain_kernels_refuse_has_a_reference_all_the_same():
    """The bias's scale is not the product of the others: XNNPACK does not
    look, the plain kernel does.
    """
    dense = (
        "quantised int8[1,8], constant quantised int8[5,8], constant quantised int32[5] ->"
        " quantised int8[1,5]"
    )
    content = build_graph(f"FULLY_CONNECTED v4: {dense}")
    reference = CpuReference(content, find_graphs(content), threads=1)
    arrays = (np.ones((1, 8), np.int8),)
    outputs = reference.run(reference.graphs[0], arrays)
    assert reference.has_usual_kernels
    assert reference.spread(reference.graphs[0], arrays, outputs) == [0.0]


def photo_file(scales=None):
    """A float network that reads a photo's bytes, which `scales` say to be quantised numbers."""
    writer = FileWriter()
    photo = writer.tensor("photo", [1, 4, 6, 3], dtype=schema.TensorType.UINT8)
    made = writer.tensor("made", [1, 4, 6, 3])
    if scales is not None:
        quantisation = writer.graph.tensors[photo].quantization = schema.QuantizationParametersT()
        quantisation.scale, quantisation.zeroPoint = scales, [0] * len(scales)
    writer.operator(schema.BuiltinOperator.CAST, [photo], [made])
    writer.graph.inputs, writer.graph.outputs = [photo], [made]
    return writer.finish()


@pytest.mark.parametrize(("scales", "is_quantised"), [(None, False), ([], False), ([0.5], True)])
def test_a_photos_bytes_are_quantised_only_where_a_scale_says_so(scales, is_quantised):
    content = photo_file(scales)
    assert inspect(content).is_quantised is is_quantised
    # Who judges outputs reads every graph with the generated code, and must not see it differently.
    assert find_graphs(content)[0].inputs[0].is_quantised is is_quantised
    # What the limits of a check on the real delegate hang on.
    assert probe_request(None, inspect(content))["is_quantised"] is is_quantised
