"""Reports made by hand, for the tests of what is done with them; names are as
hostile as a file can make them.
"""

from bokeh_tf.delegate.check import Report
from bokeh_tf.delegate.findings import Coverage, Finding, Kind, TargetReport, TargetVerdict
from bokeh_tf.delegate.probing.probe import PrecisionReport, ProbeReport
from bokeh_tf.delegate.probing.verdicts import PRECISIONS, Verdict, worst
from bokeh_tf.tflite.running.agreement import Difference, OutputCheck

# Terminal escapes, ends of lines, and what XML, Markdown, HTML and workflow commands live on.
HOSTILE = "a\x1b[31m\r\n::error::b|`c`<b>&\"'\\|@team %0A ]]>\x00\u202e ::set-output name=x::y"


def finding(
    *,
    kind=Kind.REFUSED,
    rule="v2.op",
    node=3,
    op="GATHER_ND",
    layer="warp",
    tensors=("float32[1,2,3,4]",),
):
    return Finding(
        rule, kind, node, op, 1, layer, tensors, f"{op} is not there", "Use something else."
    )


def coverage(*, nodes=10, delegated=10, macs=1000, macs_delegated=1000, partitions=1, copies=0):
    return Coverage(
        nodes=nodes,
        nodes_supported=delegated,
        nodes_delegated=delegated,
        macs=macs,
        macs_delegated=macs_delegated,
        output_bytes=100,
        output_bytes_delegated=100,
        partitions=partitions,
        folds_float16=True,
        copies=copies,
        copied_bytes=copies * 1000,
    )


def target(name, *findings, covered=None):
    kinds = {item.kind for item in findings}
    verdict = TargetVerdict.COMPATIBLE
    if kinds:
        verdict = (
            TargetVerdict.ACCEPTED_BUT_WRONG
            if kinds == {Kind.WRONG}
            else TargetVerdict.INCOMPATIBLE
        )
    return TargetReport(name, "1.0", verdict, covered or coverage(), findings)


def probed(*verdicts, reasons=(), has_float16=True, output="rendered"):
    """A probe in one precision, or in both; a wrong one has one wrong output."""
    precisions = PRECISIONS[-len(verdicts) :]
    return ProbeReport(
        path="model.tflite",
        sha256="0" * 64,
        size_bytes=1,
        verdict=worst(verdicts),
        precisions=tuple(
            _part(*part, reasons, output) for part in zip(precisions, verdicts, strict=True)
        ),
        picture="packaged",
        adapter="Some GPU",
        adapter_has_float16=has_float16,
        runtime_version="1.0",
        timeout_s=1.0,
        wall_s=1.0,
        doubts=(),
    )


def _part(precision, verdict, reasons, output):
    wrong = "largest error 0.5 of the range (limit 0.001)" if verdict is Verdict.WRONG else None
    ran = verdict in (Verdict.FULL, Verdict.WRONG)
    check = OutputCheck("photo", output, 1.0, Difference(0.25, 0.125, float("inf"), 0), wrong)
    reasons = () if verdict is Verdict.FULL else tuple(reasons)
    return PrecisionReport(
        precision, verdict, reasons, (check,) if ran else (), "Some GPU", 0.5, (0.1,)
    )


def report(*targets, path="model.tflite", **parts):
    return Report(path, tuple(targets), **parts)
