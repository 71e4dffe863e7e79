"""A baseline and the failures of engines that name no operator: the same one again is known, another
one of its kind, or one with a reason more, is new.
"""

import dataclasses
import json

import pytest

from bokeh_tf.delegate.answer import Answer
from bokeh_tf.delegate.classic_gl.engine import ClassicReport
from bokeh_tf.delegate.judging.baseline import Baseline, read
from bokeh_tf.delegate.judging.policy import Policy, judge
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.writers.formats import write
from bokeh_tf.tflite.running.agreement import Difference
from bokeh_tf.tflite.running.gpu_log import without_stamp
from tests.delegate.check_reports import probed, report, target

POLICY = Policy.parse("refused,wrong,opengl,npu")
# The engines' own words, each of another file, but for the numbers that moved with the graph.
REDECLARED = "0:66(14): error: `nan' redeclared", "0:52(18): error: `nan' redeclared"
BATCH = (
    "divergent batch sizes: id:4 shape:[8, 1, 1, 1]",
    "divergent batch sizes: id:9 shape:[8, 1, 1, 1]",
)
OTHER_BATCH = "divergent batch sizes: id:4 shape:[64, 1, 1, 1]"
CONSUMER = (
    "model.cc:218] Node 3 is already a consumer",
    "model.cc:220] Node 31 is already a consumer",
)
NO_SUM, NO_SPLIT = "No shader implementation for reduce_sum", "No shader implementation for split"
NEG, ADD = "NEG: Operation is not supported.", "ADD: Expected 2 runtime inputs, got 1."


def classic(verdict, *reasons, **more):
    return {"classic_gl": ClassicReport(verdict, reasons, **more)}


def npu(verdict, *reasons, **more):
    return {"openvino": Answer(verdict, reasons, **more)}


def probe(*verdicts, reasons=(), output="y"):
    return {"probe": probed(*verdicts, reasons=reasons, output=output)}


def refused(*reasons):
    return probe(Verdict.REFUSED, Verdict.REFUSED, reasons=reasons)


def not_finite(found):
    """The same answer of the probe, with values that are no numbers in half precision."""
    *others, last = found["probe"].precisions
    check = dataclasses.replace(
        last.outputs[0], reason="3 values are not finite", difference=Difference(0, 0, 0, 3)
    )
    parts = (*others, dataclasses.replace(last, outputs=(check,)))
    return {"probe": dataclasses.replace(found["probe"], precisions=parts)}


WRONG, REFUSED, CRASHED, FULL = Verdict.WRONG, Verdict.REFUSED, Verdict.CRASHED, Verdict.FULL
AGAIN = {
    "refused, lines of a shader moved": (
        classic(REFUSED, REDECLARED[0]),
        classic(REFUSED, REDECLARED[1]),
    ),
    "refused, the tensor's number moved": (classic(REFUSED, BATCH[0]), classic(REFUSED, BATCH[1])),
    "crashed, the node's number moved": (
        classic(CRASHED, CONSUMER[0]),
        classic(CRASHED, CONSUMER[1]),
    ),
    "one of two reasons left": (refused(NEG, ADD), refused(ADD)),
    "reasons in another order": (refused(NEG, ADD), refused(ADD, NEG)),
    "only one precision left": (
        probe(WRONG, WRONG, reasons=("0.5",)),
        probe(FULL, WRONG, reasons=("0.4",)),
    ),
    "one of two outputs left": (
        npu(WRONG, "0.5", wrong_outputs=("y", "z")),
        npu(WRONG, "0.4", wrong_outputs=("z",)),
    ),
}
NEW = {
    "refused for another reason": (classic(REFUSED, NO_SUM), classic(REFUSED, NO_SPLIT)),
    "refused for another tensor": (classic(REFUSED, BATCH[0]), classic(REFUSED, OTHER_BATCH)),
    "crashed in another way": (classic(CRASHED, "SIGABRT"), classic(CRASHED, "SIGSEGV")),
    "crashed of something else": (npu(CRASHED, "dies", "no NMS"), npu(CRASHED, "dies", "no LSTM")),
    "crashed instead of refused": (classic(REFUSED, NO_SUM), classic(CRASHED, NO_SUM)),
    "one reason more": (refused(NEG), refused(NEG, ADD)),
    "the same reason twice": (refused(NEG + " 1"), refused(NEG + " 1", NEG + " 2")),
    "in the other precision too": (
        probe(FULL, WRONG, reasons=("0.5",)),
        probe(WRONG, WRONG, reasons=("0.5",)),
    ),
    "another output": (
        probe(WRONG, reasons=("0.5",), output="output 0"),
        probe(WRONG, reasons=("0.5",), output="output 1"),
    ),
    "no numbers any more": (
        probe(FULL, WRONG, reasons=("34 dB",)),
        not_finite(probe(FULL, WRONG, reasons=("34 dB",))),
    ),
    "no numbers any more, on OpenGL": (
        classic(WRONG, "output 0: 30.0 dB", wrong_outputs=("output 0",)),
        classic(WRONG, "output 0: 3 values", wrong_outputs=("output 0",), not_finite=("output 0",)),
    ),
}


