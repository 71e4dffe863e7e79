"""What the fuzzer calls with the bytes of each case: everything of ours that reads models from anywhere.

A reader returns where all is well and raises otherwise; what it raises beside a `BokehError` is a finding.
"""

import json
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from bokeh_tf.delegate.check import Report, Steps, check_paths
from bokeh_tf.delegate.findings import TARGETS
from bokeh_tf.delegate.judging.baseline import Baseline
from bokeh_tf.delegate.judging.policy import Policy, judge
from bokeh_tf.delegate.linting.lint import lint
from bokeh_tf.delegate.unchecked import Unchecked
from bokeh_tf.delegate.writers import document, github, junit, markdown, sarif, text
from bokeh_tf.tflite.inspection import inspect
from bokeh_tf.tflite.running.runtime import verify_loads

# Everything a policy can fail on, so that writers have most to say.
POLICY = Policy.parse("refused,wrong,fp16,partitions:2,macs:99")
PATH = "models/größe <&> `|`.tflite"
# As for a user, each case is written in one of them, chosen by its bytes.
WRITERS = (document, github, junit, markdown, sarif, text)
NATIVE_STEP_S = 20.0


@dataclass(frozen=True)
class Limits:
    """Of one case; no limit on memory where a reader's children, which inherit it, have their own."""

    seconds: float = 10.0
    address_space_bytes: int | None = 1_000_000_000


LIMITS = Limits()


def look_at(content):
    """Reads the file and asks it everything that it answers."""
    model_file = inspect(content)
    for tensor in model_file.tensors:
        values = model_file.values(tensor.index)
        assert values is None or values.shape == tensor.shape
        assert all(tensor.index in model_file.operators[n].inputs for n in model_file.consumers(tensor.index))
        producer = model_file.producer(tensor.index)
        assert producer is None or tensor.index in model_file.operators[producer].outputs
    for operator in model_file.operators:
        model_file.layer(operator.index)
    return model_file


def check_reports(report):
    """A `TargetReport` keeps its own promises."""
    coverage = report.coverage
    assert 0 <= coverage.nodes_delegated <= coverage.nodes_supported <= coverage.nodes
    assert 0 <= coverage.macs_delegated <= coverage.macs
    assert 0 <= coverage.output_bytes_delegated <= coverage.output_bytes
    for finding in report.findings:
        assert finding.rule.startswith(report.target + ".") and finding.reason


def check_text(judged, writer):
    """The writer writes what a reader of its format takes, and no name from the file drives a terminal."""
    written = writer.write(judged, POLICY)
    written.encode("utf-8")
    if writer in (document, sarif):
        json.loads(written)
    elif writer is junit:
        ElementTree.fromstring(written)
    else:
        assert all(map(str.isprintable, written.split("\n"))), f"{writer.__name__}: control characters"


def everything(content):
    """The static check for both delegates, and its output in one format."""
    model_file = look_at(content)
    reports = tuple(lint(model_file, target) for target in TARGETS)
    for report in reports:
        check_reports(report)
    judged = (judge(Report(PATH, reports), POLICY),)
    json.loads(Baseline.of(judged, Path()).to_json())
    check_text(judged, WRITERS[zlib.crc32(content) % len(WRITERS)])


def inspection(content):
    """Reading alone."""
    look_at(content)


def native(content):
    """The steps that run the file, in child processes: the interpreter, the real delegate, the audit."""
    with tempfile.TemporaryDirectory(prefix="bokeh_tf_fuzz_") as folder:
        path = Path(folder) / "größe <&>.tflite"
        path.write_bytes(content)
        steps = Steps(probe=True, audit=True, timeout_s=NATIVE_STEP_S)
        (report,) = check_paths([path], steps)
        for writer in WRITERS:
            check_text((judge(report, POLICY),), writer)
        for said in (
            report.error,
            *(part.reason for part in (report.probe, report.audit) if isinstance(part, Unchecked)),
        ):
            assert said is None or len(said.splitlines()) == 1, f"not one line: {said!r}"
        verify_loads(path, timeout_s=NATIVE_STEP_S)


READERS = {
    "everything": (everything, LIMITS),
    "inspection": (inspection, LIMITS),
    # Starting and ending the children takes a few seconds beside their own limit.
    "native": (native, Limits(seconds=4 * NATIVE_STEP_S, address_space_bytes=None)),
}
