"""The verdict on a run, over every transcript; and the static check's
reasons beside the device's.
"""

from pathlib import Path

import pytest

from bokeh_tf.bench.benchmark_model.log import parse_log
from bokeh_tf.bench.benchmark_model.verdict import judge
from bokeh_tf.bench.prediction import compare_reasons, predicted_reasons
from bokeh_tf.bench.results.outcome import DelegateOutcome
from bokeh_tf.delegate.findings import Finding, Kind, TargetReport, TargetVerdict
from bokeh_tf.tflite.running.agreement import OutputCheck

TRANSCRIPTS = Path(__file__).parent / "transcripts"
LOGS = sorted(path for path in TRANSCRIPTS.glob("*.txt") if not path.name.startswith("help_"))
WHOLE_ON_GPU = (
    *(
        "classic_gpu_full",
        "classic_gpu_full_no_prefix",
        "classic_gpu_full_logcat",
        "classic_gpu_full_logcat_brief",
    ),
    *(
        "classic_gpu_full_warm",
        "classic_gpu_full_no_verdict_line",
        "classic_gpu_full_release_build",
    ),
    *("classic_gpu_profile", "litert_gpu_full", "litert_gpu_full_block_only"),
)
OUTCOMES = {
    **dict.fromkeys([(name, "gpu") for name in WHOLE_ON_GPU], "FULL_GPU"),
    ("classic_gpu_claim_only", "gpu"): "UNPROVEN",
    ("classic_gpu_no_interface", "gpu"): "UNPROVEN",
    ("classic_gpu_partial", "gpu"): "PARTIAL",
    ("classic_gpu_none", "gpu"): "SILENT_CPU",
    ("classic_gpu_opengl", "gpu"): "WRONG_BACKEND",
    ("classic_gpu_opengl_wanted", "opengl"): "FULL_GPU",
    ("classic_gpu_full", "opengl"): "WRONG_BACKEND",
    ("classic_gpu_undone", "gpu"): "SILENT_CPU",
    ("classic_gpu_undone_quietly", "gpu"): "SILENT_CPU",
    ("classic_gpu_failed", "gpu"): "FAILED_INIT",
    ("classic_gpu_required", "gpu"): "FAILED_INIT",
    ("classic_gpu_unsupported", "gpu"): "SILENT_CPU",
    ("classic_gpu_not_finite", "gpu"): "BAD_OUTPUT",
    ("classic_gpu_profile_csv", "gpu"): "PARTIAL",
    ("classic_gpu_profile_cpu_row", "gpu"): "PARTIAL",
    ("classic_gpu_2019_refused", "gpu"): "SILENT_CPU",
    ("classic_unconsumed", "gpu"): "UNPROVEN",
    ("classic_cpu", "cpu"): "CPU",
    ("classic_cpu", "gpu"): "SILENT_CPU",
    ("classic_cpu_2019", "cpu"): "CPU",
    ("classic_gpu_full", "cpu"): "WRONG_BACKEND",
    ("classic_nnapi_full", "nnapi"): "FULL_NNAPI",
    ("classic_nnapi_full", "gpu"): "WRONG_BACKEND",
    ("classic_nnapi_unnamed", "nnapi"): "UNPROVEN",
    ("classic_nnapi_reference", "nnapi"): "SILENT_CPU",
    ("litert_gpu_claim_only", "gpu"): "UNPROVEN",
    ("litert_gpu_opengl", "gpu"): "WRONG_BACKEND",
    ("litert_gpu_opengl", "opengl"): "FULL_GPU",
    ("litert_gpu_partial", "gpu"): "PARTIAL",
    ("litert_gpu_no_library", "gpu"): "SILENT_CPU",
    ("litert_gpu_no_library", "cpu"): "CPU",
    ("litert_gpu_invoke_failed", "gpu"): "FAILED_INIT",
    ("litert_gpu_webgpu", "webgpu"): "FULL_GPU",
    ("shell_cannot_link", "gpu"): "FAILED_INIT",
    ("shell_crash", "gpu"): "FAILED_INIT",
    ("garbage", "gpu"): "FAILED_INIT",
}


def text_of(name):
    return (TRANSCRIPTS / f"{name}.txt").read_bytes()


def log_of(name):
    return parse_log(text_of(name))


def verdict_of(name, wanted="gpu", exit_code=0, **options):
    return judge(log_of(name), wanted_backend=wanted, exit_code=exit_code, **options)


@pytest.mark.parametrize(("name", "wanted"), OUTCOMES)
def test_verdicts(name, wanted):
    expected = DelegateOutcome(OUTCOMES[name, wanted])
    exit_code = (
        1
        if name in ("classic_gpu_failed", "classic_gpu_required", "litert_gpu_invoke_failed")
        else 0
    )
    verdict = verdict_of(name, wanted, exit_code)
    assert verdict.outcome is expected, verdict
    assert verdict.why and "\n" not in verdict.why
    assert bool(verdict.missing) is (expected is DelegateOutcome.UNPROVEN)
    if expected in (
        DelegateOutcome.FULL_GPU,
        DelegateOutcome.PARTIAL,
        DelegateOutcome.WRONG_BACKEND,
    ):
        assert verdict.evidence