def judged(parts, baseline=None):
    return judge(report(target("mldrift"), **parts), POLICY, baseline=baseline)


def fails(parts, baseline=None):
    return bool(judged(parts, baseline).failing)


def known(parts, folder):
    """The baseline of a run with one answer, written and read."""
    path = folder / "known.json"
    path.write_text(Baseline.of([judged(parts)], folder).to_json(), encoding="utf-8")
    return read(path)


@pytest.mark.parametrize("name", AGAIN)
def test_the_same_failure_again_is_known(name, tmp_path):
    before, after = AGAIN[name]
    assert fails(before)
    assert not fails(before, known(before, tmp_path))
    assert not fails(after, known(before, tmp_path))


@pytest.mark.parametrize("name", NEW)
def test_a_new_failure_is_not_covered_by_the_old_one(name, tmp_path):
    before, after = NEW[name]
    assert not fails(before, known(before, tmp_path))
    assert fails(after, known(before, tmp_path))
    assert not fails(after, known(after, tmp_path))


@pytest.mark.parametrize("name", [*AGAIN, *NEW])
def test_code_scanning_tells_them_apart_as_baselines_do(name):
    def fingerprints(parts):
        log = json.loads(write([judged(parts)], POLICY, format="sarif"))
        results = log["runs"][0]["results"]
        return {result["partialFingerprints"]["problem/v2"] for result in results}

    before, after = {**AGAIN, **NEW}[name]
    moved = "moved" in name or "order" in name
    assert (fingerprints(before) == fingerprints(after)) == moved


def test_a_baseline_from_before_symptoms_still_covers_and_says_what_else(tmp_path):
    path = tmp_path / "known.json"
    entry = {
        "file": "model.tflite",
        "rule": "classic-gl.refused",
        "op": "",
        "place": "",
        "count": 1,
    }
    text = {"schema_version": 2, "problems": [entry]}
    path.write_text(json.dumps(text), encoding="utf-8")
    old = read(path)
    assert not fails(classic(REFUSED, NO_SUM), old)
    assert fails(classic(CRASHED, "SIGABRT"), old)
    assert "whatever its reason" in old.warning and "\n" not in old.warning
    text["problems"] = [{**entry, "rule": "v2.op", "op": "GATHER_ND", "place": "warp"}]
    path.write_text(json.dumps(text), encoding="utf-8")
    assert read(path).warning == ""


def test_the_time_and_thread_of_a_log_are_no_part_of_a_reason():
    first, again = (
        f"F0000 00:00:{stamp} model.cc:218] Check failed: Node 3 is already a consumer"
        for stamp in ("1796026149.836196   23925", "1796026150.588031   23954")
    )
    assert without_stamp(first) == without_stamp(again)
    assert without_stamp(first) == "model.cc:218] Check failed: Node 3 is already a consumer"
    assert without_stamp("corrupted size vs. prev_size") == "corrupted size vs. prev_size"
