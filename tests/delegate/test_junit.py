"""JUnit against the exit status: no green document of a run that could not check, nor a red one
of a run that passed.
"""

from xml.etree import ElementTree

import pytest

from bokeh_tf.delegate.answer import Answer
from bokeh_tf.delegate.judging.policy import FAILED, NOT_CHECKED, PASSED, Policy, judge
from bokeh_tf.delegate.probing.verdicts import Verdict
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers.formats import write
from tests.delegate.check_reports import finding, probed, report, target

MISSING = Answer(Verdict.UNAVAILABLE, ("not installed",))
BROKEN = Unchecked("model.tflite", "it broke")
SLOW = probed(Verdict.FULL, Verdict.TIMED_OUT, reasons=("time was up",))
REFUSED = Answer(Verdict.REFUSED, ("an operator stays",))
NPU = Policy.parse("npu")
REQUIRED = Policy(required=frozenset({"openvino"}))
# What a report has, the policy, and the counts of failures, errors and skipped.
RUNS = {
    "nothing asked": ({}, Policy(), (0, 0, 0)),
    "not there": ({"openvino": MISSING}, Policy(), (0, 0, 1)),
    "not there, and required": ({"openvino": MISSING}, REQUIRED, (0, 1, 0)),
    "not asked, and the only judge": ({}, NPU, (0, 1, 0)),
    "no word of it": ({"openvino": BROKEN}, Policy(), (0, 0, 1)),
    "no word of it, and the only judge": ({"openvino": BROKEN}, NPU, (0, 1, 0)),
    "refused": ({"openvino": REFUSED}, NPU, (1, 0, 0)),
    "another engine's answer missing": (
        {"openvino": REFUSED, "probe": probed(Verdict.UNAVAILABLE, reasons=("no adapter",))},
        Policy(require_probe=True),
        (0, 1, 0),
    ),
    "the probe's alone is missing": (
        {"openvino": MISSING, "probe": probed(Verdict.UNAVAILABLE, reasons=("no adapter",))},
        REQUIRED,
        (0, 1, 1),
    ),
    "half a probe": ({"probe": SLOW}, Policy(), (0, 1, 0)),
    "a probe, a bisection that broke": (
        {"probe": probed(Verdict.FULL), "bisection": BROKEN},
        Policy(),
        (0, 1, 0),
    ),
    "an audit that broke": ({"audit": BROKEN}, Policy(), (0, 1, 0)),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_counts_go_with_the_exit_status(name):
    parts, policy, (failures, errors, skipped) = RUNS[name]
    one = judge(report(target("v2"), target("mldrift"), **parts), policy)
    root = ElementTree.fromstring(write([one], policy, format="junit"))
    counts = tuple(int(root.get(name)) for name in ("failures", "errors", "skipped"))
    assert counts == (failures, errors, skipped)
    assert one.code == (FAILED if failures else NOT_CHECKED if errors else PASSED)


def test_what_a_failure_hides_has_a_case_of_its_own():
    wrong = probed(Verdict.WRONG, Verdict.TIMED_OUT, reasons=("odd",))
    one = judge(report(target("mldrift", finding()), probe=wrong, bisection=BROKEN), Policy())
    root = ElementTree.fromstring(write([one], Policy(), format="junit"))
    case = root.find("*/testcase[@name='not checked']/error")
    assert case.text.splitlines() == ["bisection: it broke", "probe: timed out: odd"]
    assert int(root.get("failures")) == 2
