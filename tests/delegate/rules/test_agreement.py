"""The static check against what was recorded of the delegates: the op matrix, and public
files where they are at hand.

For "v2" the record is the offline checker of TensorFlow 2.15.1. Rules marked `offline` must agree
with it node for node; the phone's delegate refuses more than it, so that whole verdicts differ
where `BEYOND_THE_CHECKER` says. For "mldrift" the record is the real delegate's compilation, and
its numbers against the CPU's.
"""

import csv
from collections import Counter
from pathlib import Path

import pytest

from bokeh_tf.delegate.findings import Kind, TargetVerdict
from bokeh_tf.delegate.linting.lint import find_findings, lint
from bokeh_tf.delegate.rules import load_rules
from bokeh_tf.tflite.inspection import inspect
from tests.op_matrix import VERDICTS, build_all

FILES = Path(__file__).resolve().parents[4] / "shared" / "data" / "tflite"
# What is right differs by rounding, 2e-6 as a rule and 2e-4 for sines; what is
# wrong by more than a tenth.
LARGEST_RIGHT_ERROR = 1e-2

RANK = (
    "a tensor of more than four dimensions, which the delegate leaves to the CPU and the"
    " checker does not look at"
)
TYPE = (
    "integers made while running, which the delegate leaves to the CPU and the checker looks at"
    " for a few operators"
)
BROADCAST = (
    "operands of different ranks, which later checkers refuse and that of TensorFlow 2.15.1 takes"
)
MASK = (
    "a mask made floats whose result is an output or is read several times, which the delegate of"
    " LiteRT refuses and the checker takes"
)
BEYOND_THE_CHECKER = {
    **dict.fromkeys(
        ("equal_cast", "greater_cast", "greater_runtime_cast", "f16c_less_const"), MASK
    ),
    **dict.fromkeys(
        (
            *(
                "upsampling_nearest_x2",
                "pixelshuffle_reshape6d",
                "repeat_hw",
                "softmax_5d",
                "stack_last",
                "groupnorm",
            ),
            *(
                "reshape_5d_out",
                "reshape_5d_mul_back",
                "reshape_5d_sum",
                "reshape_5d_mul_broadcast_sum",
            ),
            *(
                "reshape_6d_mean_pool",
                "instancenorm_keras_gn",
                "einsum_runtime_percol",
                "bis_upnearest5d_conv",
            ),
        ),
        RANK,
    ),
    "logsumexp_c": "SUB of one tensor with itself: accepted, then the delegate cannot build its"
    " graph",
    "reverse_channels": "a reverse slice: accepted, then the delegate cannot build its graph",
    "logical_and_cast": "comparisons that no CAST or SELECT reads, by which the delegate tells"
    " which it takes",
    **dict.fromkeys(
        (
            *("litert__simple_floor_mod.tflite", "mediapipe_testdata__1x3_square_int32.tflite"),
            "litert__single_mul_default_a16w8_recipe_quantized.tflite",
            *(f"litert__static_w8_a16_quantized_{part}_einsum.tflite" for part in "kqv"),
        ),
        TYPE,
    ),
    "litert__add_1d_2d_3d_4d.tflite": BROADCAST,
    "mediapipe__selfie_segmentation_landscape.tflite": (
        "the checker is never given a custom operator's options and so refuses"
        " Convolution2DTransposeBias, which the"
        " delegate has; its other complaints are the float16 weights"
    ),
}
# Those of the checker that the rules marked `offline` do not share.
NOT_IN_THE_CHECKER = frozenset({"mediapipe__selfie_segmentation_landscape.tflite"})
MLDRIFT_DISAGREEMENTS = {
    "argmax_c27": "27 channels are padded: wrong only where all values are negative, and the"
    " recorded data had none",
    "rng_softplus_big": "log(exp(x) + 1) is infinite on the CPU too: no fault of the delegate, but"
    " the audit's matter",
}

BUILT = [name for name, verdict in VERDICTS.items() if not verdict.not_rebuilt]


def _telling(names):
    """One variant for each thing that was ever said of one, and those where the
    check and the record differ.
    """
    first = {}
    for name in names:
        verdict = VERDICTS[name]
        first.setdefault(
            (verdict.classic_messages, verdict.mldrift, verdict.mldrift_reason.split(":")[0]), name
        )
    return sorted({*first.values(), *BEYOND_THE_CHECKER, *MLDRIFT_DISAGREEMENTS} & set(names))


def _is_taken(report):
    return report.verdict is not TargetVerdict.INCOMPATIBLE


def _offline_findings(model_file):
    offline = {rule.id for rule in load_rules("v2").rules if rule.offline}
    return [
        finding
        for finding in find_findings(model_file, load_rules("v2"))
        if finding.rule in offline
    ]


