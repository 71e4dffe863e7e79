"""LiteRT's NPU path on OpenVINO: what is made of each way in which the child may answer, and
the real one where it is installed.
"""

import json
import shlex
import sys

import pytest

from bokeh_tf.cli import main
from bokeh_tf.delegate.check import Steps, check_paths
from bokeh_tf.delegate.judging.baseline import Baseline
from bokeh_tf.delegate.judging.policy import FAILED, NOT_CHECKED, PASSED, Policy, judge
from bokeh_tf.delegate.openvino import libraries
from bokeh_tf.delegate.openvino.engine import run
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers.formats import write
from bokeh_tf.testing import assert_runs_on_gpu
from bokeh_tf.tflite.subject import subject_of
from tests.delegate.rules.rule_graphs import build_graph

GRAPH = "RELU v1: float32[1,4,4,8] -> float32[1,4,4,8]"
NEGATED = """\
RELU v1: float32[1,4,4,8] -> a = float32[1,4,4,8]
NEG v1: a -> b = float32[1,4,4,8]
TANH v1: b -> float32[1,4,4,8]
"""
STRIDED = (
    "CONV_2D v3 {stride_w=2, stride_h=2}: float32[1,8,8,8], constant quantised int8[8,1,1,8],"
    " constant float32[8] -> float32[1,4,4,8]"
)
PART = (
    "INFO: [compiler_plugin.cc:742] Partitioned subgraph<{}>, selected {} ops, from a total of {}"
    " ops. resulted in {} partitions.\n"
)
WHOLE = PART.format(0, 5, 5, 1)
DEVICE = "INFO: [openvino_compile_context.cc:77] Using Intel OpenVINO device: {}\n"
LEFT = "INFO: [openvino_compiler_plugin.cc:497] op type {} is not supported\n"
INLINED = "INFO: [compiler_plugin.cc:693] Inlined 1 composite ops into subgraph<0>\n"
THROWN = (
    "ERROR: [openvino_compiler_plugin.cc:714] Exception in compilation: Exception from"
    " src/inference/src/cpp/core.cpp:117:\nException from src/x.cpp:5:\nno such thing\n\n"
    "INFO: [compiled_model.cc:1397] 0 compiler plugins were applied successfully: \n"
    "ERROR: [compiled_model.cc:1400] Plugin errs: IntelOpenVINO compiler plugin\n"
)
SHAPES = (
    "ERROR: [dispatch_api.cc:366] Exception in Dispatch attach_output: Exception from src/a.cpp:1:\n"
    "Check 'shape.compatible(b) || size() == 0' failed at src/plugins/infer_request.cpp:434:\n"
    "the model output tensor and the current tensor are incompatible\n\n"
    "ERROR: [litert_compiled_model.cc:164] Failed to invoke\n"
)
REFUSAL = {"stage": "error", "kind": "compile", "message": "Some ops are not accelerated."}
DISPATCH = {"stage": "error", "kind": "run", "message": "Failed to invoke"}
ABSENT = {
    "stage": "error",
    "kind": "libraries",
    "message": "libopenvino.so.2631: cannot open shared object file: No such file or directory",
}


def ran(max_abs=1e-6, psnr_db=120.0, scale=1.0):
    """What the child says of one output in [0, scale]."""
    kind = {"scale": scale, "is_integer": False, "is_quantised": False, "other_share": 1.0}
    difference = {"max_abs": max_abs, "mean_abs": max_abs, "psnr_db": psnr_db}
    output = {
        "name": "y",
        "is_judged": True,
        "kind": {**kind, "spread": 0.0},
        "is_expected_finite": True,
        "difference": {**difference, "non_finite_count": 0},
    }
    one = {"signature": None, "trial": "signed_random", "run_s": 0.5, "outputs": [output]}
    return {"stage": "done", "compile_s": 2.0, "runs": [one]}