def _of_tensorflow_2_3():
    """A run of the program of TensorFlow 2.3, whose words for an applied delegate were others."""
    return (
        "STARTING!\nUse gpu : [1]\nLoaded model m.tflite\n"
        "Applied GPU delegate, and the model graph will be {extent} executed w/ the delegate.\n"
        "Initialized session in 1451.51ms.\n" + TAIL
    )


TAIL = (
    "count=50 first=157195 curr=159511 min=149738 max=161935 avg=156669 std=2352\n"
    "Inference timings in us: Init: 404292, First inference: 188086, Warmup (avg): 175313,"
    " Inference (avg): 156669\n"
)


def test_a_delegate_applied_in_the_words_of_tensorflow_2_3_is_no_silent_cpu():
    text = _of_tensorflow_2_3()
    whole = judge(parse_log(text.format(extent="completely")), wanted_backend="gpu", exit_code=0)
    # It does not name its interface.
    assert whole.outcome is DelegateOutcome.UNPROVEN
    assert whole.missing == ("the line that OpenCL was initialised",)
    part = judge(parse_log(text.format(extent="partially")), wanted_backend="gpu", exit_code=0)
    assert part.outcome is DelegateOutcome.PARTIAL


def test_an_end_of_a_log_does_not_say_what_computed_it():
    end = judge(parse_log(TAIL), wanted_backend="gpu", exit_code=0)
    assert end.outcome is DelegateOutcome.UNPROVEN and "beginning" in end.missing[0]
    whole = judge(parse_log(f"STARTING!\nUse gpu : [1]\n{TAIL}"), wanted_backend="gpu", exit_code=0)
    assert whole.outcome is DelegateOutcome.SILENT_CPU


def test_every_transcript_has_a_verdict():
    assert {path.stem for path in LOGS} == {name for name, _ in OUTCOMES}


@pytest.mark.parametrize(
    ("name", "wanted"), [key for key, outcome in OUTCOMES.items() if "FULL" in outcome]
)
def test_every_proof_is_needed(name, wanted):
    """Without the lines of a proof, with a lost exit code, or with an
    error added, no run passes.
    """
    assert not verdict_of(name, wanted, None).outcome.passed
    assert not verdict_of(name, wanted, 139).outcome.passed
    text = text_of(name).decode()
    for error in (
        "ERROR: something new went wrong",
        "Restored original execution plan after delegate application failure.",
    ):
        assert not judge(
            parse_log(f"{text}{error}\n"), wanted_backend=wanted, exit_code=0
        ).outcome.passed
    own = ("accelerator name", "Created") if wanted == "nnapi" else ("Initialized Open", "LITERT_")
    for proof in ("Replacing", "Explicitly"), own, ("nference", "count="):
        rest = [
            line
            for line in text.splitlines(keepends=True)
            if not any(word in line for word in proof)
        ]
        assert len(rest) < text.count("\n")
        assert not judge(
            parse_log("".join(rest)), wanted_backend=wanted, exit_code=0
        ).outcome.passed


RESTORED = (
    "ERROR: Restored original execution plan after delegate application failure.\nINFO: The input"
)
REST = (
    "Replacing 5 out of 9 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 3"
    " partitions for subgraph 1."
)


@pytest.mark.parametrize(
    ("name", "wanted", "old", "new", "outcome"),
    [
        ("classic_gpu_full_no_verdict_line", "gpu", "INFO: The input", RESTORED, "SILENT_CPU"),
        ("classic_gpu_full_no_verdict_line", "gpu", "Created 1 GPU", "Created 0 GPU", "SILENT_CPU"),
        ("litert_gpu_full", "gpu", "INFO: The input", f"{REST}\nINFO: The input", "PARTIAL"),
        ("classic_gpu_full", "gpu", "Inference timings in us", "Inference tim", "UNPROVEN"),
        ("classic_nnapi_full", "nnapi", "name: [npu-one]", "name: [nnapi-reference]", "SILENT_CPU"),
        (
            "classic_nnapi_full",
            "nnapi",
            "[npu-one,nnapi-reference]",
            "[nnapi-reference]",
            "SILENT_CPU",
        ),
        ("classic_gpu_full", "gpu", "Replacing 88 out of 88", "Replacing 87 out of 88", "PARTIAL"),
        ("classic_gpu_full", "gpu", "yielding 1 part", "yielding 3 part", "PARTIAL"),
        (
            "litert_gpu_full",
            "gpu",
            " node, yielding 1 partitions for subgraph 0 (main).",
            " node",
            "UNPROVEN",
        ),
        ("classic_gpu_full", "gpu", "count=50", "count=0", "FAILED_INIT"),
    ],
)
def test_one_changed_line_changes_the_verdict(name, wanted, old, new, outcome):
    text = text_of(name).decode()
    assert text.count(old) == 1
    verdict = judge(parse_log(text.replace(old, new)), wanted_backend=wanted, exit_code=0)
    assert verdict.outcome == outcome, verdict