def _recorded_mldrift(verdict):
    """What the static check should say of a variant; a process that died says no more
    than that something is amiss.
    """
    if verdict.mldrift == "refused":
        return {TargetVerdict.INCOMPATIBLE}
    if verdict.mldrift == "crash":
        return {TargetVerdict.INCOMPATIBLE, TargetVerdict.ACCEPTED_BUT_WRONG}
    error = verdict.error_float32
    is_right = error is None or error <= LARGEST_RIGHT_ERROR
    return {TargetVerdict.COMPATIBLE if is_right else TargetVerdict.ACCEPTED_BUT_WRONG}


def _differs_from_checker(verdict, model_file):
    return len(_offline_findings(model_file)) != len(verdict.classic_messages)


def _differs_for_v2(verdict, model_file):
    return _is_taken(lint(model_file, "v2")) != verdict.classic


def _differs_for_mldrift(verdict, model_file):
    return lint(model_file, "mldrift").verdict not in _recorded_mldrift(verdict)


RECORDS = {
    "checker": (_differs_from_checker, {}),
    "v2": (_differs_for_v2, BEYOND_THE_CHECKER),
    "mldrift": (_differs_for_mldrift, MLDRIFT_DISAGREEMENTS),
}


def _assert_agreement(record, folder, names):
    differs, expected = RECORDS[record]
    paths = build_all(folder, names)
    assert {name for name in names if differs(VERDICTS[name], inspect(paths[name]))} == set(
        expected
    ) & set(names)


@pytest.fixture(scope="module")
def matrix_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("op_matrix")


@pytest.mark.parametrize("record", RECORDS)
def test_agrees_with_the_op_matrix_on_one_variant_of_each_kind(record, matrix_folder):
    names = _telling(BUILT)
    assert len(names) > 30
    _assert_agreement(record, matrix_folder, names)


@pytest.mark.slow
@pytest.mark.parametrize("record", RECORDS)
def test_agrees_with_the_whole_op_matrix(record, matrix_folder):
    _assert_agreement(record, matrix_folder, BUILT)


@pytest.mark.slow
def test_float16_weights_change_nothing_for_v2(tmp_path, matrix_folder):
    """The offline checker takes dequantised weights for inputs made while
    running; the delegate does not.
    """
    names = [name for name in _telling(BUILT) if "weights" not in name]
    whole, half = build_all(matrix_folder, names), build_all(tmp_path, names, weights="float16")
    different = [name for name in names if _rules(whole[name]) != _rules(half[name])]
    assert different == []


def _rules(path):
    return Counter(finding.rule for finding in lint(inspect(path), "v2").findings)


def _manifest():
    if not FILES.is_dir():
        return []
    with (FILES / "manifest.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


needs_files = pytest.mark.skipif(not FILES.is_dir(), reason="the public files are not at hand")


@needs_files
def test_agrees_with_the_checker_on_public_files():
    counts, verdicts = set(), set()
    for row in _manifest():
        model_file = inspect(FILES / row["file"])
        findings, has_false_alarm = (
            _offline_findings(model_file),
            "3 runtime inputs" in row["issues"],
        )
        is_taken = (
            row["v2_delegate_verdict_tf2_15_1"] == "compatible"
            or row["only_fp16_dequantize_issue"] == "1"
        )
        if bool(findings) == is_taken or not (
            has_false_alarm or len(findings) == int(row["incompatible_nodes"])
        ):
            counts.add(row["file"])
        if _is_taken(lint(model_file, "v2")) != is_taken:
            verdicts.add(row["file"])
    assert counts == NOT_IN_THE_CHECKER
    assert verdicts == {name for name in BEYOND_THE_CHECKER if name.endswith(".tflite")}


@needs_files
def test_agrees_with_the_compiled_delegate_on_public_files():
    """Files whose numbers differ from the CPU's are quantised or toys, not the
    delegate's faults: they are taken.
    """
    differences = {
        row["file"]
        for row in _manifest()
        if row["mldrift_status"] != "CRASH/ERR"
        and _is_taken(lint(inspect(FILES / row["file"]), "mldrift"))
        != row["mldrift_status"].startswith("FULL")
    }
    assert differences == {name for name in MLDRIFT_DISAGREEMENTS if name.endswith(".tflite")}


@needs_files
def test_every_finding_of_a_public_file_can_be_acted_on():
    for row in _manifest():
        model_file = inspect(FILES / row["file"])
        for finding in (*lint(model_file, "v2").findings, *lint(model_file, "mldrift").findings):
            assert (
                finding.reason and finding.instead and "{" not in finding.reason + finding.instead
            )
            assert finding.kind in Kind and (finding.node is None or finding.tensors)