# By name: what the child answers, what it writes to stderr, how it ends; verdict and reasons.
SAID = {
    "right": (ran(), WHOLE, "", Verdict.FULL, ()),
    "right, with a complaint": (
        ran(),
        f"{WHOLE}ERROR: [decoder.cc:249] Failed to get new_shape\n",
        "",
        Verdict.FULL,
        (),
    ),
    "a composite": (ran(), LEFT.format(206) + INLINED + WHOLE, "", Verdict.FULL, ()),
    "wrong": (
        ran(0.5, 9.0),
        WHOLE,
        "",
        Verdict.WRONG,
        ("signed_random, y: largest error 0.5 of the range (limit 0.001)",),
    ),
    "partial": (
        REFUSAL,
        LEFT.format(59) * 6 + PART.format(0, 23, 29, 7),
        "",
        Verdict.REFUSED,
        ("6 operators stay on the CPU: NEG",),
    ),
    "nothing taken": (
        REFUSAL,
        LEFT.format(32) + PART.format(0, 0, 1, 0),
        "",
        Verdict.REFUSED,
        ("1 operator stays on the CPU: CUSTOM",),
    ),
    "taken, and not compiled": (
        REFUSAL,
        WHOLE + DEVICE.format("CPU") + THROWN,
        "",
        Verdict.REFUSED,
        ("no such thing",),
    ),
    "not run": (DISPATCH, WHOLE, "", Verdict.CRASHED, ("Failed to invoke",)),
    "not run, as it says": (
        DISPATCH,
        WHOLE + SHAPES,
        "",
        Verdict.CRASHED,
        ("the model output tensor and the current tensor are incompatible",),
    ),
    "crashed": (
        {"stage": "compiling"},
        f"{WHOLE}ERROR: [graph_iterator.cc:101] Unsupported Quantization type 3 \n",
        "kill -SEGV $$",
        Verdict.CRASHED,
        ("the process dies (SIGSEGV) while compiling", "Unsupported Quantization type 3"),
    ),
    "another release": (
        ABSENT,
        "",
        "",
        Verdict.UNAVAILABLE,
        (
            "the runtime's plugin needs OpenVINO 2026.3.1, installed is 2026.4.1."
            ' Run: pip install "openvino==2026.3.1"',
        ),
    ),
}
# Of these nothing can be said.
SAID_NOTHING = {
    "two graphs": (
        REFUSAL,
        PART.format(0, 1, 1, 1) + PART.format(1, 1, 1, 1) + DEVICE.format("NPU") + THROWN,
        "",
        "all of it is taken, in 2 of 2 operators in 2 partitions",
    ),
    "no plugin": (REFUSAL, "", "", "the plugin parted nothing (Some ops are not accelerated.)"),
    "too little memory": ({"stage": "compiling"}, "std::bad_alloc\n", "exit 1", "too little mem"),
}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder with what `pip install openvino` would leave of interest."""
    packages = tmp_path / "packages"
    (packages / "openvino" / "libs").mkdir(parents=True)
    (packages / "openvino" / "__init__.py").write_text("raise ImportError('not imported')\n")
    about = packages / "openvino-2026.4.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: openvino\nVersion: 2026.4.1\n")
    monkeypatch.syspath_prepend(packages)
    return packages


@pytest.fixture
def answers(installed, tmp_path, monkeypatch):
    """Makes the children answer: the reference that it ran, the engine what it is given."""

    def set_answer(answer, errors="", ending=""):
        program = tmp_path / "python"
        reference = json.dumps({"stage": "done", "signatures": [{"passed_through": []}]})
        lines = [
            "#!/bin/sh",
            # -P -m MODULE FOLDER JOB
            f'[ "$5" = reference ] && {{ printf %s {shlex.quote(reference)} > "$4/$5.json"; exit; }}',
            f'printf %s {shlex.quote(json.dumps(answer))} > "$4/$5.json"',
            f"printf %s {shlex.quote(errors)} >&2",
        ]
        program.write_text("\n".join([*lines, ending, ""]), encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return set_answer


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(build_graph(GRAPH))
    return path


@pytest.mark.parametrize("name", SAID)
def test_each_answer_is_understood(name, answers):
    *answer, verdict, reasons = SAID[name]
    answers(*answer)
    found = run(subject_of(build_graph(GRAPH)), timeout_s=30)
    assert (found.verdict, found.reasons) == (verdict, reasons)


@pytest.mark.parametrize("name", SAID_NOTHING)
def test_where_nothing_can_be_said_nothing_is(name, answers):
    *answer, words = SAID_NOTHING[name]
    answers(*answer)
    found = run(subject_of(build_graph(GRAPH)), timeout_s=30)
    assert isinstance(found, Unchecked) and words in found.reason


def test_parts_are_counted_over_all_graphs(answers):
    left = LEFT.format(59) + PART.format(0, 3, 4, 2) + PART.format(1, 5, 6, 1)
    answers(REFUSAL, left + LEFT.format(59))
    found = run(subject_of(build_graph(GRAPH)), timeout_s=30)
    assert found.figure == "8 of 10 operators in 3 partitions"
    assert found.reasons == ("2 operators stay on the CPU: NEG",)
    answers(ran(), WHOLE)
    found = run(subject_of(build_graph(GRAPH)), timeout_s=30)
    assert found.figure == "5 of 5 operators in 1 partition, largest error 1e-06 of the range"
    assert (found.compile_s, found.run_s) == (2.0, (0.5,))
    # The same words for the same number as where it is too large.
    answers(ran(1.0, 9.0, scale=2.0), WHOLE)
    found = run(subject_of(build_graph(GRAPH)), timeout_s=30)
    assert "largest error 0.5 of the range" in found.figure
    assert "largest error 0.5 of the range" in found.reasons[0]


def test_a_child_that_hangs_is_an_answer_too(answers):
    answers({"stage": "compiling"}, WHOLE, "sleep 60")
    found = run(subject_of(build_graph(GRAPH)), timeout_s=0.5)
    assert found.verdict is Verdict.TIMED_OUT


@pytest.mark.parametrize(
    ("name", "by_npu"),
    [
        ("right", PASSED),
        ("partial", FAILED),
        ("wrong", FAILED),
        ("crashed", FAILED),
        ("another release", NOT_CHECKED),
    ],
)
def test_it_fails_a_file_where_it_is_asked_to(name, by_npu, answers, model):
    answers(*SAID[name][:3])
    (report,) = check_paths([model], Steps(openvino=True))
    assert judge(report, Policy()).code == PASSED
    assert judge(report, Policy.parse("npu")).code == by_npu
    assert {str(target.verdict) for target in report.targets} == {"compatible"}
    for format in ("text", "markdown", "json", "junit", "sarif", "github", "gitlab"):
        for policy in (Policy(), Policy.parse("npu")):
            assert write([judge(report, policy)], policy, format=format)


def test_a_baseline_knows_what_it_has_and_nothing_that_comes_later(answers, model, tmp_path):
    def judged(errors, baseline=None, answer=REFUSAL):
        answers(answer, errors)
        (report,) = check_paths([model], Steps(openvino=True))
        return judge(report, Policy.parse("npu"), baseline=baseline)

    negated = LEFT.format(59) + PART.format(0, 2, 3, 2)
    known = Baseline.of([judged(negated)], tmp_path)
    assert judged(negated, known).code == PASSED
    later = judged(LEFT.format(59) + LEFT.format(0) + PART.format(0, 1, 3, 2), known)
    assert later.code == FAILED and [one.op for one in later.failing] == ["ADD"]
    assert judged(WHOLE, known, ran(0.5, 9.0)).code == FAILED
    of_y = Baseline.of([judged(WHOLE, answer=ran(0.5, 9.0))], tmp_path)
    assert judged(WHOLE, of_y, ran(0.5, 9.0)).code == PASSED
    of_z = ran(0.5, 9.0)
    of_z["runs"][0]["outputs"][0]["name"] = "z"
    assert judged(WHOLE, of_y, of_z).code == FAILED
    text = write([later], Policy.parse("npu"), format="text")
    assert "2 operators stay on the CPU: NEG, ADD" in text


def test_where_nothing_can_be_said_only_who_wants_an_answer_minds(answers, model):
    answers(*SAID_NOTHING["two graphs"][:3])
    (report,) = check_paths([model], Steps(openvino=True))
    assert judge(report, Policy()).code == PASSED
    assert judge(report, Policy.parse("npu")).code == NOT_CHECKED
    judged = judge(report, Policy(required=frozenset({"openvino"})))
    assert judged.code == NOT_CHECKED and "openvino: all of it is taken" in judged.unchecked[0]
    text = write([judge(report, Policy())], Policy(), format="text")
    assert "OpenVINO did not answer" in text and "NPU path on OpenVINO: no answer, all of" in text


def test_the_command_asks_it_and_says_so(answers, model, tmp_path, capsys):
    answers(*SAID["right"][:3])
    assert main(["check", str(model), "--engines", "openvino"]) == PASSED
    text = capsys.readouterr().out
    assert "ML Drift not asked; OpenVINO ran)" in text
    assert (
        "NPU path on OpenVINO: full, 5 of 5 operators in 1 partition, largest error 1e-06 of the range"
        in text
    )
    report = tmp_path / "report.json"
    answers(*SAID["partial"][:3])
    options = ["--engines", "openvino", "--format", "json", "--output", str(report)]
    assert main(["check", str(model), *options]) == PASSED
    (file,) = json.loads(report.read_text(encoding="utf-8"))["files"]
    said = file["openvino"]
    assert (said["verdict"], said["taken"], said["operators"], said["partitions"]) == (
        "refused",
        23,
        29,
        7,
    )
    assert file["stands_on"].endswith("OpenVINO refused")


def test_what_is_missing_is_named(installed, monkeypatch):
    assert libraries.missing() is None
    monkeypatch.setattr(sys, "path", [str(installed)])
    monkeypatch.delitem(sys.modules, "ai_edge_litert", raising=False)
    assert libraries.missing() == (
        'ai-edge-litert is not installed. Run: pip install "bokeh-tf[openvino]"'
    )


def test_the_assertion_asks_it_where_it_decides(answers, model):
    answers(*SAID["right"][:3])
    assert assert_runs_on_gpu(model, fail_on="npu").openvino.verdict is Verdict.FULL
    answers(*SAID["partial"][:3])
    with pytest.raises(AssertionError, match="6 operators stay on the CPU"):
        assert_runs_on_gpu(model, fail_on="npu")


@pytest.mark.skipif(libraries.missing() is None, reason="OpenVINO is installed here")
def test_where_it_is_missing_whoever_needs_it_is_told(model, capsys):
    assert main(["check", str(model), "--engines", "openvino"]) == NOT_CHECKED
    assert 'Run: pip install "bokeh-tf[openvino]"' in capsys.readouterr().out
    # Of v2 alone the probe is not asked.
    assert main(["check", str(model), "--target", "v2", "--fail-on", "npu"]) == NOT_CHECKED
    words = capsys.readouterr().out
    assert "openvino: unavailable: OpenVINO is not installed. Run: " in words
    with pytest.raises(AssertionError, match=r"OpenVINO is not installed\. Run: "):
        assert_runs_on_gpu(model, fail_on="npu")
    assert main(["check", str(model), "--no-probe"]) == PASSED
    assert "OpenVINO not asked" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(libraries.missing() is not None, reason="OpenVINO is not installed")
@pytest.mark.parametrize(
    ("graph", "verdict", "figure"),
    [
        (GRAPH, Verdict.FULL, "1 of 1 operators in 1 partition, largest error 0 of the range"),
        (NEGATED, Verdict.REFUSED, "2 of 3 operators in 2 partitions"),
        # OpenVINO's own reader of such files leaves the strides out.
        (STRIDED, Verdict.CRASHED, "1 of 1 operators in 1 partition"),
    ],
)
def test_the_real_engine_answers(graph, verdict, figure):
    found = run(subject_of(build_graph(graph)))
    assert (found.verdict, found.figure) == (verdict, figure)