def test_streams_captured_apart_are_one_run():
    lines = text_of("classic_gpu_full").decode().splitlines(keepends=True)
    errors = [
        line for line in lines if "Replacing" in line or "OpenCL" in line or "kernels" in line
    ]
    log = parse_log("".join([line for line in lines if line not in errors] + errors))
    assert log.runs == 1
    assert judge(log, wanted_backend="gpu", exit_code=0).outcome is DelegateOutcome.FULL_GPU


def test_output_check_decides():
    wrong = OutputCheck("photo", "rendered", 1.0, None, "3 values are not finite")
    right = OutputCheck("photo", "rendered", 1.0, None, None)
    assert verdict_of("classic_gpu_full", output_check=right).outcome is DelegateOutcome.FULL_GPU
    verdict = verdict_of("classic_gpu_full", output_check=wrong)
    assert verdict.outcome is DelegateOutcome.BAD_OUTPUT and "rendered: 3 values" in verdict.why
    assert (
        verdict_of("classic_gpu_unsupported", output_check=wrong).outcome
        is DelegateOutcome.SILENT_CPU
    )
    with pytest.raises(ValueError, match="Known: cpu, gpu"):
        verdict_of("classic_gpu_full", "tpu")


def test_a_failure_is_told_in_its_own_words():
    verdict = verdict_of("classic_gpu_failed", exit_code=1)
    assert verdict.why.endswith(
        "exit code 1: TfLiteGpuDelegate Init: Batch size mismatch, expected 1 but got 3"
    )
    assert str(verdict.evidence[-1]).endswith("Benchmarking failed.")


def test_a_text_of_several_runs_is_not_judged():
    text = text_of("classic_gpu_full") + text_of("classic_gpu_full_warm")
    verdict = judge(parse_log(text), wanted_backend="gpu", exit_code=0)
    assert verdict.outcome is DelegateOutcome.UNPROVEN and "2 runs" in verdict.why


def test_cutting_a_failed_run_never_makes_it_pass():
    for name, wanted in OUTCOMES:
        if OUTCOMES[name, wanted] in (
            "SILENT_CPU",
            "WRONG_BACKEND",
            "FAILED_INIT",
            "PARTIAL",
            "UNPROVEN",
        ):
            lines = text_of(name).splitlines(keepends=True)
            for count in range(len(lines)):
                verdict = judge(
                    parse_log(b"".join(lines[:count])), wanted_backend=wanted, exit_code=0
                )
                assert not verdict.outcome.passed, (name, count, verdict)


PREDICTED = (
    "ADD: ADD version 4 is newer than the delegate's",
    "GATHER_ND: GATHER_ND is not one of the delegate's operators",
    "RESHAPE: a tensor of 5 dimensions, 1x2x2x2x3: the delegate has at most four",
    "WarpField: the custom operator WarpField is not one of the four that the delegate has",
)


def test_device_and_prediction_agree():
    compared = compare_reasons(PREDICTED, log_of("classic_gpu_partial").reasons)
    assert compared.is_same and len(compared.agreed) == 4


def test_device_and_prediction_differ():
    logged = (
        "ADD: OP is supported, but tensor type/shape isn't compatible.",
        "LESS: Not supported logical op case.",
        "DEQUANTIZE: ",
        "GATHER_ND: Operation is not supported.",
    )
    compared = compare_reasons(PREDICTED, logged)
    assert compared.agreed == ((PREDICTED[1], logged[3]),)
    assert compared.differing == ((PREDICTED[0], logged[0]),)
    assert compared.only_predicted == PREDICTED[2:]
    assert compared.only_logged == (logged[1],)
    assert not compared.is_same


def test_predictions_are_the_refusals_of_the_static_check():
    def finding(kind, node, op, reason):
        return Finding("v2.x", kind, node, op, 1, None, (), reason, "")

    findings = (
        finding(Kind.REFUSED, 3, "ADD", "ADD version 4 is newer than the delegate's"),
        finding(Kind.REFUSED, 4, "ADD", "ADD version 4 is newer than the delegate's"),
        finding(Kind.WRONG, 5, "CONV_2D", "adds in half precision"),
        finding(Kind.FAILS, None, "", "it has a dynamic tensor"),
    )
    report = TargetReport("v2", "x", TargetVerdict.INCOMPATIBLE, None, findings)
    assert predicted_reasons(report) == (PREDICTED[0], "FILE: it has a dynamic tensor")
